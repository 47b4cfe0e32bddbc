/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of wildcard flows and connections share: frames, masks, records. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/bpf/build.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"

#define PEER	    3
#define OTHER_KEY   0x888
#define OTHER_LPORT 2
#define OTHER_IF    88

static struct bpfrun *run;
static struct bpfrun_result res;

struct frame {
	uint8_t data[2048];
	uint32_t len;
	struct pkt pkt;
	bool v6;
	union {
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
	};
};

#define FROM "eth 02:00:00:00:00:01>02:00:00:00:00:02 / "
#define BACK "eth 02:00:00:00:00:02>02:00:00:00:00:01 / "

static inline void make(struct frame *f, const char *line)
{
	f->len = build(line, f->data, sizeof(f->data));
	memset(&f->k6, 0, sizeof(f->k6));
	assert_int_equal(pkt_parse(f->data, f->len, &f->pkt), SKEP_DROP_NONE);
	f->v6 = pkt_flow_key(&f->pkt.f, BPFRUN_KEY, &f->k4, &f->k6);
}

static inline void put(const char *map, uint32_t index, const void *value)
{
	assert_int_equal(bpfrun_put(run, map, &index, value), 0);
}

static inline struct skep_lport get_lport(uint32_t index)
{
	struct skep_lport lp;

	assert_int_equal(bpfrun_get(run, "skep_lports", &index, &lp), 0);
	return lp;
}

static inline uint32_t jiffies(void)
{
	uint8_t frame[64] = { 0 };
	uint64_t now[2];

	assert_int_equal(bpfrun_run(run, BPFRUN_CLOCK, frame, sizeof(frame), &res), 0);
	memcpy(now, res.data, sizeof(now));
	return (uint32_t)now[0];
}

/* The interface lo belongs to one port or the other: both ends of a connection enter by it. */
static inline void enter_by(uint32_t key, uint32_t lport)
{
	struct skep_iface iface = { .key = key, .lport = lport };
	struct skep_lport lp = get_lport(lport);

	lp.key = key;
	put("skep_lports", lport, &lp);
	put("skep_ifaces", 1, &iface);
}

static inline void fresh_lports(void)
{
	struct skep_lport own = { .gen = 1, .flags = SKEP_LPORT_CT, .key = BPFRUN_KEY, .conns_max = 100, .replies_max = 100 }, other = own;
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = 77, .set = BPFRUN_LPORT };

	other.key = OTHER_KEY;
	put("skep_lports", BPFRUN_LPORT, &own);
	put("skep_lports", OTHER_LPORT, &other);
	put("skep_ports", BPFRUN_KEY, &port);
	port.ifindex = OTHER_IF;
	port.set = OTHER_LPORT;
	put("skep_ports", OTHER_KEY, &port);
	enter_by(BPFRUN_KEY, BPFRUN_LPORT);
}

static inline int open_run(void **state)
{
	struct skep_peer peer = { .family = 4, .ttl = 64, .mtu = 1500, .dport = htons(4789), .ifindex = BPFRUN_UNDER, .flags = SKEP_PEER_MARKS };
	struct err err = { 0 };
	uint32_t index = PEER, zero = 0;
	struct skep_config cfg;

	(void)state;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	if (bpfrun_get(run, "skep_config", &zero, &cfg))
		return -1;
	for (uint32_t *t = (uint32_t *)&cfg.timeouts; t < (uint32_t *)(&cfg.timeouts + 1); t++)
		*t *= cfg.hz;
	return bpfrun_put(run, "skep_config", &zero, &cfg) ?: bpfrun_put(run, "skep_peers", &index, &peer) ?:
								  bpfrun_put(run, "skep_remotes", &peer.remote, &index);
}

static inline int close_run(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

static inline void pass(const struct frame *f)
{
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, f->data, f->len, &res), 0);
}

static inline void assert_up(enum skep_upcall_why why)
{
	struct skep_upcall up;

	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
	memcpy(&up, res.data, sizeof(up));
	assert_int_equal(ntohs(up.magic), SKEP_UPCALL_MAGIC);
	assert_int_equal(ntohs(up.slot), why);
}

static inline bool went_up(void)
{
	return res.action == TC_ACT_REDIRECT && res.data[0] == SKEP_UPCALL_MAGIC >> 8 && res.data[1] == (SKEP_UPCALL_MAGIC & 0xff);
}

/* Fields of the key, as bytes: the same of both families. */
struct fields {
	bool macs, addrs, sport, dport, proto, ct, tcp, tos, nat;
};

