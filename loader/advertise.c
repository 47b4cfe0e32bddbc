// SPDX-License-Identifier: Apache-2.0
/* Router advertisements without being asked (RFC 4861 6.2.4). */
#include "loader/agent.h"

void advertise_port(struct lport *p)
{
	(void)p;
}

void advertise_tick(struct agent *a, uint64_t now_ns)
{
	(void)a;
	(void)now_ns;
}
