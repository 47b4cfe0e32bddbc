/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decision of the simulator against the BPF programs: what skepd would install (loader/install.h) is put into their maps, the packet runs
 * through them, once as a flow and once as a verdict of skepd, and all that leaves, copies too, must be the bytes that the simulator
 * says.  In a network namespace of its own; copies are seen by packet sockets: local ones as they leave by "d0", remote ones as they
 * come in by "t0", which stands for the upcall tap, and go on through the program behind it.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/install.h"
#include "selftests/lib/bpfrun.h"
#include "selftests/lib/scenario.h"
#include "util/cleanup.h"

#define CMP_PEER	9 /* every other host is this one */
#define CMP_SLOT	3
#define CMP_SET		20 /* and the next ones */
#define CMP_RW		40
#define CMP_WAIT_MS	2000

static struct {
	struct bpfrun *run;
	struct bpfrun_result res;
	int out, in; /* packet sockets */
	uint32_t d0, t0;
	uint8_t want[PKT_MAX + 8], got[PKT_MAX + 256];
	unsigned int local, encap, drop, sets, copies, unsaid, cases; /* how often */
} cmp;

/* --- rig --- */

static inline int cmp_socket(uint32_t ifindex)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0003 /* ETH_P_ALL */), .sll_ifindex = (int)ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, size = 8 << 20;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return fd;
}

