// SPDX-License-Identifier: Apache-2.0
/* What db_test.c asks of one server, over TLS. */
#define REDIS_KIND "tls"
#include "selftests/unit/statedb/db_test.c" // NOLINT(bugprone-suspicious-include)
