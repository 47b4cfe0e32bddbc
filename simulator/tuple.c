// SPDX-License-Identifier: Apache-2.0
/* Connections as values: tuples, names, states.  Called by conn.c, conns.c, the agent and tests. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "maps/state.h"
#include "simulator/simulator.h"
#include "util/hash.h"

void sim_tuple_reverse(const struct sim_tuple *t, struct sim_tuple *out)
{
	*out = (struct sim_tuple){ .src = t->dst,
				   .dst = t->src,
				   .sport = t->dport,
				   .dport = t->sport,
				   .proto = t->proto };
}

bool sim_tuple_eq(const struct sim_tuple *a, const struct sim_tuple *b)
{
	return ip_eq(&a->src, &b->src) && ip_eq(&a->dst, &b->dst) && a->sport == b->sport &&
	       a->dport == b->dport && a->proto == b->proto;
}

/* Machines choose tuples, and with IPv6 all of an address: those of one hash would share tags, places in tables, and names in the state DB. */
void sim_tuple_translate(const struct sim_tuple *t, const struct sim_binding *b, bool reply, struct sim_tuple *out)
{
	*out = *t;
	if (b->dst != reply) {
		out->dst = reply ? b->from : b->to;
		out->dport = reply ? b->from_port : b->to_port;
	} else {
		out->src = reply ? b->from : b->to;
		out->sport = reply ? b->from_port : b->to_port;
	}
}

uint64_t sim_tuple_hash(const struct sim_tuple *t)
{
	uint64_t words[5], h;

	memcpy(words, &t->src, 16);
	memcpy(words + 2, &t->dst, 16);
	words[4] = (uint64_t)t->sport << 32 | (uint64_t)t->dport << 16 | t->proto;
	h = hash_sip(words, sizeof(words), 0);
	return h ? h : 1;
}

uint64_t sim_name_hash(const char *name)
{
	uint64_t h = hash_str(name, 0x736b6570);

	return h ? h : 1;
}

const char *sim_tuple_format(const struct sim_tuple *t, char buf[static SIM_TUPLE_TEXT])
{
	char a[ADDR_TEXT], b[ADDR_TEXT], p[8];
	const char *proto = proto_format(t->proto, p);
	bool v6 = !ip_is_v4(&t->src);

	ip_format(&t->src, a);
	ip_format(&t->dst, b);
	if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP)
		snprintf(buf, SIM_TUPLE_TEXT, v6 ? "%s [%s]:%u > [%s]:%u" : "%s %s:%u > %s:%u", proto, a,
			 ntohs(t->sport), b, ntohs(t->dport));
	else if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6)
		snprintf(buf, SIM_TUPLE_TEXT, "%s %s > %s id %u", proto, a, b,
			 ntohs(t->dport) == 8 << 8 || ntohs(t->dport) == 128 << 8 ? ntohs(t->sport) :
										    ntohs(t->dport));
	else
		snprintf(buf, SIM_TUPLE_TEXT, "%s %s > %s", proto, a, b);
	return buf;
}

bool sim_conn_translated(const struct sim_conn *c)
{
	struct sim_tuple t;

	sim_tuple_reverse(&c->tuple, &t);
	return c->n_bindings || !sim_tuple_eq(&t, &c->other);
}

const char *sim_conn_state(const struct sim_conn *c)
{
	const uint8_t both = c->orig_seen | c->reply_seen;

	if (c->tuple.proto != IPPROTO_TCP)
		return c->reply_seen ? "replied" : "unreplied";
	if (both & SKEP_TCP_RST)
		return "closed";
	if (c->orig_seen & c->reply_seen & SKEP_TCP_FIN)
		return "time_wait";
	if (both & SKEP_TCP_FIN)
		return "fin_wait";
	if (!c->reply_seen)
		return "syn_sent";
	return c->orig_seen & SKEP_TCP_ACK ? "established" : "syn_received";
}
