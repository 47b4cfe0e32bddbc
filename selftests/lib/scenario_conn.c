// SPDX-License-Identifier: Apache-2.0
/* Connections in scenarios: records, members of pools, and numbers that a test does not know beforehand ("?x", "$x"). */
#include "selftests/lib/scenario_run.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FAIL(...) (err_set(err, -1, __VA_ARGS__))

/* --- records --- */

struct search {
	const char *port, *tuple;
	bool found;
	char all[512]; /* the port's, for the message */
};

static void look(void *arg, const struct sim_conn *conn, uint64_t last_ns)
{
	char text[SIM_TUPLE_TEXT];
	struct search *s = arg;
	size_t n = strlen(s->all);

	if (strcmp(conn->port, s->port))
		return;
	sim_tuple_format(&conn->tuple, text);
	s->found = s->found || !strcmp(text, s->tuple);
	snprintf(s->all + n, sizeof(s->all) - n, "\n#   %s (%s)", text, sim_conn_state(conn));
}

int scenario_conn(struct scenario_env *env, bool want, const char *rest, struct err *err)
{
	struct search s = { 0 };
	char port[64];
	int off = 0;

	if (!want && !strncmp(rest, "conn ", 5))
		rest += 5;
	if (sscanf(rest, "%63s %n", port, &off) < 1 || !off || !rest[off])
		return FAIL("want: conn PORT TUPLE, or no conn PORT TUPLE");
	s.port = port;
	s.tuple = rest + off;
	sim_conns_walk(env->conns, look, &s);
	return s.found == want ? 0 :
				 FAIL("%s record '%s' at port '%s'; there are:%s", want ? "no" : "a",
				      s.tuple, port, s.all);
}

int scenario_member(struct scenario_env *env, const char *name, struct err *err)
{
	const struct sim_conn *c = env->res.n_new_conns ? env->res.new_conns : env->res.conn;

	for (unsigned int i = 0; c && i < c->n_bindings; i++)
		if (c->bindings[i].member == sim_name_hash(name))
			return 0;
	return FAIL("the connection is not with member '%s'", name);
}

/* --- errors --- */

static bool quotes(const uint8_t *data, uint32_t len, char text[SIM_TUPLE_TEXT])
{
	struct sim_tuple t = { 0 };
	struct pkt_quote quote;
	struct pkt pkt;

	if (pkt_parse(data, len, &pkt) != SKEP_DROP_NONE || !pkt_quoted(&pkt, &quote))
		return false;
	t.src = quote.f.ip_src;
	t.dst = quote.f.ip_dst;
	t.proto = quote.f.ip_proto;
	t.sport = quote.f.l4_src;
	t.dport = quote.f.l4_dst;
	sim_tuple_format(&t, text);
	return true;
}

/* The packet that is quoted by the ICMP error that leaves: the packet itself as it is now, or a frame of the network. */
int scenario_quotes(struct scenario_env *env, const char *rest, struct err *err)
{
	const struct sim_result *res = &env->res;
	char text[SIM_TUPLE_TEXT] = "nothing";
	bool found;

	found = res->data ? quotes(res->data, res->len, text) : res->n_outputs && quotes(env->pkt.data, env->pkt.len, text);
	for (uint32_t i = 0; !found && i < res->n_frames; i++)
		found = quotes(res->frames[i].data, res->frames[i].len, text);
	return strcmp(text, rest) ? FAIL("want an error about '%s', it is about '%s'", rest, text) : 0;
}

/* --- variables --- */

static struct scenario_var *find_var(struct scenario_env *env, const char *name, size_t len)
{
	for (unsigned int i = 0; i < env->n_vars; i++)
		if (strlen(env->vars[i].name) == len && !strncmp(env->vars[i].name, name, len))
			return &env->vars[i];
	return NULL;
}

static size_t word_len(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

int scenario_variables(struct scenario_env *env, char *line, size_t size, struct err *err)
{
	char *at = line;

	while ((at = strchr(at, '$'))) {
		size_t len = word_len(at + 1);
		const struct scenario_var *v = find_var(env, at + 1, len);
		char rest[1024];

		if (!v)
			return FAIL("'%.*s' has no value yet", (int)len + 1, at);
		snprintf(rest, sizeof(rest), "%s", at + 1 + len);
		snprintf(at, size - (size_t)(at - line), "%s%s", v->value, rest);
		at += strlen(v->value);
	}
	return 0;
}

static bool is_frame(struct scenario_env *env, const char *text, const struct scenario_out *o)
{
	struct pkt_names names = scenario_names(env);
	struct err ignored = { 0 };
	uint8_t buf[4096];
	struct pkt want;
	int n = pkt_dsl_parse(text, &names, buf, sizeof(buf), &ignored);

	return n >= 0 && pkt_parse(buf, (uint32_t)n, &want) == SKEP_DROP_NONE &&
	       !memcmp(&o->f, &want.f, sizeof(want.f));
}

/* The values that the variable can have in this frame: its addresses and ports, one after the other. */
static const char *candidate(const struct scenario_out *o, unsigned int i, char buf[static ADDR_TEXT])
{
	switch (i) {
	case 0:
	case 1:
		snprintf(buf, ADDR_TEXT, "%u", ntohs(i ? o->f.l4_dst : o->f.l4_src));
		return buf;
	case 2:
		return ip_format(&o->f.ip_src, buf);
	case 3:
		return ip_format(&o->f.ip_dst, buf);
	default:
		return NULL;
	}
}

bool scenario_solve(struct scenario_env *env, const char *text, const struct scenario_out *o)
{
	const char *at = strchr(text, '?'), *value;
	size_t len = word_len(at + 1);
	char tried[1024], buf[ADDR_TEXT];

	for (unsigned int i = 0; (value = candidate(o, i, buf)); i++) {
		struct scenario_var *v;

		snprintf(tried, sizeof(tried), "%.*s%s%s", (int)(at - text), text, value,
			 at + 1 + len);
		if (strchr(tried, '?') ? !scenario_solve(env, tried, o) : !is_frame(env, tried, o))
			continue;
		v = find_var(env, at + 1, len);
		if (!v && env->n_vars < SCENARIO_VARS_MAX)
			v = &env->vars[env->n_vars++];
		if (!v)
			return false;
		snprintf(v->name, sizeof(v->name), "%.*s", (int)len, at + 1);
		snprintf(v->value, sizeof(v->value), "%s", value);
		return true;
	}
	return false;
}
