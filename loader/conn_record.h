/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's record as the kernel has it (maps/maps.h), and as skepd has it (simulator/conns.h): from one to the other. */
#pragma once

#include "loader/agent.h"

/* The kernel's times are jiffies, 32 bits of them; ours are CLOCK_MONOTONIC. */
uint32_t conn_jiffies(struct agent *a, uint64_t ns);
uint64_t conn_ns(struct agent *a, uint32_t jiffies);
bool conn_over(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *conn); /* has its idle time passed? */

struct skep_conn_key conn_key(uint32_t port, const struct sim_tuple *t);
struct skep_detail conn_detail(const struct sim_conn *c);
/* The whereabouts of the port at the other end, as the kernel knows ports; 'v' stays as it is if they are not known. */
void conn_find_other(struct tenant *t, const char *name, struct skep_conn *v);

/* What the kernel knows itself; what follows from c's translation and from where the kernel says that the other end is; both, and details. */
struct sim_conn conn_basics(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v);
void conn_set_other(const struct lport *p, const struct skep_conn *v, struct sim_conn *c);
/* False: its details are lost, which it cannot do without. */
bool conn_read(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v, struct sim_conn *c);
