// SPDX-License-Identifier: Apache-2.0
/*
 * Asks skep's simulator and ovn-trace what becomes of the same packets in the same network, and compares: ports, MACs, addresses, ports of
 * TCP and UDP, TTL.  selftests/ovn/run sets the stage.  Arguments: address of the southbound DB, the folder with
 *
 *   network.yaml   the network as skep has it; network.sh is the same for OVN
 *   cases          the packets
 *   differences    "CASE | reason", of cases that differ for a reason; one that does not differ any more is an error
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/lib/simtest.h"
#include "selftests/ovn/ovn.h"
#include "simulator/conns.h"
#include "util/cleanup.h"

#define NSEC	      1000000000ULL
#define NAME_LEN      128
#define DIFFERENCES_MAX 64

struct difference {
	char name[NAME_LEN], reason[OVN_LINE];
	bool used;
};

struct bench {
	const char *db;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_conns *conns;
	uint64_t now_ns;
	struct sim sim;
	struct difference differences[DIFFERENCES_MAX];
	unsigned int n_differences, n, failed, differ;
	/* the case */
	char name[NAME_LEN], ct[OVN_LINE], lb[96];
};

static _Noreturn void die(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	exit(1);
}

static char *read_file(const char *dir, const char *name)
{
	_free_ char *path = NULL;
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	f = fopen(path, "r");
	if (!f)
		die(path, strerror(errno));
	if (getdelim(&text, &n, 0, f) < 0)
		die(path, "empty");
	fclose(f);
	return text;
}

/* --- the packet --- */

static bool name_mac(void *arg, const char *word, struct skep_mac *mac)
{
	const struct bench *b = arg;
	const struct topo_port *p = topo_find_port(b->snap, word);

	if (!p)
		return mac_parse(word, mac);
	*mac = p->mac;
	return true;
}

static bool name_ip(void *arg, const char *word, bool want_v6, struct skep_ip *ip)
{
	const struct bench *b = arg;
	const struct topo_port *p = topo_find_port(b->snap, word);

	for (uint32_t i = 0; p && i < p->n_addrs; i++)
		if (ip_is_v4(&p->addrs[i].ip) != want_v6) {
			*ip = p->addrs[i].ip;
			return true;
		}
	return ip_parse(word, ip);
}

static const struct topo_port *take(struct bench *b, const char *line, uint8_t *frame, struct pkt *pkt)
{
	struct pkt_names names = { .mac = name_mac, .ip = name_ip, .arg = b };
	const struct topo_port *in;
	struct err err = { 0 };
	char port[64];
	int off = 0, n;

	if (sscanf(line, "%63s %n", port, &off) < 1 || !off)
		die("want PORT PACKET", line);
	in = topo_find_port(b->snap, port);
	if (!in)
		die("no such port", line);
	n = pkt_dsl_parse(line + off, &names, frame, PKT_MAX, &err);
	if (n < 0 || pkt_parse(frame, (uint32_t)n, pkt) != SKEP_DROP_NONE)
		die(line, err.text);
	return in;
}

/* --- skep --- */

static void simulate(struct bench *b, const struct topo_port *in, const struct pkt *pkt, struct sim_result *res)
{
	struct sim_state_view view;
	struct err err = { 0 };

	b->now_ns += 1000;
	sim_state_view_init(&view, b->tables, b->conns, b->snap, b->now_ns);
	if (sim_run(&b->sim, b->snap, &view.view, in, pkt, b->now_ns, 1, 0, res, &err))
		die(b->name, err.text);
}

static void skep_outcome(const struct sim_result *res, struct ovn_outcome *o)
{
	struct pkt p;

	for (uint32_t i = 0; i < res->n_outputs; i++)
		ovn_add(o, res->outputs[i].port->o.name, &res->outputs[i].f, false);
	for (uint32_t i = 0; i < res->n_frames; i++) {
		if (pkt_parse(res->frames[i].data, res->frames[i].len, &p) != SKEP_DROP_NONE)
			die("a frame of the network", "malformed");
		for (uint32_t k = 0; k < res->frames[i].n_outputs; k++)
			ovn_add(o, res->frames[i].outputs[k].port->o.name, &res->frames[i].outputs[k].f, true);
	}
}

