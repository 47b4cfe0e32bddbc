// SPDX-License-Identifier: Apache-2.0
/*
 * Records of connections (conns.h): by port and tuple, bounded, with idle expiry.  A record that is over is not found, whether it has been
 * deleted yet or not.
 */
#include "simulator/conns_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

#define NSEC 1000000000ULL

struct sim_conns *sim_conns_new(const struct sim_conns_limits *limits)
{
	struct sim_conns *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->limits = *limits;
	c->seed = hash_u64((uintptr_t)c);
	hmap_init(&c->records);
	hmap_init(&c->names);
	hmap_init(&c->dests);
	hmap_init(&c->uses);
	hmap_init(&c->counts);
	hmap_init(&c->fulls);
	hmap_init(&c->affinities);
	return c;
}

static void unlink_record(struct sim_conns *c, struct conns_record *r)
{
	*(r->prev ? &r->prev->next : &c->first) = r->next;
	*(r->next ? &r->next->prev : &c->last) = r->prev;
}

static void append_record(struct sim_conns *c, struct conns_record *r)
{
	r->prev = c->last;
	r->next = NULL;
	*(c->last ? &c->last->next : &c->first) = r;
	c->last = r;
}

static void free_record(struct conns_record *r)
{
	if (!r)
		return;
	free(r->bindings);
	free(r);
}

void sim_conns_free(struct sim_conns *c)
{
	struct hmap_node *node, *tmp;

	if (!c)
		return;
	hmap_for_each (node, tmp, &c->records)
		free_record(container_of(node, struct conns_record, node));
	hmap_for_each (node, tmp, &c->names)
		free(container_of(node, struct conns_name, node));
	hmap_fini(&c->records);
	hmap_fini(&c->names);
	conns_free_sources(c);
	conns_free_affinities(c);
	free(c);
}

/* --- names --- */

static struct conns_name *find_name(const struct sim_conns *c, const char *text)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->names, hash_str(text, c->seed))
	{
		struct conns_name *n = container_of(node, struct conns_name, node);

		if (!strcmp(n->text, text))
			return n;
	}
	return NULL;
}

static struct conns_name *get_name(struct sim_conns *c, const char *text)
{
	struct conns_name *n = find_name(c, text);

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return NULL;
		memcpy(n->text, text, strnlen(text, TOPO_NAME_MAX));
		if (hmap_insert(&c->names, &n->node, hash_str(n->text, c->seed))) {
			free(n);
			return NULL;
		}
	}
	n->refs++;
	return n;
}

static void put_name(struct sim_conns *c, struct conns_name *n)
{
	if (!n || --n->refs)
		return;
	hmap_remove(&c->names, &n->node);
	free(n);
}

/* --- finding --- */

static void expand(const struct conns_record *r, struct sim_conn *conn)
{
	conn->tuple = r->tuple;
	conn->other = r->other;
	memcpy(conn->port, r->port->text, sizeof(conn->port));
	memcpy(conn->other_port, r->other_port->text, sizeof(conn->other_port));
	conn->reply = r->reply;
	conn->orig_seen = r->orig_seen;
	conn->reply_seen = r->reply_seen;
	conn->n_bindings = r->n_bindings;
	memset(conn->bindings, 0, sizeof(conn->bindings));
	if (r->n_bindings)
		memcpy(conn->bindings, r->bindings, r->n_bindings * sizeof(*r->bindings));
}

static uint64_t hash_record(const struct sim_conns *c, const char *port, const struct sim_tuple *t)
{
	return hash_str(port, c->seed ^ sim_tuple_hash(t));
}

static struct conns_record *find_record(const struct sim_conns *c, const char *port,
					const struct sim_tuple *t)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->records, hash_record(c, port, t))
	{
		struct conns_record *r = container_of(node, struct conns_record, node);

		if (sim_tuple_eq(&r->tuple, t) && !strcmp(r->port->text, port))
			return r;
	}
	return NULL;
}

static uint32_t timeout_of(const struct sim_conns *c, const struct conns_record *r)
{
	return skep_conn_timeout(&c->limits.timeouts, r->tuple.proto, r->orig_seen, r->reply_seen);
}

