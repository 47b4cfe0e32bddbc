/* SPDX-License-Identifier: Apache-2.0 */
/* Between scenario.c (files, commands) and scenario_expect.c (expectations). */
#pragma once

#include "selftests/lib/scenario.h"
#include "simulator/conns.h"

#define SCENARIO_OUTS_MAX (SIM_OUTPUTS_MAX + 64)

struct scenario_name {
	char *name;
	struct skep_mac mac;
	bool has_mac;
	struct skep_ip v4, v6; /* zero = none */
};

/* What has left in the present step: the packet, and frames of the network. */
struct scenario_out {
	const struct topo_port *port;
	struct pkt_fields f;
	char *text; /* canonical, arena of the run */
	bool flooded, answer, copy; /* copy: for a mirror */
	bool claimed; /* an expectation named it */
};

struct scenario_env {
	json_t *records;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_conns *conns; /* of all ports: as if one host had them all */
	struct sim_state_view view;
	struct scenario_name *names;
	unsigned int n_names, n_uuids;
	uint32_t next_key;
	uint64_t now_ns;

	/* the present step */
	bool in_step, ended; /* ended: an expectation named how the packet ended */
	struct sim sim;
	struct sim_result res;
	struct pkt pkt;
	uint8_t *frame;
	struct arena arena; /* texts */
	struct scenario_out *outs;
	unsigned int n_outs;
};

/* One line under 'in'.  0, -1 with 'err', or 1: no expectation by this name. */
int scenario_expect(struct scenario_env *env, const char *word, const char *rest, struct err *err);
/* The step is over: has everything been named? */
int scenario_expect_end(struct scenario_env *env, struct err *err);
/* Names in packets: ports and 'name' lines of 'env'. */
struct pkt_names scenario_names(struct scenario_env *env);
bool scenario_mac(struct scenario_env *env, const char *word, struct skep_mac *mac);
bool scenario_ip(struct scenario_env *env, const char *word, bool want_v6, struct skep_ip *ip);