static inline int cmp_open(void **state)
{
	struct skep_peer peer = { .family = 4, .ttl = 64, .mtu = 65535, .dport = htons(SKEP_VXLAN_PORT), .ifindex = BPFRUN_UNDER };
	uint32_t index = CMP_PEER, zero = 0;
	struct skep_config cfg;
	struct err err = { 0 };

	(void)state;
	if (unshare(CLONE_NEWNET) ||
	    system("ip link set lo up && for n in d t; do ip link add ${n}0 type veth peer ${n}1 && "
		   "sysctl -qw net.ipv6.conf.${n}0.disable_ipv6=1 net.ipv6.conf.${n}1.disable_ipv6=1 && "
		   "ip link set ${n}0 mtu 65535 up && ip link set ${n}1 mtu 65535 up || exit 1; done")) {
		print_error("cannot make interfaces\n");
		return -1;
	}
	cmp.d0 = if_nametoindex("d0");
	cmp.t0 = if_nametoindex("t0");
	cmp.out = cmp_socket(cmp.d0);
	cmp.in = cmp_socket(cmp.t0);
	cmp.run = bpfrun_open(&err);
	if (!cmp.run || cmp.out < 0 || cmp.in < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	if (bpfrun_get(cmp.run, "skep_config", &zero, &cfg))
		return -1;
	cfg.upcall_ifindex = cmp.t0;
	return bpfrun_put(cmp.run, "skep_config", &zero, &cfg) ?: bpfrun_put(cmp.run, "skep_peers", &index, &peer);
}

static inline int cmp_close(void **state)
{
	(void)state;
	bpfrun_close(cmp.run);
	close(cmp.out);
	close(cmp.in);
	return 0;
}

static inline bool cmp_local(void *arg, uint32_t key, uint32_t *ifindex, bool *peer)
{
	(void)arg;
	(void)key;
	*ifindex = cmp.d0;
	*peer = false;
	return true;
}

static inline uint32_t cmp_peer(void *arg, const char *host)
{
	(void)arg;
	(void)host;
	return CMP_PEER;
}

/* --- what skepd would install --- */

struct cmp_flow {
	struct skep_flow flow;
	struct install_plan plan;
	struct install_set set; /* ACT_SET */
};

static inline int cmp_put(const char *map, uint32_t index, const void *value, struct err *err)
{
	int rc = bpfrun_put(cmp.run, map, &index, value);

	return rc ? err_set(err, rc, "cannot write %s: %s", map, strerror(-rc)) : 0;
}

/* Writes a rewrite and says where; 0 = there is nothing to write. */
static inline int cmp_rewrite(const struct skep_rewrite *rw, uint32_t *next, uint32_t *index, struct err *err)
{
	*index = install_rewrites(rw) ? (*next)++ : 0;
	return *index ? cmp_put("skep_rewrites", *index, rw, err) : 0;
}

static inline int cmp_put_set(struct cmp_flow *f, uint32_t *next_rw, struct err *err)
{
	uint32_t n_sets = (f->set.n + SKEP_SET_OUTS - 1) / SKEP_SET_OUTS;

	for (uint32_t i = 0; i < f->set.n; i++)
		if (cmp_rewrite(&f->set.rewrites[i], next_rw, &f->set.outs[i].rewrite, err))
			return -1;
	for (uint32_t s = 0; s < n_sets; s++) {
		struct skep_set set = { .next = s + 1 < n_sets ? CMP_SET + s + 1 : 0 };
		uint32_t first = s * SKEP_SET_OUTS;

		set.n = f->set.n - first < SKEP_SET_OUTS ? f->set.n - first : SKEP_SET_OUTS;
		memcpy(set.outs, f->set.outs + first, set.n * sizeof(set.outs[0]));
		if (cmp_put("skep_sets", CMP_SET + s, &set, err))
			return -1;
	}
	f->flow.out = CMP_SET;
	return 0;
}

/* 1: *f says it; 0: no flow would be installed; -1 with 'err'. */
static inline int cmp_make(const struct sim_result *r, const struct topo_port *in, const struct pkt *pkt, struct arena *arena,
			   struct cmp_flow *f, struct err *err)
{
	struct install_env env = { .host = in->live_host, .local = cmp_local, .peer = cmp_peer };
	enum skep_drop lost = r->verdict == SIM_DROP ? r->reason : SKEP_DROP_NONE;
	uint32_t next_rw = CMP_RW, index;

	if (!r->cacheable || r->data || r->fragment || (r->verdict != SIM_DROP && r->verdict != SIM_FORWARD))
		return 0;
	if (install_plan(&env, &pkt->f, r->outputs, r->n_outputs, arena, &f->plan))
		return err_set(err, -1, "no plan");
	if (f->plan.unsupported)
		return err_set(err, -1, "the datapath cannot write what the simulator says");
	f->plan.least_ttl = r->ttl_dec;
	if (!f->plan.n) {
		f->flow = (struct skep_flow){ .action = SKEP_ACT_DROP, .ttl_dec = r->ttl_dec, .out = lost ? lost : SKEP_DROP_NOT_LIVE };
	} else if (f->plan.n == 1 && !lost && f->plan.copies[0].verdict.ttl_dec >= r->ttl_dec) {
		f->flow = f->plan.copies[0].verdict;
		if (cmp_rewrite(&f->plan.copies[0].rewrite, &next_rw, &index, err))
			return -1;
		f->flow.rewrite = index;
	} else {
		if (install_set(&f->plan, &pkt->f, lost, arena, &f->set))
			return err_set(err, -1, "no set");
		f->flow = f->set.flow;
		if (cmp_rewrite(&f->set.rewrite, &next_rw, &index, err))
			return -1;
		f->flow.rewrite = index;
		if (cmp_put_set(f, &next_rw, err))
			return -1;
	}
	install_conditions(&f->flow, &f->plan, &pkt->f, r);
	return 1;
}

/* --- comparing --- */

static inline int cmp_differs(struct err *err, const char *what, const uint8_t *got, uint32_t len)
{
	struct arena arena;
	char *text;

	arena_init(&arena, 0);
	text = pkt_dsl_format(got, len, &arena);
	err_set(err, -1, "%s: BPF action %d, drop %s, %s", what, cmp.res.action, skep_drop_name(cmp.res.drop), text ? text : "");
	arena_fini(&arena);
	return -1;
}

static inline int cmp_bytes(const struct sim_output *out, const struct pkt *pkt, const uint8_t *got, uint32_t len, struct err *err)
{
	int n = scenario_output_frame(pkt->data, pkt->len, out, cmp.want);

	if (n < 0)
		return cmp_differs(err, "the simulator's output cannot be built", got, len);
	if (len != (uint32_t)n || memcmp(got, cmp.want, len) != 0)
		return cmp_differs(err, "other bytes than the simulator's", got, len);
	return 0;
}

/* An encapsulated frame in cmp.res. */
static inline int cmp_tunnelled(uint32_t key, const struct sim_output *out, const struct pkt *pkt, struct err *err)
{
	const uint8_t *p = cmp.res.data;
	uint32_t vni = (uint32_t)p[46] << 16 | (uint32_t)p[47] << 8 | p[48];

	if (cmp.res.drop || cmp.res.len < SKEP_ENCAP_V4 + 14)
		return cmp_differs(err, "not encapsulated", p, cmp.res.len);
	if (vni != key || memcmp(p + 30, "\x0a\x09\x00\x02", 4) != 0 || p[42] != 0x08 || pkt_csum(p + 14, 20, 0) != 0)
		return cmp_differs(err, "wrong outer header", p, cmp.res.len);
	cmp.encap++;
	return cmp_bytes(out, pkt, p + SKEP_ENCAP_V4, cmp.res.len - SKEP_ENCAP_V4, err);
}

static inline int cmp_inject(const uint8_t *data, uint32_t len, struct err *err)
{
	int rc = bpfrun_run(cmp.run, BPFRUN_INJECT, data, len, &cmp.res);

	return rc ? err_set(err, rc, "cannot run the program: %s", strerror(-rc)) : 0;
}

/* A frame that came out towards the tap, through the program behind it. */
static inline int cmp_relay(struct err *err)
{
	static uint8_t again[PKT_MAX + 256];

	if (cmp.res.drop || cmp.res.len > sizeof(again))
		return cmp_differs(err, "not relayed", cmp.res.data, cmp.res.len);
	memcpy(again, cmp.res.data, cmp.res.len);
	return cmp_inject(again, cmp.res.len, err);
}

/* The next frame that the socket has seen, with its tag; a tag beside a relay header is there to be thrown away. */
static inline uint32_t cmp_receive(int fd, bool tags)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, CMP_WAIT_MS) == 1) {
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		} control;
		struct sockaddr_ll from = { 0 };
		struct iovec iov = { cmp.got, sizeof(cmp.got) - 4 };
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = &control, .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, 0);
		struct tpacket_auxdata aux = { 0 };
		struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
		uint16_t tag[2];

		if (n <= 0 || (from.sll_pkttype == PACKET_OUTGOING) != tags)
			continue;
		if (c && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!tags || !(aux.tp_status & TP_STATUS_VLAN_VALID))
			return (uint32_t)n;
		tag[0] = htons(aux.tp_vlan_tpid);
		tag[1] = htons(aux.tp_vlan_tci);
		memmove(cmp.got + 16, cmp.got + 12, (size_t)n - 12);
		memcpy(cmp.got + 12, tag, 4);
		return (uint32_t)n + 4;
	}
	return 0;
}

