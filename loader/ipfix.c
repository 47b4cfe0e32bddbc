// SPDX-License-Identifier: Apache-2.0
#include "loader/ipfix.h"

#include <string.h>

#include "util/addr.h"

#define VERSION	     10
#define HEADER	     16
#define SET_HEADER   4
#define SET_TEMPLATE 2
#define SET_OPTIONS  3
#define VARIABLE     65535
#define TEXT_MAX     63 /* of a variable text */

enum { TEMPLATE_FLOW4 = 256, TEMPLATE_FLOW6, TEMPLATE_CONN4, TEMPLATE_CONN6, TEMPLATE_SAMPLING };

struct field {
	uint16_t id, len;
};

/* Elements of IANA's registry, in the order in which put_*() write them. */
#define FLOW_BEGIN { 152, 8 }, { 153, 8 } /* flowStartMilliseconds, flowEndMilliseconds */
#define FLOW_L4	   { 7, 2 }, { 11, 2 }, { 4, 1 } /* source and destination port, protocolIdentifier */
#define FLOW_END   { 136, 1 }, { 10, 4 }, { 236, VARIABLE }, { 82, VARIABLE }, { 348, VARIABLE }
/* flowEndReason, ingressInterface, VRFname = tenant, interfaceName = port, virtualStationInterfaceName = port that it leaves by */
#define FLOW_COUNT { 2, 8 }, { 1, 8 }, { 352, 8 }, { 89, 1 } /* packets, IP bytes, Ethernet bytes, forwardingStatus */

static const struct field flow4[] = { FLOW_BEGIN, { 8, 4 }, { 12, 4 }, { 9, 1 }, { 13, 1 }, FLOW_L4, FLOW_COUNT, FLOW_END };
static const struct field flow6[] = { FLOW_BEGIN, { 27, 16 }, { 28, 16 }, { 29, 1 }, { 30, 1 }, FLOW_L4, FLOW_COUNT, FLOW_END };
/* post-NAT addresses and ports */
static const struct field conn4[] = { FLOW_BEGIN, { 8, 4 }, { 12, 4 }, { 225, 4 }, { 226, 4 }, FLOW_L4, { 227, 2 }, { 228, 2 }, FLOW_END };
static const struct field conn6[] = { FLOW_BEGIN, { 27, 16 }, { 28, 16 }, { 281, 16 }, { 282, 16 }, FLOW_L4, { 227, 2 }, { 228, 2 }, FLOW_END };
/* scope: observationDomainId; flowSelectorAlgorithm, samplingProbability, selectorIDTotalFlowsObserved, ...Selected, notSentFlowTotalCount */
static const struct field sampling[] = { { 149, 4 }, { 390, 2 }, { 311, 8 }, { 394, 8 }, { 395, 8 }, { 166, 8 } };

#define N(a) (unsigned int)(sizeof(a) / sizeof((a)[0]))

static void put_int(struct ipfix *x, uint64_t v, unsigned int bytes)
{
	for (unsigned int i = bytes; i--;)
		x->buf[x->len++] = (uint8_t)(v >> 8 * i);
}

static void put_at(struct ipfix *x, size_t at, uint16_t v)
{
	x->buf[at] = (uint8_t)(v >> 8);
	x->buf[at + 1] = (uint8_t)v;
}

static void put_text(struct ipfix *x, const char *text)
{
	size_t n = strnlen(text, TEXT_MAX);

	x->buf[x->len++] = (uint8_t)n;
	memcpy(x->buf + x->len, text, n);
	x->len += n;
}

static void end_set(struct ipfix *x)
{
	if (x->set)
		put_at(x, x->set + 2, (uint16_t)(x->len - x->set));
	x->set = 0;
}

/* A place for 'need' bytes in a set of that kind; false: there is none. */
static bool begin(struct ipfix *x, uint16_t set_id, size_t need)
{
	const bool more = x->set && x->set_id == set_id;

	if ((x->len ? x->len : HEADER) + (more ? 0 : SET_HEADER) + need > IPFIX_MAX)
		return false;
	if (!x->len)
		x->len = HEADER;
	if (more)
		return true;
	end_set(x);
	x->set = x->len;
	x->set_id = set_id;
	put_int(x, set_id, 2);
	put_int(x, 0, 2);
	return true;
}

