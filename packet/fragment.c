// SPDX-License-Identifier: Apache-2.0
/*
 * Fragments: a router cuts an IPv4 packet that is too big for the way on (RFC 791 3.2), and a later
 * fragment is told the ports of its first one.  Called by skepd, which sends the fragments, and
 * before it simulates a later fragment.
 */
#include "packet/packet.h"

#include <errno.h>

#include "packet/wire.h"

#define MTU_MIN	   68 /* RFC 791: a router passes so much uncut */
#define OPT_END	   0
#define OPT_NOP	   1
#define OPT_COPIED 0x80

void pkt_set_ports(struct pkt *pkt, __be16 l4_src, __be16 l4_dst)
{
	pkt->f.l4_src = l4_src;
	pkt->f.l4_dst = l4_dst;
	pkt->f.has_l4 = true;
}

/* Options of fragments behind the first: those marked to be copied, padded to a multiple of 4.
 * Garbage ends the list. */
static uint32_t copy_options(uint8_t *to, const uint8_t *opt, uint32_t len)
{
	uint32_t n = 0, i = 0;

	while (i < len && opt[i] != OPT_END) {
		uint32_t size = opt[i] == OPT_NOP ? 1 : i + 1 < len ? opt[i + 1] : 0;

		if (!size || (size < 2 && opt[i] != OPT_NOP) || size > len - i)
			break;
		if (opt[i] & OPT_COPIED) {
			memcpy(to + n, opt + i, size);
			n += size;
		}
		i += size;
	}
	while (n % 4)
		to[n++] = OPT_END;
	return n;
}

/* Length and checksum of the header at 'ip', whose other fields are right. */
static void finish_header(uint8_t *ip, uint32_t ihl, uint32_t total, uint32_t off, bool more)
{
	ip[0] = (uint8_t)(0x40 | ihl / 4);
	put16(ip + 2, total);
	put16(ip + 6, off / 8 | (more ? IP4_MF : 0U));
	put16(ip + 10, 0);
	store_be16(ip + 10, pkt_csum(ip, ihl, 0));
}

int pkt_fragment(const struct pkt *pkt, uint32_t mtu, struct arena *arena,
		 void (*cb)(void *arg, const uint8_t *data, uint32_t len), void *arg)
{
	const uint8_t *ip = pkt->data + pkt->l3_off, *payload;
	uint32_t ihl, left, off = pkt->frag_off;
	uint8_t *buf, *head;

	if (!is_ipv4(&pkt->f) || pkt->df || mtu < MTU_MIN)
		return -EINVAL;
	if (pkt->l3_len <= mtu) {
		cb(arg, pkt->data, pkt->l3_off + pkt->l3_len);
		return 0;
	}
	ihl = ip4_header_len(ip);
	payload = ip + ihl;
	left = pkt->l3_len - ihl;
	if (off + left > UINT16_MAX)
		return -EINVAL;
	buf = arena_alloc(arena, pkt->l3_off + (size_t)mtu);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, pkt->data, pkt->l3_off + ihl);
	head = buf + pkt->l3_off;
	while (left) {
		uint32_t room = mtu - ihl, size = left <= room ? left : room & ~7U;

		memcpy(head + ihl, payload, size);
		left -= size;
		finish_header(head, ihl, ihl + size, off, left || pkt->frag_more);
		cb(arg, buf, pkt->l3_off + ihl + size);
		payload += size;
		off += size;
		ihl = IP4_SIZE +
		      copy_options(head + IP4_SIZE, ip + IP4_SIZE, ip4_header_len(ip) - IP4_SIZE);
	}
	return 0;
}