/* --- comparing --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *frame_text(const struct ovn_frame *fr)
{
	char es[ADDR_TEXT], ed[ADDR_TEXT], s[ADDR_TEXT], d[ADDR_TEXT], ttl[16] = "", *text = NULL;
	const struct pkt_fields *f = &fr->f;
	uint16_t type = ntohs(f->eth_type);
	int n;

	mac_format(&f->eth_src, es);
	mac_format(&f->eth_dst, ed);
	ip_format(&f->ip_src, s);
	ip_format(&f->ip_dst, d);
	if (!fr->own)
		snprintf(ttl, sizeof(ttl), " ttl %u", f->ip_ttl);
	if (type == ETH_P_ARP) {
		char sha[ADDR_TEXT], tha[ADDR_TEXT];

		n = asprintf(&text, "%s eth %s>%s arp %u %s %s > %s %s", fr->port, es, ed, f->ip_proto, s,
			     mac_format(&f->arp_sha, sha), d, mac_format(&f->arp_tha, tha));
	} else if (type != ETH_P_IP && type != ETH_P_IPV6) {
		n = asprintf(&text, "%s eth %s>%s type 0x%04x", fr->port, es, ed, type);
	} else if (f->ip_proto == 1 || f->ip_proto == 58) {
		n = asprintf(&text, "%s eth %s>%s ip %s>%s%s icmp %u/%u", fr->port, es, ed, s, d, ttl,
			     ntohs(f->l4_src) >> 8, ntohs(f->l4_src) & 0xff);
	} else {
		n = asprintf(&text, "%s eth %s>%s ip %s>%s%s proto %u %u>%u", fr->port, es, ed, s, d, ttl,
			     f->ip_proto, ntohs(f->l4_src), ntohs(f->l4_dst));
	}
	if (n < 0)
		abort();
	return text;
}

/* All frames, in an order that does not depend on who was asked. */
static char *outcome_text(const struct ovn_outcome *o)
{
	char *lines[OVN_FRAMES_MAX], *text = NULL;
	size_t size;
	FILE *f;

	if (o->trouble[0])
		return strdup(o->trouble);
	if (!o->n)
		return strdup("nothing leaves");
	for (unsigned int i = 0; i < o->n; i++)
		lines[i] = frame_text(&o->frames[i]);
	qsort(lines, o->n, sizeof(*lines), by_text);
	f = open_memstream(&text, &size);
	if (!f)
		abort();
	for (unsigned int i = 0; i < o->n; i++) {
		fprintf(f, "%s%s", i ? "\n#         " : "", lines[i]);
		free(lines[i]);
	}
	fclose(f);
	return text;
}

static struct difference *find_difference(struct bench *b)
{
	for (unsigned int i = 0; i < b->n_differences; i++)
		if (!strcmp(b->differences[i].name, b->name))
			return &b->differences[i];
	return NULL;
}

static void judge(struct bench *b, const char *skep, const char *ovn)
{
	struct difference *d = find_difference(b);
	bool same = !strcmp(skep, ovn);

	b->n++;
	if (d)
		d->used = true;
	if (same && !d) {
		printf("ok %u - %s\n", b->n, b->name);
		return;
	}
	if (!same && d) {
		b->differ++;
		printf("ok %u - %s (differs: %s)\n", b->n, b->name, d->reason);
	} else {
		b->failed++;
		printf("not ok %u - %s%s\n", b->n, b->name, d ? " does not differ any more" : "");
	}
	if (!d || getenv("OVN_SHOW"))
		printf("#   skep: %s\n#   ovn:  %s\n", skep, ovn);
}

static void compare(struct bench *b, const char *line)
{
	static uint8_t frame[PKT_MAX];
	struct ovn_outcome skep = { 0 }, ovn = { 0 };
	_free_ char *one = NULL, *two = NULL;
	const struct topo_port *in;
	struct sim_result res;
	struct ovn_ask ask;
	struct pkt pkt;

	in = take(b, line, frame, &pkt);
	simulate(b, in, &pkt, &res);
	skep_outcome(&res, &skep);
	ask = (struct ovn_ask){ .db = b->db, .datapath = in->bridge->o.name, .port = in->o.name, .f = &pkt.f };
	snprintf(ask.ct, sizeof(ask.ct), "%s", b->ct);
	snprintf(ask.lb, sizeof(ask.lb), "%s", b->lb);
	ovn_trace(&ask, &ovn);
	one = outcome_text(&skep);
	two = outcome_text(&ovn);
	judge(b, one, two);
}

