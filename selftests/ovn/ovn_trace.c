// SPDX-License-Identifier: Apache-2.0
/*
 * Runs ovn-trace --minimal and follows what it prints: assignments, blocks with a copy of the packet, outputs.  Lines are like
 *
 *   ip.ttl--;
 *   eth.dst = 02:00:00:00:00:02;
 *   ct_snat(ip4.src=203.0.113.2) {
 *       output("o");
 *   };
 */
#include "selftests/ovn/ovn.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/addr.h"
#include "util/cleanup.h"

#define DEPTH_MAX 32

struct machine {
	const struct ovn_ask *ask;
	struct ovn_outcome *o;
	struct ovn_frame stack[DEPTH_MAX]; /* the packet of each block that is open */
	unsigned int depth;
};

static void trouble(struct ovn_outcome *o, const char *what, const char *text)
{
	if (!o->trouble[0])
		snprintf(o->trouble, sizeof(o->trouble), "%s: %s", what, text);
}

void ovn_add(struct ovn_outcome *o, const char *port, const struct pkt_fields *f, bool own)
{
	struct ovn_frame *to = &o->frames[o->n];

	if (o->n == OVN_FRAMES_MAX) {
		trouble(o, "too many frames", port);
		return;
	}
	snprintf(to->port, sizeof(to->port), "%s", port);
	to->f = *f;
	to->own = own;
	o->n++;
}

/* --- the question --- */

static void put_l4(FILE *out, const struct pkt_fields *f)
{
	const char *ip = f->eth_type == htons(ETH_P_IP) ? "4" : "6";

	if (!f->has_l4) {
		fprintf(out, " && ip.proto == %u", f->ip_proto);
	} else if (f->ip_proto == IPPROTO_TCP) {
		fprintf(out, " && tcp.src == %u && tcp.dst == %u && tcp.flags == %u", ntohs(f->l4_src),
			ntohs(f->l4_dst), f->tcp_flags);
	} else if (f->ip_proto == IPPROTO_UDP || f->ip_proto == IPPROTO_SCTP) {
		const char *name = f->ip_proto == IPPROTO_UDP ? "udp" : "sctp";

		fprintf(out, " && %s.src == %u && %s.dst == %u", name, ntohs(f->l4_src), name,
			ntohs(f->l4_dst));
	} else {
		fprintf(out, " && icmp%s.type == %u && icmp%s.code == %u", ip, ntohs(f->l4_src) >> 8, ip,
			ntohs(f->l4_src) & 0xff);
	}
}

static void put_ip(FILE *out, const struct pkt_fields *f)
{
	const char *ip = f->eth_type == htons(ETH_P_IP) ? "ip4" : "ip6";
	char a[ADDR_TEXT], b[ADDR_TEXT];

	fprintf(out, " && %s.src == %s && %s.dst == %s && ip.ttl == %u && ip.dscp == %u", ip,
		ip_format(&f->ip_src, a), ip, ip_format(&f->ip_dst, b), f->ip_ttl, f->ip_tos >> 2);
	if (f->ip_frag)
		fprintf(out, " && ip.frag == %u", f->ip_frag == SKEP_FRAG_LATER ? 3 : 1);
	put_l4(out, f);
	if (f->ip_proto == IPPROTO_ICMPV6 && ntohs(f->l4_src) >> 8 == 135)
		fprintf(out, " && nd.target == %s && nd.sll == %s", ip_format(&f->nd_target, a),
			mac_format(&f->nd_lla, b));
}

static void put_microflow(FILE *out, const struct ovn_ask *ask)
{
	const struct pkt_fields *f = ask->f;
	char a[ADDR_TEXT], b[ADDR_TEXT];

	fprintf(out, "inport == \"%s\" && eth.src == %s && eth.dst == %s", ask->port,
		mac_format(&f->eth_src, a), mac_format(&f->eth_dst, b));
	if (f->vlan)
		fprintf(out, " && vlan.present && vlan.vid == %u", ntohs(f->vlan) & 0xfff);
	if (f->eth_type == htons(ETH_P_ARP)) {
		fprintf(out, " && arp.op == %u && arp.sha == %s && arp.tha == %s", f->ip_proto,
			mac_format(&f->arp_sha, a), mac_format(&f->arp_tha, b));
		fprintf(out, " && arp.spa == %s && arp.tpa == %s", ip_format(&f->ip_src, a),
			ip_format(&f->ip_dst, b));
	} else if (f->eth_type == htons(ETH_P_IP) || f->eth_type == htons(ETH_P_IPV6)) {
		put_ip(out, f);
	} else {
		fprintf(out, " && eth.type == 0x%04x", ntohs(f->eth_type));
	}
}

