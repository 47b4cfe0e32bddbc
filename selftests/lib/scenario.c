// SPDX-License-Identifier: Apache-2.0
/* Scenario files and their commands: scenario.h has the language.  A scenario is run by reading its lines from top to bottom. */
#include "selftests/lib/scenario_run.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define LINE_MAX_LEN 1024
#define NAMES_MAX    64
#define FAIL(...)    (err_set(err, -1, __VA_ARGS__))

struct scenario_file {
	char *path;
	char **lines; /* without newline */
	unsigned int n_lines;
	unsigned int *starts; /* line index of each 'scenario' */
	unsigned int n;
};

void scenario_free(struct scenario_file *f)
{
	if (!f)
		return;
	for (unsigned int i = 0; i < f->n_lines; i++)
		free(f->lines[i]);
	free(f->lines);
	free(f->starts);
	free(f->path);
	free(f);
}

struct scenario_file *scenario_load(const char *path, struct err *err)
{
	struct scenario_file *f = calloc(1, sizeof(*f));
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f || !in) {
		err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
		free(f);
		return NULL;
	}
	f->path = strdup(path);
	while ((n = getline(&line, &size, in)) >= 0) {
		while (n && isspace((unsigned char)line[n - 1]))
			line[--n] = 0;
		f->lines = realloc(f->lines, (f->n_lines + 1) * sizeof(*f->lines));
		f->lines[f->n_lines] = strdup(line);
		if (!strncmp(line, "scenario ", 9)) {
			f->starts = realloc(f->starts, (f->n + 1) * sizeof(*f->starts));
			f->starts[f->n++] = f->n_lines;
		}
		f->n_lines++;
	}
	free(line);
	fclose(in);
	return f;
}

unsigned int scenario_count(const struct scenario_file *f)
{
	return f->n;
}

const char *scenario_name(const struct scenario_file *f, unsigned int i)
{
	return f->lines[f->starts[i]] + strlen("scenario ");
}

/* --- names --- */

static const struct scenario_name *find_name(const struct scenario_env *env, const char *word)
{
	for (unsigned int i = 0; i < env->n_names; i++)
		if (!strcmp(env->names[i].name, word))
			return &env->names[i];
	return NULL;
}

bool scenario_mac(struct scenario_env *env, const char *word, struct skep_mac *mac)
{
	const struct scenario_name *n = find_name(env, word);
	const struct topo_port *p;

	if (n && n->has_mac) {
		*mac = n->mac;
		return true;
	}
	p = env->snap ? topo_find_port(env->snap, word) : NULL;
	if (p && (p->router || p->has_mac)) {
		*mac = p->mac;
		return true;
	}
	return mac_parse(word, mac);
}

bool scenario_ip(struct scenario_env *env, const char *word, bool want_v6, struct skep_ip *ip)
{
	const struct scenario_name *n = find_name(env, word);
	const struct topo_port *p = env->snap ? topo_find_port(env->snap, word) : NULL;

	if (n && !ip_is_zero(want_v6 ? &n->v6 : &n->v4)) {
		*ip = want_v6 ? n->v6 : n->v4;
		return true;
	}
	for (uint32_t i = 0; p && i < p->n_addrs; i++)
		if (ip_is_v4(&p->addrs[i].ip) != want_v6) {
			*ip = p->addrs[i].ip;
			return true;
		}
	return ip_parse(word, ip);
}

static bool name_mac(void *arg, const char *word, struct skep_mac *mac)
{
	return scenario_mac(arg, word, mac);
}

static bool name_ip(void *arg, const char *word, bool want_v6, struct skep_ip *ip)
{
	return scenario_ip(arg, word, want_v6, ip);
}

struct pkt_names scenario_names(struct scenario_env *env)
{
	return (struct pkt_names){ .mac = name_mac, .ip = name_ip, .arg = env };
}

