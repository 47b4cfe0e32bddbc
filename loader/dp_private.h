/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the datapath layer (dp*.c) share.  Nobody else includes it. */
#pragma once

#include <bpf/libbpf.h>

#include "loader/dp.h"
#include "loader/nl.h"
#include "loader/tap.h"
#include "util/hmap.h"

/* X(ID, "map") in the order of the table in maps/maps.h */
#define DP_MAPS(X)                   \
	X(FLOWS4, "skep_flows4")     \
	X(FLOWS6, "skep_flows6")     \
	X(WILDS4, "skep_wilds4")     \
	X(WILDS6, "skep_wilds6")     \
	X(MASKS, "skep_masks")       \
	X(STATS, "skep_stats")       \
	X(FOUND, "skep_found")       \
	X(LPORTS, "skep_lports")     \
	X(IFACES, "skep_ifaces")     \
	X(IFACE_AT, "skep_iface_at") \
	X(CARDS, "skep_cards")       \
	X(PORTS, "skep_ports")       \
	X(PEERS, "skep_peers")       \
	X(HOPS, "skep_hops")         \
	X(REMOTES, "skep_remotes")   \
	X(SETS, "skep_sets")         \
	X(REWRITES, "skep_rewrites") \
	X(POLICERS, "skep_policers") \
	X(CONNS, "skep_conns")       \
	X(DETAILS, "skep_details")   \
	X(NATS, "skep_nats")         \
	X(NAT_IDS, "skep_nat_ids")   \
	X(VIPS, "skep_vips")         \
	X(MAGLEV, "skep_maglev")     \
	X(ANSWERS, "skep_answers")   \
	X(NEWCONNS, "skep_newconns") \
	X(STAGES, "skep_stages")     \
	X(SLOTS, "skep_slots")       \
	X(CONFIG, "skep_config")     \
	X(DROPS, "skep_drops")       \
	X(COUNTERS, "skep_counters") \
	X(EVENTS, "skep_events")

enum dp_map {
#define X(id, name) DP_MAP_##id,
	DP_MAPS(X)
#undef X
		DP_MAP_MAX
};

/* X(ID, "program") */
#define DP_PROGS(X)                 \
	X(PORT, "skep_tc_port")     \
	X(MISS, "skep_tc_miss")     \
	X(ACT, "skep_tc_act")       \
	X(ARRIVE, "skep_tc_arrive") \
	X(ANSWER, "skep_tc_answer") \
	X(UNDER, "skep_tc_under")   \
	X(TUNNEL, "skep_tc_tunnel") \
	X(INJECT, "skep_tc_inject") \
	X(XDP, "skep_xdp_under")    \
	X(XDP_PORT, "skep_xdp_port") \
	X(CLOCK, "skep_clock")

enum dp_prog {
#define X(id, name) DP_PROG_##id,
	DP_PROGS(X)
#undef X
		DP_PROG_MAX
};

/* Where an instance keeps its pins. */
struct dp_dirs {
	char *bpffs; /* the mount, as a path; /proc/self/fd/N when it is in another mount namespace
		      */
	int far_fd;  /* holds that one; -1 = it is in ours */
	char *instance; /* <bpffs>/skep/<instance> */
	char *abi;	/* <bpffs>/skep/<instance>/abi<N> */
	char **others;	/* paths beside it: datapaths of other layouts, whose links we take over (dp_swap.c) */
	size_t n_others;
	int lock_fd;	/* of 'instance': one process at a time; -1 = none */
};

struct dp_port_entry {
	struct hmap_node by_key, by_ifindex;
	uint32_t key, ifindex;
	uint32_t lport; /* index in skep_lports */
	bool peer; /* bpf_redirect_peer reaches the other end */
	bool card; /* XDP serves it */
	bool blind; /* it would, if it saw the frames as they are */
};

#define DP_FAMILIES 2 /* masks4, masks6 */
struct dp_lport { /* wildcard flows of a port behind each of its masks, in the order of the list */
	uint32_t refs[DP_FAMILIES][SKEP_PORT_MASKS];
	uint32_t flows[DP_FAMILIES]; /* all of them */
};