/* All copies of a set, behind the run that made them; further sets of the chain run from here. */
static inline int cmp_copies(const struct cmp_flow *f, const struct pkt *pkt, struct err *err)
{
	for (uint32_t first = 0; first < f->set.n; first += SKEP_SET_OUTS) {
		uint32_t end = first + SKEP_SET_OUTS < f->set.n ? first + SKEP_SET_OUTS : f->set.n;
		enum skep_drop lost = SKEP_DROP_NONE;

		for (uint32_t i = first; i < end; i++)
			if (f->set.outs[i].action == SKEP_ACT_DROP)
				lost = f->set.outs[i].out;
		if (cmp.res.drop != lost)
			return cmp_differs(err, "a set that drops, or does not", cmp.res.data, cmp.res.len);
		for (uint32_t i = first; i < end; i++) {
			uint32_t n;

			if (f->set.outs[i].action != SKEP_ACT_LOCAL)
				continue;
			n = cmp_receive(cmp.out, true);
			if (!n || cmp_bytes(f->set.copies[i]->output, pkt, cmp.got, n, err))
				return n ? -1 : err_set(err, -1, "local copy %u did not come", i);
			cmp.copies++;
		}
		if (end < f->set.n && cmp_relay(err)) /* its remote copies come behind those of this set */
			return -1;
	}
	for (uint32_t i = 0; i < f->set.n; i++) {
		uint32_t n;

		if (f->set.outs[i].action != SKEP_ACT_ENCAP)
			continue;
		n = cmp_receive(cmp.in, false);
		if (!n)
			return err_set(err, -1, "remote copy %u did not come", i);
		if (cmp_inject(cmp.got, n, err) || cmp_tunnelled(f->set.outs[i].out, f->set.copies[i]->output, pkt, err))
			return -1;
		cmp.copies++;
	}
	return 0;
}