static int do_name(struct scenario_env *env, char *rest, struct err *err)
{
	struct scenario_name *n;
	char *save = NULL, *w = strtok_r(rest, " \t", &save);
	struct skep_ip ip;

	if (!w || env->n_names == NAMES_MAX)
		return FAIL("want: name NAME MAC IP ..., at most %d of them", NAMES_MAX);
	n = &env->names[env->n_names++];
	*n = (struct scenario_name){ .name = strdup(w) };
	while ((w = strtok_r(NULL, " \t", &save))) {
		if (mac_parse(w, &n->mac))
			n->has_mac = true;
		else if (!ip_parse(w, &ip))
			return FAIL("'%s' is neither a MAC nor an address", w);
		else if (ip_is_v4(&ip))
			n->v4 = ip;
		else
			n->v6 = ip;
	}
	return 0;
}

/* --- topology --- */

static void next_uuid(void *arg, char out[static 37])
{
	struct scenario_env *env = arg;

	snprintf(out, 37, "00000000-0000-7000-8000-%012x", ++env->n_uuids);
}

static int rebuild(struct scenario_env *env, struct err *err)
{
	struct topo_snapshot *snap = topo_build("t", env->now_ns, env->records, err);

	if (!snap)
		return -1;
	topo_unref(env->snap);
	env->snap = snap;
	sim_state_view_init(&env->view, env->tables, env->conns, snap, env->now_ns);
	return 0;
}

static int merge(struct scenario_env *env, json_t *changes, struct err *err)
{
	json_t *merged = topo_records_merge(env->records, changes);

	json_decref(changes);
	if (!merged)
		return FAIL("records do not merge");
	json_decref(env->records);
	env->records = merged;
	return rebuild(env, err);
}

static int do_document(struct scenario_env *env, const char *text, bool delete, struct err *err)
{
	json_t *docs = topo_doc_parse(text, strlen(text), "scenario", err), *doc, *changes;

	if (!docs)
		return -1;
	doc = json_array_get(docs, 0);
	changes = delete ? topo_doc_delete(env->records, doc, err)
			 : topo_doc_apply(env->records, doc, false, next_uuid, env, err);
	json_decref(docs);
	return changes ? merge(env, changes, err) : -1;
}

/* The flood key of the port's bridge on 'host': that of another port of it there, or a new one. */
static uint32_t flood_key(struct scenario_env *env, const struct topo_port *port, const char *host)
{
	const struct topo_bridge *b = port->bridge;

	for (uint32_t i = 0; b && i < b->n_ports; i++)
		if (b->ports[i]->live_host && !strcmp(b->ports[i]->live_host, host))
			return b->ports[i]->live_flood_key;
	return b ? env->next_key++ : 0;
}

static int do_live(struct scenario_env *env, char *rest, struct err *err)
{
	char *save = NULL, *host = strtok_r(rest, ": \t", &save), *w, path[80];

	if (!host)
		return FAIL("want: live HOST: PORT ...");
	while ((w = strtok_r(NULL, ": \t", &save))) {
		const struct topo_port *p = env->snap ? topo_find_port(env->snap, w) : NULL;
		uint32_t key = env->next_key++;

		if (!p)
			return FAIL("no port '%s'", w);
		snprintf(path, sizeof(path), "live/%s", w);
		if (merge(env,
			  json_pack("{s:{s:s, s:I, s:I}}", path, "host", host, "key",
				    (json_int_t)key, "flood", (json_int_t)flood_key(env, p, host)),
			  err))
			return -1;
	}
	return 0;
}