/* Which of its idle times that is, whatever the configuration says: some may be as long as others. */
static uint32_t phase_of(const struct conns_record *r)
{
	static const struct skep_timeouts phases = { .tcp_syn = 1, .tcp_established = 2, .tcp_fin = 3, .tcp_closed = 4,
						     .udp_new = 5, .udp_replied = 6, .icmp = 7, .other = 8 };
	const uint32_t phase = skep_conn_timeout(&phases, r->tuple.proto, r->orig_seen, r->reply_seen);

	return phase == phases.other && r->orig_seen && r->reply_seen ? phase + 1 : phase;
}

static bool is_over(const struct sim_conns *c, const struct conns_record *r, uint64_t now_ns)
{
	return now_ns > r->last_ns && now_ns - r->last_ns > timeout_of(c, r) * NSEC;
}

const struct sim_conn *sim_conns_find(const struct sim_conns *c, const char *port,
				      const struct sim_tuple *tuple, uint64_t now_ns)
{
	const struct conns_record *r = find_record(c, port, tuple);
	struct sim_conns *table = (struct sim_conns *)c; /* 'shown' is no part of what it says */
	struct sim_conn *conn;

	if (!r || is_over(c, r, now_ns))
		return NULL;
	conn = &table->shown[table->turn++ % CONNS_SHOWN];
	expand(r, conn);
	return conn;
}

uint32_t sim_conns_count(const struct sim_conns *c, const char *port)
{
	const struct conns_name *n = port ? find_name(c, port) : NULL;

	if (!port)
		return (uint32_t)c->records.n;
	return n ? n->records : 0;
}

bool sim_conns_room(const struct sim_conns *c, const char *port)
{
	const struct conns_name *n = find_name(c, port);

	return c->records.n < c->limits.records && (!n || n->begun < c->limits.records_port);
}

/* --- changing --- */

static void remove_record(struct sim_conns *c, struct conns_record *r, uint64_t now_ns)
{
	struct sim_conn conn;

	if (r->n_bindings) {
		expand(r, &conn);
		conns_release_sources(c, &conn, now_ns);
	}
	hmap_remove(&c->records, &r->node);
	unlink_record(c, r);
	r->port->records--;
	r->port->begun -= !r->reply;
	put_name(c, r->port);
	put_name(c, r->other_port);
	free_record(r);
}

static struct conns_record *new_record(const struct sim_conn *conn, uint64_t now_ns)
{
	struct conns_record *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (conn->n_bindings) {
		r->bindings = calloc(conn->n_bindings, sizeof(*r->bindings));
		if (!r->bindings) {
			free(r);
			return NULL;
		}
		memcpy(r->bindings, conn->bindings, conn->n_bindings * sizeof(*r->bindings));
	}
	r->tuple = conn->tuple;
	r->other = conn->other;
	r->reply = conn->reply;
	r->orig_seen = conn->orig_seen;
	r->reply_seen = conn->reply_seen;
	r->n_bindings = conn->n_bindings;
	r->last_ns = now_ns;
	return r;
}

/* Also where there is no room, if it takes the place of one. */
static int add_record(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns)
{
	struct conns_record *r = new_record(conn, now_ns);
	bool held = false;

	if (!r)
		return -ENOMEM;
	r->port = get_name(c, conn->port);
	r->other_port = get_name(c, conn->other_port);
	if (!r->port || !r->other_port || conns_hold_sources(c, conn))
		goto fail;
	held = true;
	if (hmap_insert(&c->records, &r->node, hash_record(c, conn->port, &conn->tuple)))
		goto fail;
	r->port->records++;
	r->port->begun += !r->reply;
	append_record(c, r);
	return 1;
fail:
	if (held)
		conns_release_sources(c, conn, now_ns);
	put_name(c, r->port);
	put_name(c, r->other_port);
	free_record(r);
	return -ENOMEM;
}

static bool same_binding(const struct sim_binding *x, const struct sim_binding *y)
{
	return x->router == y->router && x->member == y->member && x->dst == y->dst &&
	       ip_eq(&x->from, &y->from) && ip_eq(&x->to, &y->to) &&
	       x->from_port == y->from_port && x->to_port == y->to_port;
}

static bool same_connection(const struct conns_record *r, const struct sim_conn *conn)
{
	if (r->reply != conn->reply || !sim_tuple_eq(&r->other, &conn->other) ||
	    r->n_bindings != conn->n_bindings || strcmp(r->other_port->text, conn->other_port) != 0)
		return false;
	for (uint8_t i = 0; i < r->n_bindings; i++)
		if (!same_binding(&r->bindings[i], &conn->bindings[i]))
			return false;
	return true;
}

