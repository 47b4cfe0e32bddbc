// SPDX-License-Identifier: Apache-2.0
/*
 * Any frame into any exterior port of a fixed network that has something of everything: bridges,
 * routers, a loop, chains with each action, both families.  Two runs must agree in every byte, and
 * what comes out must be sendable.  Input: port, view, frame.
 */
#include "selftests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <jansson.h>

#include "simulator/simulator.h"

#define SEED 0x5eedULL
#define NOW  1000000000000ULL

static const char document[] =
	"{\"tenant\": \"t\", \"chains\": ["
	"{\"name\": \"fw\", \"rules\": ["
	" {\"action\": \"drop\", \"proto\": \"tcp\", \"dst_ports\": \"23\"},"
	" {\"action\": \"reject\", \"proto\": \"tcp\", \"dst_ports\": \"25-30\"},"
	" {\"action\": \"reject\", \"proto\": \"udp\", \"src_ports\": \"7\"},"
	" {\"action\": \"jump\", \"jump\": \"sub\", \"src\": \"10.0.1.0/25\"},"
	" {\"action\": \"jump\", \"jump\": \"sub\", \"dst\": \"fd00:2::/64\"},"
	" {\"action\": \"drop\", \"ethertype\": \"0x88cc\"}]},"
	"{\"name\": \"sub\", \"rules\": ["
	" {\"action\": \"return\", \"proto\": \"icmp\", \"icmp_type\": 8},"
	" {\"action\": \"reject\", \"proto\": \"icmp6\", \"icmp_type\": 129},"
	" {\"action\": \"drop\", \"eth_src\": \"06:00:00:00:00:00/ff:00:00:00:00:00\"},"
	" {\"action\": \"accept\", \"proto\": \"udp\"}]}],"
	"\"bridges\": [{\"name\": \"b1\", \"in_chain\": \"fw\"}, {\"name\": \"b2\", \"out_chain\": \"sub\"},"
	" {\"name\": \"b3\"}, {\"name\": \"down\", \"admin_up\": false}],"
	"\"routers\": [{\"name\": \"r1\", \"in_chain\": \"sub\"}, {\"name\": \"r2\", \"out_chain\": \"fw\"}],"
	"\"ports\": ["
	" {\"name\": \"vm1\", \"bridge\": \"b1\", \"mac\": \"02:00:00:00:00:01\", \"addresses\": [\"10.0.1.5\", \"fd00:1::5\"]},"
	" {\"name\": \"vm2\", \"bridge\": \"b1\", \"mac\": \"02:00:00:00:00:02\", \"port_security\": false,"
	"  \"addresses\": [\"10.0.1.6\"], \"out_chain\": \"fw\"},"
	" {\"name\": \"open1\", \"bridge\": \"b1\"}, {\"name\": \"open2\", \"bridge\": \"b2\"},"
	" {\"name\": \"vm3\", \"bridge\": \"b2\", \"mac\": \"02:00:00:00:00:03\", \"addresses\": [\"10.0.2.5\", \"fd00:2::5\"]},"
	" {\"name\": \"off\", \"bridge\": \"b2\", \"admin_up\": false},"
	" {\"name\": \"deaf\", \"bridge\": \"down\"},"
	" {\"name\": \"loop1\", \"bridge\": \"b3\", \"peer\": \"loop2\"}, {\"name\": \"loop2\", \"bridge\": \"b2\"},"
	" {\"name\": \"loop3\", \"bridge\": \"b3\", \"peer\": \"loop4\"}, {\"name\": \"loop4\", \"bridge\": \"b2\"},"
	" {\"name\": \"b1-r1\", \"bridge\": \"b1\", \"peer\": \"r1-b1\"},"
	" {\"name\": \"r1-b1\", \"router\": \"r1\", \"mac\": \"02:aa:00:00:00:01\", \"addresses\": [\"10.0.1.1/24\", \"fd00:1::1/64\"]},"
	" {\"name\": \"b2-r1\", \"bridge\": \"b2\", \"peer\": \"r1-b2\"},"
	" {\"name\": \"r1-b2\", \"router\": \"r1\", \"mac\": \"02:aa:00:00:00:02\", \"addresses\": [\"10.0.2.1/24\", \"fd00:2::1/64\"]},"
	" {\"name\": \"r1-r2\", \"router\": \"r1\", \"peer\": \"r2-r1\", \"mac\": \"02:aa:00:00:00:03\","
	"  \"addresses\": [\"169.254.1.1/30\", \"fd00:9::1/64\"]},"
	" {\"name\": \"r2-r1\", \"router\": \"r2\", \"mac\": \"02:aa:00:00:00:04\", \"addresses\": [\"169.254.1.2/30\", \"fd00:9::2/64\"]},"
	" {\"name\": \"up1\", \"router\": \"r2\", \"mac\": \"02:aa:00:00:00:05\", \"addresses\": [\"198.51.100.2/24\", \"fd00:51::2/64\"]},"
	" {\"name\": \"up2\", \"router\": \"r2\", \"mac\": \"02:aa:00:00:00:06\", \"addresses\": [\"203.0.113.2/24\", \"fd00:52::2/64\"]}],"
	"\"routes\": ["
	" {\"name\": \"d1\", \"router\": \"r1\", \"dst\": \"0.0.0.0/0\", \"port\": \"r1-r2\", \"gateway\": \"169.254.1.2\"},"
	" {\"name\": \"d6\", \"router\": \"r1\", \"dst\": \"::/0\", \"port\": \"r1-r2\", \"gateway\": \"fd00:9::2\"},"
	" {\"name\": \"e1\", \"router\": \"r2\", \"dst\": \"0.0.0.0/0\", \"port\": \"up1\", \"gateway\": \"198.51.100.1\"},"
	" {\"name\": \"e2\", \"router\": \"r2\", \"dst\": \"0.0.0.0/0\", \"port\": \"up2\", \"gateway\": \"203.0.113.1\"},"
	" {\"name\": \"e6\", \"router\": \"r2\", \"dst\": \"::/0\", \"port\": \"up1\", \"gateway\": \"fd00:51::1\"},"
	" {\"name\": \"back\", \"router\": \"r2\", \"dst\": \"10.0.0.0/16\", \"port\": \"r2-r1\", \"gateway\": \"169.254.1.1\"},"
	" {\"name\": \"back6\", \"router\": \"r2\", \"dst\": \"fd00::/16\", \"port\": \"r2-r1\", \"gateway\": \"fd00:9::1\"},"
	" {\"name\": \"hole\", \"router\": \"r1\", \"dst\": \"192.0.2.0/24\", \"type\": \"blackhole\"},"
	" {\"name\": \"no\", \"router\": \"r1\", \"dst\": \"192.0.2.128/25\", \"type\": \"reject\"},"
	" {\"name\": \"no6\", \"router\": \"r1\", \"dst\": \"2001:db8::/32\", \"type\": \"reject\"}]}";

