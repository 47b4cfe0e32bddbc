/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sizes and rates of the maps.  Those marked (config) are defaults; skepd sets the real size before load. */
#pragma once

#define SKEP_FLOWS_MAX 65536 /* (config) entries of each flow cache, IPv4 and IPv6 */
#define SKEP_WILDS_MAX 16384 /* (config) wildcard flows, IPv4 and IPv6 each */
#define SKEP_STATS_MAX 32768 /* twice that; at most 65536 */
#define SKEP_MASKS_MAX 256   /* different masks; index 0 is never used */
#define SKEP_PORT_MASKS 16   /* of one port and address family: what one lookup may cost */
#define SKEP_PROMOTE_RATE 50000 /* flows/s that one port may promote for ever: so that it cannot flush the cache of others ... */
#define SKEP_PROMOTE_BURST 8192 /* ... after so many at once */
#define SKEP_IFACES_MAX 4096 /* (config) VM and container interfaces of a host */
#define SKEP_LPORTS_MAX (SKEP_IFACES_MAX + 1) /* one for each; index 0 is no port */
#define SKEP_IFACE_SLOTS 4096 /* a power of two */
#define SKEP_CARDS_MAX 1024 /* network cards that are ports, and that XDP serves */
#define SKEP_PORTS_MAX 16384 /* (config) tunnel keys of a host: its ports and its flood groups */
#define SKEP_PEERS_MAX 4096  /* other hosts; index 0 is never used */
#define SKEP_HOP_LOOKS 10   /* times a second that XDP asks the kernel for the way to a host */
#define SKEP_SETS_MAX 4096   /* output sets; index 0 is never used */
#define SKEP_SET_OUTS 32     /* outputs of one set; longer ones are chained by 'next' */
#define SKEP_SET_CHAIN 32    /* sets in one chain: 1024 outputs of one frame */
#define SKEP_REWRITES_MAX 65536 /* (config) of flows and output sets; index 0 is never used */
#define SKEP_POLICERS_MAX 4096 /* rates of local ports; index 0 is never used */
#define SKEP_CONNS_MAX 131072 /* (config) records of connections: two each if both ends are here */
#define SKEP_NEWCONNS_BYTES (1 << 22) /* ring of records that BPF has made: about 37000 */
#define SKEP_NATS_MAX 16384 /* translations of load balancers: a VIP has one for each member; index 0 is never used */
#define SKEP_VIPS_MAX 16384 /* pairs of a local port and a VIP that it sends to */
#define SKEP_MAGLEV_ROWS 131072 /* slots of the tables of all pools in use, in rows of SKEP_MAGLEV_ROW */
#define SKEP_ANSWERS_MAX 65536 /* to machines that have asked for an address: of all ports ... */
#define SKEP_ANSWERS_PORT 256 /* ... and of one, fewer if there are more than 256 ports: all have an equal part */
#define SKEP_SLOTS_MAX 64    /* verdict slots of the upcall path */
#define SKEP_EVENTS_BYTES (1 << 20)
#define SKEP_EVENT_HEAD 96 /* bytes of the packet that a drop event quotes */

#define SKEP_KEY_MAX 0xffffff /* tunnel keys are 24 bits (RFC 7348 VNI) */
#define SKEP_KEY_LAST 0xffff /* the largest that skepd gives a port: VXLAN carries 16 bits as a mark (SKEP_F_MARK) */
#define SKEP_KEY_CONTROL 1	/* messages between agents (loader/peers.h) */
#define SKEP_KEY_FIRST 0x100  /* below: reserved (0 = none, 1 = control, 2 = hand-off) */

#define SKEP_VXLAN_PORT 4789
#define SKEP_GENEVE_PORT 6081
#define SKEP_TTL_OUTER 64
#define SKEP_ENCAP_V4 50 /* outer IPv4 + UDP + VXLAN + inner Ethernet; other kinds: skep_encap_size() */
#define SKEP_ENCAP_V6 70

#define SKEP_UPCALL_RATE 20000	/* (config) misses/s that one port may send up for ever ... */
#define SKEP_UPCALL_BURST 4000	/* (config) ... after so many at once */
#define SKEP_UPCALL_QUEUE 1024	/* frames that wait for skepd: 10 ms of its work */
#define SKEP_UPCALL_PORTS 896	/* of these, of ports; one port: half of what is free.  The rest is for messages of other hosts */
#define SKEP_AGENT_DEAD_NS 3000000000ULL /* a heartbeat older than this: nobody reads the upcalls */
#define SKEP_EVENT_RATE 1000	/* drop events/s of one host; counters count them all */
