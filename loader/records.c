// SPDX-License-Identifier: Apache-2.0
/* Which flows and connections are told, when, and what is said of them.  Where it goes: records_out.c. */
#include "loader/records_out.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define ETH_BYTES 14
#define TAG_BYTES 4

/* IPFIX forwardingStatus (89): the two highest bits say what, the others why. */
enum { FORWARDED = 0x40, DROPPED = 0x80, DROPPED_BY_RULE = 0x82 };

struct record_state { /* of a flow that is told */
	uint64_t packets, bytes; /* told already */
	uint64_t since_ns;	 /* begin of what is told next */
};

static uint64_t to_unix_ms(uint64_t mono_ns)
{
	const uint64_t now = clock_mono_ns();
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC - (now > mono_ns ? now - mono_ns : 0) / NSEC_PER_MSEC;
}

/* --- flows --- */

static unsigned int bits(const void *p, size_t n)
{
	const uint8_t *b = p;
	unsigned int sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (unsigned int)__builtin_popcount(b[i]);
	return sum;
}

/* What all packets of the flow have in common. */
static void set_key(struct agent *a, const struct index_flow *f, struct flow_record *r)
{
	const struct skep_flow_key4 *k4 = &f->key.k4;
	const struct skep_flow_key6 *k6 = &f->key.k6;
	const bool wild = dp_flow_mask(&f->key) != 0;
	struct skep_mask m;

	memset(&m, 0xff, sizeof(m));
	if (wild)
		(void)dp_wild_mask(a->dp, dp_flow_mask(&f->key), &m);
	r->v6 = f->key.v6;
	r->src = r->v6 ? k6->src : ip_from_v4(k4->src);
	r->dst = r->v6 ? k6->dst : ip_from_v4(k4->dst);
	r->src_len = (uint8_t)(r->v6 ? bits(&m.k6.src, 16) : bits(&m.k4.src, 4));
	r->dst_len = (uint8_t)(r->v6 ? bits(&m.k6.dst, 16) : bits(&m.k4.dst, 4));
	r->proto = r->v6 ? k6->proto : k4->proto;
	if ((r->v6 ? m.k6.sport : m.k4.sport) == 0xffff)
		r->sport = ntohs(r->v6 ? k6->sport : k4->sport);
	if ((r->v6 ? m.k6.dport : m.k4.dport) == 0xffff)
		r->dport = ntohs(r->v6 ? k6->dport : k4->dport);
}

static void set_names(struct agent *a, const struct index_flow *f, struct flow_record *r)
{
	const struct lport *p = ports_find(a, index_in_key(f));
	const char *out = f->outputs;

	r->tenant = f->scope ? ((const struct tenant *)f->scope)->name : "";
	r->port = p ? p->name : "";
	r->ifindex = p ? p->ifindex : 0;
	r->out_port = r->out_host = r->reason = r->culprit = r->match = "";
	if (out && *out && !*(strchr(out, 0) + 1 + strlen(strchr(out, 0) + 1) + 1)) { /* the only one */
		r->out_port = out;
		r->out_host = strchr(out, 0) + 1;
	}
	r->status = FORWARDED;
	if (f->verdict.action != SKEP_ACT_DROP)
		return;
	r->status = f->verdict.out == SKEP_DROP_POLICY || f->verdict.out == SKEP_DROP_REJECT || f->verdict.out == SKEP_DROP_SECURITY_GROUP ?
			    DROPPED_BY_RULE :
			    DROPPED;
	r->reason = skep_drop_name(f->verdict.out);
	r->culprit = f->culprit ?: "";
}

static void tell_flow(struct agent *a, struct index_flow *f, uint64_t packets, uint64_t bytes, uint64_t now_ns, enum record_end end)
{
	struct record_state *s = f->record;
	const uint32_t eth = ETH_BYTES + ((f->key.v6 ? f->key.k6.vlan : f->key.k4.vlan) ? TAG_BYTES : 0);
	struct flow_record r = { .end = end };

	packets += f->up_packets;
	bytes += f->up_bytes;
	if (packets <= s->packets) { /* nothing since */
		s->packets = packets;
		s->bytes = bytes;
		s->since_ns = now_ns;
		return;
	}
	set_key(a, f, &r);
	set_names(a, f, &r);
	r.packets = packets - s->packets;
	r.bytes = bytes - s->bytes;
	r.ip_bytes = r.bytes > r.packets * eth ? r.bytes - r.packets * eth : 0;
	r.start_ms = to_unix_ms(s->since_ns);
	r.end_ms = to_unix_ms(now_ns);
	r.match = a->records->match;
	if (records_out(a->records, &r)) /* else the next one of this flow tells it too: records add up */
		*s = (struct record_state){ .packets = packets, .bytes = bytes, .since_ns = now_ns };
}

