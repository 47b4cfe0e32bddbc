// SPDX-License-Identifier: Apache-2.0
/* The expectations of a scenario step: scenario.h lists them. */
#include "selftests/lib/scenario_run.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 64
#define FAIL(...) (err_set(err, -1, __VA_ARGS__))

static const char *const reasons[] = {
#define X(id, name, help) name,
	SKEP_DROPS(X)
#undef X
};

/* Splits a copy of 'text' at blanks. */
static unsigned int split(const char *text, char *copy, size_t size, char *words[WORDS_MAX])
{
	unsigned int n = 0;
	char *save = NULL;

	snprintf(copy, size, "%s", text);
	for (char *w = strtok_r(copy, " \t", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	return n;
}

static const char *verdict_text(const struct sim_result *res, char *buf, size_t size)
{
	char culprit[192], a[ADDR_TEXT];

	switch (res->verdict) {
	case SIM_FORWARD:
		snprintf(buf, size, "forward to %u ports", res->n_outputs);
		break;
	case SIM_DROP:
		snprintf(buf, size, "drop %s %s", reasons[res->reason],
			 sim_culprit_text(&res->culprit, culprit));
		break;
	case SIM_CONSUMED:
		snprintf(buf, size, "consumed");
		break;
	case SIM_NEED:
		if (res->need.kind == SIM_NEED_NEIGH)
			snprintf(buf, size, "need neigh %s %s", res->need.port->o.name,
				 ip_format(&res->need.ip, a));
		else if (res->need.kind == SIM_NEED_FRAGMENT)
			snprintf(buf, size, "need fragment");
		else if (res->need.kind == SIM_NEED_SNAT)
			snprintf(buf, size, "need snat");
		else
			snprintf(buf, size, "need object %s",
				 res->need.path ? res->need.path : "?");
		break;
	}
	return buf;
}

/* All that left and was not named, one a line. */
static void list_outs(const struct scenario_env *env, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (unsigned int i = 0; i < env->n_outs && n < size; i++)
		if (!env->outs[i].claimed)
			n += (size_t)snprintf(buf + n, size - n, "\n#   %s %s %s",
					      env->outs[i].copy      ? "mirror"
					      : env->outs[i].answer  ? "answer"
					      : env->outs[i].flooded ? "flooded"
								     : "out",
					      env->outs[i].port->o.name, env->outs[i].text);
}

enum frame_kind { OUT, FLOODED, ANSWER, MIRROR };

static bool is_kind(const struct scenario_out *o, enum frame_kind kind)
{
	if (kind == MIRROR)
		return o->copy;
	return !o->copy && o->answer == (kind == ANSWER) && (kind != FLOODED || o->flooded);
}

static int expect_frame(struct scenario_env *env, enum frame_kind kind, const char *rest,
			struct err *err)
{
	struct pkt_names names = scenario_names(env);
	char port[TOPO_NAME_MAX + 1], left[300], verdict[256];
	uint8_t buf[4096];
	struct pkt want;
	int n, off = 0;
	bool solve;

	if (sscanf(rest, "%63s %n", port, &off) < 1 || !off)
		return FAIL("want: out PORT PACKET");
	solve = strchr(rest + off, '?');
	n = solve ? 0 : pkt_dsl_parse(rest + off, &names, buf, sizeof(buf), err);
	if (n < 0)
		return -1;
	if (!solve && pkt_parse(buf, (uint32_t)n, &want) != SKEP_DROP_NONE)
		return FAIL("the expected packet is malformed");
	for (unsigned int i = 0; i < env->n_outs; i++) {
		struct scenario_out *o = &env->outs[i];

		if (o->claimed || !is_kind(o, kind) || strcmp(o->port->o.name, port) ||
		    (solve ? !scenario_solve(env, rest + off, o)
			   : memcmp(&o->f, &want.f, sizeof(want.f))))
			continue;
		o->claimed = true;
		env->ended = env->ended || kind == OUT || kind == FLOODED;
		return 0;
	}
	list_outs(env, left, sizeof(left));
	return FAIL("nothing like '%s %s' left (%s), but:%s", port,
		    solve ? rest + off : pkt_dsl_format(buf, (uint32_t)n, &env->arena),
		    verdict_text(&env->res, verdict, sizeof(verdict)), left);
}

static int expect_drop(struct scenario_env *env, const char *rest, struct err *err)
{
	char reason[32], culprit[192], verdict[256];
	int off = 0;

	env->ended = true;
	if (sscanf(rest, "%31s %n", reason, &off) < 1)
		return FAIL("want: drop REASON [CULPRIT]");
	if (env->res.verdict != SIM_DROP || strcmp(reasons[env->res.reason], reason))
		return FAIL("want drop %s, got %s", rest,
			    verdict_text(&env->res, verdict, sizeof(verdict)));
	if (off && rest[off] && strcmp(rest + off, sim_culprit_text(&env->res.culprit, culprit)))
		return FAIL("want culprit \"%s\", got \"%s\"", rest + off, culprit);
	return 0;
}

static int expect_need(struct scenario_env *env, const char *rest, struct err *err)
{
	char port[TOPO_NAME_MAX + 1], ip[64], verdict[256];
	struct skep_ip addr;

	env->ended = true;
	if (!strcmp(rest, "fragment")) {
		if (env->res.verdict != SIM_NEED || env->res.need.kind != SIM_NEED_FRAGMENT)
			return FAIL("want need fragment, got %s",
				    verdict_text(&env->res, verdict, sizeof(verdict)));
		return 0;
	}
	if (!strcmp(rest, "snat")) {
		if (env->res.verdict != SIM_NEED || env->res.need.kind != SIM_NEED_SNAT)
			return FAIL("want need snat, got %s",
				    verdict_text(&env->res, verdict, sizeof(verdict)));
		return 0;
	}
	if (sscanf(rest, "neigh %63s %63s", port, ip) != 2 ||
	    !scenario_ip(env, ip, strchr(ip, ':'), &addr))
		return FAIL("want: need neigh PORT IP, or need fragment");
	if (env->res.verdict != SIM_NEED || env->res.need.kind != SIM_NEED_NEIGH ||
	    strcmp(env->res.need.port->o.name, port) || !ip_eq(&env->res.need.ip, &addr))
		return FAIL("want need %s, got %s", rest,
			    verdict_text(&env->res, verdict, sizeof(verdict)));
	return 0;
}

/* What rules saw: the words, in any order, and no others. */
static int expect_ct(const struct scenario_env *env, const char *rest, struct err *err)
{
	static const char *const names[] = { "new", "established", "reply", "related", "invalid" };
	char copy[128], *save = NULL;
	uint8_t want = 0;

	snprintf(copy, sizeof(copy), "%s", rest);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		unsigned int i = 0;

		while (i < ARRAY_SIZE(names) && strcmp(w, names[i]) != 0)
			i++;
		if (i == ARRAY_SIZE(names) && strcmp(w, "none") != 0)
			return FAIL("'%s' is no state", w);
		want |= i < ARRAY_SIZE(names) ? (uint8_t)(1u << i) : 0;
	}
	if (want != env->res.ct)
		return FAIL("want ct %s, got 0x%02x", rest, env->res.ct);
	return 0;
}

static int expect_number(const char *what, const char *rest, uint32_t got, struct err *err)
{
	if (strtoul(rest, NULL, 10) != got)
		return FAIL("want %s %s, got %u", what, rest, got);
	return 0;
}

/* "x a b" (at least), "x= a b" (exactly), "x! a b" (none of) over the list of words in 'have'. */
static int expect_set(const char *what, char form, const char *rest, const char *have,
		      struct err *err)
{
	char copy[2048], have_copy[8192], *want[WORDS_MAX], *got[WORDS_MAX];
	unsigned int n = split(rest, copy, sizeof(copy), want);
	unsigned int m = split(have, have_copy, sizeof(have_copy), got), i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < m && strcmp(want[i], got[j]); j++)
			;
		if ((j < m) == (form == '!'))
			return FAIL("%s: '%s' is %s in: %s", what, want[i],
				    form == '!' ? "unwanted" : "not", have);
	}
	for (j = 0; form == '=' && j < m; j++) {
		for (i = 0; i < n && strcmp(want[i], got[j]); i++)
			;
		if (i == n)
			return FAIL("%s: '%s' is unexpected in: %s", what, got[j], have);
	}
	return 0;
}