/* --- the answer --- */

static bool mac_value(const char *text, struct skep_mac *mac)
{
	unsigned long long n;
	char *end;

	if (mac_parse(text, mac))
		return true;
	n = strtoull(text, &end, 0);
	for (unsigned int i = 0; i < 6; i++)
		((uint8_t *)mac)[i] = (uint8_t)(n >> (40 - 8 * i));
	return !*end;
}

static bool ip_value(const char *text, struct skep_ip *ip)
{
	char *end;
	unsigned long n;

	if (ip_parse(text, ip))
		return true;
	n = strtoul(text, &end, 0);
	*ip = ip_from_v4(htonl((uint32_t)n));
	return !*end;
}

static bool assign_number(struct ovn_frame *p, const char *field, const char *value)
{
	unsigned int n = (unsigned int)strtoul(value, NULL, 0);
	struct pkt_fields *f = &p->f;

	if (!strcmp(field, "ip.ttl")) {
		f->ip_ttl = (uint8_t)n;
		p->own = true;
	} else if (!strcmp(field, "arp.op")) {
		f->ip_proto = (uint8_t)n;
	} else if (!strcmp(field, "icmp4.type") || !strcmp(field, "icmp6.type")) {
		f->l4_src = htons((uint16_t)(n << 8 | (ntohs(f->l4_src) & 0xff)));
	} else if (!strcmp(field, "icmp4.code") || !strcmp(field, "icmp6.code")) {
		f->l4_src = htons((uint16_t)((ntohs(f->l4_src) & 0xff00) | n));
	} else if (!strcmp(field, "tcp.dst") || !strcmp(field, "udp.dst")) {
		f->l4_dst = htons((uint16_t)n);
	} else if (!strcmp(field, "tcp.src") || !strcmp(field, "udp.src")) {
		f->l4_src = htons((uint16_t)n);
	} else {
		return !strncmp(field, "reg", 3) || !strncmp(field, "nd.flags", 8) || !strncmp(field, "flags", 5);
	}
	return true;
}

static bool assign(struct ovn_frame *p, const char *field, const char *value)
{
	struct pkt_fields *f = &p->f;
	const struct {
		const char *field;
		struct skep_mac *mac;
	} macs[] = { { "eth.src", &f->eth_src }, { "eth.dst", &f->eth_dst }, { "arp.sha", &f->arp_sha },
		     { "arp.tha", &f->arp_tha }, { "nd.tll", &f->nd_lla },   { "nd.sll", &f->nd_lla } };
	const struct {
		const char *field;
		struct skep_ip *ip;
	} ips[] = { { "ip4.src", &f->ip_src }, { "ip4.dst", &f->ip_dst }, { "ip6.src", &f->ip_src },
		    { "ip6.dst", &f->ip_dst }, { "arp.spa", &f->ip_src }, { "arp.tpa", &f->ip_dst },
		    { "nd.target", &f->nd_target } };

	for (unsigned int i = 0; i < ARRAY_SIZE(macs); i++)
		if (!strcmp(macs[i].field, field))
			return mac_value(value, macs[i].mac);
	for (unsigned int i = 0; i < ARRAY_SIZE(ips); i++)
		if (!strcmp(ips[i].field, field))
			return ip_value(value, ips[i].ip);
	return assign_number(p, field, value);
}

static void swap_ends(struct pkt_fields *f)
{
	struct skep_mac mac = f->eth_src;
	struct skep_ip ip = f->ip_src;
	__be16 port = f->l4_src;

	f->eth_src = f->eth_dst;
	f->eth_dst = mac;
	f->ip_src = f->ip_dst;
	f->ip_dst = ip;
	f->l4_src = f->l4_dst;
	f->l4_dst = port;
}

/* "arp {", "icmp4 {": another packet begins, made of the one that there was. */
static void become(struct ovn_frame *p, const char *name)
{
	struct pkt_fields *f = &p->f;

	if (!strcmp(name, "arp")) {
		f->eth_type = htons(ETH_P_ARP);
		f->ip_proto = 1;
		f->ip_ttl = f->ip_tos = 0;
		f->l4_src = f->l4_dst = 0;
		f->arp_sha = f->eth_src;
		f->arp_tha = (struct skep_mac){ 0 };
	} else if (!strncmp(name, "icmp", 4)) {
		swap_ends(f); /* back to the sender, where nothing else is assigned: ovn-actions(7), reject */
		f->ip_proto = name[4] == '4' ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		f->l4_src = htons(name[4] == '4' ? 3 << 8 | 1 : 1 << 8 | 1);
		f->l4_dst = 0;
		f->has_l4 = true;
	} else if (!strcmp(name, "tcp_reset")) {
		swap_ends(f);
		f->tcp_flags = 0x14;
	} else if (!strcmp(name, "nd_na") || !strcmp(name, "nd_na_router")) {
		swap_ends(f);
		f->ip_src = f->nd_target;
		f->l4_src = htons(136 << 8);
		f->l4_dst = 0;
	} else if (!strcmp(name, "nd_ns")) {
		f->ip_proto = IPPROTO_ICMPV6;
		f->l4_src = htons(135 << 8);
		f->l4_dst = 0;
	} else {
		return;
	}
	p->own = true;
}