static const char *const ports[] = { "vm1", "vm2",  "open1", "open2", "vm3",
				     "off", "deaf", "up1",   "up2" };
#define N_PORTS (sizeof(ports) / sizeof(ports[0]))

static struct topo_snapshot *snap;
static struct sim_tables *tables[2]; /* nothing known; much known */
static struct sim sims[2];
static uint8_t out[PKT_MAX + 4];

static void uuid(void *arg, char text[static 37])
{
	static unsigned int n;

	snprintf(text, 37, "00000000-0000-7000-8000-%012x", ++n);
}

static struct skep_mac mac(unsigned int n)
{
	return (struct skep_mac){ { 2, 0, 0, 0, 0, (uint8_t)n } };
}

static void neighbour(const char *port, const char *address, unsigned int n)
{
	struct skep_mac m = mac(n);
	struct skep_ip ip;

	must(ip_parse(address, &ip));
	must(sim_tables_set_neigh(tables[1], port, &ip, &m, true, NOW) == 1);
}

static void set_up(void)
{
	struct err err = { 0 };
	json_t *docs = topo_doc_parse(document, strlen(document), "sim_fuzz", &err);
	json_t *empty = json_object(), *changes, *records;
	struct skep_mac m = mac(3);
	struct skep_ip ip;

	if (!docs)
		fprintf(stderr, "%s\n", err.text);
	must(docs);
	changes = topo_doc_apply(empty, json_array_get(docs, 0), true, uuid, NULL, &err);
	if (!changes)
		fprintf(stderr, "%s\n", err.text);
	must(changes);
	records = topo_records_merge(empty, changes);
	must(records);
	for (size_t i = 0; i < N_PORTS; i++) {
		char path[64];
		json_t *live;

		snprintf(path, sizeof(path), "live/%s", ports[i]);
		live = json_pack("{s:s, s:i, s:i}", "host", i % 2 ? "h1" : "h2", "key",
				 0x100 + (int)i, "flood_key", 0x200 + (int)i);
		must(live && json_object_set_new(records, path, live) == 0);
	}
	snap = topo_build("t", 1, records, &err);
	if (!snap)
		fprintf(stderr, "%s\n", err.text);
	must(snap);
	must(topo_find_port(snap, "vm1")->live_host);
	for (int i = 0; i < 2; i++) {
		sim_init(&sims[i]);
		tables[i] = sim_tables_new(100, 100);
		must(tables[i]);
	}
	must(sim_tables_set_mac(tables[1], "b2", 0, &m, "vm3", true, NOW) == 1);
	neighbour("r1-b1", "10.0.1.5", 1);
	neighbour("r1-b1", "fd00:1::5", 1);
	neighbour("r1-b2", "10.0.2.5", 3);
	neighbour("r1-b2", "fd00:2::5", 3);
	neighbour("up1", "198.51.100.1", 0x51);
	neighbour("up2", "203.0.113.1", 0x52);
	neighbour("up1", "fd00:51::1", 0x51);
	must(ip_parse("10.0.2.99", &ip));
	(void)sim_tables_fail_neigh(tables[1], "r1-b2", &ip, NOW + 1);
	json_decref(records);
	json_decref(changes);
	json_decref(empty);
	json_decref(docs);
}