/* What cmp.res is after a run, 'beside': the kernel may hold a tag beside the frame. */
static inline int cmp_result(const struct cmp_flow *f, const struct pkt *pkt, bool beside, struct err *err)
{
	const struct sim_output *out = f->plan.n ? f->plan.copies[0].output : NULL;
	struct sim_output untagged;

	switch (f->flow.action) {
	case SKEP_ACT_DROP:
		cmp.drop++;
		return cmp.res.drop == (enum skep_drop)f->flow.out ?
			       0 :
			       cmp_differs(err, "not dropped, or for another reason", cmp.res.data, cmp.res.len);
	case SKEP_ACT_SET:
		cmp.sets++;
		return cmp_copies(f, pkt, err);
	case SKEP_ACT_ENCAP:
		/* not IP, or tagged: relayed first, encapsulated behind that */
		if (cmp.res.len >= 14 && cmp.res.data[0] == 0x5a && cmp.res.data[1] == 0x54 && cmp_relay(err))
			return -1;
		return cmp_tunnelled(f->flow.out, out, pkt, err);
	default:
		cmp.local++;
		if (cmp.res.drop != SKEP_DROP_NONE)
			return cmp_differs(err, "dropped", cmp.res.data, cmp.res.len);
		untagged = *out;
		if (beside && out->f.vlan && !pkt->f.vlan)
			untagged.f.vlan = 0;
		return cmp_bytes(&untagged, pkt, cmp.res.data, cmp.res.len, err);
	}
}

static inline int cmp_by_flow(const struct cmp_flow *f, const struct pkt *pkt, struct err *err)
{
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	bool v6 = pkt_flow_key(&pkt->f, BPFRUN_KEY, &k4, &k6);
	const char *map = v6 ? "skep_flows6" : "skep_flows4";
	const void *key = v6 ? (const void *)&k6 : (const void *)&k4;
	int rc = bpfrun_put(cmp.run, map, key, &f->flow);

	if (!rc)
		rc = bpfrun_run(cmp.run, BPFRUN_PORT, pkt->data, pkt->len, &cmp.res);
	rc = rc ? err_set(err, rc, "cannot run the program: %s", strerror(-rc)) : cmp_result(f, pkt, true, err);
	(void)bpfrun_del(cmp.run, map, key);
	return rc;
}

static inline int cmp_by_verdict(const struct cmp_flow *f, const struct pkt *pkt, struct err *err)
{
	struct skep_upcall up = { .magic = htons(SKEP_UPCALL_MAGIC), .key = htonl(BPFRUN_KEY), .slot = htons(CMP_SLOT),
				  .eth_type = htons(pkt->f.eth_type == htons(0x86dd) ? 0x86dd : 0x0800) };
	static uint8_t buf[PKT_MAX + 64];

	memcpy(buf, &up, sizeof(up));
	memcpy(buf + sizeof(up), pkt->data, pkt->len);
	if (cmp_put("skep_slots", CMP_SLOT, &f->flow, err) || cmp_inject(buf, pkt->len + (uint32_t)sizeof(up), err))
		return -1;
	return cmp_result(f, pkt, false, err);
}

/* Frames that the port's program refuses before it looks for a flow, and those it never decides by one. */
static inline bool cmp_never_meets_flow(const struct pkt *pkt)
{
	return sim_always_up(&pkt->f) || mac_is_multicast(&pkt->f.eth_src) || mac_eq(&pkt->f.eth_src, &pkt->f.eth_dst);
}

/* The result of a simulation of 'pkt', which came in by 'in', against the programs.  0, or -1 with 'err'. */
static inline int cmp_check(const struct sim_result *r, const struct topo_port *in, const struct pkt *pkt, struct err *err)
{
	struct cmp_flow f = { 0 };
	struct arena arena;
	int rc;

	cmp.cases++;
	arena_init(&arena, 0);
	rc = cmp_make(r, in, pkt, &arena, &f, err);
	if (rc == 1 && !cmp_never_meets_flow(pkt)) {
		rc = cmp_by_flow(&f, pkt, err);
		if (rc)
			err_prefix(err, "as a flow");
		else if ((rc = cmp_by_verdict(&f, pkt, err)))
			err_prefix(err, "as a verdict");
	} else {
		cmp.unsaid++;
		rc = rc < 0 ? rc : 0;
	}
	arena_fini(&arena);
	return rc;
}
