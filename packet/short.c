// SPDX-License-Identifier: Apache-2.0
/* The short packet language of 'skep trace' (short.h).  Pure text; called by simulator/probe.c. */
#include "packet/short.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/addr.h"

#define FORMS \
	"want 'tcp A:PORT > B:PORT [syn]', 'udp A:PORT > B:PORT', 'icmp A > B' or 'arp who-has A from B'"

/* Next word of '*at' into 'word'; false at the end.  A word that is too long stays too long: it
 * matches nothing. */
static bool next_word(const char **at, char word[static 80])
{
	size_t n;

	*at += strspn(*at, " \t");
	n = strcspn(*at, " \t");
	if (!n)
		return false;
	snprintf(word, 80, "%.*s", (int)n, *at);
	*at += n;
	return true;
}

static int want_word(const char **at, char word[static 80], const char *what, struct err *err)
{
	if (next_word(at, word))
		return 0;
	return err_tag(err, -EINVAL, "usage", "packet: %s is missing (" FORMS ")", what);
}

static int parse_ip(const char *word, struct skep_ip *ip, struct err *err)
{
	char bare[80];
	size_t n = strlen(word);

	snprintf(bare, sizeof(bare), "%s", word);
	if (n > 2 && bare[0] == '[' && bare[n - 1] == ']') {
		bare[n - 1] = 0;
		memmove(bare, bare + 1, n - 1);
	}
	if (ip_parse(bare, ip))
		return 0;
	return err_tag(err, -EINVAL, "usage", "packet: '%s' is not an address", word);
}

static int parse_port(const char *text, uint16_t *port, struct err *err)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > 65535)
		return err_tag(err, -EINVAL, "usage",
			       "packet: '%s' is not a port (want 0 to 65535)", text);
	*port = (uint16_t)n;
	return 0;
}

/* "10.0.0.1:80", "[fd00::1]:80" */
static int parse_endpoint(const char *word, struct skep_ip *ip, uint16_t *port, struct err *err)
{
	char address[80];
	char *colon;

	snprintf(address, sizeof(address), "%s", word);
	colon = strrchr(address, ':');
	if (!colon || (*address == '[' && colon[-1] != ']') ||
	    (*address != '[' && strchr(address, ':') != colon))
		return err_tag(
			err, -EINVAL, "usage",
			"packet: '%s' is not address:port (want 10.0.1.5:80 or [fd00::5]:80)",
			word);
	*colon = 0;
	if (parse_ip(address, ip, err))
		return err->code;
	return parse_port(colon + 1, port, err);
}

static int parse_flag(struct pkt_short *p, const char *word)
{
	static const struct {
		const char *name;
		char letter;
	} flags[] = {
		{ "syn", 'S' }, { "ack", 'A' }, { "fin", 'F' }, { "rst", 'R' }, { "psh", 'P' }
	};
	size_t n = strlen(p->flags);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(word, flags[i].name)) {
			if (!strchr(p->flags, flags[i].letter) && n + 1 < sizeof(p->flags))
				p->flags[n] = flags[i].letter;
			return 0;
		}
	return -EINVAL;
}

/* The number behind 'name', from 1 to 'max'. */
static int parse_number(const char **at, const char *name, unsigned int max, unsigned int *value,
			struct err *err)
{
	char word[80];
	uint16_t n;

	if (!next_word(at, word))
		return err_tag(err, -EINVAL, "usage", "packet: the number behind '%s' is missing", name);
	if (parse_port(word, &n, err) || !n || n > max)
		return err_tag(err, -EINVAL, "usage",
			       "packet: %s '%s' is out of range (want 1 to %u)", name, word, max);
	*value = n;
	return 0;
}

static int parse_rest(const char *at, struct pkt_short *p, struct err *err)
{
	char word[80];

	while (next_word(&at, word)) {
		int rc;

		if (p->what == PKT_SHORT_TCP && !parse_flag(p, word))
			continue;
		if (!strcmp(word, "vlan"))
			rc = parse_number(&at, word, 4094, &p->vlan, err);
		else if (!strcmp(word, "ttl") && p->what != PKT_SHORT_ARP)
			rc = parse_number(&at, word, 255, &p->ttl, err);
		else
			return err_tag(err, -EINVAL, "usage",
				       "packet: '%s' is not known here (want %s%svlan N)", word,
				       p->what == PKT_SHORT_TCP ? "syn, ack, fin, rst, psh, " : "",
				       p->what == PKT_SHORT_ARP ? "" : "ttl N, ");
		if (rc)
			return rc;
	}
	return 0;
}