static int do_dead(struct scenario_env *env, char *rest, struct err *err)
{
	char *save = NULL, path[80];

	for (char *w = strtok_r(rest, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		snprintf(path, sizeof(path), "live/%s", w);
		if (!json_object_get(env->records, path))
			return FAIL("port '%s' was not live", w);
		if (merge(env, json_pack("{s:n}", path), err))
			return -1;
	}
	return 0;
}

static int do_health(struct scenario_env *env, const char *rest, struct err *err)
{
	char member[64], word[8], path[80];

	if (sscanf(rest, "%63s %7s", member, word) != 2 ||
	    (strcmp(word, "up") != 0 && strcmp(word, "down") != 0))
		return FAIL("want: health MEMBER up|down");
	snprintf(path, sizeof(path), "health/%s", member);
	return merge(env, json_pack("{s:{s:b}}", path, "up", !strcmp(word, "up")), err);
}

/* --- tables --- */

static int do_mac(struct scenario_env *env, const char *rest, struct err *err)
{
	char bridge[64], word[64], port[64];
	struct skep_mac mac;
	uint16_t vlan = 0;
	char *slash;

	if (sscanf(rest, "%63s %63s %63s", bridge, word, port) != 3 ||
	    !scenario_mac(env, word, &mac))
		return FAIL("want: mac BRIDGE[/VLAN] MAC PORT");
	slash = strchr(bridge, '/');
	if (slash) {
		*slash = 0;
		vlan = (uint16_t)strtoul(slash + 1, NULL, 10);
	}
	if (!strcmp(port, "-"))
		sim_tables_del_mac(env->tables, bridge, vlan, &mac);
	else if (sim_tables_set_mac(env->tables, bridge, vlan, &mac, port, false, env->now_ns) < 0)
		return FAIL("the table is full");
	return 0;
}

static int do_neigh(struct scenario_env *env, const char *rest, struct err *err)
{
	char port[64], addr[64], word[64];
	struct skep_mac mac;
	struct skep_ip ip;
	int r;

	if (sscanf(rest, "%63s %63s %63s", port, addr, word) != 3 ||
	    !scenario_ip(env, addr, strchr(addr, ':'), &ip))
		return FAIL("want: neigh PORT IP MAC");
	if (!strcmp(word, "-"))
		r = sim_tables_del_neigh(env->tables, port, &ip) ? 0 : -1;
	else if (!strcmp(word, "failed"))
		r = sim_tables_fail_neigh(env->tables, port, &ip, env->now_ns + 3600000000000ULL);
	else if (!scenario_mac(env, word, &mac))
		return FAIL("'%s' is no MAC", word);
	else
		r = sim_tables_set_neigh(env->tables, port, &ip, &mac, false, env->now_ns);
	return r < 0 ? FAIL("the table does not take it") : 0;
}

static int apply_effects(struct scenario_env *env, struct err *err)
{
	const struct sim_result *res = &env->res;
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
	if (sim_conns_apply(env->conns, res, &env->pkt, NULL, NULL, env->now_ns) & SIM_CONNS_FULL)
		return FAIL("the table of connections is full");
	return 0;
}

/* --- connections --- */

static int do_block(struct scenario_env *env, const char *rest, struct err *err)
{
	unsigned int first, n = 1;
	char router[64], addr[64];
	struct skep_ip ip;

	if (sscanf(rest, "%63s %63s %u %u", router, addr, &first, &n) < 3 ||
	    !scenario_ip(env, addr, strchr(addr, ':'), &ip))
		return FAIL("want: block ROUTER IP FIRST [COUNT]");
	for (unsigned int i = 0; i < n; i++)
		if (sim_conns_block_add(env->conns, router, &ip,
					(uint16_t)(first + i * SIM_BLOCK_PORTS)))
			return FAIL("no memory");
	return 0;
}

static int do_full(struct scenario_env *env, const char *rest, struct err *err)
{
	char router[64], addr[64];
	struct skep_ip ip;

	if (sscanf(rest, "%63s %63s", router, addr) < 2 ||
	    !scenario_ip(env, addr, strchr(addr, ':'), &ip))
		return FAIL("want: full ROUTER IP");
	sim_conns_block_full(env->conns, router, &ip, env->now_ns + 3600000000000ULL);
	return 0;
}

static int do_advance(struct scenario_env *env, const char *rest, struct err *err)
{
	unsigned int seconds;

	if (sscanf(rest, "%u", &seconds) != 1)
		return FAIL("want: advance SECONDS");
	env->now_ns += seconds * 1000000000ULL;
	sim_conns_expire(env->conns, env->now_ns, UINT32_MAX, NULL, NULL);
	sim_conns_affinity_aged(env->conns, env->now_ns, NULL, NULL);
	return 0;
}

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

/* The same once more: 'again' must tell the same tale (before the effects), or lead to the same ports (behind them). */
static int run_again(struct scenario_env *env, const struct topo_port *in, bool after,
		     struct err *err)
{
	_free_ char *one = NULL, *two = NULL;
	struct sim_result res;
	struct sim sim;
	int r;

	sim_init(&sim);
	r = run(env, &sim, in, &res, err);
	if (!r && !after) {
		one = dump(env, &env->sim, &env->res);
		two = dump(env, &sim, &res);
		if (!one || !two || strcmp(one, two))
			r = FAIL("two runs differ:\n# %s\n# %s", one, two);
	} else if (!r && env->res.verdict == SIM_FORWARD) {
		if (res.verdict != SIM_FORWARD || res.n_outputs != env->res.n_outputs)
			r = FAIL("the same packet again leaves by %u ports", res.n_outputs);
		for (uint32_t i = 0; !r && i < res.n_outputs; i++)
			if (res.outputs[i].port != env->res.outputs[i].port ||
			    memcmp(&res.outputs[i].f, &env->res.outputs[i].f,
				   sizeof(res.outputs[i].f)))
				r = FAIL("the same packet again leaves otherwise");
	}
	sim_fini(&sim);
	return r ? -1 : 0;
}

static int do_in(struct scenario_env *env, const char *rest, unsigned int line, scenario_hook hook,
		 void *arg, struct err *err)
{
	struct pkt_names names = scenario_names(env);
	const struct topo_port *in;
	char port[64];
	int n, off = 0;

	if (sscanf(rest, "%63s %n", port, &off) < 1 || !off)
		return FAIL("want: in PORT PACKET");
	in = env->snap ? topo_find_port(env->snap, port) : NULL;
	if (!in)
		return FAIL("no port '%s'", port);
	n = pkt_dsl_parse(rest + off, &names, env->frame, PKT_MAX, err);
	if (n < 0)
		return -1;
	if (pkt_parse(env->frame, (uint32_t)n, &env->pkt) != SKEP_DROP_NONE)
		return FAIL("the packet is malformed");
	arena_reset(&env->arena);
	env->now_ns += 1000;
	env->view.now_ns = env->view.tables.now_ns = env->now_ns;
	if (run(env, &env->sim, in, &env->res, err) || collect(env, err) ||
	    run_again(env, in, false, err))
		return -1;
	if (hook && hook(arg,
			 &(struct scenario_step){ .snap = env->snap,
						  .view = &env->view.view,
						  .in = in,
						  .pkt = &env->pkt,
						  .res = &env->res,
						  .line = line },
			 err))
		return -1;
	if (apply_effects(env, err) || run_again(env, in, true, err))
		return -1;
	env->in_step = true;
	env->ended = false;
	return 0;
}

/* --- files --- */

/* The indented lines behind 'i', joined, as a document of tenant 't'; '*i' ends on the last of them. */
static char *take_block(const struct scenario_file *f, unsigned int *i, unsigned int end)
{
	int indent = *i + 1 < end ? (int)strspn(f->lines[*i + 1], " ") : 0;
	char *text = NULL;
	size_t len, n;

	if (asprintf(&text, "%*stenant: t\n", indent, "") < 0)
		return NULL;
	len = strlen(text);
	while (text && *i + 1 < end &&
	       (!f->lines[*i + 1][0] || isspace((unsigned char)f->lines[*i + 1][0]))) {
		const char *line = f->lines[++*i];

		n = strlen(line);
		text = realloc(text, len + n + 2);
		if (!text)
			return NULL;
		memcpy(text + len, line, n);
		len += n;
		text[len++] = '\n';
		text[len] = 0;
	}
	return text;
}

static int command(struct scenario_env *env, const struct scenario_file *f, unsigned int *i,
		   unsigned int end, scenario_hook hook, void *arg, struct err *err)
{
	char line[LINE_MAX_LEN], *word, *rest;
	unsigned int first = *i;
	size_t len;
	int r;

	snprintf(line, sizeof(line), "%s", f->lines[*i]);
	for (len = strlen(line); len && line[len - 1] == '\\' && *i + 1 < end; len = strlen(line)) {
		const char *more = f->lines[++*i];

		snprintf(line + len - 1, sizeof(line) - len + 1, "%s", more + strspn(more, " \t"));
	}
	word = line + strspn(line, " \t");
	if (!*word || *word == '#')
		return 0;
	rest = word + strcspn(word, " \t");
	if (*rest)
		*rest++ = 0;
	rest += strspn(rest, " \t");
	if (env->in_step) {
		r = scenario_expect(env, word, rest, err);
		if (r <= 0)
			return r;
		if (scenario_expect_end(env, err))
			return -1;
	}
	if (!strcmp(word, "topology") || !strcmp(word, "delete")) {
		_free_ char *text = take_block(f, i, end);

		return text ? do_document(env, text, word[0] == 'd', err) : -1;
	}
	if (!strcmp(word, "in"))
		return do_in(env, rest, first + 1, hook, arg, err);
	if (!strcmp(word, "name"))
		return do_name(env, rest, err);
	if (!strcmp(word, "live"))
		return do_live(env, rest, err);
	if (!strcmp(word, "dead"))
		return do_dead(env, rest, err);
	if (!strcmp(word, "health"))
		return do_health(env, rest, err);
	if (!strcmp(word, "block"))
		return do_block(env, rest, err);
	if (!strcmp(word, "full"))
		return do_full(env, rest, err);
	if (!strcmp(word, "advance"))
		return do_advance(env, rest, err);
	if (!strcmp(word, "mac"))
		return do_mac(env, rest, err);
	if (!strcmp(word, "neigh"))
		return do_neigh(env, rest, err);
	return FAIL("unknown word '%s'", word);
}

static int run_lines(struct scenario_env *env, const struct scenario_file *f, unsigned int begin,
		     unsigned int end, scenario_hook hook, void *arg, struct err *err)
{
	unsigned int at = begin;

	for (unsigned int i = begin; i < end; i++) {
		at = i;
		if (command(env, f, &i, end, hook, arg, err))
			goto fail;
	}
	if (!scenario_expect_end(env, err))
		return 0;
fail:
	err_prefix(err, "%s:%u", f->path, at + 1);
	return -1;
}

int scenario_run(const struct scenario_file *f, unsigned int i, scenario_hook hook, void *arg,
		 struct err *err)
{
	unsigned int start = f->starts[i], end = i + 1 < f->n ? f->starts[i + 1] : f->n_lines;
	const struct sim_conns_limits limits = { .records = 4096,
						 .records_port = SCENARIO_CONNS_PORT,
						 .affinities = 256,
						 .timeouts = SKEP_TIMEOUTS };
	struct scenario_env env = { .next_key = 0x100, .now_ns = 1000000000 };
	int r = -1;

	*err = (struct err){ 0 };
	sim_init(&env.sim);
	arena_init(&env.arena, 0);
	env.records = json_object();
	env.tables = sim_tables_new(1000, 1000);
	env.conns = sim_conns_new(&limits);
	env.names = calloc(NAMES_MAX, sizeof(*env.names));
	env.frame = malloc(PKT_MAX);
	env.outs = calloc(SCENARIO_OUTS_MAX, sizeof(*env.outs));
	if (!env.records || !env.tables || !env.conns || !env.names || !env.frame || !env.outs)
		err_set(err, -ENOMEM, "no memory");
	else if (!run_lines(&env, f, 0, f->starts[0], hook, arg, err))
		r = run_lines(&env, f, start + 1, end, hook, arg, err);
	topo_unref(env.snap);
	sim_tables_free(env.tables);
	sim_conns_free(env.conns);
	json_decref(env.records);
	for (unsigned int n = 0; n < env.n_names; n++)
		free(env.names[n].name);
	free(env.names);
	free(env.frame);
	free(env.outs);
	arena_fini(&env.arena);
	sim_fini(&env.sim);
	return r;
}
