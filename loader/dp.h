/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's datapath as the agent sees it: BPF programs, pinned maps, interfaces, the upcall tap.  Knows nothing of topology.  All on
 * the loop's thread.  Everything it puts into the kernel is pinned and survives the process.
 *
 *   <bpffs>/skep/<instance>/abi<N>/{maps,progs,links}/
 *   links/<ifindex>-<hook>   tcx links (kernel 6.6+); else clsact filters on the interface, found again by their program's name
 *   devices: <prefix>up (the upcall tap, persistent), <prefix>vx (collect-metadata vxlan); prefix "skep-" by default
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "maps/maps.h"
#include "util/err.h"
#include "util/loop.h"

#define DP_DSCP_COPY 64
enum dp_xdp { DP_XDP_AUTO, DP_XDP_ON, DP_XDP_OFF, DP_XDP_GENERIC }; /* auto: native XDP if the driver has it and is not veth or tun, else TC */

struct dp_config {
	const char *bpffs;    /* "/sys/fs/bpf"; mounted if it is not */
	const char *instance; /* name of this agent on the machine */
	const char *underlay; /* interface towards the other hosts */
	struct skep_ip local; /* its tunnel address */
	uint16_t tunnel_port; /* UDP, host order */
	const char *device_prefix; /* at most 8 characters */
	enum dp_xdp xdp;
	enum dp_xdp border_xdp; /* on ports that are network cards; never insists (ON is as AUTO) */
	const char *border_interfaces; /* cards whatever their kind; commas between */
	enum skep_encap encap; /* what we ask for; VXLAN where the kernel can pop nothing else (dp_encap()) */
	uint32_t dscp; /* of outer headers: 0..63, or DP_DSCP_COPY = the inner header's */
	uint32_t flows_max, ports_max; /* map sizes, 0 = default; an adopted map of another size is kept, with a warning in dp_status() */
	uint32_t upcall_rate, upcall_burst; /* per port; rate 0 = unlimited */
	uint32_t rewrites_max, conns_max; /* map sizes, as above */
	uint32_t wilds_max; /* a map size too: wildcard flows */
	struct skep_timeouts timeouts; /* of connections, in seconds */
	uint32_t event_rate; /* drop events/s; 0 = none */
	bool clsact; /* clsact filters even where the kernel has tcx links */
};

struct dp;

/* A frame that came up, or is to go down: 'vnet' is its struct virtio_net_hdr as the kernel gave it (offloads: a super-packet stays one). */
struct dp_frame {
	uint8_t *data; /* from the Ethernet header; SKEP tag inserted in-band; room for DP_HEADROOM bytes in front */
	uint32_t len;
	uint8_t vnet[12]; /* struct virtio_net_hdr_mrg_rxbuf; zeroes for frames made by skepd (checksums complete) */
	uint64_t read_ns; /* when it came up, CLOCK_MONOTONIC: of the first of those that were read together; 0 = made by skepd */
};
/* Bytes of IP of a super-packet's largest segment, for struct pkt.seg_len; 0 = it is an ordinary packet.  'l4_off', 'l3_off' as parsed. */
uint32_t dp_frame_seg_len(const struct dp_frame *frame, uint32_t l3_off, uint32_t payload_off);
#define DP_HEADROOM 64