struct dp_stat { /* an entry of skep_stats */
	bool used;
	struct skep_stat base; /* what it counted for others */
	uint64_t packets;      /* as last read */
	uint64_t jiffies;      /* when that had changed */
};

struct dp_wild_queue {
	uint32_t n;
	struct dp_flow_key keys[DP_BATCH];
	struct skep_wild wilds[DP_BATCH];
};

struct dp_iface {	       /* an interface of this namespace, as last reported */
	struct hmap_node node; /* by ifindex */
	struct nl_link link;
	bool seen; /* in the present dump */
};

struct dp_peer_entry {
	struct hmap_node node; /* by remote */
	struct skep_ip remote;
	uint32_t index;
	enum skep_encap encap;
	bool marks, binds;
	uint32_t path_mtu; /* as routers told us, outer IP header included; 0 = nothing */
	uint64_t path_until_ns; /* it is forgotten then, and found out again */
	bool adopted; /* and not asked for again */
};

struct dp_flood {
	struct hmap_node node; /* by key */
	uint32_t key;
	bool adopted;
};

struct dp_rewrite { /* an entry of skep_rewrites */
	struct hmap_node node; /* by content, while it has any */
	uint32_t refs, next;   /* next: in the queue of those to be used again */
	bool known, queued;    /* known: in the table by content */
	bool adopted;	       /* and not asked for again */
	uint64_t idle_ns;      /* when the last reference went */
};

enum dp_set_state { DP_SET_FREE, DP_SET_USED, DP_SET_ADOPTED };

struct dp_queue { /* flows to be written */
	uint32_t n;
	struct skep_flow flows[DP_BATCH];
	union {
		struct skep_flow_key4 k4[DP_BATCH];
		struct skep_flow_key6 k6[DP_BATCH];
	};
};

/* Frames that were read and not shown yet (dp_queue.c). */
struct lane;
struct dp_lanes {
	struct hmap by_key;
	struct lane *first, *last; /* whose turn it is */
	uint32_t n;		   /* frames of all lanes */
	size_t bytes;
};
bool dp_lanes_room(const struct dp_lanes *q);
/* Copies the frame; false: no memory. */
bool dp_lanes_put(struct dp_lanes *q, uint32_t key, enum skep_upcall_why why, const struct dp_frame *frame);
/* Shows the next frame; false: there is none. */
bool dp_lanes_show(struct dp_lanes *q, void (*show)(void *arg, uint32_t key, enum skep_upcall_why why, struct dp_frame *frame), void *arg);
void dp_lanes_free(struct dp_lanes *q);

#define DP_WARNINGS_MAX 16

struct dp {
	struct loop *loop;
	struct dp_ops ops;
	void *arg;
	struct dp_config config; /* strings are ours */
	struct dp_dirs dirs;
	bool adopted;
	char *warnings[DP_WARNINGS_MAX];
	unsigned int n_warnings;

	/* dp_maps.c */
	struct bpf_object *obj;
	void *skel;
	int map_fd[DP_MAP_MAX], prog_fd[DP_PROG_MAX]; /* of 'obj' */
	uint32_t map_max[DP_MAP_MAX];
	struct skep_config *kconfig; /* mmapped */
	struct skep_flow *slots;     /* mmapped */
	struct skep_rewrite *rewrites; /* mmapped */
	struct skep_policer *policers; /* mmapped */
	struct skep_lport *lports;     /* mmapped */
	struct skep_maglev_row *maglev; /* mmapped */
	struct dp_nats *nats;	       /* dp_nats.c */
	struct ring_buffer *newconns;
	uint64_t newconns_until_ns; /* of dp_conns_new() */
	struct ring_buffer *events;
	struct loop_fd *events_fd;

	/* dp_links.c */
	bool tcx;	 /* links; else clsact */
	bool tcx_proven; /* one was made: the kernel has them */
	uint32_t handle; /* of our clsact filters */

	/* dp_under.c */
	struct nl nl;
	struct nl_monitor *mon;

	/* dp_stats.c */
	struct nl_stats *stats; /* NULL until first asked */
	void (*stats_cb)(void *arg, uint32_t key, const struct dp_port_stats *s);
	void (*stats_done)(void *arg, int rc);
	void *stats_arg;