static void same_outputs(const struct sim_output *a, uint32_t n_a, const struct sim_output *b,
			 uint32_t n_b)
{
	must(n_a == n_b);
	for (uint32_t i = 0; i < n_a; i++)
		must(a[i].port == b[i].port && a[i].flooded == b[i].flooded &&
		     !memcmp(&a[i].f, &b[i].f, sizeof(a[i].f)));
}

static void same(const struct sim_result *a, const struct sim_result *b)
{
	must(a->verdict == b->verdict && a->reason == b->reason);
	must(a->culprit.object == b->culprit.object && a->culprit.rule == b->culprit.rule);
	must(a->cacheable == b->cacheable && a->truncated == b->truncated &&
	     a->ttl_dec == b->ttl_dec);
	same_outputs(a->outputs, a->n_outputs, b->outputs, b->n_outputs);
	must(a->n_frames == b->n_frames && a->n_learns == b->n_learns &&
	     a->n_neighs == b->n_neighs);
	for (uint32_t i = 0; i < a->n_frames; i++) {
		must(a->frames[i].len == b->frames[i].len);
		must(!memcmp(a->frames[i].data, b->frames[i].data, a->frames[i].len));
		same_outputs(a->frames[i].outputs, a->frames[i].n_outputs, b->frames[i].outputs,
			     b->frames[i].n_outputs);
	}
	for (uint32_t i = 0; i < a->n_learns; i++)
		must(a->learns[i].bridge == b->learns[i].bridge &&
		     a->learns[i].port == b->learns[i].port &&
		     mac_eq(&a->learns[i].mac, &b->learns[i].mac));
	for (uint32_t i = 0; i < a->n_neighs; i++)
		must(a->neighs[i].port == b->neighs[i].port &&
		     ip_eq(&a->neighs[i].ip, &b->neighs[i].ip) &&
		     mac_eq(&a->neighs[i].mac, &b->neighs[i].mac));
	must(a->need.kind == b->need.kind && a->need.port == b->need.port);
	must(a->n_tags == b->n_tags);
	for (uint32_t i = 0; i < a->n_tags; i++)
		must(topo_tag_eq(&a->tags[i], &b->tags[i]));
	must(sim_mask_eq(&a->mask, &b->mask));
	must(a->n_steps == b->n_steps);
	for (uint32_t i = 0; i < a->n_steps; i++)
		must(a->steps[i].depth == b->steps[i].depth &&
		     !strcmp(a->steps[i].what, b->steps[i].what) &&
		     !strcmp(a->steps[i].name, b->steps[i].name) &&
		     !strcmp(a->steps[i].text, b->steps[i].text));
}