struct dp_ops {
	/* A packet without a (usable) flow.  'frame' is valid until return; its bytes may be changed.  Checksum of a frame with
	 * VIRTIO_NET_HDR_F_NEEDS_CSUM is partial: leave it to the kernel. */
	void (*upcall)(void *arg, uint32_t in_key, enum skep_upcall_why why, struct dp_frame *frame);
	/* All packets that were waiting have been shown (at most DP_BATCH): time to install flows. */
	void (*upcall_done)(void *arg);
	void (*event)(void *arg, const struct skep_event *event);
	/* BPF has made a record: from within dp_conns_new().  'unknown': what it is translated by, if that has no number here; else NULL. */
	void (*newconn)(void *arg, const struct skep_conn_key *key, const struct skep_nat *unknown);
	/* A message of another host's skepd, as dp_send_control() sent it there; from a known peer.  'data' is valid until return. */
	void (*control)(void *arg, const uint8_t *data, uint32_t len);
	/* An interface appeared, changed or vanished (ifindex 0) in this namespace; for all that exist in the first round of the loop
	 * behind dp_open.  'up' = up and with carrier.  A vanished one has been detached from its port already. */
	void (*iface)(void *arg, const char *name, uint32_t ifindex, bool up);
	/* Other packets than before fit on the way to the peer (dp_peer_mtu()). */
	void (*path)(void *arg, uint32_t peer);
	/* Underlay MTU, address or state changed; also in the first round.  'up' = up, with carrier, and the tunnel address exists. */
	void (*underlay)(void *arg, bool up, uint32_t mtu);
};
#define DP_BATCH 64

/* Loads, or adopts what an earlier process left (links are updated in place: no packet is lost).  NULL: 'err'. */
struct dp *dp_open(struct loop *loop, const struct dp_config *config, const struct dp_ops *ops, void *arg,
		   struct err *err);
/* Stops reading; the datapath goes on forwarding what it has flows for. */
void dp_close(struct dp *dp); /* takes NULL */
/* The BPF file system that holds the pins, if it is in another mount namespace: a descriptor for the caller to close; -1 = it is not. */
int dp_bpffs(const struct dp *dp);
/* Removes everything that this instance has in the kernel; without a running dp.  0 also when there is nothing. */
int dp_remove(const struct dp_config *config, struct err *err);
/* The next dp_open() makes a new datapath, whatever the layout of this one, which goes on meanwhile.  Not while a skepd runs. */
int dp_replace(const struct dp_config *config, struct err *err);
/* Was there something to adopt? */
bool dp_adopted(const struct dp *dp);
/* Removes adopted peers, flood keys and output sets that were not asked for again since dp_open (sets: and that no flow uses).  To be
 * called once behind adoption, when topology and flows are in order; adopted ports are the caller's: dp_ports(). */
void dp_sweep(struct dp *dp);
/* {"programs": [..], "maps": {name: {"entries", "max"}}, "xdp": "native|off", "hook": "tcx|clsact", "tunnel_device": name or "", "underlay",
 *  "underlay_up", "underlay_mtu", "encap", "adopted", "decap_l3_flags", "pins": directory, "foreign_frames", "warnings": [..]} */
json_t *dp_status(const struct dp *dp);

/* --- ports --- */

/* Binds interface 'ifname' to 'key': attaches the program, fills skep_ifaces and skep_ports.  Again with the same: no-op. */
int dp_port_attach(struct dp *dp, uint32_t key, const char *ifname, struct err *err);
/* Undoes it; also when the interface has gone. */
void dp_port_detach(struct dp *dp, uint32_t key);
/* What an adopted datapath has: key and ifindex of each attached port. */
void dp_ports(struct dp *dp, void (*cb)(void *arg, uint32_t key, uint32_t ifindex), void *arg);
/* ifindex and whether bpf_redirect_peer may be used; false if the key is not attached. */
bool dp_port_output(const struct dp *dp, uint32_t key, uint32_t *ifindex, bool *peer);
/* Makes 'key' deliver to the members of set 'set' (0 = remove the key). */
int dp_flood_key(struct dp *dp, uint32_t key, uint32_t set);

/* --- what ports carry --- */

/* Since the interface and its entries in the maps were made.  'rx' is what the port's machine sent, 'tx' what it was sent, without the flows that
 * hand over past the interface (SKEP_F_PEER): those the caller knows. */
struct dp_port_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t drops; /* over the budget of new flows, over a rate, or refused by the interface */
	uint64_t upcalls;
};
/* Calls back for each attached port, some in each round of the loop, then 'done': 0 or -errno.  -EALREADY: an earlier call is under way. */
int dp_port_stats(struct dp *dp, void (*cb)(void *arg, uint32_t key, const struct dp_port_stats *s),
		  void (*done)(void *arg, int rc), void *arg);
