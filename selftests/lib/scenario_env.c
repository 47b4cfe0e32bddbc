// SPDX-License-Identifier: Apache-2.0
/* What a scenario says about the world between packets: names, topology, tables, time.  scenario.h has the language. */
#include "selftests/lib/scenario_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define NAMES_MAX SCENARIO_NAMES_MAX
#define FAIL(...) (err_set(err, -1, __VA_ARGS__))

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
	struct topo_snapshot *old = env->snap;

	env->snap = snap;
	scenario_flow_topology(env, old);
	topo_unref(old);
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

int scenario_document(struct scenario_env *env, const char *text, bool delete, struct err *err)
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

int scenario_refused(struct scenario_env *env, const char *text, bool delete, const char *want,
		     struct err *err)
{
	char why[sizeof(err->text)];

	if (!scenario_document(env, text, delete, err))
		return FAIL("the document was taken");
	snprintf(why, sizeof(why), "%s", err->text);
	*err = (struct err){ 0 };
	return strstr(why, want) ? 0 : FAIL("want \"%s\", got \"%s\"", want, why);
}

/* The flood key of the port's bridge on 'host': that of another port of it there, or a new one. */
static uint32_t flood_key(struct scenario_env *env, const struct topo_port *port, const char *host)
{
	const struct topo_bridge *b = port->bridge;
	struct topo_ports_at at;

	for (struct topo_port *p = b ? topo_ports_first(&b->ports, &at) : NULL; p; p = topo_ports_next(&at))
		if (p->live_host && !strcmp(p->live_host, host))
			return p->live_flood_key;
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
	scenario_flow_touched(env, &(struct topo_tag){
					   .kind = TOPO_TAG_MAC, .name = bridge, .mac = mac, .vlan = vlan });
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
	scenario_flow_touched(env,
			      &(struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = port, .ip = ip });
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

static void forget_mac(void *arg, const char *bridge, uint16_t vlan, const struct skep_mac *mac,
		       const char *port)
{
	struct scenario_env *env = arg;

	scenario_flow_touched(env, &(struct topo_tag){
					   .kind = TOPO_TAG_MAC, .name = bridge, .mac = *mac, .vlan = vlan });
	sim_tables_del_mac(env->tables, bridge, vlan, mac);
}

static void forget_neigh(void *arg, const char *port, const struct skep_ip *ip)
{
	struct scenario_env *env = arg;

	scenario_flow_touched(env,
			      &(struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = port, .ip = *ip });
	sim_tables_del_neigh(env->tables, port, ip);
}

static int do_advance(struct scenario_env *env, const char *rest, struct err *err)
{
	unsigned int seconds;

	if (sscanf(rest, "%u", &seconds) != 1)
		return FAIL("want: advance SECONDS");
	env->now_ns += seconds * 1000000000ULL;
	if (env->now_ns > SCENARIO_AGE_NS)
		sim_tables_aged(env->tables, env->now_ns - SCENARIO_AGE_NS, forget_mac, forget_neigh,
				env);
	sim_conns_expire(env->conns, env->now_ns, UINT32_MAX, NULL, NULL);
	sim_conns_affinity_aged(env->conns, env->now_ns, NULL, NULL);
	return 0;
}

/* --- all of them --- */

int scenario_set(struct scenario_env *env, const char *word, char *rest, struct err *err)
{
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
	return 1;
}