static int expect_tags(struct scenario_env *env, char form, const char *rest, struct err *err)
{
	char have[8192] = "", tag[192];
	size_t n = 0;

	for (uint32_t i = 0; i < env->res.n_tags && n < sizeof(have); i++)
		n += (size_t)snprintf(have + n, sizeof(have) - n, "%s%s", i ? " " : "",
				      topo_tag_format(&env->res.tags[i], tag, sizeof(tag)));
	return expect_set("tags", form, rest, have, err);
}

/* The rules that count the packet. */
static int expect_hits(struct scenario_env *env, char form, const char *rest, struct err *err)
{
	char have[8192] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < env->res.n_rules && n < sizeof(have); i++) {
		const struct topo_rule *r = env->res.rules[i];

		n += (size_t)snprintf(have + n, sizeof(have) - n, "%s%s/%s", i ? " " : "",
				      r->chain ? r->chain->o.name : "", r->name ? r->name : "");
	}
	return expect_set("hits", form, rest, have, err);
}

static int expect_learn(struct scenario_env *env, const char *rest, struct err *err)
{
	char copy[256], *w[WORDS_MAX], a[ADDR_TEXT], m[ADDR_TEXT];
	const struct sim_result *res = &env->res;
	unsigned int n = split(rest, copy, sizeof(copy), w);
	struct skep_mac mac;
	struct skep_ip ip;
	uint32_t i;

	if (n == 1 && !strcmp(w[0], "none")) {
		if (res->n_learns)
			return FAIL("learnt %s on '%s', want nothing",
				    mac_format(&res->learns[0].mac, m),
				    res->learns[0].bridge->o.name);
		if (res->n_neighs)
			return FAIL("learnt %s on '%s', want nothing",
				    ip_format(&res->neighs[0].ip, a), res->neighs[0].port->o.name);
		return 0;
	}
	if (n != 3)
		return FAIL("want: learn BRIDGE MAC PORT, learn PORT IP MAC or learn none");
	for (i = 0; topo_find(env->snap, TOPO_BRIDGE, w[0]) && scenario_mac(env, w[1], &mac) &&
		    i < res->n_learns;
	     i++)
		if (!strcmp(res->learns[i].bridge->o.name, w[0]) &&
		    mac_eq(&res->learns[i].mac, &mac) && !strcmp(res->learns[i].port->o.name, w[2]))
			return 0;
	for (i = 0; scenario_ip(env, w[1], strchr(w[1], ':'), &ip) &&
		    scenario_mac(env, w[2], &mac) && i < res->n_neighs;
	     i++)
		if (!strcmp(res->neighs[i].port->o.name, w[0]) && ip_eq(&res->neighs[i].ip, &ip) &&
		    mac_eq(&res->neighs[i].mac, &mac))
			return 0;
	return FAIL("'%s' was not learnt (%u MACs and %u neighbours were)", rest, res->n_learns,
		    res->n_neighs);
}