/* 'data' with the headers of each output is a frame like any other, and goes to a port that can be
 * reached. */
static void check_outputs(const uint8_t *data, uint32_t len, const struct sim_output *o, uint32_t n,
			  bool good_csum)
{
	struct pkt p, q;
	int n_out;

	must(pkt_parse(data, len, &p) == SKEP_DROP_NONE);
	for (uint32_t i = 0; i < n; i++) {
		must(!o[i].port->peer && o[i].port->admin_up && o[i].port->live_host);
		memcpy(out, data, len);
		n_out = pkt_rewrite(out, &p, &o[i].f);
		must(n_out > 0);
		must(pkt_parse(out, (uint32_t)n_out, &q) == SKEP_DROP_NONE);
		must(!good_csum || pkt_csum_ok(&q));
	}
}

static void check_result(const struct pkt *pkt, const struct sim_result *r)
{
	must(r->reason < SKEP_DROP_MAX);
	must((r->verdict == SIM_FORWARD) == (r->n_outputs > 0));
	must(r->verdict != SIM_DROP || r->reason != SKEP_DROP_NONE);
	must((r->verdict == SIM_NEED) == (r->need.kind != SIM_NEED_NONE));
	must(!r->cacheable || r->verdict == SIM_FORWARD || r->verdict == SIM_DROP);
	must(r->n_outputs <= SIM_OUTPUTS_MAX);
	check_outputs(pkt->data, pkt->len, r->outputs, r->n_outputs, pkt_csum_ok(pkt));
	for (uint32_t i = 0; i < r->n_outputs; i++)
		must(!r->cacheable || pkt->f.ip_ttl - r->outputs[i].f.ip_ttl == r->ttl_dec);
	for (uint32_t i = 0; i < r->n_frames; i++) {
		struct pkt p;

		must(pkt_parse(r->frames[i].data, r->frames[i].len, &p) == SKEP_DROP_NONE);
		must(pkt_csum_ok(&p));
		check_outputs(r->frames[i].data, r->frames[i].len, r->frames[i].outputs,
			      r->frames[i].n_outputs, true);
	}
	for (uint32_t i = 0; i < r->n_tags; i++)
		for (uint32_t k = 0; k < i; k++)
			must(!topo_tag_eq(&r->tags[i], &r->tags[k]));
	for (uint32_t i = 0; i < r->n_learns; i++)
		must(!mac_is_multicast(&r->learns[i].mac));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sim_tables_view view;
	struct sim_result res[2];
	const struct topo_port *in;
	struct err err = { 0 };
	struct pkt pkt;
	json_t *json;

	if (!snap)
		set_up();
	if (size < 2 || size > PKT_MAX)
		return 0;
	in = topo_find_port(snap, ports[data[0] % N_PORTS]);
	must(in);
	if (pkt_parse(data + 2, (uint32_t)size - 2, &pkt))
		return 0;
	sim_tables_view_init(&view, tables[data[1] & 1], snap, NOW);
	for (int i = 0; i < 2; i++)
		must(sim_run(&sims[i], snap, &view.view, in, &pkt, NOW, SEED, SIM_TRACE, &res[i],
			     &err) == 0);
	same(&res[0], &res[1]);
	check_result(&pkt, &res[0]);
	must(sim_trace_text(&sims[0], &pkt, &res[0]));
	json = sim_trace_json(&sims[0], &pkt, &res[0]);
	must(json);
	json_decref(json);
	/* the trace is a by-product */
	must(sim_run(&sims[1], snap, &view.view, in, &pkt, NOW, SEED, 0, &res[1], &err) == 0);
	must(res[1].n_steps == 0);
	res[1].steps = res[0].steps;
	res[1].n_steps = res[0].n_steps;
	same(&res[0], &res[1]);
	return 0;
}
