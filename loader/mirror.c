// SPDX-License-Identifier: Apache-2.0
/*
 * A copy of the connection records of local ports in the state DB's stash: for the host that takes a port over, and for this one after a
 * reboot.  Gathered for 100 ms, bounded, best effort: a record that is lost here costs a connection that its host loses too.  One name of
 * the stash per port; a field per record: base64 of the wall clock's seconds and the record as peers.h writes it.
 */
#include "loader/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/conn_sides.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/log.h"

#define FLUSH_NS    (100 * NSEC_PER_MSEC)
#define DIRTY_MAX   16384 /* records that wait */
#define TTL_EXTRA_S 600
#define FETCH_TRIES 5
#define FIELD	    24

/* Outlives the mirror when the answer comes late. */
struct call {
	struct call *next;
	struct mirror *m; /* NULL = gone */
	unsigned int tries, n;
	char port[TOPO_NAME_MAX + 1];
};

struct mirror {
	struct tenant *t;
	json_t *dirty; /* {port: {field: text | null}} */
	unsigned int n_dirty;
	struct loop_timer *timer;
	bool busy; /* a write is under way */
	struct call *calls;
};

int mirror_init(struct tenant *t)
{
	t->mirror = calloc(1, sizeof(*t->mirror));
	if (!t->mirror)
		return -ENOMEM;
	t->mirror->t = t;
	return 0;
}

void mirror_fini(struct tenant *t)
{
	struct mirror *m = TAKE_PTR(t->mirror);

	if (!m)
		return;
	for (struct call *c = m->calls; c; c = c->next)
		c->m = NULL;
	loop_timer_del(m->timer);
	json_decref(m->dirty);
	free(m);
}

static struct call *new_call(struct mirror *m)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->m = m;
	c->next = m->calls;
	m->calls = c;
	return c;
}

/* Takes it off the list; NULL when the mirror has gone. */
static struct mirror *end_call(struct call *c)
{
	struct mirror *m = c->m;

	for (struct call **p = m ? &m->calls : NULL; p && *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	return m;
}

/* --- writing --- */

static void schedule(struct mirror *m);

static void on_stashed(void *arg, const struct err *err, const json_t *reply)
{
	struct call *c = arg;
	struct mirror *m = end_call(c);

	(void)reply;
	if (m) {
		m->busy = false;
		if (err)
			m->t->agent->stats.mirror_lost += c->n;
		else
			m->t->agent->stats.mirrored += c->n;
		if (!err || err->code != -ECANCELED)
			schedule(m);
	}
	free(c);
}

static void flush(void *arg)
{
	struct mirror *m = arg;
	struct agent *a = m->t->agent;
	struct call *c;

	m->timer = NULL;
	if (!a->leased) /* not ours to say, or nobody to say it to: when the lease is back */
		return;
	c = new_call(m);
	if (!c)
		return;
	c->n = m->n_dirty;
	m->busy = true;
	m->n_dirty = 0;
	db_stash(a->db, m->t->name, m->dirty,
		 conns_timeouts(m->t)->tcp_established + TTL_EXTRA_S, on_stashed, c);
	json_decref(TAKE_PTR(m->dirty));
}

static void schedule(struct mirror *m)
{
	if (!m->timer && !m->busy && m->n_dirty)
		m->timer = loop_timer_add(m->t->agent->loop, FLUSH_NS, 0, flush, m);
}

/* Takes 'value'. */
static void set_field(struct mirror *m, const char *port, const char *field, json_t *value)
{
	json_t *fields;

	if (!m->dirty)
		m->dirty = json_object();
	fields = json_object_get(m->dirty, port);
	if (!fields) {
		fields = json_object();
		json_object_set_new(m->dirty, port, fields);
	}
	if (!json_object_get(fields, field)) {
		if (m->n_dirty >= DIRTY_MAX) {
			m->t->agent->stats.mirror_lost++;
			json_decref(value);
			return;
		}
		m->n_dirty++;
	}
	json_object_set_new(fields, field, value);
	schedule(m);
}

static void set(struct mirror *m, const char *port, const struct sim_tuple *tuple, json_t *value)
{
	char field[FIELD];

	snprintf(field, sizeof(field), "%016llx", (unsigned long long)sim_tuple_hash(tuple));
	set_field(m, port, field, value);
}

/* A scan would be written to the DB, and deleted from it, packet by packet.  Whoever takes the port over begins what nobody has answered anew; but not with
 * another translation. */
static bool is_worth_it(const struct sim_conn *c)
{
	return (c->orig_seen && c->reply_seen) || sim_conn_translated(c);
}

void mirror_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns)
{
	const bool worth_it = is_worth_it(conn);
	struct side *side = worth_it ? side_find(&t->conn_sides, conn->port, &conn->tuple) : side_get(&t->conn_sides, conn);
	uint8_t bytes[8 + PEERS_ITEM_MAX];
	struct peers_buf b = { .p = bytes + 8, .max = PEERS_ITEM_MAX };
	struct peers_item item = { .what = PEERS_SET, .conn = *conn };
	uint64_t now = clock_mono_ns(), age_s = now > last_ns ? (now - last_ns) / NSEC_PER_SEC : 0;
	uint64_t at = (uint64_t)time(NULL) - age_s;
	uint32_t hi = htonl((uint32_t)(at >> 32)), lo = htonl((uint32_t)at);
	char text[BASE64_LEN(sizeof(bytes))];

	if (side)
		side->unwritten = !worth_it;
	if ((side && !worth_it) || t->agent->leaving || !peers_put_item(&b, &item))
		return;
	memcpy(bytes, &hi, 4);
	memcpy(bytes + 4, &lo, 4);
	base64_encode(bytes, 8 + b.n, text);
	set(t->mirror, conn->port, &conn->tuple, json_string(text));
}

