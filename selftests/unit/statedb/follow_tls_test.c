// SPDX-License-Identifier: Apache-2.0
/* What follow_test.c asks of one server, over TLS. */
#define REDIS_KIND "tls"
#include "selftests/unit/statedb/follow_test.c" // NOLINT(bugprone-suspicious-include)
