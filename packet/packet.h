/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes <-> fields, and packets as one line of text.  Pure: no I/O, no clock, no globals.
 *
 * Sources: RFC 826 (ARP), 791/8200 (IPv4/IPv6), 792/4443 (ICMP), 4861 (ND), 9293 (TCP), 768 (UDP),
 * 1071/1624 (checksum).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/drops.h"
#include "maps/flow.h"
#include "util/addr.h"
#include "util/arena.h"
#include "util/err.h"

#define PKT_MAX		 65700	/* longest frame: a super-packet and its Ethernet header */
#define PKT_VLAN_PRESENT 0x1000 /* in 'vlan' of fields and flow keys: a tag exists */

/* Header fields of a frame.  Fields that the frame does not have are zero.  Everything that goes on
 * the wire is in network order. */
struct pkt_fields {
	struct skep_mac eth_dst, eth_src;
	__be16 eth_type;	       /* behind a VLAN tag; 802.3 length frames: 0 */
	__be16 vlan;		       /* 0 = untagged, else htons(TCI | PKT_VLAN_PRESENT) */
	struct skep_ip ip_src, ip_dst; /* IPv4, IPv6; ARP: sender and target protocol address */
	uint8_t ip_proto; /* IPPROTO_*, behind IPv6 extension headers; ARP: operation */
	uint8_t ip_ttl;	  /* or hop limit */
	uint8_t ip_tos;	  /* DSCP << 2 | ECN */
	uint8_t ip_frag;  /* enum skep_frag */
	__be16 l4_src;	  /* TCP, UDP, SCTP: port.  ICMP, ICMPv6: htons(type << 8 | code) */
	__be16 l4_dst;	  /* TCP, UDP, SCTP: port.  ICMP, ICMPv6: id of an echo, else 0 */
	uint8_t tcp_flags;
	uint8_t has_l4; /* l4_* are there: false in later fragments and unknown protocols */
	struct skep_mac arp_sha, arp_tha;
	struct skep_ip nd_target; /* NS and NA */
	struct skep_mac nd_lla;	  /* source (NS, RS, RA) or target (NA) link-layer address option;
				     zero = none */
	uint8_t nd_flags;	  /* NA: R S O bits as on the wire (0x80 0x40 0x20) */
};

/* A parsed frame.  'data' is the caller's. */
struct pkt {
	const uint8_t *data;  /* from the Ethernet header */
	uint32_t len;	      /* bytes; more than the IP length when padded */
	uint16_t l3_off;      /* offset of ARP, IPv4, IPv6, or of the unknown payload */
	uint16_t l4_off;      /* offset of the L4 header; 0 = none (has_l4 false) */
	uint16_t payload_off; /* behind the headers that were read: L4, else IP with its extension
				 headers, else ARP, else l3_off */
	uint32_t l3_len; /* bytes from l3_off to the end as the IP header tells; without padding */
	uint32_t seg_len; /* set by who knows: of a super-packet, bytes of IP of its largest segment; 0 = l3_len counts */
	uint32_t frag_id; /* identification of IPv4, or of IPv6's fragment header; host order */
	uint16_t frag_off; /* bytes; of later fragments */
	bool frag_more, df; /* MF or M; DF of IPv4 */
	struct pkt_fields f;
};

/* Gives a later fragment the ports of its first one: f.l4_src, f.l4_dst, f.has_l4.  l4_off stays 0: a rewrite leaves the payload alone. */
void pkt_set_ports(struct pkt *pkt, __be16 l4_src, __be16 l4_dst);
/* Cuts an IPv4 packet (whole or itself a fragment, DF not set) into fragments of at most 'mtu' bytes of IP, RFC 791.  Its checksums must be
 * complete.  Calls back for each frame in order; one that fits is called back as it is, without padding.  0, -EINVAL (not IPv4, DF, 'mtu' below 68, a fragment that ends beyond 65535), -ENOMEM from the arena. */
int pkt_fragment(const struct pkt *pkt, uint32_t mtu, struct arena *arena,
		 void (*cb)(void *arg, const uint8_t *data, uint32_t len), void *arg);

/* What an ICMP error (v4: 3, 4, 11, 12; v6: 1..4) quotes: parsed as far as it is there.  False: not an error, or the quote is too short (IP header
 * and 8 bytes) or garbage.  Ports, echo ids in 'f'; l3_off, l4_off (0 = not there: later fragments, other protocols) from the beginning of
 * pkt->data. */