/* --- cases --- */

/* A packet from before: what it leaves behind is there. */
static void first(struct bench *b, const char *line)
{
	static uint8_t frame[PKT_MAX];
	const struct topo_port *in;
	struct sim_result res;
	struct pkt pkt;

	in = take(b, line, frame, &pkt);
	simulate(b, in, &pkt, &res);
	if (res.verdict != SIM_FORWARD)
		die(b->name, "the first packet does not get through");
	(void)sim_conns_apply(b->conns, &res, &pkt, NULL, NULL, b->now_ns);
}

static void begin(struct bench *b, const char *name)
{
	const struct sim_conns_limits limits = {
		.records = 256, .records_port = 100, .affinities = 16, .timeouts = SKEP_TIMEOUTS
	};
	static const char *const addresses[] = { "203.0.113.2", "fd03::2", "172.20.1.1" };
	struct skep_ip ip;

	sim_tables_free(b->tables);
	sim_conns_free(b->conns);
	b->tables = sim_tables_new(100, 100);
	b->conns = sim_conns_new(&limits);
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->ct[0] = b->lb[0] = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) /* OVN keeps the machine's port when it can: 4864 to 5119 are ours */
		if (!ip_parse(addresses[i], &ip) || sim_conns_block_add(b->conns, "r", &ip, 4864) ||
		    sim_conns_block_add(b->conns, "r", &ip, 0))
			abort();
}

static void each_state(struct bench *b, char *words)
{
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		n += (size_t)snprintf(b->ct + n, sizeof(b->ct) - n, "--ct=%s ", w);
}

static void run_line(struct bench *b, char *line)
{
	char *rest = line + strcspn(line, " ");

	if (*rest)
		*rest++ = 0;
	rest += strspn(rest, " ");
	if (!strcmp(line, "case"))
		begin(b, rest);
	else if (!strcmp(line, "ct"))
		each_state(b, rest);
	else if (!strcmp(line, "lb"))
		snprintf(b->lb, sizeof(b->lb), "%s", rest);
	else if (!strcmp(line, "first"))
		first(b, rest);
	else if (!strcmp(line, "in"))
		compare(b, rest);
	else
		die("what is this", line);
}

static void each_line(struct bench *b, char *text, void (*cb)(struct bench *b, char *line))
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (*line && *line != '#')
			cb(b, line);
	}
}

static void difference(struct bench *b, char *line)
{
	struct difference *d = &b->differences[b->n_differences];
	char *bar = strstr(line, " | ");

	if (!bar || b->n_differences == DIFFERENCES_MAX)
		die("differences", line);
	*bar = 0;
	snprintf(d->name, sizeof(d->name), "%s", line);
	snprintf(d->reason, sizeof(d->reason), "%s", bar + 3);
	b->n_differences++;
}

int main(int argc, char **argv)
{
	struct bench b = { .now_ns = NSEC };
	_free_ char *network = NULL, *cases = NULL, *differences = NULL;

	if (argc != 3)
		die("usage", "ovn_compare SB-DB FOLDER");
	b.db = argv[1];
	network = read_file(argv[2], "network.yaml");
	cases = read_file(argv[2], "cases");
	differences = read_file(argv[2], "differences");
	b.snap = simtest_snapshot(network);
	sim_init(&b.sim);
	each_line(&b, differences, difference);
	each_line(&b, cases, run_line);
	for (unsigned int i = 0; i < b.n_differences; i++)
		if (!b.differences[i].used) {
			printf("not ok %u - difference '%s' is of no case\n", ++b.n, b.differences[i].name);
			b.failed++;
		}
	printf("1..%u\n# %u packets, %u differ for a reason, %u failed\n", b.n, b.n, b.differ, b.failed);
	sim_tables_free(b.tables);
	sim_conns_free(b.conns);
	sim_fini(&b.sim);
	topo_unref(b.snap);
	return b.failed > 0;
}