/* In words, what a wildcard flow is for. */
static void set_match(struct agent *a, const struct index_flow *f)
{
	char mask[RECORDS_MATCH];

	if (!report_mask(a, &f->key, mask, a->records->match, sizeof(mask)))
		a->records->match[0] = 0;
}

/* Of all flows, so many have such a number. */
static bool is_chosen(const struct records *r, uint64_t hash)
{
	return r->sample <= 1 || hash_u64(hash ^ r->seed) % r->sample == 0;
}

/* Looked at once; false: it is not told. */
static bool look(struct agent *a, struct index_flow *f, uint64_t packets, uint64_t bytes)
{
	struct records *r = a->records;

	if (f->record || f->looked)
		return f->record;
	f->looked = true;
	r->stats.observed++;
	if (!is_chosen(r, f->verdict.cookie))
		return false;
	f->record = calloc(1, sizeof(*f->record));
	if (!f->record)
		return false;
	r->stats.selected++;
	*f->record = (struct record_state){ .packets = packets, .bytes = bytes, .since_ns = f->added_ns };
	return true;
}

void records_flow(struct agent *a, struct index_flow *f, const struct skep_flow *now)
{
	const uint64_t now_ns = a->walk_at_ns;

	if (!a->records || !look(a, f, 0, 0) || now_ns < f->record->since_ns + a->config->records_active_s * NSEC_PER_SEC)
		return;
	set_match(a, f);
	tell_flow(a, f, now->packets, now->bytes, now_ns, RECORD_ACTIVE);
}

void records_adopted(struct agent *a, struct index_flow *f, const struct skep_flow *now)
{
	if (a->records)
		(void)look(a, f, now->packets, now->bytes);
}

void records_flow_ends(struct agent *a, struct index_flow *f)
{
	if (a->records && look(a, f, 0, 0))
		set_match(a, f);
}

void records_flow_over(struct agent *a, struct index_flow *f, const struct skep_flow *now)
{
	if (a->records && f->record)
		tell_flow(a, f, now ? now->packets : f->packets, now ? now->bytes : f->bytes, clock_mono_ns(),
			  a->flow_idle ? RECORD_IDLE : RECORD_FORCED);
	free(TAKE_PTR(f->record));
}

/* --- connections --- */

/* When it was idle for as long as it may be: the time of its last packet. */
static uint64_t idle_since(const struct tenant *t, const struct sim_conn *c)
{
	const uint64_t now = clock_mono_ns(), idle = NSEC_PER_SEC * skep_conn_timeout(conns_timeouts(t), c->tuple.proto, c->orig_seen, c->reply_seen);

	return now > idle ? now - idle : now;
}

void records_conn_over(struct tenant *t, const struct sim_conn *c, uint64_t begun_ns, uint64_t last_ns)
{
	struct agent *a = t->agent;
	const struct lport *p = ports_find_name(t, c->port);
	struct flow_record r = { .conn = true, .status = FORWARDED };

	if (!a->records || c->reply)
		return;
	a->records->stats.observed++;
	if (!is_chosen(a->records, sim_tuple_hash(&c->tuple)))
		return;
	a->records->stats.selected++;
	r.v6 = !ip_is_v4(&c->tuple.src);
	if (r.v6 == ip_is_v4(&c->other.dst)) /* nothing that these templates have room for */
		return;
	r.src = c->tuple.src;
	r.dst = c->tuple.dst;
	r.sport = ntohs(c->tuple.sport);
	r.dport = ntohs(c->tuple.dport);
	r.proto = c->tuple.proto;
	r.post_src = c->other.dst; /* replies go there */
	r.post_dst = c->other.src;
	r.post_sport = ntohs(c->other.dport);
	r.post_dport = ntohs(c->other.sport);
	/* by FIN or RST: not by time */
	r.end = last_ns ? RECORD_FORCED : c->tuple.proto == IPPROTO_TCP && (c->orig_seen | c->reply_seen) & (SKEP_TCP_FIN | SKEP_TCP_RST) ? RECORD_ENDED : RECORD_IDLE;
	if (!last_ns)
		last_ns = idle_since(t, c);
	r.start_ms = to_unix_ms(begun_ns ? begun_ns : last_ns);
	r.end_ms = to_unix_ms(last_ns > begun_ns ? last_ns : begun_ns);
	r.tenant = t->name;
	r.port = c->port;
	r.out_port = c->other_port;
	r.out_host = r.reason = r.culprit = r.match = "";
	r.ifindex = p ? p->ifindex : 0;
	(void)records_out(a->records, &r); /* told once, or lost: counted */
}

void records_conn_gone(struct tenant *t, const char *port, const struct sim_tuple *tuple, uint64_t begun_ns, uint64_t last_ns)
{
	const struct sim_conn *c = t->agent->records ? sim_conns_find(t->conns, port, tuple, 0) : NULL;

	if (c)
		records_conn_over(t, c, begun_ns, last_ns);
}

const struct records_stats *records_stats(const struct records *r)
{
	return &r->stats;
}