	struct hmap ifaces;
	struct loop_timer *first;	   /* pending first report */
	uint32_t under_ifindex, under_mtu; /* 0 = the interface is gone */
	bool under_up, under_reported, has_local;
	bool xdp;		 /* attached */
	bool xdp_blind;		 /* it would be, if it saw the frames as they are */
	bool xdp_send;		 /* XDP may send by it */
	uint32_t n_cards;	 /* ports that XDP serves */
	bool decap_l3;		 /* the kernel knows the DECAP_L3 flags */
	uint32_t tunnel_ifindex; /* 0 = no device */

	/* tap */
	struct tap tap;
	struct loop_fd *tap_fd;
	struct dp_lanes lanes;
	struct loop_timer *more; /* frames wait in lanes; NULL = none */
	struct loop_timer *heartbeat;
	uint64_t tap_dropped; /* as last read */

	struct hmap ports_by_key, ports_by_ifindex, floods, peers;
	struct hmap away; /* dp_conns.c */
	struct dp_peer_entry *peer_at[SKEP_PEERS_MAX];
	uint8_t set_state[SKEP_SETS_MAX]; /* enum dp_set_state */
	uint32_t set_next[SKEP_SETS_MAX]; /* the set that continues it */
	uint32_t set_hint;

	/* dp_rewrites.c */
	struct dp_rewrite *rewrite_at; /* by index */
	struct hmap rewrites_by_content;
	uint32_t rewrite_head, rewrite_tail; /* queue; 0 = empty */
	uint32_t rewrite_fresh;		     /* lowest index that may never have been used */
	uint8_t policer_state[SKEP_POLICERS_MAX]; /* enum dp_set_state */

	/* dp_wild.c */
	uint32_t mask_refs[SKEP_MASKS_MAX]; /* wildcard flows */
	bool mask_v6[SKEP_MASKS_MAX];
	struct skep_mask masks[SKEP_MASKS_MAX];
	struct dp_lport *lport_at; /* by index */
	uint32_t n_wilds[DP_FAMILIES]; /* of all ports */
	struct dp_stat *stat_at;   /* by index */
	struct skep_stat *cpu_stats; /* room for one entry of each CPU */
	uint32_t stat_next;
	struct dp_wild_queue wq;
	uint32_t conns_at, conns_batch; /* dp_conns_step(): a bucket, and how many records at once */
	bool conns_going;

	struct dp_queue q4, q6;
	bool no_batch;
	uint32_t hz;
	uint64_t clock_ns, clock_jiffies,
		clock_last; /* dp_clock.c: the pair last sampled, and the last answer */
	uint64_t own_drops[SKEP_DROP_MAX];
};