/* A wildcard flow for the frame's fields 'of', in state 'ct', as mask 'id', which the port already has in its list or not. */
static inline void put_wild(const struct frame *f, uint8_t id, struct fields of, enum skep_ct ct, const struct skep_wild *wild)
{
	struct skep_mask mask = { 0 };
	union {
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
		uint8_t bytes[64];
	} key = { .k6 = f->k6 };

#define FIELDS(m, k)                                               \
	do {                                                       \
		memset(&(m)->in_key, 0xff, sizeof((m)->in_key));   \
		memset(&(m)->eth_dst, of.macs ? 0xff : 0, 6);      \
		memset(&(m)->eth_src, of.macs ? 0xff : 0, 6);      \
		(m)->eth_type = (m)->vlan = 0xffff;                \
		memset(&(m)->src, of.addrs ? 0xff : 0, sizeof((m)->src)); \
		memset(&(m)->dst, of.addrs ? 0xff : 0, sizeof((m)->dst)); \
		(m)->sport = of.sport ? 0xffff : 0;                \
		(m)->dport = of.dport ? 0xffff : 0;                \
		(m)->proto = of.proto ? 0xff : 0;                  \
		(m)->frag = 0xff;                                  \
		(m)->ct = of.ct ? 0xff : 0;                        \
		(m)->tcp_flags = of.tcp ? 0x17 : 0;                \
		(m)->tos = of.tos ? 0xfc : 0;                      \
		(m)->nat = of.nat ? 0xffff : 0;                    \
		(k)->ct = ct;                                      \
		(k)->tcp_flags = f->pkt.f.tcp_flags;               \
		(k)->tos = f->pkt.f.ip_tos & 0xfc;                 \
	} while (0)
	if (f->v6)
		FIELDS(&mask.k6, &key.k6);
	else
		FIELDS(&mask.k4, &key.k4);
#undef FIELDS
	for (size_t i = 0; i < (f->v6 ? sizeof(key.k6) : sizeof(key.k4)); i++)
		key.bytes[i] &= ((const uint8_t *)&mask)[i];
	*(f->v6 ? &key.k6.mask : &key.k4.mask) = id;
	put("skep_masks", id, &mask);
	assert_int_equal(bpfrun_put(run, f->v6 ? "skep_wilds6" : "skep_wilds4", &key, wild), 0);
}

/* The masks that the port has, in this order. */
static inline void list_masks(bool v6, const uint8_t *ids, size_t n)
{
	struct skep_lport lp = get_lport(BPFRUN_LPORT);

	memset(v6 ? lp.masks6 : lp.masks4, 0, SKEP_PORT_MASKS);
	if (n)
		memcpy(v6 ? lp.masks6 : lp.masks4, ids, n);
	put("skep_lports", BPFRUN_LPORT, &lp);
}

/* The flows of the port: NEW, ORIG and REPLY of anything to the other port, on this host or on the peer's. */
static inline void put_flows(const struct frame *f, uint32_t peer)
{
	const uint8_t id = 30;
	struct skep_wild w = { .flow = { .action = SKEP_ACT_LOCAL, .out = OTHER_IF, .stat = 9 }, .other_key = OTHER_KEY, .other_peer = peer };
	const struct fields ct = { .ct = true };

	if (peer) {
		w.flow.action = SKEP_ACT_ENCAP;
		w.flow.out = OTHER_KEY;
		w.flow.peer = (uint16_t)peer;
	}
	w.flow.flags = SKEP_F_RECORD | SKEP_F_STAY | (peer ? SKEP_F_MARK : 0);
	put_wild(f, id, ct, SKEP_CT_NEW, &w);
	w.flow.flags = SKEP_F_LIVE | (peer ? SKEP_F_MARK : 0);
	put_wild(f, id, ct, SKEP_CT_ORIG, &w);
	w.flow.flags = SKEP_F_LIVE;
	put_wild(f, id, ct, SKEP_CT_REPLY, &w);
	list_masks(f->v6, &id, 1);
}

static inline bool get_exact(const struct frame *f, struct skep_flow *flow)
{
	return bpfrun_get(run, f->v6 ? "skep_flows6" : "skep_flows4", &f->k6, flow) == 0;
}

static inline void del_exact(const struct frame *f)
{
	(void)bpfrun_del(run, f->v6 ? "skep_flows6" : "skep_flows4", &f->k6);
}