static int parse_arp(const char *at, struct pkt_short *p, struct err *err)
{
	char word[80];

	if (want_word(&at, word, "'who-has'", err))
		return err->code;
	if (strcmp(word, "who-has"))
		return err_tag(err, -EINVAL, "usage",
			       "packet: '%s' is not known here (want who-has)", word);
	if (want_word(&at, word, "the address that is asked for", err) ||
	    parse_ip(word, &p->dst, err))
		return err->code;
	if (want_word(&at, word, "'from'", err))
		return err->code;
	if (strcmp(word, "from"))
		return err_tag(err, -EINVAL, "usage", "packet: '%s' is not known here (want from)",
			       word);
	if (want_word(&at, word, "the sender's address", err) || parse_ip(word, &p->src, err))
		return err->code;
	if (!ip_is_v4(&p->src) || !ip_is_v4(&p->dst))
		return err_tag(err, -EINVAL, "usage", "packet: ARP is about IPv4 addresses");
	return parse_rest(at, p, err);
}

int pkt_short_parse(const char *text, struct pkt_short *p, struct err *err)
{
	const char *at = text;
	char word[80];
	bool ports;

	memset(p, 0, sizeof(*p));
	if (want_word(&at, word, "the protocol", err))
		return err->code;
	if (!strcmp(word, "arp")) {
		p->what = PKT_SHORT_ARP;
		return parse_arp(at, p, err);
	}
	if (!strcmp(word, "tcp"))
		p->what = PKT_SHORT_TCP;
	else if (!strcmp(word, "udp"))
		p->what = PKT_SHORT_UDP;
	else if (!strcmp(word, "icmp") || !strcmp(word, "icmp6"))
		p->what = PKT_SHORT_ICMP;
	else
		return err_tag(err, -EINVAL, "usage", "packet: '%s' is not a protocol (" FORMS ")",
			       word);
	ports = p->what != PKT_SHORT_ICMP;
	if (want_word(&at, word, "the source", err) ||
	    (ports ? parse_endpoint(word, &p->src, &p->sport, err) : parse_ip(word, &p->src, err)))
		return err->code;
	if (want_word(&at, word, "'>'", err))
		return err->code;
	if (strcmp(word, ">"))
		return err_tag(err, -EINVAL, "usage", "packet: '%s' is not '>' (" FORMS ")", word);
	if (want_word(&at, word, "the destination", err) ||
	    (ports ? parse_endpoint(word, &p->dst, &p->dport, err) : parse_ip(word, &p->dst, err)))
		return err->code;
	if (ip_is_v4(&p->src) != ip_is_v4(&p->dst))
		return err_tag(err, -EINVAL, "usage",
			       "packet: source and destination are not of the same family");
	return parse_rest(at, p, err);
}

int pkt_short_dsl(const struct pkt_short *p, const struct skep_mac *src,
		    const struct skep_mac *dst, char *buf, size_t size, struct err *err)
{
	char m1[ADDR_TEXT], m2[ADDR_TEXT], a1[ADDR_TEXT], a2[ADDR_TEXT], l4[64];
	char vlan[24] = "", ttl[16] = "";
	int n;

	mac_format(src, m1);
	mac_format(dst, m2);
	ip_format(&p->src, a1);
	ip_format(&p->dst, a2);
	if (p->vlan)
		snprintf(vlan, sizeof(vlan), " vlan %u", p->vlan);
	if (p->what == PKT_SHORT_ARP) {
		n = snprintf(buf, size, "eth %s>%s%s / arp request %s>%s", m1, m2, vlan, a1, a2);
		return n > 0 && (size_t)n < size ? 0 : err_set(err, -E2BIG, "packet: too long");
	}
	if (p->ttl)
		snprintf(ttl, sizeof(ttl), " ttl %u", p->ttl);
	if (p->what == PKT_SHORT_ICMP)
		snprintf(l4, sizeof(l4), "%s echo id 1", ip_is_v4(&p->src) ? "icmp" : "icmp6");
	else
		snprintf(l4, sizeof(l4), "%s %u>%u%s%s", p->what == PKT_SHORT_TCP ? "tcp" : "udp",
			 p->sport, p->dport, *p->flags ? " " : "", p->flags);
	n = snprintf(buf, size, "eth %s>%s%s / ip %s>%s%s / %s", m1, m2, vlan, a1, a2, ttl, l4);
	return n > 0 && (size_t)n < size ? 0 : err_set(err, -E2BIG, "packet: too long");
}
