// SPDX-License-Identifier: Apache-2.0
/* The network as a whole: building, changing, learning.  random_object.c makes the objects, random_packet.c the packets. */
#include "selftests/lib/random_topo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/lib/random_private.h"
#include "util/cleanup.h"

#define TRIES 50 /* of making one object that is not refused */

static _Noreturn void die(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

static void next_uuid(void *arg, char out[static 37])
{
	struct random_topo *t = arg;

	snprintf(out, 37, "00000000-0000-7000-8000-%012x", ++t->n_uuids);
}

/* Takes 'changes'. */
static bool take(struct random_topo *t, json_t *changes, struct err *err)
{
	json_t *merged = changes ? topo_records_merge(t->records, changes) : NULL;
	struct topo_snapshot *snap;

	json_decref(changes);
	if (!merged)
		return false;
	snap = topo_build("t", t->now_ns, merged, err);
	if (!snap)
		die("records that were taken make no snapshot", err->text);
	json_decref(t->records);
	t->records = merged;
	t->snap = snap;
	return true;
}

/* A document; false: refused.  t->snap becomes another one. */
static bool apply(struct random_topo *t, const char *text, bool delete, struct err *err)
{
	_free_ char *all = NULL;
	json_t *docs, *changes;

	if (asprintf(&all, "tenant: t\n%s", text) < 0)
		die("memory", "");
	docs = topo_doc_parse(all, strlen(all), "random", err);
	if (!docs)
		return false;
	changes = delete ? topo_doc_delete(t->records, json_array_get(docs, 0), err)
			 : topo_doc_apply(t->records, json_array_get(docs, 0), false, next_uuid, t, err);
	json_decref(docs);
	return take(t, changes, err);
}

static void set_live(struct random_topo *t, const char *port, const char *host)
{
	static const char *const flood_of[] = { "b0", "b1", "v", NULL };
	const struct topo_port *p = topo_find_port(t->snap, port);
	struct err err = { 0 };
	unsigned int flood = 0;
	char path[80];

	for (unsigned int i = 0; p && p->bridge && flood_of[i]; i++)
		if (!strcmp(p->bridge->o.name, flood_of[i]))
			flood = 0x500 + i * 2 + (host && host[1] == '2');
	snprintf(path, sizeof(path), "live/%s", port);
	if (!take(t,
		  host ? json_pack("{s:{s:s, s:i, s:i}}", path, "host", host, "key",
				   0x100 + (int)random_below(t, 4096), "flood", (int)flood)
		       : json_pack("{s:n}", path),
		  &err))
		die(path, err.text);
}

void random_topo_init(struct random_topo *t, uint64_t seed)
{
	const struct sim_conns_limits limits = { .records = 2000,
						 .records_port = 1000,
						 .affinities = 100,
						 .timeouts = SKEP_TIMEOUTS };
	char text[RANDOM_OBJECT], name[16];
	struct topo_tag ignored;
	struct err err = { 0 };
	const char *port;

	*t = (struct random_topo){ .random = seed * 2654435761u + 88172645463325252ULL,
				   .now_ns = 1000000000,
				   .records = json_object(),
				   .tables = sim_tables_new(200, 200),
				   .conns = sim_conns_new(&limits) };
	if (!t->records || !t->tables || !t->conns)
		die("memory", "");
	if (!apply(t, random_skeleton, false, &err))
		die(random_skeleton, err.text);
	for (unsigned int kind = 0; kind < RANDOM_KINDS; kind++)
		for (unsigned int i = 0; i < random_count(kind); i++) {
			struct topo_snapshot *old = t->snap;

			if (random_skipped(kind) || !random_below(t, 5))
				continue;
			for (unsigned int tries = 0; tries < TRIES; tries++) {
				random_object(t, kind, i, text, name);
				err = (struct err){ 0 };
				if (apply(t, text, false, &err)) {
					topo_unref(old);
					break;
				}
			}
		}
	for (unsigned int i = 0; (port = random_exterior(i)); i++) {
		struct topo_snapshot *old = t->snap;

		if (!random_below(t, 12))
			continue;
		set_live(t, port, random_below(t, 3) ? "h1" : "h2");
		topo_unref(old);
	}
	for (unsigned int i = 0; i < 12; i++)
		random_topo_learn(t, &ignored);
	random_blocks(t);
}

void random_topo_fini(struct random_topo *t)
{
	topo_unref(t->snap);
	json_decref(t->records);
	sim_tables_free(t->tables);
	sim_conns_free(t->conns);
}

void random_topo_view(struct random_topo *t, struct sim_state_view *view)
{
	sim_state_view_init(view, t->tables, t->conns, t->snap, t->now_ns);
}

static void change_live(struct random_topo *t)
{
	const char *port = random_exterior(random_below(t, random_exteriors()));
	const struct topo_port *p = topo_find_port(t->snap, port);
	const char *host = !p || !p->live_host || random_below(t, 2) ? "h2" : NULL;

	if (p && p->live_host && host && !strcmp(p->live_host, host))
		host = "h1";
	snprintf(t->text, sizeof(t->text), "port %s is %s%s", port, host ? "on " : "nowhere",
		 host ? host : "");
	set_live(t, port, host);
}

static void change_health(struct random_topo *t)
{
	unsigned int up = random_below(t, 2);
	struct err err = { 0 };
	char path[32];

	snprintf(path, sizeof(path), "health/m%u", random_below(t, 4));
	snprintf(t->text, sizeof(t->text), "%s: %s", path, up ? "up" : "down");
	if (!take(t, json_pack("{s:{s:b}}", path, "up", up), &err))
		die(path, err.text);
}

struct topo_snapshot *random_topo_change(struct random_topo *t)
{
	struct topo_snapshot *old = t->snap;
	char text[RANDOM_OBJECT], name[16];
	struct err err = { 0 };

	if (!random_below(t, 12)) {
		change_live(t);
		return old;
	}
	if (!random_below(t, 25)) {
		change_health(t);
		return old;
	}
	for (;;) {
		unsigned int kind = random_below(t, RANDOM_KINDS);
		bool delete = !random_below(t, 4);

		random_object(t, kind, random_below(t, random_count(kind)), text, name);
		if (delete)
			snprintf(text, sizeof(text), "%s: [{name: %s}]\n", random_plural(kind), name);
		snprintf(t->text, sizeof(t->text), "%s %.900s", delete ? "delete" : "apply", text);
		err = (struct err){ 0 };
		if (apply(t, text, delete, &err)) {
			if (t->snap != old)
				return old;
		}
		t->refused++;
	}
}

void random_topo_effects(struct random_topo *t, const struct sim_result *res, const struct pkt *pkt)
{
	for (uint32_t i = 0; i < res->n_learns; i++)
		(void)sim_tables_set_mac(t->tables, res->learns[i].bridge->o.name, res->learns[i].vlan,
					 &res->learns[i].mac, res->learns[i].port->o.name, true,
					 t->now_ns);
	for (uint32_t i = 0; i < res->n_neighs; i++)
		(void)sim_tables_set_neigh(t->tables, res->neighs[i].port->o.name, &res->neighs[i].ip,
					   &res->neighs[i].mac, true, t->now_ns);
	(void)sim_conns_apply(t->conns, res, pkt, NULL, NULL, t->now_ns);
}
