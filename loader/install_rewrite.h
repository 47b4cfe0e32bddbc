/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be written into a frame so that it leaves as the simulation says.  Private to install*.c. */
#pragma once

#include "loader/install.h"

/* From 'in' to 'out': MACs and TTL into 'v', all else into 'rw'.  false: the datapath cannot (nothing is said then). */
bool install_rewrite(const struct pkt_fields *in, const struct pkt_fields *out, struct skep_flow *v,
		     struct skep_rewrite *rw);
bool install_same_headers(const struct pkt_fields *a, const struct pkt_fields *b);