/* The member that the load balancer was told to take. */
static void use_member(struct machine *m, struct ovn_frame *p)
{
	char addr[96];
	char *colon;

	snprintf(addr, sizeof(addr), "%s", m->ask->lb);
	colon = strrchr(addr, ':');
	if (!colon)
		return;
	*colon = 0;
	if (addr[0] == '[')
		addr[strcspn(addr, "]")] = 0;
	(void)ip_value(addr[0] == '[' ? addr + 1 : addr, &p->f.ip_dst);
	p->f.l4_dst = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

/* "ct_snat(ip4.src=203.0.113.2)" */
static void translate(struct ovn_frame *p, const char *line, struct ovn_outcome *o)
{
	const char *open = strchr(line, '('), *eq = open ? strchr(open, '=') : NULL;
	char field[32], value[64];

	if (!eq || strncmp(open + 1, "ip", 2) != 0)
		return;
	snprintf(field, sizeof(field), "%.*s", (int)(eq - open - 1), open + 1);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(eq + 1, ",)"), eq + 1);
	if (!assign(p, field, value))
		trouble(o, "cannot follow", line);
}

static void statement(struct machine *m, char *line)
{
	struct ovn_frame *p = &m->stack[m->depth];
	char *eq = strstr(line, " = "), *quote;

	if (!strncmp(line, "output(\"", 8)) {
		quote = strchr(line + 8, '"');
		if (quote)
			*quote = 0;
		ovn_add(m->o, line + 8, &p->f, p->own);
	} else if (!strcmp(line, "ip.ttl--;")) {
		p->f.ip_ttl--;
	} else if (eq && line[strlen(line) - 1] == ';') {
		line[strlen(line) - 1] = 0;
		*eq = 0;
		if (!assign(p, line, eq + 3))
			trouble(m->o, "cannot follow", line);
	} else if (strncmp(line, "ct_", 3) != 0 && strcmp(line, "clone;") != 0) { /* blocks in which nothing happens */
		trouble(m->o, "cannot follow", line);
	}
}

static void follow(struct machine *m, char *line)
{
	size_t len;
	char name[32];

	line += strspn(line, " \t");
	len = strcspn(line, "\n");
	line[len] = 0;
	if (!len || *line == '#')
		return;
	if (line[0] == '}') {
		m->depth -= m->depth > 0;
	} else if (line[len - 1] == '{' && m->depth + 1 < DEPTH_MAX) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, " ("), line);
		m->stack[m->depth + 1] = m->stack[m->depth];
		m->depth++;
		become(&m->stack[m->depth], name);
		if (!strncmp(name, "ct_lb", 5))
			use_member(m, &m->stack[m->depth]);
		else if (!strncmp(name, "ct_", 3))
			translate(&m->stack[m->depth], line, m->o);
	} else {
		statement(m, line);
	}
}

void ovn_trace(const struct ovn_ask *ask, struct ovn_outcome *o)
{
	char *command = NULL, line[OVN_LINE];
	size_t size;
	FILE *f = open_memstream(&command, &size);
	struct machine m = { .ask = ask, .o = o };
	int rc;

	if (!f)
		abort();
	fprintf(f, "ovn-trace --db=%s --minimal %s", ask->db, ask->ct);
	if (ask->lb[0])
		fprintf(f, " --lb-dst='%s'", ask->lb);
	fprintf(f, " %s '", ask->datapath);
	put_microflow(f, ask);
	fprintf(f, "' 2>&1");
	fclose(f);
	m.stack[0].f = *ask->f;
	f = popen(command, "r");
	if (!f)
		abort();
	while (fgets(line, sizeof(line), f))
		follow(&m, line);
	rc = pclose(f);
	if (rc)
		trouble(o, "ovn-trace fails", command);
	if (getenv("OVN_SHOW"))
		fprintf(stderr, "# %s\n", command);
	free(command);
}
