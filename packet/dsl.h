/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form between its two halves; private to packet/.  dsl_parse.c reads a line into a struct
 * dsl_spec, dsl_build.c makes the frame of it.  Every default that depends on another layer is
 * applied in dsl_build.c.
 */
#pragma once

#include "packet/packet.h"

#define DSL_DEFAULT	 UINT32_MAX /* not given */
#define DSL_TCP_FLAGS	 "FSRPAUEC" /* from bit 0 */
#define DSL_ND_FLAGS	 "RSO"	    /* from bit 7 downwards */
#define DSL_LATER_OFFSET 1480	    /* bytes; of "frag later" */

enum dsl_layer {
	DSL_NONE,
	DSL_ETH,
	DSL_IP,
	DSL_ARP,
	DSL_TCP,
	DSL_UDP,
	DSL_SCTP,
	DSL_ICMP,
	DSL_NS,
	DSL_NA,
	DSL_DATA,
	DSL_BADCSUM,
};

enum dsl_lla { DSL_LLA_DEFAULT, DSL_LLA_NONE, DSL_LLA_GIVEN };

struct dsl_spec {
	struct skep_mac eth_src, eth_dst;
	uint32_t vlan, pcp, type; /* host order, as all numbers here; vlan, type: or DSL_DEFAULT */
	enum dsl_layer l3;	  /* IP, ARP, NONE */
	struct skep_ip src, dst;
	bool v6;
	uint32_t ttl, tos, id, proto; /* ttl, proto: or DSL_DEFAULT */
	enum skep_frag frag;
	bool df;
	uint32_t arp_op;
	bool has_sha, has_tha;
	struct skep_mac sha, tha;
	enum dsl_layer l4; /* NONE: see proto */
	uint32_t sport, dport, seq, ack, flags;
	bool nocsum;
	uint32_t icmp_type, icmp_code, icmp_id, icmp_seq, info;
	struct skep_ip target;
	enum dsl_lla lla_kind;
	struct skep_mac lla;
	uint32_t data; /* bytes */
	bool badcsum;
};

/* --- dsl_words.c --- */

#define DSL_WORD 128 /* longest word, its NUL included */

struct dsl_reader {
	const char *at; /* behind the present word */
	const struct pkt_names *names;
	struct err *err;
	struct dsl_spec *spec;
	const char *layer;			 /* of the present words, for messages */
	char word[DSL_WORD];			 /* "" at the end of a line */
	char ip_src[DSL_WORD], ip_dst[DSL_WORD]; /* resolved last: the family may show further on */
	bool want_v6;
};

/* All return 0, or -EINVAL with r->err filled, but for the bool ones. */
int dsl_bad_word(struct dsl_reader *r, const char *want);
/* Next word into r->word; too long is an error. */
int dsl_next_word(struct dsl_reader *r);
bool dsl_end_of_layer(const struct dsl_reader *r);
bool dsl_parse_number(const char *text, uint32_t max, uint32_t *out);
int dsl_want_number(struct dsl_reader *r, uint32_t max, uint32_t *out);
/* "A>B" into two strings of DSL_WORD. */
int dsl_want_pair(struct dsl_reader *r, char *a, char *b);
int dsl_resolve_mac(struct dsl_reader *r, const char *text, struct skep_mac *mac);
int dsl_resolve_ip(struct dsl_reader *r, const char *text, bool v6, struct skep_ip *ip);
int dsl_want_mac(struct dsl_reader *r, struct skep_mac *mac);
/* Letters of 'set', each at most once; bits from 'first' upwards (left) or downwards. */
bool dsl_parse_letters(const char *text, const char *set, uint32_t first, bool left, uint32_t *out);
/* "hex 0011..", perhaps behind "bad REASON /".  *hex: the digits, when it is such a line. */
bool dsl_is_raw(const char *line, const char **hex);
/* Their number, or -EINVAL. */
int dsl_parse_raw(const char *hex, uint8_t *buf, uint32_t cap, struct err *err);

/* --- dsl_build.c --- */

/* The frame.  Its length, or -EINVAL with 'err'. */
int dsl_build(const struct dsl_spec *spec, uint8_t *buf, uint32_t cap, struct err *err);