void dp_warn(struct dp *dp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dp_unwarn(struct dp *dp, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* what begins so is over */

/* dp_dirs.c */
int dp_dirs_open(struct dp_dirs *dirs, const struct dp_config *config, bool create,
		 struct err *err); /* -ENOENT: nothing there */
void dp_dirs_close(struct dp_dirs *dirs);
int dp_dirs_make(const struct dp_dirs *dirs, struct err *err); /* maps, progs, links */
void dp_dirs_remove(const struct dp_dirs *dirs);	       /* the whole instance */
void dp_tree_remove(const char *path); /* pins below a directory, and it */
/* "<abi>/<sub>/<name>" into 'path'. */
#define DP_PATH_MAX 512
const char *dp_path(const struct dp_dirs *dirs, char path[static DP_PATH_MAX], const char *sub,
		    const char *name);

/* dp_log.c: libbpf's messages, kept for our errors */
void dp_log_start(void);
const char *dp_log_tail(char *buf, size_t size,
			unsigned int lines);	 /* the last lines, joined by "; " */
bool dp_log_failed_prog(char *buf, size_t size); /* name of the program that the kernel refused */

/* dp_btf.c */
int dp_btf_octets(struct btf *btf); /* addresses and ports as octets, before the load */

/* dp_walk.c */
struct dp_table {
	enum dp_map map;
	size_t key_size, value_size;
};
typedef void dp_entry_fn(void *arg, const void *key, const void *value);
/* The next few hundred entries; the callback may delete any.  0 = there may be more, 1 = that was all, -errno. */
int dp_table_step(struct dp *dp, const struct dp_table *t, struct dp_cursor *c, dp_entry_fn *cb, void *arg);
typedef void dp_wild_fn(void *arg, const struct dp_flow_key *key, const struct skep_wild *wild);
int dp_wild_table_step(struct dp *dp, bool v6, struct dp_cursor *c, dp_wild_fn *cb, void *arg); /* the same of wildcard flows */

/* dp_maps.c */
int dp_maps_load(struct dp *dp, struct err *err);
void dp_maps_unload(struct dp *dp);
uint64_t dp_map_count(const struct dp *dp, enum dp_map map); /* entries in use */
const char *dp_map_name(enum dp_map map);
const char *dp_prog_name(enum dp_prog prog);
const char *dp_version(const struct dp *dp);

/* dp_swap.c */
/* Between the programs of one load only: another load, whose idea of it may differ, has its own. */
static inline bool dp_map_private(enum dp_map map)
{
	return map == DP_MAP_FOUND || map == DP_MAP_STAGES;
}
/* Numbers that only grow, more of them in newer versions: taken over into a map of our own when the pinned one has others. */
static inline bool dp_map_counts(enum dp_map map)
{
	return map == DP_MAP_DROPS || map == DP_MAP_COUNTERS;
}
void dp_counts_take(struct dp *dp, enum dp_map map, int from_fd, uint32_t from_size);
int dp_private_pin(struct dp *dp, enum dp_map map, struct err *err);
int dp_swap_done(struct dp *dp, struct err *err); /* no interface has a program of an earlier load any more */
int dp_others_find(struct dp_dirs *dirs, bool create, struct err *err);
void dp_others_take(const struct dp_dirs *dirs, const char *link);
void dp_others_remove(struct dp *dp);

/* dp_links.c */
void dp_links_drop(const char *datapath); /* all that are pinned below that directory, off their interfaces */
int dp_link_attach(struct dp *dp, uint32_t ifindex, const char *ifname, enum dp_prog prog,
		   struct err *err);
void dp_link_detach(struct dp *dp, uint32_t ifindex);
int dp_xdp_attach(struct dp *dp, const struct nl_link *under,
		  struct err *err); /* by config; sets dp->xdp */
void dp_xdp_detach(struct dp *dp, uint32_t ifindex);
void dp_xdp_again(struct dp *dp, const struct nl_link *under); /* the underlay interface has changed: takes XDP off, or puts it back */
/* Would XDP see the interface's frames as they were on the wire?  0, or why not, in words.  Not for good: it is asked again when the interface changes. */
int dp_xdp_blind(const struct nl_link *link, bool generic, char *why, size_t size);
/* Puts the program on the interface's XDP hook.  -errno, or 1 = it would be blind: 'why' not, in words. */
int dp_xdp_link(struct dp *dp, const struct nl_link *link, enum dp_prog prog, bool generic, char *why, size_t size);
void dp_xdp_unlink(struct dp *dp, uint32_t ifindex);
void dp_links_prune(struct dp *dp,
		    bool (*wanted)(struct dp *dp, uint32_t ifindex, const char *hook));
void dp_links_remove(const struct dp_dirs *dirs, struct nl *nl,
		     uint32_t handle); /* all; 'dirs' may be NULL */
uint32_t dp_links_handle(const char *instance);

/* dp_cards.c */
bool dp_card_attach(struct dp *dp, struct dp_port_entry *port); /* if it is a card, and XDP can be on it */
void dp_card_detach(struct dp *dp, struct dp_port_entry *port);
void dp_card_write(struct dp *dp, const struct dp_port_entry *port); /* again: its rate has changed */
bool dp_card_again(struct dp *dp, struct dp_port_entry *port, const struct nl_link *link); /* ... its interface: true = so has port->card */
void dp_cards_underlay(struct dp *dp, const struct nl_link *under); /* the underlay interface has changed */
void dp_cards_clear(struct dp *dp);
bool dp_card_wants(struct dp *dp, uint32_t ifindex);
const char *dp_xdp_mode(const struct dp *dp); /* "native", "generic" or "off" */

/* dp_probe.c */
bool dp_probe_decap_l3(void);

/* dp_under.c */
int dp_under_open(struct dp *dp, struct err *err);
void dp_under_close(struct dp *dp);
int dp_tunnel_open(struct dp *dp, struct err *err);
int dp_device_name(const struct dp_config *config, const char *suffix, char name[static IFNAMSIZ],
		   struct err *err);

/* dp.c */
int dp_tap_start(struct dp *dp, struct err *err); /* again when the device was removed under us */
void dp_tap_stop(struct dp *dp);
void dp_config_write(struct dp *dp); /* skep_config, but the heartbeat */

/* dp_ports.c, dp_peers.c, dp_sets.c */
int dp_ports_adopt(struct dp *dp, struct err *err);
void dp_ports_close(struct dp *dp);
void dp_ports_link_changed(struct dp *dp, const struct nl_link *link, bool gone);
bool dp_port_wants(struct dp *dp, uint32_t ifindex);
struct dp_port_entry *dp_port_by_ifindex(const struct dp *dp, uint32_t ifindex);
void dp_ports_sweep(struct dp *dp);
int dp_peers_adopt(struct dp *dp, struct err *err);
void dp_peers_close(struct dp *dp);
void dp_peers_refresh(struct dp *dp); /* the underlay changed */
void dp_peers_sweep(struct dp *dp);
void dp_peer_too_big(struct dp *dp, const struct skep_event *event);
void dp_peers_age(struct dp *dp, uint64_t now_ns); /* path MTUs */
int dp_sets_adopt(struct dp *dp, struct err *err);
void dp_sets_sweep(struct dp *dp);

bool dp_set_walk(struct dp *dp, uint32_t index, struct skep_set *set); /* what a used set holds */

struct dp_port_entry *dp_port_find(const struct dp *dp, uint32_t key);

/* dp_conns.c */
int dp_conns_open(struct dp *dp, struct err *err); /* behind the adoption of ports */
void dp_conns_close(struct dp *dp);
void dp_conns_leave(struct dp *dp, const struct dp_port_entry *port); /* it is detached: its records stay, and count ... */
void dp_conns_return(struct dp *dp, const struct dp_port_entry *port); /* ... from when it is attached again */

/* dp_wild.c */
int dp_wilds_open(struct dp *dp, struct err *err); /* before ports are adopted */
int dp_wilds_adopt(struct dp *dp, struct err *err); /* behind */
void dp_wilds_close(struct dp *dp);
uint32_t dp_lport_get(struct dp *dp, uint32_t key); /* a free one; 0 = none */
void dp_lport_adopt(struct dp *dp, uint32_t index, uint32_t key);
void dp_lport_put(struct dp *dp, uint32_t index);
void dp_wilds_flush(struct dp *dp);
bool dp_wild_take(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow);
/* The flow with its counters; false: there is none. */
bool dp_wild_get(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow);
int dp_wilds_step(struct dp *dp, bool v6, struct dp_cursor *c,
		  void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow), void *arg);

/* dp_nats.c */
int dp_nats_open(struct dp *dp, struct err *err);
int dp_nats_adopt(struct dp *dp, struct err *err);
void dp_nats_sweep(struct dp *dp);
void dp_nats_close(struct dp *dp);

/* dp_rewrites.c, dp_police.c */
int dp_rewrites_adopt(struct dp *dp, struct err *err);
void dp_rewrites_close(struct dp *dp);
void dp_rewrites_sweep(struct dp *dp);
void dp_policers_adopt(struct dp *dp);
void dp_policers_sweep(struct dp *dp);

/* dp_stats.c */
void dp_stats_close(struct dp *dp);

/* dp_control.c */
int dp_control_open(struct dp *dp, struct err *err);
void dp_control_packet(struct dp *dp, uint32_t key, const struct dp_frame *frame);

/* dp_clock.c */
int dp_clock_init(struct dp *dp, struct err *err);