void mirror_del(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	const struct side *side = side_find(&t->conn_sides, port, tuple);

	if (!side || !side->unwritten)
		set(t->mirror, port, tuple, json_null());
}

/* --- reading --- */

/* False: nonsense, or over. */
static bool decode(const struct tenant *t, const char *port, const char *text,
		   struct sim_conn *conn, uint64_t *age_s)
{
	uint8_t bytes[8 + PEERS_ITEM_MAX];
	struct peers_buf b = { .p = bytes + 8 };
	int len = base64_decode(text, bytes, sizeof(bytes));
	uint64_t at, now = (uint64_t)time(NULL);
	struct peers_item item;
	uint32_t hi, lo;

	if (len < 8)
		return false;
	memcpy(&hi, bytes, 4);
	memcpy(&lo, bytes + 4, 4);
	at = (uint64_t)ntohl(hi) << 32 | ntohl(lo);
	b.max = (uint32_t)len - 8;
	if (!peers_get_item(&b, &item) || item.what != PEERS_SET || strcmp(item.conn.port, port))
		return false;
	*conn = item.conn;
	*age_s = now > at ? now - at : 0;
	return *age_s < skep_conn_timeout(conns_timeouts(t), conn->tuple.proto, conn->orig_seen,
					  conn->reply_seen);
}

static void take(struct tenant *t, const char *port, const json_t *fields)
{
	uint64_t now = clock_mono_ns(), age_s;
	unsigned int n = 0;
	struct sim_conn conn;
	const char *field;
	json_t *v;

	json_object_foreach ((json_t *)fields, field, v) {
		const char *text = json_string_value(v);

		if (!text || !decode(t, port, text, &conn, &age_s)) {
			/* what its last host had no time to delete: nobody else will, as long as the port is in use */
			if (!json_object_get(json_object_get(t->mirror->dirty, port), field))
				set_field(t->mirror, port, field, json_null());
			continue;
		}
		if (sim_conns_find(t->conns, port, &conn.tuple, now))
			continue;
		conns_remote_put(t, &conn, now > age_s * NSEC_PER_SEC ? now - age_s * NSEC_PER_SEC
								      : 0);
		n++;
	}
	if (n)
		log_info("port '%s' of tenant '%s': %u connections taken over", port, t->name, n);
}

static void on_fetched(void *arg, const struct err *err, const json_t *reply)
{
	struct call *c = arg;
	struct mirror *m = c->m;

	if (m && err && err->code != -ECANCELED && ++c->tries < FETCH_TRIES &&
	    conns_port_here(m->t, c->port)) {
		db_unstash(m->t->agent->db, m->t->name, c->port, on_fetched, c);
		return;
	}
	m = end_call(c);
	if (m && !err && conns_port_here(m->t, c->port)) {
		take(m->t, c->port, reply);
		upcall_drain(m->t->agent);
	}
	free(c);
}

void mirror_fetch(struct tenant *t, const char *port)
{
	struct call *c = new_call(t->mirror);

	if (!c)
		return;
	snprintf(c->port, sizeof(c->port), "%s", port);
	db_unstash(t->agent->db, t->name, c->port, on_fetched, c);
}

void mirror_tick(struct tenant *t)
{
	schedule(t->mirror);
}
