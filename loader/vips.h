/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load balancers whose connections the kernel makes (maps/nat.h): the table of a VIP's members is in the kernel as long as a wildcard flow for new
 * connections holds it, and is that of the last simulation.  Private to what installs flows.
 */
#pragma once

#include "loader/forward.h"

struct vip_port; /* a VIP as one local port meets it */

/* The number of a translation; 0 = there are too many.  It is the caller's until the next walk over all records (dp_nat_get() keeps it). */
uint16_t vips_number(struct agent *a, const struct sim_binding *b);
uint16_t vips_hold(struct agent *a, const struct sim_binding *b); /* dp_nat_put() */
struct sim_binding vips_unpack(const struct skep_nat *nat);
bool vips_binding(const struct agent *a, uint16_t nat, struct sim_binding *b);
/* That of the only translation of a connection, a load balancer's; 0: it has none, or another, or more. */
uint16_t vips_conn_number(struct agent *a, const struct sim_conn *c);

/* For a class of new connections (res->class_vip): with the table of today.  To be given back.  NULL: no room, or the port has another VIP of the
 * same address and port. */
struct vip_port *vips_get(struct work *w, const struct sim_result *res);
void vips_put(struct agent *a, struct vip_port *vp); /* takes NULL */
/* Has the table become another one?  Then it is written.  False: there is no room for it. */
bool vips_renew(struct work *w, const struct sim_result *res, struct vip_port *vp);
void vips_fini(struct agent *a); /* the kernel keeps what it has */