static void put_template(struct ipfix *x, uint16_t id, const struct field *f, unsigned int n)
{
	put_int(x, id, 2);
	put_int(x, n, 2);
	if (id == TEMPLATE_SAMPLING)
		put_int(x, 1, 2); /* fields of the scope */
	for (unsigned int i = 0; i < n; i++) {
		put_int(x, f[i].id, 2);
		put_int(x, f[i].len, 2);
	}
}

bool ipfix_put_templates(struct ipfix *x)
{
	const size_t need = 4 * 4 + 4 * (N(flow4) + N(flow6) + N(conn4) + N(conn6));

	if (x->len || !begin(x, SET_TEMPLATE, need))
		return false;
	put_template(x, TEMPLATE_FLOW4, flow4, N(flow4));
	put_template(x, TEMPLATE_FLOW6, flow6, N(flow6));
	put_template(x, TEMPLATE_CONN4, conn4, N(conn4));
	put_template(x, TEMPLATE_CONN6, conn6, N(conn6));
	if (!begin(x, SET_OPTIONS, 6 + 4 * N(sampling)))
		return false;
	put_template(x, TEMPLATE_SAMPLING, sampling, N(sampling));
	return true;
}

bool ipfix_put_sampling(struct ipfix *x, const struct ipfix_sampling *s)
{
	uint64_t bits;

	if (!begin(x, TEMPLATE_SAMPLING, 38))
		return false;
	memcpy(&bits, &s->probability, sizeof(bits));
	put_int(x, x->domain, 4);
	put_int(x, 4, 2); /* uniform probabilistic sampling (RFC 7014) */
	put_int(x, bits, 8);
	put_int(x, s->observed, 8);
	put_int(x, s->selected, 8);
	put_int(x, s->not_sent, 8);
	x->records++;
	return true;
}

static void put_ip(struct ipfix *x, const struct skep_ip *ip, bool v6)
{
	const size_t skip = v6 ? 0 : 12;

	memcpy(x->buf + x->len, (const uint8_t *)ip + skip, sizeof(*ip) - skip);
	x->len += sizeof(*ip) - skip;
}

static void put_l4(struct ipfix *x, const struct flow_record *r)
{
	put_int(x, r->sport, 2);
	put_int(x, r->dport, 2);
	put_int(x, r->proto, 1);
}

bool ipfix_put(struct ipfix *x, const struct flow_record *r)
{
	const uint16_t set = (uint16_t)((r->conn ? TEMPLATE_CONN4 : TEMPLATE_FLOW4) + r->v6);
	const size_t most = 16 + 64 + 5 + 25 + 5 + 3 * (1 + TEXT_MAX); /* of any record */

	if (!begin(x, set, most))
		return false;
	put_int(x, r->start_ms, 8);
	put_int(x, r->end_ms, 8);
	put_ip(x, &r->src, r->v6);
	put_ip(x, &r->dst, r->v6);
	if (r->conn) {
		put_ip(x, &r->post_src, r->v6);
		put_ip(x, &r->post_dst, r->v6);
		put_l4(x, r);
		put_int(x, r->post_sport, 2);
		put_int(x, r->post_dport, 2);
	} else {
		put_int(x, r->src_len, 1);
		put_int(x, r->dst_len, 1);
		put_l4(x, r);
		put_int(x, r->packets, 8);
		put_int(x, r->ip_bytes, 8);
		put_int(x, r->bytes, 8);
		put_int(x, r->status, 1);
	}
	put_int(x, r->end, 1);
	put_int(x, r->ifindex, 4);
	put_text(x, r->tenant);
	put_text(x, r->port);
	put_text(x, r->out_port);
	x->records++;
	return true;
}

size_t ipfix_end(struct ipfix *x, uint32_t unix_s)
{
	const size_t len = x->len;

	if (!len)
		return 0;
	end_set(x);
	x->len = 0;
	put_int(x, VERSION, 2);
	put_int(x, len, 2);
	put_int(x, unix_s, 4);
	put_int(x, x->sequence, 4);
	put_int(x, x->domain, 4);
	x->sequence += x->records;
	x->records = 0;
	x->len = 0;
	return len;
}
