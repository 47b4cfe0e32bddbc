/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bridge with subnets for the tests of DHCP, router advertisements and MTUs: vm1, vm2 with addresses, any without a MAC, a router.  Subnets are put
 * into the snapshot as the topology would: 'net' (IPv4, by router port r1), 'net6' (IPv6, the same), 'lone' and 'lone6' (no router).
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/lib/simtest.h"

#define VM1	"02:00:00:00:00:01"
#define R1	"02:aa:00:00:00:01"
#define BCAST	"ff:ff:ff:ff:ff:ff"
#define SERVERS "33:33:00:01:00:02"

static const char services_yaml[] =
	"bridges: [{name: b}]\n"
	"routers: [{name: r}]\n"
	"chains: [{name: none, rules: [{action: drop}]}]\n"
	"ports:\n"
	"  - {name: b-r, bridge: b, peer: r1}\n"
	"  - {name: r1, router: r, peer: b-r, mac: '" R1 "', addresses: [10.0.0.1/24, fd00::1/64]}\n"
	"  - {name: vm1, bridge: b, mac: '" VM1 "', addresses: [10.0.0.11, fd00::11, 'fd00:2::11'], in_chain: none, out_chain: none}\n"
	"  - {name: vm2, bridge: b, mac: '02:00:00:00:00:02', addresses: [192.168.7.12, fd00::12]}\n"
	"  - {name: any, bridge: b}\n";

struct services {
	struct sim sim;
	struct topo_snapshot *snap;
	struct topo_bridge *b;
	struct sim_tables *tables;
	struct sim_tables_view view;
	struct sim_result res;
	struct pkt pkt;
	uint8_t frame[PKT_MAX];
	uint32_t mtu; /* of all exterior ports */
	struct topo_subnet net, net6, lone, lone6;
	struct topo_subnet *subnets[4];
	struct skep_ip dns[3], ntp[2];
	struct topo_dhcp_route routes[2], routes6[2];
	struct topo_dhcp_option options[3];
	struct topo_dhcp_host hosts[2];
};

static inline struct skep_ip ip_of(const char *text)
{
	struct skep_ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static inline struct skep_mac mac_of(const char *text)
{
	struct skep_mac mac;

	assert_true(mac_parse(text, &mac));
	return mac;
}

static uint32_t services_mtu(void *arg, const struct topo_port *port)
{
	struct sim_tables_view *v = arg;

	(void)port;
	return container_of(v, struct services, view)->mtu;
}

static inline void subnet_init(struct services *x, struct topo_subnet *s, const char *name,
			       const char *prefix, uint8_t len, const char *server)
{
	*s = (struct topo_subnet){
		.o = { .kind = TOPO_SUBNET, .name = name, .id = "" },
		.bridge = x->b,
		.prefix = ip_of(prefix),
		.len = len,
		.dhcp = true,
		.ra = TOPO_RA_STATEFUL,
		.server = ip_of(server),
		.lease_s = 3600,
	};
}

static inline struct services *services_new(void)
{
	struct services *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	sim_init(&x->sim);
	x->snap = simtest_snapshot(services_yaml);
	x->b = topo_find_port(x->snap, "vm1")->bridge;
	x->tables = sim_tables_new(1000, 1000);
	sim_tables_view_init(&x->view, x->tables, x->snap, 1);
	x->view.view.mtu = services_mtu;
	x->dns[0] = ip_of("10.9.9.9");
	x->dns[1] = ip_of("10.9.9.10");
	x->dns[2] = ip_of("fd00::53");
	x->ntp[0] = ip_of("10.9.9.20");
	x->ntp[1] = ip_of("fd00::123");
	subnet_init(x, &x->net, "net", "10.0.0.0", 24, "10.0.0.1");
	subnet_init(x, &x->net6, "net6", "fd00::", 64, "fd00::1");
	subnet_init(x, &x->lone, "lone", "192.168.7.0", 24, "192.168.7.2");
	subnet_init(x, &x->lone6, "lone6", "fd00:2::", 64, "fd00:2::1");
	x->net.router_port = x->net6.router_port = topo_find_port(x->snap, "r1");
	x->net.gateway = ip_of("10.0.0.1");
	x->net6.gateway = ip_of("fd00::1");
	for (int i = 0; i < 2; i++) {
		struct topo_subnet *s = i ? &x->net6 : &x->net;

		s->dns = x->dns;
		s->n_dns = 3;
		s->ntp = x->ntp;
		s->n_ntp = 2;
		s->domain = "web.example";
	}
	x->subnets[0] = &x->lone;
	x->subnets[1] = &x->lone6;
	x->subnets[2] = &x->net;
	x->subnets[3] = &x->net6;
	x->b->subnets = x->subnets;
	x->b->n_subnets = 4;
	return x;
}

static inline void services_free(struct services *x)
{
	sim_tables_free(x->tables);
	topo_unref(x->snap);
	sim_fini(&x->sim);
	free(x);
}

/* The line's frame with 'len' bytes of 'payload' in place of its data. */
static inline void services_run(struct services *x, const char *port, const char *line,
				const void *payload, uint32_t len)
{
	struct err err = { 0 };
	char text[512];

	snprintf(text, sizeof(text), "%s / data %u", line, len);
	simtest_packet(len ? text : line, x->frame, &x->pkt);
	if (len)
		memcpy(x->frame + x->pkt.payload_off, payload, len);
	if (sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, port), &x->pkt, 1, 7,
		    SIM_TRACE, &x->res, &err))
		fail_msg("%s", err.text);
}

/* The one frame that was sent, to the one port; its parse. */
static inline struct pkt services_answer(const struct services *x, const char *port)
{
	struct pkt pkt;

	if (x->res.n_frames != 1)
		fail_msg("%u frames, verdict %d, reason %d", x->res.n_frames, x->res.verdict, x->res.reason);
	assert_int_equal(x->res.frames[0].n_outputs, 1);
	assert_string_equal(x->res.frames[0].outputs[0].port->o.name, port);
	assert_int_equal(pkt_parse(x->res.frames[0].data, x->res.frames[0].len, &pkt), SKEP_DROP_NONE);
	assert_true(pkt_csum_ok(&pkt));
	assert_int_equal(x->res.verdict, SIM_CONSUMED);
	assert_false(x->res.cacheable);
	return pkt;
}
