// SPDX-License-Identifier: Apache-2.0
/* What cluster_test.c asks of a cluster, over TLS, also between its nodes. */
#define REDIS_KIND "tls-cluster"
#include "selftests/unit/statedb/cluster_test.c" // NOLINT(bugprone-suspicious-include)
