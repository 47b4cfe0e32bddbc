/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink in the process's own network namespace: requests on one socket, changes from another.
 * Called by the datapath layer (dp*.c, tap.c) only.  Functions return 0 or -errno (the kernel's).
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "maps/types.h"
#include "util/loop.h"

struct mnl_socket;

struct nl_link {
	uint32_t ifindex;
	unsigned int flags; /* IFF_* */
	uint32_t mtu;
	uint32_t txqlen;
	char name[IFNAMSIZ];
	char kind[16];	     /* "veth", "tun", "vxlan", ...; "" = a NIC or unknown */
	bool has_peer_netns; /* its other end (veth) is in another namespace */
	bool vxlan_external; /* vxlan: collects metadata */
	uint16_t vxlan_port; /* vxlan: UDP, host order */
	uint64_t tx_dropped; /* IFLA_STATS64 */
};

struct nl_addr {
	uint32_t ifindex;
	struct skep_ip ip;
};

struct nl {
	struct mnl_socket *sock;
	uint32_t seq;
};

int nl_open(struct nl *nl);
void nl_close(struct nl *nl); /* also when never opened (zeroed) */
/* By ifindex, or by name when that is not NULL.  -ENODEV. */
int nl_link_get(struct nl *nl, uint32_t ifindex, const char *name, struct nl_link *link);
int nl_link_dump(struct nl *nl, void (*cb)(void *arg, const struct nl_link *link), void *arg);
int nl_addr_dump(struct nl *nl, void (*cb)(void *arg, const struct nl_addr *addr), void *arg);
/* 1: packets to 'ip' by this interface go to the host itself; 0: by a router, or not at all. */
int nl_route_on_link(struct nl *nl, uint32_t ifindex, const struct skep_ip *ip);
/* Ours to shape: up, this MTU and queue length (0 = as it is), and no IPv6 address of its own, so
 * that the kernel stays silent. */
int nl_link_setup(struct nl *nl, uint32_t ifindex, uint32_t mtu, uint32_t txqlen);
/* Collect-metadata vxlan device without learning, zero UDP checksums allowed over IPv6. */
int nl_vxlan_add(struct nl *nl, const char *name, uint16_t port);
int nl_link_del(struct nl *nl, uint32_t ifindex);
/* Filters below 'parent' (TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), ...), or -errno. */
int nl_filter_count(struct nl *nl, uint32_t ifindex, uint32_t parent);

/* nl_xdp.c: 1: its driver sends frames that XDP redirects to it; 0: not, or not now (veth: the other end has neither XDP nor GRO).  -EOPNOTSUPP: the
 * kernel does not say. */
int nl_xdp_sends(uint32_t ifindex);
/* 1: yes, 0: no, or -errno: it may.  -ENODEV: none has this name, or its driver has left it. */
int nl_hides_tags(const char *name); /* takes VLAN tags out of frames: XDP does not see them */
int nl_merges(const char *name); /* GRO is on */

/* What an interface has carried, as the host's end sees it (IFLA_STATS64). */
struct nl_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_dropped, tx_dropped;
};

/* nl_stats.c: the counters of all interfaces at once, read in turns of the loop so that nobody waits for them. */
struct nl_stats;

struct nl_stats_ops {
	void (*link)(void *arg, uint32_t ifindex, const struct nl_counters *c);
	void (*done)(void *arg, int rc); /* 0 or -errno: some may not have been told */
};

/* NULL: errno. */
struct nl_stats *nl_stats_new(struct loop *loop, const struct nl_stats_ops *ops, void *arg);
void nl_stats_free(struct nl_stats *s); /* takes NULL */
/* Begins; -EALREADY while it is under way. */
int nl_stats_ask(struct nl_stats *s);

struct nl_monitor;

struct nl_monitor_ops {
	void (*link)(void *arg, const struct nl_link *link, bool gone); /* new, changed or gone */
	void (*addr)(void *arg, const struct nl_addr *addr, bool gone);
	void (*route)(void *arg); /* routes or rules have changed */
	void (*overrun)(void *arg); /* messages were lost: dump again */
};

/* Subscribes at once; reports from the loop.  NULL: errno. */
struct nl_monitor *nl_monitor_new(struct loop *loop, const struct nl_monitor_ops *ops, void *arg);
void nl_monitor_free(struct nl_monitor *mon); /* takes NULL */
