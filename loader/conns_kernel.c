// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's table of connection records: written through by conns.c, read once at start, so that a skepd that was killed has them
 * again.  Its times are CLOCK_BOOTTIME, ours CLOCK_MONOTONIC.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/agent.h"
#include "packet/packet.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define GRACE_S 15 /* for adopted connections, until their flows have told of their packets */

struct adopted_conn {
	struct hmap_node node; /* agent.adopted_conns */
	struct skep_conn_key key;
	struct skep_conn conn;
};

/* How far CLOCK_BOOTTIME is ahead. */
static uint64_t boot_ahead_ns(void)
{
	struct timespec ts;
	uint64_t mono = clock_mono_ns(), boot;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	boot = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	return boot > mono ? boot - mono : 0;
}

static struct skep_conn_key make_key(uint32_t port, const struct sim_tuple *t)
{
	return (struct skep_conn_key){ .port = port,
				       .proto = t->proto,
				       .src = t->src,
				       .dst = t->dst,
				       .sport = t->sport,
				       .dport = t->dport };
}

void conns_persist(struct tenant *t, const struct sim_conn *c, uint64_t last_ns)
{
	const struct lport *p = ports_find_name(t, c->port);
	struct skep_conn v = { .reply = c->reply,
			       .orig_seen = c->orig_seen,
			       .reply_seen = c->reply_seen,
			       .n_bindings = c->n_bindings,
			       .last_seen_ns = last_ns + boot_ahead_ns(),
			       .other_src = c->other.src,
			       .other_dst = c->other.dst,
			       .other_sport = c->other.sport,
			       .other_dport = c->other.dport };
	struct skep_conn_key key;

	if (!p)
		return;
	memcpy(v.other_port, c->other_port, sizeof(v.other_port));
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct sim_binding *b = &c->bindings[i];

		v.bindings[i] = (struct skep_binding){ .router = b->router,
						       .member = b->member,
						       .from = b->from,
						       .to = b->to,
						       .from_port = b->from_port,
						       .to_port = b->to_port,
						       .dst = b->dst };
	}
	key = make_key(p->key, &c->tuple);
	(void)dp_conn_put(t->agent->dp, &key, &v); /* full: a restart will not find it */
}

void conns_unpersist(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	const struct lport *p = ports_find_name(t, port);
	struct skep_conn_key key;

	if (!p)
		return;
	key = make_key(p->key, tuple);
	dp_conn_del(t->agent->dp, &key);
}

/* --- adoption --- */

static void on_adopted(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	struct agent *a = arg;
	struct adopted_conn *ad = calloc(1, sizeof(*ad));

	if (!ad || hmap_insert(&a->adopted_conns, &ad->node, hash_u64(key->port))) {
		free(ad);
		return;
	}
	ad->key = *key;
	ad->conn = *conn;
}

void conns_adopt(struct agent *a)
{
	(void)dp_conns_walk(a->dp, on_adopted, a);
	if (a->adopted_conns.n)
		log_info("%zu connections of an earlier skepd", a->adopted_conns.n);
}

static void to_sim(const struct adopted_conn *ad, const struct lport *p, struct sim_conn *c)
{
	const struct skep_conn *v = &ad->conn;

	*c = (struct sim_conn){ .tuple = { .src = ad->key.src,
					   .dst = ad->key.dst,
					   .sport = ad->key.sport,
					   .dport = ad->key.dport,
					   .proto = ad->key.proto },
				.other = { .src = v->other_src,
					   .dst = v->other_dst,
					   .sport = v->other_sport,
					   .dport = v->other_dport,
					   .proto = ad->key.proto },
				.reply = v->reply,
				.orig_seen = v->orig_seen,
				.reply_seen = v->reply_seen,
				.n_bindings = v->n_bindings > SIM_BINDINGS_MAX ? SIM_BINDINGS_MAX
									       : v->n_bindings };
	snprintf(c->port, sizeof(c->port), "%s", p->name);
	snprintf(c->other_port, sizeof(c->other_port), "%.*s", TOPO_NAME_MAX, v->other_port);
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct skep_binding *b = &v->bindings[i];

		c->bindings[i] = (struct sim_binding){ .router = b->router,
						       .member = b->member,
						       .dst = b->dst,
						       .from = b->from,
						       .to = b->to,
						       .from_port = b->from_port,
						       .to_port = b->to_port };
	}
}

