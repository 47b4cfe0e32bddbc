// SPDX-License-Identifier: Apache-2.0
/* DHCPv4 in scenarios: a client's messages in words, options of the answer.  scenario.h has the language. */
#include "selftests/lib/scenario_run.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAIL(...) (err_set(err, -1, __VA_ARGS__))
#define FIXED	  240 /* bytes of a message up to its options, with the cookie */
#define OPTIONS	  64  /* room that a client's message gives them */

static uint8_t type_number(const char *word)
{
	static const char *const names[] = { "discover", "offer", "request", "decline",
					     "ack",	 "nak",	  "release", "inform" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], word))
			return (uint8_t)(i + 1);
	return 0;
}

static uint8_t *put_ip(uint8_t *at, uint8_t code, const struct skep_ip *ip)
{
	*at++ = code;
	*at++ = 4;
	memcpy(at, &ip->w[3], 4);
	return at + 4;
}

/* "discover MAC [ask IP] [server IP]", as a client without an address sends it. */
int scenario_dhcp(struct scenario_env *env, const char *rest, uint8_t *frame, struct err *err)
{
	struct pkt_fields f = { .eth_dst = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
				.eth_type = htons(0x0800),
				.ip_src = ip_from_v4(0),
				.ip_dst = ip_from_v4(htonl(0xffffffff)),
				.ip_proto = 17,
				.ip_ttl = 64,
				.has_l4 = true,
				.l4_src = htons(68),
				.l4_dst = htons(67) };
	uint8_t msg[FIXED + OPTIONS] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 }, *at = msg + FIXED;
	char copy[256], *save = NULL, *word, *value;
	struct skep_ip ip;

	snprintf(copy, sizeof(copy), "%s", rest);
	word = strtok_r(copy, " ", &save);
	value = strtok_r(NULL, " ", &save);
	if (!word || !type_number(word) || !value || !scenario_mac(env, value, &f.eth_src))
		return FAIL("want: dhcp TYPE MAC [ask IP] [server IP]");
	memcpy(msg + 28, &f.eth_src, 6);
	memcpy(msg + FIXED - 4, "\x63\x82\x53\x63", 4);
	*at++ = 53;
	*at++ = 1;
	*at++ = type_number(word);
	while ((word = strtok_r(NULL, " ", &save))) {
		value = strtok_r(NULL, " ", &save);
		if (!value || !scenario_ip(env, value, false, &ip) || at > msg + sizeof(msg) - 7)
			return FAIL("want: ask IP or server IP behind 'dhcp'");
		at = put_ip(at, !strcmp(word, "server") ? 54 : 50, &ip);
	}
	*at = 255;
	return (int)pkt_build_ip(frame, PKT_MAX, &f, msg, sizeof(msg));
}

/* The option's bytes as hex, put together from all its parts, or "none". */
static const char *option_text(const struct pkt *p, uint8_t code, char *buf, size_t size)
{
	const uint8_t *d = p->data + p->payload_off;
	uint32_t len = p->l3_off + p->l3_len - p->payload_off, at = FIXED;
	size_t n = 0;
	bool found = false;

	buf[0] = 0;
	while (at + 1 < len && d[at] != 255) {
		if (!d[at]) {
			at++;
			continue;
		}
		for (uint32_t i = 0; d[at] == code && i < d[at + 1] && n + 3 < size; i++)
			n += (size_t)snprintf(buf + n, size - n, "%02x", d[at + 2 + i]);
		found = found || d[at] == code;
		at += 2U + d[at + 1];
	}
	return found ? buf : "none";
}

int scenario_option(struct scenario_env *env, const char *rest, struct err *err)
{
	char want[256], got[1024];
	unsigned int code;
	struct pkt p;

	if (sscanf(rest, "%u %255s", &code, want) != 2 || code > 254)
		return FAIL("want: option CODE HEX|none");
	for (uint32_t i = 0; i < env->res.n_frames; i++) {
		const struct sim_frame *fr = &env->res.frames[i];

		if (pkt_parse(fr->data, fr->len, &p) != SKEP_DROP_NONE || p.f.l4_dst != htons(68) ||
		    p.l3_off + p.l3_len < (uint32_t)p.payload_off + FIXED)
			continue;
		if (!strcmp(option_text(&p, (uint8_t)code, got, sizeof(got)), want))
			return 0;
		return FAIL("option %u: want %s, got %s", code, want,
			    option_text(&p, (uint8_t)code, got, sizeof(got)));
	}
	return FAIL("no DHCP message left");
}