/* The port with that interface; 0 = none. */
uint32_t dp_port_key(const struct dp *dp, uint32_t ifindex);
/* [{"name", "used", "max"}] of the tables that this layer fills */
json_t *dp_tables(const struct dp *dp);

/* --- other hosts: index 1..SKEP_PEERS_MAX-1, the same one again for the same address --- */
int dp_peer_add(struct dp *dp, const struct skep_ip *remote, uint32_t *index, struct err *err);
void dp_peer_del(struct dp *dp, const struct skep_ip *remote);
/* How that host wants to be sent to, and whether it understands marks, and translations with them; VXLAN without until this is said. */
void dp_peer_how(struct dp *dp, const struct skep_ip *remote, enum skep_encap encap, bool marks, bool binds);
/* IP packets of machines that fit on the way to it; 0 = not known. */
uint32_t dp_peer_mtu(const struct dp *dp, uint32_t index);
/* The largest mark that packets to it can carry (SKEP_F_MARK); 0 = none. */
uint32_t dp_peer_mark_max(const struct dp *dp, uint32_t index);
/* Can they carry a translation with the mark? */
bool dp_peer_binds(const struct dp *dp, uint32_t index);
/* What other hosts should be told of us. */
enum skep_encap dp_encap(const struct dp *dp);
bool dp_marks(const struct dp *dp);

/* --- output sets --- */
/* Writes 'n' outputs as a chain of sets; *set = its head, reused if *set was one already (contents are replaced).  -ENOSPC. */
int dp_set_put(struct dp *dp, const struct skep_out *outs, uint32_t n, uint32_t *set);
void dp_set_free(struct dp *dp, uint32_t set);

/* --- rewrites: shared by content, counted --- */
/* *index = where 'rw' is, with one more reference.  -ENOSPC. */
int dp_rewrite_get(struct dp *dp, const struct skep_rewrite *rw, uint32_t *index);
void dp_rewrite_put(struct dp *dp, uint32_t index); /* 0: no-op.  The entry keeps its content for DP_REWRITE_LINGER_NS: packets may be under way through it */
#define DP_REWRITE_LINGER_NS 2000000000ULL
/* What an adopted flow's or set's index stands for: takes a reference; false: nothing. */
bool dp_rewrite_adopt(struct dp *dp, uint32_t index, struct skep_rewrite *rw);

/* --- policers --- */
/* Sets a rate (bit/s, bytes) at *index, a free one if it is 0.  rate 0: frees it, *index = 0.  -ENOSPC. */
int dp_policer_set(struct dp *dp, uint64_t rate, uint64_t burst, uint32_t *index);
/* What the port sends, and is sent: indices or 0.  To be said again behind each dp_port_attach().  -ENOENT: not attached. */
int dp_port_police(struct dp *dp, uint32_t key, uint32_t in, uint32_t out);
uint64_t dp_policer_drops(struct dp *dp, uint32_t index);

/* --- connections --- */
/* 'detail': may be NULL. */
int dp_conn_put(struct dp *dp, const struct skep_conn_key *key, const struct skep_conn *conn, const struct skep_detail *detail);
bool dp_conn_get(struct dp *dp, const struct skep_conn_key *key, struct skep_conn *conn);
bool dp_conn_detail(struct dp *dp, const struct skep_conn_key *key, struct skep_detail *detail);
void dp_conn_del(struct dp *dp, const struct skep_conn_key *key);
/* The callback may delete any. */
int dp_conns_walk(struct dp *dp, void (*cb)(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn),
		  void *arg);
/* Some of them, as many as take a fraction of a millisecond, from where the last call has ended; their number.  *wrapped: this was the end of
 * the table. */
uint32_t dp_conns_step(struct dp *dp, void (*cb)(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn),
		       void *arg, bool *wrapped);
