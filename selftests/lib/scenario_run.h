/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the parts of scenarios: scenario.c (files, lines), scenario_env.c (what is between packets), scenario_packet.c (packets),
 * scenario_expect.c, scenario_conn.c, scenario_dhcp.c (expectations, variables), scenario_flow.c (what a change touches).
 */
#pragma once

#include "selftests/lib/scenario.h"
#include "selftests/lib/tags.h"
#include "simulator/conns.h"

#define SCENARIO_OUTS_MAX  (SIM_OUTPUTS_MAX + 64)
#define SCENARIO_NAMES_MAX 64
#define SCENARIO_VARS_MAX  16
#define SCENARIO_AGE_NS	   300000000000ULL /* of what was learnt, as skepd's default */

struct scenario_name {
	char *name;
	struct skep_mac mac;
	bool has_mac;
	struct skep_ip v4, v6; /* zero = none */
};

/* "?x" in an expected frame gives "$x" a value. */
struct scenario_var {
	char name[16], value[64];
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
	struct scenario_var vars[SCENARIO_VARS_MAX];
	unsigned int n_vars;
	struct tags_kept flow, changed; /* of the last packet's flow; of what has changed since */
	bool has_flow;
	char **fates, **before; /* of the packets of the last 'spread', and the one before */
	unsigned int n_fates, n_before;

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
/* scenario_env.c: 0, -1 with 'err', or 1: no such word. */
int scenario_set(struct scenario_env *env, const char *word, char *rest, struct err *err);
int scenario_document(struct scenario_env *env, const char *text, bool delete, struct err *err);
/* The document must be refused, with 'want' in the message. */
int scenario_refused(struct scenario_env *env, const char *text, bool delete, const char *want,
		     struct err *err);
/* scenario_packet.c */
int scenario_in(struct scenario_env *env, const char *rest, unsigned int line, scenario_hook hook,
		void *arg, struct err *err);
int scenario_spread(struct scenario_env *env, const char *rest, struct err *err);
int scenario_shares(struct scenario_env *env, const char *what, const char *rest, struct err *err);
void scenario_spread_free(struct scenario_env *env);
/* scenario_flow.c: the flow of the last packet, and what has changed since */
void scenario_flow_made(struct scenario_env *env, const struct sim_result *res);
void scenario_flow_topology(struct scenario_env *env, const struct topo_snapshot *old);
void scenario_flow_touched(struct scenario_env *env, const struct topo_tag *tag);
int scenario_flow(struct scenario_env *env, const char *rest, struct err *err);
void scenario_flow_free(struct scenario_env *env);
/* scenario_dhcp.c: the frame's length or -1; an option of the answer */
int scenario_dhcp(struct scenario_env *env, const char *rest, uint8_t *frame, struct err *err);
int scenario_option(struct scenario_env *env, const char *rest, struct err *err);
/* scenario_conn.c: is there a record "PORT tcp 1.2.3.4:5 > ..", or none? */
int scenario_conn(struct scenario_env *env, bool want, const char *rest, struct err *err);
int scenario_quotes(struct scenario_env *env, const char *rest, struct err *err);
int scenario_member(struct scenario_env *env, const char *name, struct err *err);
/* "$x" in a line becomes its value. */
int scenario_variables(struct scenario_env *env, char *line, size_t size, struct err *err);
/* Is 'o' the expected frame, with some value of the "?x" in 'text'?  "$x" is that value then. */
bool scenario_solve(struct scenario_env *env, const char *text, const struct scenario_out *o);
