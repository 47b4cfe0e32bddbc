/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of machines' packets that skepd has seen: the ports of the first one, which decide over the others, and which bytes have come,
 * for a fragment that overlaps another is an attack (RFC 5722, 1858).  Bounded: at most FRAG_PORT_MAX packets of one port; the oldest go.
 * No I/O, no clock.  Called by upcall.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/packet.h"

#define FRAG_MAX      4096 /* packets under way */
#define FRAG_PORT_MAX 256  /* of one port */
#define FRAG_HOLES    16   /* runs of bytes that have come, of one packet */
#define FRAG_LIFE_NS  30000000000ULL
#define FRAG_AGAIN_NS 2000000000ULL /* quiet for so long: the next first fragment is another packet's, of the same identification */
#define FRAG_NAME     112

struct frags;
struct frags *frags_new(uint64_t seed); /* NULL: no memory */
void frags_free(struct frags *f);	/* takes NULL */
uint32_t frags_count(const struct frags *f);

/*
 * A fragment came in (once, not again after it was parked).  false: it overlaps one that has come, or its packet has too many holes: drop
 * it.  *fresh: it is the first one, and its ports were not known before: others may be waiting for it.
 */
bool frags_arrived(struct frags *f, uint32_t in_key, const struct pkt *pkt, uint64_t now_ns, bool *fresh);
/* The ports of the packet that this later fragment belongs to. */
bool frags_ports(const struct frags *f, uint32_t in_key, const struct pkt *pkt, uint64_t now_ns,
		 __be16 *l4_src, __be16 *l4_dst);
/* What to park it for (PARK_FRAGMENT): the same for all fragments of a packet. */
const char *frags_name(const struct pkt *pkt, char buf[static FRAG_NAME]);