static int expect_trace(struct scenario_env *env, const char *rest, struct err *err)
{
	char *text = sim_trace_text(&env->sim, &env->pkt, &env->res);

	if (!text || !strstr(text, rest))
		return FAIL("no \"%s\" in the trace:\n%s", rest, text ? text : "");
	return 0;
}

int scenario_expect(struct scenario_env *env, const char *word, const char *rest, struct err *err)
{
	char name[16], mask[256], verdict[256];
	size_t len = strlen(word);
	char form = len && strchr("=!", word[len - 1]) ? word[len - 1] : 0;

	snprintf(name, sizeof(name), "%.*s", (int)(form ? len - 1 : len), word);
	if (!strcmp(word, "out"))
		return expect_frame(env, OUT, rest, err);
	if (!strcmp(word, "flooded"))
		return expect_frame(env, FLOODED, rest, err);
	if (!strcmp(word, "answer"))
		return expect_frame(env, ANSWER, rest, err);
	if (!strcmp(word, "mirror"))
		return expect_frame(env, MIRROR, rest, err);
	if (!strcmp(word, "hint")) {
		if (!env->res.hint || strcmp(env->res.hint, rest))
			return FAIL("want hint \"%s\", got \"%s\"", rest,
				    env->res.hint ? env->res.hint : "");
		return 0;
	}
	if (!strcmp(word, "ct"))
		return expect_ct(env, rest, err);
	if (!strcmp(word, "mtu"))
		return expect_number(word, rest, env->res.mtu, err);
	if (!strcmp(word, "fragment"))
		return expect_number(word, rest, env->res.fragment, err);
	if (!strcmp(word, "conns"))
		return expect_number(word, rest, sim_conns_count(env->conns, NULL), err);
	if (!strcmp(word, "ends"))
		return env->res.end_conn ? 0 : FAIL("the connection goes on");
	if (!strcmp(word, "drop"))
		return expect_drop(env, rest, err);
	if (!strcmp(word, "need"))
		return expect_need(env, rest, err);
	if (!strcmp(word, "learn"))
		return expect_learn(env, rest, err);
	if (!strcmp(word, "trace"))
		return expect_trace(env, rest, err);
	if (!strcmp(word, "quotes"))
		return scenario_quotes(env, rest, err);
	if (!strcmp(word, "option"))
		return scenario_option(env, rest, err);
	if (!strcmp(word, "member"))
		return scenario_member(env, rest, err);
	if (!strcmp(name, "hits"))
		return expect_hits(env, form, rest, err);
	if (!strcmp(name, "tags"))
		return expect_tags(env, form, rest, err);
	if (!strcmp(name, "mask"))
		return expect_set("mask", form, rest,
				  sim_mask_format(&env->res.mask, mask, sizeof(mask)), err);
	if (!strcmp(word, "consumed")) {
		env->ended = true;
		if (env->res.verdict != SIM_CONSUMED)
			return FAIL("want consumed, got %s",
				    verdict_text(&env->res, verdict, sizeof(verdict)));
		return 0;
	}
	if (!strcmp(word, "cacheable") || (!strcmp(word, "not") && !strcmp(rest, "cacheable"))) {
		if (env->res.cacheable != (word[0] == 'c'))
			return FAIL("the result is %scacheable", env->res.cacheable ? "" : "not ");
		return 0;
	}
	return 1;
}

int scenario_expect_end(struct scenario_env *env, struct err *err)
{
	char left[400], verdict[256];

	if (!env->in_step)
		return 0;
	env->in_step = false;
	list_outs(env, left, sizeof(left));
	if (left[0])
		return FAIL("this left too:%s", left);
	if (!env->ended)
		return FAIL("no line says how the packet ends: %s",
			    verdict_text(&env->res, verdict, sizeof(verdict)));
	return 0;
}
