/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the services of a bridge's subnets share: subnet.c, dhcp4.c, dhcp6.c, ra.c.  Messages come from machines that may lie about every length:
 * they are read through 'in' within their datagram, and answers are written through 'bytes' within their buffer.
 */
#pragma once

#include "simulator/run.h"

#define SIM_ANSWER_MAX 1500 /* bytes of IP of one answer */
#define SIM_ADDRS_MAX  8    /* of one machine in one answer */
#define SIM_ASKED_MAX  256  /* codes of options; larger ones are never asked for */

/* An answer being written.  What does not fit is not written, and 'full' is set. */
struct bytes {
	uint8_t *p;
	uint32_t n, max;
	bool full;
};
/* Room for 'len' more (zeroed), NULL when it does not fit. */
uint8_t *sim_put(struct bytes *b, uint32_t len);
void sim_put8(struct bytes *b, uint8_t v);
void sim_put16(struct bytes *b, uint16_t v);
void sim_put32(struct bytes *b, uint32_t v);
void sim_put_bytes(struct bytes *b, const void *p, uint32_t len);
/* Addresses of the family; returns their number. */
uint32_t sim_put_addrs(struct bytes *b, const struct skep_ip *ips, uint32_t n, bool v4);
/* A domain name, RFC 1035 3.1, uncompressed; false: not one, nothing is written. */
bool sim_put_domain(struct bytes *b, const char *domain);

/* Part of a message. */
struct in {
	const uint8_t *p;
	uint32_t len;
};
static inline uint16_t in16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The payload of the packet's UDP datagram, as long as all lengths agree that it is. */
struct in sim_datagram(const struct walk *w);

/* Who is asked: one who has an address, by configuration, in a subnet. */
struct lease {
	const struct topo_subnet *subnet;
	struct skep_ip ip;
	const char *hostname; /* NULL = none */
};
/* Addresses of the machine 'mac' behind 'port' in the bridge's subnets of the family, the port's own first; returns their number. */
uint32_t sim_leases(const struct topo_port *port, const struct skep_mac *mac, bool v4,
		    struct lease out[static SIM_ADDRS_MAX]);

/* Is the subnet in the VLAN?  That of its router's port; without a router in all.  Of a bridge that is not VLAN-aware, always. */
bool sim_subnet_in_vlan(const struct topo_subnet *s, uint16_t vlan);
/* The MAC of who speaks for the subnet: its router's port, or one that nobody else has. */
struct skep_mac sim_subnet_mac(const struct topo_subnet *s);
/* The largest packet that machines of the subnet at 'port' are told; 0 = nothing to tell. */
uint32_t sim_subnet_mtu(const struct topo_subnet *s, uint32_t port_mtu);
uint32_t sim_port_mtu(const struct walk *w, const struct topo_port *port);
/* Sends 'len' bytes of 'payload' (arena) back by 'port', from who speaks for the subnet.  It meets no chain.  NULL: not sent. */
struct emit *sim_answer(struct walk *w, const struct topo_port *port, const struct topo_subnet *s,
			const char *what, const struct pkt_fields *f, const struct bytes *payload);

/* Each: true = handled, the path ended. */
bool sim_dhcp4(struct walk *w, const struct topo_port *port);
bool sim_dhcp6(struct walk *w, const struct topo_port *port);
bool sim_ra(struct walk *w, const struct topo_port *port);