struct pkt_quote {
	struct pkt_fields f; /* eth_type, ip_*, l4_*, has_l4 only */
	uint16_t l3_off, l4_off;
};
bool pkt_quoted(const struct pkt *pkt, struct pkt_quote *quote);
/* Rewrites addresses, ports and echo ids of the quote from quote->f to 'to', its checksums where they are there, and the ICMP checksum.  'data' holds
 * the bytes of 'pkt' (their headers may differ, but not their places: before pkt_rewrite()). */
void pkt_rewrite_quote(uint8_t *data, const struct pkt *pkt, const struct pkt_quote *quote,
		       const struct pkt_fields *to);

/*
 * Parses any bytes.  Returns SKEP_DROP_NONE, SKEP_DROP_TRUNCATED or SKEP_DROP_BAD_HEADER; never
 * reads outside data[0..len).  Must agree with bpf/ on every input: same reason, same flow key (the
 * differential tests compare them).  The checks are made in the order written here, and the first
 * that fails decides.  Checksums are not looked at (offloads leave them unfinished).
 *
 * Ethernet: 14 bytes, else TRUNCATED.  VLAN: one tag (0x8100 or 0x88a8) is read, 18 bytes, else
 *   TRUNCATED; a second one is payload with eth_type 0x8100 or 0x88a8.  The DEI bit is lost.
 *   eth_type below 0x0600 is a length: eth_type 0, unknown payload.
 * ARP: 28 bytes, else TRUNCATED.  Ethernet/IPv4 only (htype 1, ptype 0x0800, hlen 6, plen 4), else
 *   it is left an unknown payload: addresses and ip_proto zero.  Any operation; ip_proto is its low
 *   byte.
 * IPv4: 20 bytes, else TRUNCATED; version 4 and ihl >= 5, else BAD_HEADER; ihl*4 <= what is there,
 *   else TRUNCATED; total length >= ihl*4, else BAD_HEADER; total length <= what is there, else
 *   TRUNCATED.  Options are skipped.  ip_frag: offset > 0 is LATER, else MF is FIRST.
 * IPv6: 40 bytes, else TRUNCATED; version 6, else BAD_HEADER; payload length <= what is there, else
 *   TRUNCATED (a payload length of 0 means 0); source and destination not IPv4-mapped
 *   (::ffff:0:0/96: struct skep_ip could not tell them from IPv4, and policy for IPv4 must not be
 *   met by IPv6), else BAD_HEADER.
 *   Extension headers hop-by-hop 0, routing 43, fragment 44, AH 51, destination 60 are walked in
 *   any order: a seventh (more than PKT_EXT_MAX) is BAD_HEADER; 8 bytes of each, else TRUNCATED;
 *   all of it ((n + 1) * 8, fragment 8, AH (n + 2) * 4), else TRUNCATED.
 *   A fragment header with offset > 0: LATER, and the walk ends with ip_proto = its next header,
 *   whatever that is; with offset 0 and M: FIRST; with neither: ignored.  ip_proto is otherwise the
 *   first next header that is none of the five.
 * L4 is read within the IP length, and not in LATER fragments.
 *   TCP: 20 bytes, else TRUNCATED; data offset >= 5, else BAD_HEADER; data offset * 4 <= what is
 *   there, else TRUNCATED.  UDP: 8 bytes, else TRUNCATED; its length field is not looked at.
 *   SCTP: 12 bytes, else TRUNCATED.  ICMP (1, in IPv4 only) and ICMPv6 (58, in IPv6 only): 8 bytes,
 *   else TRUNCATED; id of type 8 and 0 (ICMP), 128 and 129 (ICMPv6), with any code.
 *   Every other protocol: has_l4 false, ports zero.
 * ND: nd_* are filled only from what RFC 4861 6.1 and 7.1 call valid, else they stay zero and the
 *   frame is plain ICMPv6: hop limit 255, code 0, no fragment, long enough, options' lengths not
 *   zero and fitting, NS and NA: target neither multicast nor IPv4-mapped.  Of two options of a kind the first counts.
 */
enum skep_drop pkt_parse(const uint8_t *data, uint32_t len, struct pkt *pkt);
#define PKT_EXT_MAX 6