/* Records that BPF has made since the last call, until 'until_ns' (CLOCK_MONOTONIC); true: there are more. */
bool dp_conns_new(struct dp *dp, uint64_t until_ns);
/* Packets of the port that came up, and that its share of the queue or its budget did not let up; false: no such port. */
bool dp_port_upcalls(const struct dp *dp, uint32_t key, uint64_t *upcalls, uint64_t *dropped);
/* How many connections the port may begin and be sent; how many it has (may be NULL). */
void dp_port_limits(struct dp *dp, uint32_t key, uint32_t conns_max, uint32_t replies_max);
void dp_port_refused(struct dp *dp, uint32_t key); /* counts a connection that skepd refused */
bool dp_port_conns(const struct dp *dp, uint32_t key, uint32_t *conns, uint32_t *replies, uint64_t *refused);

/* --- flows --- */
struct dp_flow_key {
	bool v6;
	union {
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
	};
};
static inline uint8_t dp_flow_mask(const struct dp_flow_key *key) /* index into skep_masks; 0 = an exact flow */
{
	return key->v6 ? key->k6.mask : key->k4.mask;
}
static inline bool dp_flow_key_eq(const struct dp_flow_key *a, const struct dp_flow_key *b)
{
	if (a->v6 != b->v6)
		return false;
	return a->v6 ? !memcmp(&a->k6, &b->k6, sizeof(a->k6)) : !memcmp(&a->k4, &b->k4, sizeof(a->k4));
}
/* Queues; dp_flows_flush() writes all in one batch.  packets, bytes and last_seen are set by the caller (last_seen = dp_jiffies). */
void dp_flow_put(struct dp *dp, const struct dp_flow_key *key, const struct skep_flow *flow);
int dp_flows_flush(struct dp *dp);
void dp_flow_del(struct dp *dp, const struct dp_flow_key *key); /* at once */
/* The same; true: it was in the kernel, with these counters. */
bool dp_flow_take(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow);
bool dp_flow_get(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow);
/*
 * Wildcard flows.  dp_wild_key() makes the key of one: *key is masked, and gets the number of the mask, for which its ingress port must
 * have room: -ENOSPC.  dp_wild_put() queues like dp_flow_put().  The calls above and below take such keys too; counters are
 * those of the wildcard flow and all that were promoted from it, last_seen is when they were last found to have changed.  When one is
 * deleted, all promoted flows of its port are void: their next packets promote them again, or come up.
 */
int dp_wild_key(struct dp *dp, struct dp_flow_key *key, const struct skep_mask *mask);
int dp_wild_put(struct dp *dp, const struct dp_flow_key *key, const struct skep_wild *wild);
/* The key as the nth of its port's masks leaves it; false: there are no more. */
bool dp_wild_match(struct dp *dp, const struct dp_flow_key *key, unsigned int nth, struct dp_flow_key *masked);
/* Do packets of its port look for it?  Not if the port was detached since: the next one of the same key begins without masks. */
bool dp_wild_listed(struct dp *dp, const struct dp_flow_key *key);
/* The flow that BPF has promoted for this exact key, if it is in force. */
bool dp_flow_promoted(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow);
/* As it is in the kernel. */
bool dp_wild_read(struct dp *dp, const struct dp_flow_key *key, struct skep_wild *wild);
bool dp_wild_mask(const struct dp *dp, uint8_t index, struct skep_mask *mask);
/* Makes promoted flows of the port void. */
void dp_port_renew(struct dp *dp, uint32_t key);
/* The busiest masks first: to be called now and then, with the counters of all wildcard flows just read. */
void dp_wilds_order(struct dp *dp);
/* Where a walk is that is made in steps; begins zeroed. */
struct dp_cursor {
	bool going;
	uint32_t size; /* of a batch */
	uint64_t left;
	char token[64], next[64];
};
struct dp_flows_at {
	unsigned int table;
	struct dp_cursor cursor;
};
/* The next few hundred entries of the tables of flows; the callback is shown those that are not promoted, and may delete any.
 * 0 = there are more, 1 = that was the last step, -errno. */
int dp_flows_step(struct dp *dp, struct dp_flows_at *at,
		  void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow), void *arg);