/* The next connection of the same ends: it begins behind the end of the last one. */
static bool is_successor(const struct conns_record *old, const struct sim_conn *conn)
{
	const uint8_t flags = SKEP_TCP_SYN | SKEP_TCP_ACK | SKEP_TCP_FIN | SKEP_TCP_RST;

	return conn->tuple.proto == IPPROTO_TCP && (conn->orig_seen & flags) == SKEP_TCP_SYN &&
	       !conn->reply_seen &&
	       ((old->orig_seen | old->reply_seen) & (SKEP_TCP_FIN | SKEP_TCP_RST));
}

/* Replies take no room of the port that sends them: who begins many connections leaves room for others to the same uplink or server. */
static bool has_room(const struct sim_conns *c, const struct sim_conn *conn)
{
	return conn->reply ? c->records.n < c->limits.records : sim_conns_room(c, conn->port);
}

int sim_conns_put(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns)
{
	struct conns_record *r = find_record(c, conn->port, &conn->tuple);
	int rc;

	if (conn->n_bindings > SIM_BINDINGS_MAX)
		return -EINVAL;
	if (r && !is_over(c, r, now_ns) && same_connection(r, conn) && !is_successor(r, conn)) {
		r->orig_seen |= conn->orig_seen;
		r->reply_seen |= conn->reply_seen;
		if (now_ns > r->last_ns)
			r->last_ns = now_ns;
		return 0;
	}
	if (!r && !has_room(c, conn))
		return -ENOSPC;
	rc = add_record(c, conn, now_ns);
	if (r && rc == 1)
		remove_record(c, r, now_ns);
	return rc;
}

bool sim_conns_del(struct sim_conns *c, const char *port, const struct sim_tuple *tuple)
{
	struct conns_record *r = find_record(c, port, tuple);

	if (r)
		remove_record(c, r, r->last_ns);
	return r;
}

bool sim_conns_touch(struct sim_conns *c, const char *port, const struct sim_tuple *tuple,
		     bool opposite, uint8_t seen, uint64_t now_ns)
{
	struct conns_record *r = find_record(c, port, tuple);
	uint32_t before;

	if (!r)
		return false;
	before = phase_of(r);
	*(r->reply != opposite ? &r->reply_seen : &r->orig_seen) |= seen;
	if (now_ns > r->last_ns)
		r->last_ns = now_ns;
	return before != phase_of(r);
}

void sim_conns_expire(struct sim_conns *c, uint64_t now_ns, uint32_t max,
		      void (*cb)(void *arg, const struct sim_conn *conn), void *arg)
{
	struct conns_record *r, *end = c->last;
	struct sim_conn conn;

	for (r = c->first; r && max; max--) {
		struct conns_record *next = r == end ? NULL : r->next;

		if (is_over(c, r, now_ns)) {
			expand(r, &conn);
			if (cb)
				cb(arg, &conn);
			remove_record(c, r, now_ns);
		} else {
			unlink_record(c, r);
			append_record(c, r);
		}
		r = next;
	}
	conns_wake_sources(c, now_ns);
}

void sim_conns_walk(struct sim_conns *c,
		    void (*cb)(void *arg, const struct sim_conn *conn, uint64_t last_ns), void *arg)
{
	struct conns_record *r, *next;
	struct sim_conn conn;

	for (r = c->first; r; r = next) {
		next = r->next;
		expand(r, &conn);
		cb(arg, &conn, r->last_ns);
	}
}

struct scan {
	void (*cb)(void *arg, const struct sim_conn *conn, uint64_t last_ns);
	void *arg;
};

static void on_scanned(void *arg, struct hmap_node *node)
{
	const struct conns_record *r = container_of(node, struct conns_record, node);
	const struct scan *s = arg;
	struct sim_conn conn;

	expand(r, &conn);
	s->cb(s->arg, &conn, r->last_ns);
}

uint64_t sim_conns_scan(struct sim_conns *c, uint64_t at,
			void (*cb)(void *arg, const struct sim_conn *conn, uint64_t last_ns), void *arg)
{
	struct scan s = { cb, arg };

	return hmap_scan(&c->records, at, on_scanned, &s);
}