/* The flow key of a packet that came in by 'in_key'.  One of them, by ethertype: true = IPv6 (key6
 * filled), false = key4. */
bool pkt_flow_key(const struct pkt_fields *f, uint32_t in_key, struct skep_flow_key4 *key4,
		  struct skep_flow_key6 *key6);

/* Hash of addresses, protocol and ports for spreading; not symmetric over directions.  Fragments:
 * without ports, so that all of a packet take one way.  Frames that are neither IP nor ARP: of MACs
 * and eth_type. */
uint64_t pkt_hash(const struct pkt_fields *f);

/*
 * Writes what differs between pkt->f and 'to' into the frame, checksums incrementally (RFC 1624):
 * MACs, VLAN (the tag is changed, pushed with TPID 0x8100, or popped), TTL, TOS,
 * addresses (of IP, not of ARP; the checksums of UDP-Lite and DCCP follow too), ports (TCP and UDP), id of an echo.  'data' holds the frame that parsed to 'pkt', with 4 bytes of
 * room behind pkt->len.  A UDP checksum of zero stays zero; of later fragments addresses only.  Returns the new length (pkt->len, or 4
 * more or less), or -EINVAL when anything else differs, or a tag behind the popped one would come to the light; nothing is written then.
 */
int pkt_rewrite(uint8_t *data, const struct pkt *pkt, const struct pkt_fields *to);

/* --- building.  All return the frame's length, 0 when 'cap' is too small or the question makes no
 * sense (said below).  Checksums are right.  Answers to a frame carry its VLAN tag. --- */

/* ARP (op 1 or 2).  'eth_dst' NULL or zero: broadcast.  'tha' NULL: zero. */
uint32_t pkt_build_arp(uint8_t *buf, uint32_t cap, uint16_t op, const struct skep_mac *eth_dst,
		       const struct skep_mac *sha, const struct skep_ip *spa,
		       const struct skep_mac *tha, const struct skep_ip *tpa);
/* Neighbour solicitation for 'target', to its solicited-node group, with source link-layer option
 * (not when 'src' is ::). */
uint32_t pkt_build_ns(uint8_t *buf, uint32_t cap, const struct skep_mac *src_mac,
		      const struct skep_ip *src, const struct skep_ip *target);
/* Neighbour advertisement: 'flags' R S O bits; target link-layer option = 'mac'. */
uint32_t pkt_build_na(uint8_t *buf, uint32_t cap, const struct skep_mac *eth_dst,
		      const struct skep_mac *mac, const struct skep_ip *src,
		      const struct skep_ip *dst, const struct skep_ip *target, uint8_t flags);
/* UDP datagram, or ICMPv6 message whose checksum field is zero ('f' has MACs, addresses, ip_proto, ip_ttl and UDP's ports), around 'len' bytes of
 * 'payload'. */
uint32_t pkt_build_ip(uint8_t *buf, uint32_t cap, const struct pkt_fields *f, const uint8_t *payload,
		      uint32_t len);
/* Answer to the echo request 'req' (ICMP or ICMPv6), from the address that was asked, TTL 64, MACs
 * swapped.  0 also when 'req' is no echo request, a fragment, from or to a multicast or broadcast
 * address, or has a wrong ICMP checksum. */
uint32_t pkt_build_echo_reply(uint8_t *buf, uint32_t cap, const struct pkt *req);
/*
 * ICMP or ICMPv6 error of 'type'/'code' about 'about', from 'src'/'src_mac' to about's sender;
 * 'info' is the second word (MTU). Quotes from the IP header on, as much as the RFCs want: IPv4
 * packets up to 576 bytes in all (RFC 1812 4.3.2.3), IPv6 up to 1280 (RFC 4443 2.4c).  0 also when
 * 'about' is not IP or 'src' of the other family.  Ask pkt_may_icmp_error() before.
 */
uint32_t pkt_build_icmp_error(uint8_t *buf, uint32_t cap, const struct pkt *about, uint8_t type,
			      uint8_t code, uint32_t info, const struct skep_mac *src_mac,
			      const struct skep_ip *src);
/* TCP RST answering 'about' (RFC 9293 3.10.7.1), addresses, MACs and ports swapped.  0 also when
 * 'about' is not TCP, a fragment, itself a RST, or from or to a multicast or broadcast address. */