/* All of them. */
int dp_flows_walk(struct dp *dp, void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow),
		  void *arg);
/* Entries of the exact caches, IPv4 and IPv6, promoted ones included, as the last walk found them; wildcard flows now. */
void dp_flows_count(const struct dp *dp, uint32_t exact[2], uint32_t wilds[2]);
/* bpf_jiffies64() now, and ticks per second. */
uint64_t dp_jiffies(struct dp *dp);
uint32_t dp_hz(const struct dp *dp);

/* --- answers that the kernel gives while skepd is away (maps/answer.h) --- */
/* A question has a key as flows have: that of the ARP request or neighbour solicitation, without eth_dst, and with the address that is asked for as
 * its destination.  No flow has such a key. */
struct dp_flow_key dp_question(const struct skep_answer_key *key);
struct skep_answer_key dp_asked(const struct dp_flow_key *question);
int dp_answer_put(struct dp *dp, const struct dp_flow_key *question, const struct skep_answer *answer); /* 0 or -errno: -E2BIG, the table is full */
void dp_answer_del(struct dp *dp, const struct dp_flow_key *question);
bool dp_answer_get(struct dp *dp, const struct dp_flow_key *question, struct skep_answer *answer);
/* The next few hundred, as dp_flows_step(). */
typedef void dp_answer_fn(void *arg, const struct dp_flow_key *question, const struct skep_answer *answer);
int dp_answers_step(struct dp *dp, struct dp_cursor *c, dp_answer_fn *cb, void *arg);

/* --- load balancers (maps/nat.h) --- */
/*
 * Numbers of translations.  dp_nat_number() gives one; it is kept while records have it (dp_nat_met(), for each record of a walk; dp_nats_round() behind it)
 * or somebody holds it: dp_nat_get(), dp_nat_put().  0 = all are in use.
 */
uint16_t dp_nat_number(struct dp *dp, const struct skep_nat *nat);
uint16_t dp_nat_find(const struct dp *dp, const struct skep_nat *nat);
uint16_t dp_nat_get(struct dp *dp, const struct skep_nat *nat);
void dp_nat_put(struct dp *dp, uint16_t id);
bool dp_nat_read(const struct dp *dp, uint16_t id, struct skep_nat *nat);
void dp_nat_met(struct dp *dp, uint16_t id);
void dp_nats_round(struct dp *dp);
/* A table of members: numbers by slot.  -ENOSPC.  The next one may lie where a deleted one was. */
int dp_maglev_put(struct dp *dp, const uint16_t *nats, uint32_t size, uint32_t *first);
void dp_maglev_del(struct dp *dp, uint32_t first);
/* Connections that begin at key->port to the VIP get a member by the table.  Those of an earlier process that nobody has put again go in dp_sweep(). */
int dp_vip_put(struct dp *dp, const struct skep_vip_key *key, const struct skep_vip *vip);
void dp_vip_del(struct dp *dp, const struct skep_vip_key *key);

/* --- packets --- */
/* Executes 'verdict' on the frame with the code of the fast path.  Synchronous.  0 or -errno (counted as drop UPCALL_QUEUE). */
int dp_inject(struct dp *dp, uint32_t in_key, const struct dp_frame *frame, const struct skep_flow *verdict);

/* A message to the skepd behind a peer (at most DP_CONTROL_MAX bytes), on the way that packets to it take, in order with them.  Not reliable. */
int dp_send_control(struct dp *dp, uint32_t peer, const void *data, uint32_t len);
#define DP_CONTROL_MAX 1200

/* --- counters: sums over CPUs --- */
void dp_drops(struct dp *dp, uint64_t out[SKEP_DROP_MAX]);
void dp_own_drops(const struct dp *dp, uint64_t out[SKEP_DROP_MAX]); /* of these, those of this process: what is counted anew by the next one */
void dp_counters(struct dp *dp, uint64_t out[SKEP_CNT_MAX]);
/* skepd drops packets too: same list, same counters. */
void dp_count_drop(struct dp *dp, enum skep_drop reason);