/* False: it was over already.  One that does not seem to have been in use may have been: its flows went on while no skepd was there to
 * note it.  What has ended is not waited for. */
static bool adopt(struct lport *p, const struct adopted_conn *ad)
{
	uint64_t now = clock_mono_ns(), ahead = boot_ahead_ns(), last = ad->conn.last_seen_ns;
	uint64_t timeout, least;
	struct sim_conn c;

	last = last > ahead ? last - ahead : 0;
	if (last > now)
		last = now;
	to_sim(ad, p, &c);
	timeout = skep_conn_timeout(conns_timeouts(p->tenant), c.tuple.proto, c.orig_seen,
				    c.reply_seen);
	least = timeout > GRACE_S ? (timeout - GRACE_S) * NSEC_PER_SEC : now;
	if (now > last + least)
		last = now - least;
	return now < last + timeout * NSEC_PER_SEC &&
	       sim_conns_put(p->tenant->conns, &c, last) >= 0;
}

unsigned int conns_adopt_port(struct lport *p)
{
	struct agent *a = p->tenant->agent;
	struct hmap_node *n = hmap_first_with_hash(&a->adopted_conns, hash_u64(p->key)), *next;
	unsigned int count = 0;

	for (; n; n = next) { /* hash_u64 is a bijection */
		struct adopted_conn *ad = container_of(n, struct adopted_conn, node);

		next = hmap_next_with_hash(n);
		if (!adopt(p, ad))
			dp_conn_del(a->dp, &ad->key);
		hmap_remove(&a->adopted_conns, n);
		free(ad);
		count++;
	}
	return count;
}

void conns_adopt_end(struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->adopted_conns) {
		struct adopted_conn *ad = container_of(n, struct adopted_conn, node);

		if (a->adoption_done)
			dp_conn_del(a->dp, &ad->key);
		hmap_remove(&a->adopted_conns, n);
		free(ad);
	}
	hmap_fini(&a->adopted_conns);
}

/* --- tuples --- */

static bool is_echo(uint8_t proto, __be16 type_code, uint8_t *request, bool *reply)
{
	uint8_t type = (uint8_t)(ntohs(type_code) >> 8);

	if (proto == IPPROTO_ICMP && (type == 8 || type == 0)) {
		*request = 8;
		*reply = type == 0;
		return true;
	}
	if (proto == IPPROTO_ICMPV6 && (type == 128 || type == 129)) {
		*request = 128;
		*reply = type == 129;
		return true;
	}
	return false;
}

bool conns_tuple(const struct dp_flow_key *key, struct sim_tuple *t)
{
	uint8_t request;
	bool reply;

	memset(t, 0, sizeof(*t));
	if (key->v6) {
		t->src = key->k6.src;
		t->dst = key->k6.dst;
		t->sport = key->k6.sport;
		t->dport = key->k6.dport;
		t->proto = key->k6.proto;
	} else {
		if (key->k4.eth_type != htons(ETH_P_IP))
			return false;
		t->src = ip_from_v4(key->k4.src);
		t->dst = ip_from_v4(key->k4.dst);
		t->sport = key->k4.sport;
		t->dport = key->k4.dport;
		t->proto = key->k4.proto;
	}
	if ((key->v6 ? key->k6.frag : key->k4.frag) != SKEP_FRAG_NONE)
		return false;
	if (t->proto != IPPROTO_ICMP && t->proto != IPPROTO_ICMPV6)
		return true;
	if (!is_echo(t->proto, t->sport, &request, &reply))
		return false;
	if (reply) {
		t->sport = htons((uint16_t)(request << 8));
	} else {
		t->sport = t->dport; /* the id */
		t->dport = htons((uint16_t)(request << 8));
	}
	return true;
}
