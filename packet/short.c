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
	"want 'tcp A:PORT > B:PORT [syn]', 'udp A:PORT > B:PORT', 'sctp A:PORT > B:PORT', 'icmp A > B', " \
	"'ip A > B proto N' or 'arp who-has A from B'"
#define SIZE_MAX_IP 65535

/* Next word of '*at' into 'word', '>' being one also without blanks; false at the end.  A word that
 * is too long stays too long: it matches nothing. */
static bool next_word(const char **at, char word[static 80])
{
	size_t n;

	*at += strspn(*at, " \t");
	n = **at == '>' ? 1 : strcspn(*at, " \t>");
	if (!n)
		return false;
	snprintf(word, 80, "%.*s", (int)n, *at);
	*at += n;
	return true;
}

/* Takes the next word if it is this one. */
static bool take_word(const char **at, const char *name)
{
	const char *before = *at;
	char word[80];

	if (next_word(at, word) && !strcmp(word, name))
		return true;
	*at = before;
	return false;
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

/* "10.0.0.1:80", "[fd00::1]:80"; without 'want_port' the port may be missing, and *port stays. */
static int parse_endpoint(const char *word, bool want_port, struct skep_ip *ip, uint16_t *port,
			  struct err *err)
{
	char address[80];
	size_t n = strlen(word);
	char *colon;

	if (!want_port && (ip_parse(word, ip) || (n && word[n - 1] == ']')))
		return parse_ip(word, ip, err);
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

/* "syn", "syn,ack" */
static int parse_flags(struct pkt_short *p, const char *word)
{
	static const struct {
		const char *name;
		char letter;
	} flags[] = { { "syn", 'S' }, { "ack", 'A' }, { "fin", 'F' }, { "rst", 'R' },
		      { "psh", 'P' }, { "urg", 'U' } };
	const size_t all = sizeof(flags) / sizeof(flags[0]);

	for (size_t n, i; *word; word += n + (word[n] == ',')) {
		size_t have = strlen(p->flags);

		n = strcspn(word, ",");
		for (i = 0; i < all && (strlen(flags[i].name) != n ||
					strncmp(word, flags[i].name, n) != 0);
		     i++)
			;
		if (i == all)
			return -EINVAL;
		if (!strchr(p->flags, flags[i].letter) && have + 1 < sizeof(p->flags))
			p->flags[have] = flags[i].letter;
	}
	return 0;
}

/* The number behind 'name'. */
static int parse_number(const char **at, const char *name, unsigned int min, unsigned int max,
			unsigned int *value, struct err *err)
{
	char word[80];
	uint16_t n;

	if (!next_word(at, word))
		return err_tag(err, -EINVAL, "usage", "packet: the number behind '%s' is missing", name);
	if (parse_port(word, &n, err) || n < min || n > max)
		return err_tag(err, -EINVAL, "usage",
			       "packet: %s '%s' is out of range (want %u to %u)", name, word, min,
			       max);
	*value = n;
	return 0;
}

/* What is understood behind the addresses, for messages. */
static const char *const words[] = {
	[PKT_SHORT_TCP] = "syn, ack, fin, rst, psh, urg, ttl N, size N, df, vlan N",
	[PKT_SHORT_UDP] = "ttl N, size N, df, vlan N",
	[PKT_SHORT_SCTP] = "ttl N, size N, df, vlan N",
	[PKT_SHORT_ICMP] = "echo, reply, id N, type N, code N, ttl N, size N, df, vlan N",
	[PKT_SHORT_IP] = "proto N, ttl N, size N, df, vlan N",
	[PKT_SHORT_ARP] = "vlan N",
};

/* One word of ICMP; 1: it is none. */
static int icmp_word(const char *word, const char **at, struct pkt_short *p, struct err *err)
{
	if (!strcmp(word, "echo") || !strcmp(word, "reply")) {
		p->reply = *word == 'r';
		return 0;
	}
	if (!strcmp(word, "id")) {
		p->has_id = true;
		return parse_number(at, word, 0, 65535, &p->id, err);
	}
	if (!strcmp(word, "type")) {
		p->has_type = true;
		return parse_number(at, word, 0, 255, &p->type, err);
	}
	return strcmp(word, "code") ? 1 : parse_number(at, word, 0, 255, &p->code, err);
}

static int one_word(const char *word, const char **at, struct pkt_short *p, struct err *err)
{
	int rc = p->what == PKT_SHORT_ICMP ? icmp_word(word, at, p, err) : 1;

	if (rc <= 0 || (p->what == PKT_SHORT_TCP && !parse_flags(p, word)))
		return rc < 0 ? rc : 0;
	if (!strcmp(word, "vlan"))
		return parse_number(at, word, 1, 4094, &p->vlan, err);
	if (p->what == PKT_SHORT_ARP)
		return 1;
	if (!strcmp(word, "ttl"))
		return parse_number(at, word, 1, 255, &p->ttl, err);
	if (!strcmp(word, "size"))
		return parse_number(at, word, 1, SIZE_MAX_IP, &p->size, err);
	if (!strcmp(word, "proto") && p->what == PKT_SHORT_IP)
		return parse_number(at, word, 0, 255, &p->proto, err);
	if (strcmp(word, "df"))
		return 1;
	p->df = true;
	return 0;
}

/* Bytes of the IP header and that of L4. */
static unsigned int headers_of(const struct pkt_short *p)
{
	static const unsigned int l4[] = { [PKT_SHORT_TCP] = 20, [PKT_SHORT_UDP] = 8,
					   [PKT_SHORT_SCTP] = 12, [PKT_SHORT_ICMP] = 8,
					   [PKT_SHORT_IP] = 0,	  [PKT_SHORT_ARP] = 0 };

	return (ip_is_v4(&p->src) ? 20 : 40) + l4[p->what];
}

static bool has_l4(unsigned int proto)
{
	return proto == 1 || proto == 6 || proto == 17 || proto == 58 || proto == 132;
}

static int check(const struct pkt_short *p, struct err *err)
{
	if (p->df && !ip_is_v4(&p->src))
		return err_tag(err, -EINVAL, "usage", "packet: 'df' exists in IPv4 only");
	if (p->size && p->size < headers_of(p))
		return err_tag(err, -EINVAL, "usage",
			       "packet: size '%u' is out of range (want %u to %u)", p->size,
			       headers_of(p), SIZE_MAX_IP);
	if (p->what == PKT_SHORT_IP && !p->proto)
		return err_tag(err, -EINVAL, "usage", "packet: 'proto' is missing (" FORMS ")");
	if (p->what == PKT_SHORT_IP && has_l4(p->proto))
		return err_tag(err, -EINVAL, "usage",
			       "packet: protocol %u has a word of its own (want %s)", p->proto,
			       p->proto == 6   ? "tcp" :
			       p->proto == 17  ? "udp" :
			       p->proto == 132 ? "sctp" :
						 "icmp");
	return 0;
}

static int parse_rest(const char *at, struct pkt_short *p, struct err *err)
{
	char word[80];

	while (next_word(&at, word)) {
		int rc = one_word(word, &at, p, err);

		if (rc > 0)
			return err_tag(err, -EINVAL, "usage",
				       "packet: '%s' is not known here (want %s)", word,
				       words[p->what]);
		if (rc)
			return rc;
	}
	return p->what == PKT_SHORT_ARP ? 0 : check(p, err);
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
	if (strcmp(word, "from") && strcmp(word, "tell"))
		return err_tag(err, -EINVAL, "usage", "packet: '%s' is not known here (want from)",
			       word);
	if (want_word(&at, word, "the sender's address", err) || parse_ip(word, &p->src, err))
		return err->code;
	if (!ip_is_v4(&p->src) || !ip_is_v4(&p->dst))
		return err_tag(err, -EINVAL, "usage", "packet: ARP is about IPv4 addresses");
	return parse_rest(at, p, err);
}

static int parse_what(const char *word, const char **at, struct pkt_short *p, struct err *err)
{
	static const struct {
		const char *name;
		int what;
	} names[] = { { "tcp", PKT_SHORT_TCP },	  { "udp", PKT_SHORT_UDP },   { "sctp", PKT_SHORT_SCTP },
		      { "icmp", PKT_SHORT_ICMP }, { "icmp6", PKT_SHORT_ICMP }, { "ip", PKT_SHORT_IP },
		      { "proto", PKT_SHORT_IP },  { "arp", PKT_SHORT_ARP } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(word, names[i].name)) {
			p->what = (unsigned int)names[i].what;
			return strcmp(word, "proto") ? 0 :
						       parse_number(at, word, 0, 255, &p->proto, err);
		}
	return err_tag(err, -EINVAL, "usage", "packet: '%s' is not a protocol (" FORMS ")", word);
}

/* Both addresses.  "icmp A id 7 > B", and without '>', is how lists of connections have it. */
static int parse_ends(const char **at, struct pkt_short *p, struct err *err)
{
	bool ports = p->what <= PKT_SHORT_SCTP;
	char word[80];

	p->sport = SHORT_SPORT;
	if (want_word(at, word, "the source", err) ||
	    (ports ? parse_endpoint(word, false, &p->src, &p->sport, err) :
		     parse_ip(word, &p->src, err)))
		return err->code;
	if (p->what == PKT_SHORT_ICMP && take_word(at, "id")) {
		p->has_id = true;
		if (parse_number(at, "id", 0, 65535, &p->id, err))
			return err->code;
	}
	(void)take_word(at, ">");
	if (want_word(at, word, "the destination", err) ||
	    (ports ? parse_endpoint(word, true, &p->dst, &p->dport, err) :
		     parse_ip(word, &p->dst, err)))
		return err->code;
	if (ip_is_v4(&p->src) != ip_is_v4(&p->dst))
		return err_tag(err, -EINVAL, "usage",
			       "packet: source and destination are not of the same family");
	return 0;
}

int pkt_short_parse(const char *text, struct pkt_short *p, struct err *err)
{
	const char *at = text;
	char word[80];

	memset(p, 0, sizeof(*p));
	while (take_word(&at, "vlan")) /* where lists have it */
		if (parse_number(&at, "vlan", 1, 4094, &p->vlan, err))
			return err->code;
	if (want_word(&at, word, "the protocol", err) || parse_what(word, &at, p, err))
		return err->code;
	if (p->what == PKT_SHORT_ARP)
		return parse_arp(at, p, err);
	return parse_ends(&at, p, err) ? err->code : parse_rest(at, p, err);
}

/* The L4 layer, and the data behind it. */
static void l4_text(const struct pkt_short *p, char *buf, size_t size)
{
	static const char *const names[] = { [PKT_SHORT_TCP] = "tcp",
					     [PKT_SHORT_UDP] = "udp",
					     [PKT_SHORT_SCTP] = "sctp" };
	const char *icmp = ip_is_v4(&p->src) ? "icmp" : "icmp6";
	unsigned int data = p->size ? p->size - headers_of(p) : 0;
	size_t n = 0;

	*buf = 0;
	if (p->what == PKT_SHORT_ICMP && p->has_type)
		snprintf(buf, size, " / %s %u/%u", icmp, p->type, p->code);
	else if (p->what == PKT_SHORT_ICMP)
		snprintf(buf, size, " / %s %s", icmp, p->reply ? "reply" : "echo");
	else if (p->what != PKT_SHORT_IP)
		snprintf(buf, size, " / %s %u>%u%s%s", names[p->what], p->sport, p->dport,
			 *p->flags ? " " : "", p->flags);
	n = strlen(buf);
	if (p->what == PKT_SHORT_ICMP && (p->has_id || !p->has_type))
		snprintf(buf + n, size - n, " id %u", p->has_id ? p->id : 1);
	n = strlen(buf);
	if (data)
		snprintf(buf + n, size - n, " / data %u", data);
}

int pkt_short_dsl(const struct pkt_short *p, const struct skep_mac *src,
		    const struct skep_mac *dst, char *buf, size_t size, struct err *err)
{
	char m1[ADDR_TEXT], m2[ADDR_TEXT], a1[ADDR_TEXT], a2[ADDR_TEXT], l4[96];
	char vlan[24] = "", ttl[16] = "", proto[16] = "";
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
	if (p->what == PKT_SHORT_IP)
		snprintf(proto, sizeof(proto), " proto %u", p->proto);
	l4_text(p, l4, sizeof(l4));
	n = snprintf(buf, size, "eth %s>%s%s / ip %s>%s%s%s%s%s", m1, m2, vlan, a1, a2, ttl,
		     p->df ? " df" : "", proto, l4);
	return n > 0 && (size_t)n < size ? 0 : err_set(err, -E2BIG, "packet: too long");
}
