// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the payload of a machine's DHCPv4, DHCPv6 and router solicitation, and of a fragment
 * of them.  Whatever is answered must be well-formed, within its size, and go back to the port that
 * asked and to no other.
 */
#include "selftests/fuzz/fuzz.h"

#include <arpa/inet.h>

#include "simulator/simulator.h"
#include "util/cleanup.h"

static const char doc[] =
	"tenant: t\n"
	"bridges: [{name: b}]\n"
	"routers: [{name: r}]\n"
	"ports:\n"
	"  - {name: br, bridge: b, peer: rb}\n"
	"  - {name: rb, router: r, peer: br, mac: '02:aa:00:00:00:01', addresses: [10.0.0.1/24, 'fd00::1/64']}\n"
	"  - {name: vm, bridge: b, mac: '02:00:00:00:00:01', addresses: [10.0.0.11, 'fd00::11'], hostname: vm}\n"
	"  - {name: other, bridge: b}\n"
	"subnets:\n"
	"  - {name: n4, bridge: b, prefix: 10.0.0.0/24, gateway: 10.0.0.1, dns: [10.0.0.2, 10.0.0.3], ntp: [10.0.0.4], domain: a.example, mtu: 1400,\n"
	"     routes: [{dst: 172.16.0.0/12, via: 10.0.0.9}], options: [{code: 66, text: tftp}, {code: 224, hex: 'aabbccdd'}]}\n"
	"  - {name: n6, bridge: b, prefix: 'fd00::/64', ra: stateful, dns: ['fd00::2'], ntp: ['fd00::3'], domain: a.example,\n"
	"     routes: [{dst: 'fd00:1::/48', via: 'fd00::1'}], options: [{code: 59, text: boot}]}\n";

static struct topo_snapshot *snap;
static struct sim_tables *tables;
static struct sim sim;
static uint8_t frame[PKT_MAX], out[PKT_MAX];

static void uuid(void *arg, char id[static 37])
{
	static unsigned int n;

	(void)arg;
	snprintf(id, 37, "00000000-0000-4000-8000-%012x", ++n);
}

static void live(json_t *records, const char *path, unsigned int key)
{
	must(!json_object_set_new(
		records, path,
		json_pack("{s:s,s:i,s:i}", "host", "h", "key", (int)key, "flood_key", 1)));
}

static void setup(void)
{
	struct err err = { 0 };
	json_t *docs = topo_doc_parse(doc, sizeof(doc) - 1, "doc", &err), *changes, *records;

	if (!docs)
		fprintf(stderr, "%s\n", err.text);
	must(docs);
	records = json_object();
	changes = topo_doc_apply(records, json_array_get(docs, 0), false, uuid, NULL, &err);
	if (!changes)
		fprintf(stderr, "%s\n", err.text);
	must(changes);
	json_decref(records);
	records = changes;
	live(records, "live/vm", 0x100);
	live(records, "live/other", 0x101);
	snap = topo_build("t", 1, records, &err);
	if (!snap)
		fprintf(stderr, "%s\n", err.text);
	must(snap);
	tables = sim_tables_new(100, 100);
	must(tables);
	sim_init(&sim);
	json_decref(records);
	json_decref(docs);
}

static uint32_t view_mtu(void *arg, const struct topo_port *port)
{
	(void)arg;
	(void)port;
	return 1450;
}

static void check(const struct topo_port *in, const struct sim_result *r)
{
	struct pkt p;

	must(!r->cacheable);
	for (uint32_t i = 0; i < r->n_frames; i++) {
		must(r->frames[i].n_outputs == 1 && r->frames[i].outputs[0].port == in);
		must(r->frames[i].len <= 14 + 1500);
		must(pkt_parse(r->frames[i].data, r->frames[i].len, &p) == SKEP_DROP_NONE);
		must(pkt_csum_ok(&p) && p.l3_off + p.l3_len == r->frames[i].len);
	}
	must(r->n_frames <= 2);
}

static void run(const char *head, const uint8_t *data, uint32_t size)
{
	const struct topo_port *in = topo_find_port(snap, "vm");
	struct sim_tables_view view;
	struct sim_result res;
	struct err err = { 0 };
	char line[512];
	struct pkt pkt;
	int n;

	snprintf(line, sizeof(line), "%s / data %u", head, size);
	n = pkt_dsl_parse(line, NULL, out, sizeof(out), &err);
	must(n > 0 && pkt_parse(out, (uint32_t)n, &pkt) == SKEP_DROP_NONE);
	memcpy(frame, out, (size_t)n);
	memcpy(frame + pkt.payload_off, data, size);
	/* exactly as long as it is, so that a sanitizer sees each byte beyond */
	_free_ uint8_t *exact = malloc((size_t)n);
	must(exact);
	memcpy(exact, frame, (size_t)n);
	if (pkt_parse(exact, (uint32_t)n, &pkt) != SKEP_DROP_NONE)
		return;
	sim_tables_view_init(&view, tables, snap, 1);
	view.view.mtu = view_mtu;
	must(!sim_run(&sim, snap, &view.view, in, &pkt, 1, 7, SIM_TRACE, &res, &err));
	check(in, &res);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!snap)
		setup();
	if (size > 1400)
		return 0;
	run("eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / ip 0.0.0.0>255.255.255.255 / udp 68>67",
	    data, (uint32_t)size);
	run("eth 02:00:00:00:00:01>33:33:00:01:00:02 / ip fe80::1>ff02::1:2 / udp 546>547", data,
	    (uint32_t)size);
	run("eth 02:00:00:00:00:01>33:33:00:00:00:02 / ip fe80::1>ff02::2 ttl 255 / icmp6 133/0",
	    data, (uint32_t)size);
	return 0;
}