uint32_t pkt_build_tcp_reset(uint8_t *buf, uint32_t cap, const struct pkt *about);
/* May an ICMP error be sent about this packet at all?  RFC 1812 4.3.2.7, RFC 4443 2.4e: not about
 * ICMP errors or redirects, multicast or broadcast destinations (L2 or L3; the "too big" exception
 * of 2.4e.3 is not used), later fragments, or senders that are no single host (::, 0.0.0.0/8,
 * loopback, multicast, 240/4).  ICMP types other than the known queries count as errors. */
bool pkt_may_icmp_error(const struct pkt *about);

/* --- checksums --- */
/* RFC 1071, folded, complemented; in network order when stored as it is. */
uint16_t pkt_csum(const void *p, size_t len, uint32_t start);
/* Unfolded partial sum, to feed into the above; 'len' even but for the last part. */
uint32_t pkt_csum_add(const void *p, size_t len, uint32_t sum);
/* Are all checksums of the frame (IP, TCP, UDP, ICMP; UDP zero over IPv4 passes) right?  Fragments:
 * IP only. */
bool pkt_csum_ok(const struct pkt *pkt);

/*
 * --- text, for tests, traces and the command line ---
 *
 * Layers from the outside in, separated by " / ".  Behind a layer's own first words the others come
 * in any order.  Numbers are decimal or 0x..; what is in [] may be left out.
 *
 *   eth SRC>DST [vlan N [pcp N]] [type N]
 *       type: only without an ip or arp layer; 0 = 802.3 with a length
 *   ip A>B [ttl N] [tos N] [frag first|later] [df] [id N] [proto N]
 *       ip6: the same, for names that should be IPv6.  ttl: 64, with ns and na 255.  frag later: no
 *       L4 layer.  id: of IPv4, or of IPv6's fragment header.  proto: without an L4 layer; 59
 *   arp request|reply|N SPA>TPA [sha X] [tha Y]
 *       sha: eth SRC.  tha: in a reply eth DST, else zero
 *   tcp SPORT>DPORT [FLAGS] [seq N] [ack N]
 *       FLAGS: letters of FSRPAUEC, none if left out
 *   udp SPORT>DPORT [nocsum]
 *       nocsum: checksum field zero
 *   sctp SPORT>DPORT
 *   icmp [echo|reply [id N] [seq N]]
 *       nothing: echo
 *   icmp TYPE/CODE [info N]
 *       icmp6: the same in IPv6.  info: second word of the header
 *   ns TARGET [slla X|none]
 *       slla: eth SRC; none from ::
 *   na TARGET [flags RSO] [tlla X|none]
 *       tlla: eth SRC
 *   data N
 *       N zero bytes of payload
 *   badcsum
 *       the innermost checksum of the frame is wrong
 *
 *   eth A>B / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80 S
 *   eth A>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2
 *   eth A>B / ip fd00::1>fd00::2 / icmp6 echo id 1 / data 56
 *
 * or raw bytes: [bad REASON /] hex 0011..
 *
 * 'names' resolves names in place of addresses ("vm1", "r1.web"): the fixture's business; may be
 * NULL.
 */
struct pkt_names {
	bool (*mac)(void *arg, const char *name, struct skep_mac *mac);
	bool (*ip)(void *arg, const char *name, bool want_v6, struct skep_ip *ip);
	void *arg;
};
/* Builds the frame of a line.  Returns its length, or -EINVAL with 'err' naming the word. */
int pkt_dsl_parse(const char *line, const struct pkt_names *names, uint8_t *buf, uint32_t cap,
		  struct err *err);
/* The line of a frame, with literal addresses, in a canonical form: defaults and zeros left out,
 * but for ttl (all of it from the arena); never NULL unless the arena failed.  What the language
 * cannot say (options, payload bytes, padding) is left out; parsing the line again and formatting
 * that gives the same line.  A frame that does not parse is shown as "bad <reason> / hex ..". */
char *pkt_dsl_format(const uint8_t *data, uint32_t len, struct arena *arena);
/* Short form without the Ethernet part for people: "tcp 10.0.1.5:4000 > 10.0.2.9:80 syn", "arp
 * who-has 10.0.0.1", ... */
char *pkt_summary(const struct pkt *pkt, struct arena *arena);
