// SPDX-License-Identifier: Apache-2.0
/* Packets of a scenario: one by one, and many that differ in a number.  scenario.h has the language. */
#include "selftests/lib/scenario_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define FAIL(...) (err_set(err, -1, __VA_ARGS__))

/* --- packets --- */

int scenario_output_frame(const uint8_t *data, uint32_t len, const struct sim_output *o,
			  uint8_t *out)
{
	struct pkt pkt;

	memcpy(out, data, len);
	if (pkt_parse(out, len, &pkt) != SKEP_DROP_NONE)
		return -EINVAL;
	return pkt_rewrite(out, &pkt, &o->f);
}

static int add_out(struct scenario_env *env, const uint8_t *data, uint32_t len,
		   const struct sim_output *o, bool answer, struct err *err)
{
	_free_ uint8_t *buf = malloc(PKT_MAX + 4);
	struct scenario_out *out = &env->outs[env->n_outs];
	struct pkt pkt;
	char *text;
	int n;

	n = buf && env->n_outs < SCENARIO_OUTS_MAX ? scenario_output_frame(data, len, o, buf) : -1;
	if (n < 0)
		return FAIL("cannot write the headers that leave by port '%s'", o->port->o.name);
	text = pkt_dsl_format(buf, (uint32_t)n, &env->arena);
	if (pkt_parse(buf, (uint32_t)n, &pkt) != SKEP_DROP_NONE)
		return FAIL("what leaves by port '%s' is malformed: %s", o->port->o.name, text);
	if (!pkt_csum_ok(&pkt))
		return FAIL("what leaves by port '%s' has a wrong checksum: %s", o->port->o.name,
			    text);
	*out = (struct scenario_out){ .port = o->port,
				      .f = pkt.f,
				      .text = text,
				      .flooded = o->flooded && o->flooded == o->port->bridge,
				      .answer = answer,
				      .copy = o->mirror != NULL };
	env->n_outs++;
	return 0;
}

static int collect(struct scenario_env *env, struct err *err)
{
	const struct sim_result *res = &env->res;

	const uint8_t *data = res->data ? res->data : env->pkt.data;
	uint32_t len = res->data ? res->len : env->pkt.len;

	env->n_outs = 0;
	for (uint32_t i = 0; i < res->n_outputs; i++)
		if (add_out(env, data, len, &res->outputs[i], false, err))
			return -1;
	for (uint32_t i = 0; i < res->n_frames; i++)
		for (uint32_t j = 0; j < res->frames[i].n_outputs; j++)
			if (add_out(env, res->frames[i].data, res->frames[i].len,
				    &res->frames[i].outputs[j], true, err))
				return -1;
	return 0;
}

static int run(struct scenario_env *env, struct sim *sim, const struct topo_port *in,
	       struct sim_result *res, struct err *err)
{
	return sim_run(sim, env->snap, &env->view.view, in, &env->pkt, env->now_ns, SCENARIO_SEED,
		       SIM_TRACE, res, err);
}

static char *dump(struct scenario_env *env, struct sim *sim, const struct sim_result *res)
{
	json_t *j = sim_trace_json(sim, &env->pkt, res);
	char *text = j ? json_dumps(j, JSON_SORT_KEYS) : NULL;

	json_decref(j);
	return text;
}

static bool same_output(const struct sim_output *a, const struct sim_output *b)
{
	return a->port == b->port && !memcmp(&a->f, &b->f, sizeof(a->f));
}

/* The same once more, before the effects: must tell the same tale. */
static int run_twice(struct scenario_env *env, const struct topo_port *in, struct err *err)
{
	_free_ char *one = NULL, *two = NULL;
	struct sim_result res;
	struct sim sim;
	int r;

	sim_init(&sim);
	r = run(env, &sim, in, &res, err);
	if (!r) {
		one = dump(env, &env->sim, &env->res);
		two = dump(env, &sim, &res);
		if (!one || !two || strcmp(one, two))
			r = FAIL("two runs differ:\n# %s\n# %s", one, two);
	}
	sim_fini(&sim);
	return r ? -1 : 0;
}