void sim_conns_drop_port(struct sim_conns *c, const char *port)
{
	struct conns_record *r, *next;

	for (r = c->first; r; r = next) {
		next = r->next;
		if (!strcmp(r->port->text, port))
			remove_record(c, r, r->last_ns);
	}
}

/* --- results --- */

static uint8_t seen_of(const struct pkt *pkt)
{
	if (pkt->f.ip_proto == IPPROTO_TCP && pkt->f.has_l4 && pkt->l4_off)
		return pkt->f.tcp_flags;
	return SIM_SEEN_ANY;
}

static unsigned int put_new(struct sim_conns *c, const struct sim_result *res,
			    bool (*here)(void *arg, const char *port), void *arg, uint64_t now_ns)
{
	unsigned int change = 0;
	int rc;

	for (uint32_t i = 0; i < res->n_new_conns; i++) {
		if (here && !here(arg, res->new_conns[i].port))
			continue;
		rc = sim_conns_put(c, &res->new_conns[i], now_ns);
		change |= rc < 0 ? SIM_CONNS_FULL : SIM_CONNS_NEW;
	}
	return change;
}

unsigned int sim_conns_apply(struct sim_conns *c, const struct sim_result *res, const struct pkt *pkt,
			     bool (*here)(void *arg, const char *port), void *arg, uint64_t now_ns)
{
	const struct sim_conn *conn = res->conn;
	unsigned int change = put_new(c, res, here, arg, now_ns);

	for (uint32_t i = 0; i < res->n_affinities; i++) {
		const struct sim_affinity_learn *a = &res->affinities[i];

		(void)sim_conns_set_affinity(c, a->vip->o.name, &a->client, a->member->o.name,
					     a->vip->affinity_s * NSEC, now_ns);
	}
	if (!conn || res->n_new_conns)
		return change;
	if (res->end_conn) {
		struct sim_conn ended = *conn;

		(void)sim_conns_del(c, ended.port, &ended.tuple);
		(void)sim_conns_del(c, ended.other_port, &ended.other);
		return change | SIM_CONNS_ENDED;
	}
	if (res->verdict == SIM_FORWARD && !(res->ct & TOPO_CT_RELATED) &&
	    sim_conns_touch(c, conn->port, &conn->tuple, false, seen_of(pkt), now_ns))
		change |= SIM_CONNS_STATE;
	return change;
}

/* --- view --- */

static const struct topo_port *view_mac(void *arg, const struct topo_bridge *bridge, uint16_t vlan,
					const struct skep_mac *mac)
{
	struct sim_state_view *v = arg;

	return v->tables.view.mac(v->tables.view.arg, bridge, vlan, mac);
}

static enum sim_neigh view_neigh(void *arg, const struct topo_port *port, const struct skep_ip *ip,
				 struct skep_mac *mac)
{
	struct sim_state_view *v = arg;

	return v->tables.view.neigh(v->tables.view.arg, port, ip, mac);
}

static const struct sim_conn *view_conn(void *arg, const struct topo_port *port,
					const struct sim_tuple *tuple)
{
	const struct sim_state_view *v = arg;

	return sim_conns_find(v->conns, port->o.name, tuple, v->now_ns);
}

static bool view_room(void *arg, const struct topo_port *port)
{
	const struct sim_state_view *v = arg;

	return sim_conns_room(v->conns, port->o.name);
}

static enum sim_alloc view_snat(void *arg, const struct sim_snat *ask, struct skep_ip *ip,
				__be16 *port)
{
	const struct sim_state_view *v = arg;

	return sim_conns_snat(v->conns, ask, v->now_ns, ip, port);
}

static const char *view_affinity(void *arg, const struct topo_vip *vip, const struct skep_ip *client)
{
	const struct sim_state_view *v = arg;

	return sim_conns_affinity(v->conns, vip->o.name, client, v->now_ns);
}

void sim_state_view_init(struct sim_state_view *v, struct sim_tables *t, const struct sim_conns *c,
			 const struct topo_snapshot *snap, uint64_t now_ns)
{
	*v = (struct sim_state_view){
		.view = { .mac = view_mac, .neigh = view_neigh, .arg = v },
		.conns = c,
		.now_ns = now_ns,
	};
	sim_tables_view_init(&v->tables, t, snap, now_ns);
	if (!c)
		return;
	v->view.conn = view_conn;
	v->view.conn_room = view_room;
	v->view.snat = view_snat;
	v->view.affinity = view_affinity;
}