/* The second packet, behind the effects of the first: what its flow is made of.  It leaves as the first one did. */
static int run_second(struct scenario_env *env, const struct topo_port *in, scenario_hook hook,
		      void *arg, struct scenario_step *step, struct err *err)
{
	struct sim_result res;
	struct sim sim;
	int r;

	sim_init(&sim);
	r = run(env, &sim, in, &res, err);
	if (!r && env->res.verdict == SIM_FORWARD) {
		if (res.verdict != SIM_FORWARD || res.n_outputs != env->res.n_outputs)
			r = FAIL("the same packet again leaves by %u ports", res.n_outputs);
		for (uint32_t i = 0; !r && i < res.n_outputs; i++)
			if (!same_output(&res.outputs[i], &env->res.outputs[i]))
				r = FAIL("the same packet again leaves otherwise");
		if (!r && res.n_new_conns && env->res.n_new_conns)
			r = FAIL("the same packet again begins a connection");
	}
	step->res = &res;
	if (!r)
		scenario_flow_made(env, &res);
	if (!r && hook && hook(arg, step, err)) {
		err_prefix(err, "the same packet again");
		r = -1;
	}
	sim_fini(&sim);
	return r ? -1 : 0;
}

/* The other end's record hears of the packet, as agents tell each other. */
static void tell_other_end(struct scenario_env *env, const struct sim_conn *before)
{
	const struct sim_conn *c = sim_conns_find(env->conns, before->port, &before->tuple, env->now_ns);

	if (c)
		(void)sim_conns_touch(env->conns, before->other_port, &before->other, true,
				      before->reply ? c->reply_seen : c->orig_seen, env->now_ns);
}

/* As the agent would take them over. */
static int apply_effects(struct scenario_env *env, struct err *err)
{
	const struct sim_result *res = &env->res;
	struct sim_conn conn;
	int r = 0;

	for (uint32_t i = 0; i < res->n_learns && r >= 0; i++)
		r = sim_tables_set_mac(env->tables, res->learns[i].bridge->o.name, res->learns[i].vlan,
				       &res->learns[i].mac, res->learns[i].port->o.name, true,
				       env->now_ns);
	for (uint32_t i = 0; i < res->n_neighs && r >= 0; i++)
		r = sim_tables_set_neigh(env->tables, res->neighs[i].port->o.name,
					 &res->neighs[i].ip, &res->neighs[i].mac, true,
					 env->now_ns);
	if (r < 0)
		return FAIL("a table is full");
	if (res->conn)
		conn = *res->conn;
	if (sim_conns_apply(env->conns, res, &env->pkt, NULL, NULL, env->now_ns) & SIM_CONNS_FULL)
		return FAIL("the table of connections is full");
	if (res->conn && !res->n_new_conns && res->verdict == SIM_FORWARD)
		tell_other_end(env, &conn);
	return 0;
}

/* The packet of a line into env->frame and env->pkt; the port that it enters by, or NULL. */
static const struct topo_port *take_packet(struct scenario_env *env, const char *rest,
					   struct err *err)
{
	struct pkt_names names = scenario_names(env);
	const struct topo_port *in;
	char port[64];
	int n, off = 0;

	if (sscanf(rest, "%63s %n", port, &off) < 1 || !off) {
		FAIL("want: in PORT PACKET");
		return NULL;
	}
	in = env->snap ? topo_find_port(env->snap, port) : NULL;
	if (!in) {
		FAIL("no port '%s'", port);
		return NULL;
	}
	if (!strncmp(rest + off, "dhcp ", 5))
		n = scenario_dhcp(env, rest + off + 5, env->frame, err);
	else
		n = pkt_dsl_parse(rest + off, &names, env->frame, PKT_MAX, err);
	if (n < 0)
		return NULL;
	if (pkt_parse(env->frame, (uint32_t)n, &env->pkt) != SKEP_DROP_NONE) {
		FAIL("the packet is malformed");
		return NULL;
	}
	env->now_ns += 1000;
	env->view.now_ns = env->view.tables.now_ns = env->now_ns;
	return in;
}

int scenario_in(struct scenario_env *env, const char *rest, unsigned int line, scenario_hook hook,
		void *arg, struct err *err)
{
	const struct topo_port *in = take_packet(env, rest, err);
	struct scenario_step step = { .snap = env->snap,
				      .view = &env->view.view,
				      .in = in,
				      .pkt = &env->pkt,
				      .res = &env->res,
				      .line = line };

	if (!in)
		return -1;
	arena_reset(&env->arena);
	if (run(env, &env->sim, in, &env->res, err) || collect(env, err) || run_twice(env, in, err))
		return -1;
	if (hook && hook(arg, &step, err))
		return -1;
	if (apply_effects(env, err) || run_second(env, in, hook, arg, &step, err))
		return -1;
	env->in_step = true;
	env->ended = false;
	return 0;
}

/* --- many packets --- */

static const char *const reasons[] = {
#define X(id, name, help) name,
	SKEP_DROPS(X)
#undef X
};

/* "m1 src=.. dst=.. mac=.. ", or "no_route": where it went, for 'share'. */
static char *fate(const struct sim_result *res)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT], next[ADDR_TEXT], *text = NULL;
	const struct sim_output *o = res->outputs;

	int n;

	if (res->verdict == SIM_FORWARD && res->n_outputs)
		n = asprintf(&text, "%s src=%s dst=%s mac=%s ", o->port->o.name,
			     ip_format(&o->f.ip_src, src), ip_format(&o->f.ip_dst, dst),
			     mac_format(&o->f.eth_dst, next));
	else
		n = asprintf(&text, "%s", res->verdict == SIM_DROP ? reasons[res->reason] : "-");
	return n < 0 ? NULL : text;
}

static void free_fates(char **fates, unsigned int n)
{
	for (unsigned int i = 0; fates && i < n; i++)
		free(fates[i]);
	free(fates);
}

void scenario_spread_free(struct scenario_env *env)
{
	free_fates(env->fates, env->n_fates);
	free_fates(env->before, env->n_before);
}

/* "1000 in PORT PACKET": '*' is another number in each; nothing of it takes effect. */
int scenario_spread(struct scenario_env *env, const char *rest, struct err *err)
{
	char line[512], *star;
	unsigned int n;
	int off = 0;

	if (sscanf(rest, "%u in %n", &n, &off) < 1 || !off || !strchr(rest + off, '*') || n > 20000)
		return FAIL("want: spread N in PORT PACKET, with a '*' in it");
	free_fates(env->before, env->n_before);
	env->before = env->fates;
	env->n_before = env->n_fates;
	env->n_fates = 0;
	env->fates = calloc(n, sizeof(*env->fates));
	for (unsigned int i = 0; env->fates && i < n; i++) {
		const struct topo_port *in;

		star = strchr(rest + off, '*');
		snprintf(line, sizeof(line), "%.*s%u%s", (int)(star - rest - off), rest + off, 1024 + i,
			 star + 1);
		in = take_packet(env, line, err);
		if (!in || run(env, &env->sim, in, &env->res, err))
			return -1;
		env->fates[env->n_fates] = fate(&env->res);
		if (!env->fates[env->n_fates++])
			break;
	}
	return env->n_fates == n ? 0 : FAIL("no memory");
}

/* Does the packet's fate have the word: a port's name, src=, dst= or mac= with its value, a drop's reason? */
static bool has_word(struct scenario_env *env, const char *text, const char *word)
{
	const char *at = strchr(word, '=');
	char full[128], a[ADDR_TEXT];
	struct skep_mac mac;
	struct skep_ip ip;

	if (at && !strncmp(word, "mac", 3) && scenario_mac(env, at + 1, &mac))
		snprintf(full, sizeof(full), "mac=%s ", mac_format(&mac, a));
	else if (at && scenario_ip(env, at + 1, strchr(at, ':'), &ip))
		snprintf(full, sizeof(full), "%.*s=%s ", (int)(at - word), word, ip_format(&ip, a));
	else
		snprintf(full, sizeof(full), "%s", word);
	if (at)
		return strstr(text, full) != NULL;
	return !strncmp(text, full, strlen(full)) && strchr(" ", text[strlen(full)]) != NULL;
}

int scenario_shares(struct scenario_env *env, const char *what, const char *rest, struct err *err)
{
	unsigned int lo, hi, n = 0;
	char word[128] = "";

	if (!strcmp(what, "share")) {
		if (sscanf(rest, "%127s %u-%u", word, &lo, &hi) != 3)
			return FAIL("want: share WORD LO-HI");
		for (unsigned int i = 0; i < env->n_fates; i++)
			n += has_word(env, env->fates[i], word);
	} else {
		if (sscanf(rest, "%u-%u from %127s", &lo, &hi, word) < 2)
			return FAIL("want: moved LO-HI [from WORD]");
		if (env->n_before != env->n_fates)
			return FAIL("there were no two 'spread' of one size");
		for (unsigned int i = 0; i < env->n_fates; i++) {
			if (!strcmp(env->fates[i], env->before[i]))
				continue;
			n++;
			if (word[0] && !has_word(env, env->before[i], word))
				return FAIL("number %u moved from %s to %s", i, env->before[i],
					    env->fates[i]);
		}
	}
	return n < lo || n > hi ? FAIL("want %s %s, got %u of %u", what, rest, n, env->n_fates) : 0;
}
