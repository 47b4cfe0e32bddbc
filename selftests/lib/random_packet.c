// SPDX-License-Identifier: Apache-2.0
/* Packets of random networks, and what is learnt there. */
#include <stdio.h>
#include <string.h>

#include "selftests/lib/random_private.h"

#define PICK(t, list) (list)[random_below(t, sizeof(list) / sizeof((list)[0]))]

static const char *const exteriors[] = { "vm0", "vm1", "vm2", "vm3", "vm4", "vm5",
					 "a10", "a20", "t1",  "t2",  "up1", "up2" };
#define N_EXTERIORS (sizeof(exteriors) / sizeof(exteriors[0]))

static const char *const macs[] = {
	"02:00:00:00:00:00", "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04",
	"02:00:00:00:00:05", "02:00:00:00:00:06", "02:00:00:00:00:07", "02:00:00:00:00:20", "02:00:00:00:00:30",
	"02:ff:00:00:00:01",
};
static const char *const v4[] = { "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.1.14", "10.0.1.15",
				  "10.0.2.16", "10.0.2.17", "8.8.8.8", "198.51.100.1", "203.0.113.1", "198.51.100.50",
				  "10.0.0.80", "198.51.100.80", "10.0.1.80", "198.51.100.9", "198.51.100.10", "203.0.113.11",
				  "198.51.100.2", "10.0.0.1", "10.0.9.9", "198.51.100.40", "198.51.100.40", "10.0.0.65" };
static const char *const v6[] = { "fd00:0::10", "fd00:0::11", "fd00:1::14", "fd00:2::16", "2001:db8::1",
				  "fd51::1",	"fd51::50",   "fd51::9",    "fd51::40",	  "fd51::2",	 "fd00:0::1" };
static const char *const neighbour_ports[] = { "up1", "up2", "r0-b0", "r0-b1", "up1", "up1" };
static const char *const neighbours4[] = { "198.51.100.1", "203.0.113.1", "10.0.0.13", "10.0.1.15", "198.51.100.50",
					   "198.51.100.1" };
static const char *const neighbours6[] = { "fd51::1", "fd52::1", "fd00:0::12", "fd00:1::15", "fd51::50", "fd51::1" };

const char *random_exterior(unsigned int i)
{
	return i < N_EXTERIORS ? exteriors[i] : NULL;
}

unsigned int random_exteriors(void)
{
	return N_EXTERIORS;
}

void random_blocks(struct random_topo *t)
{
	static const struct {
		const char *router, *ip;
	} of[] = { { "r1", "198.51.100.2" }, { "r1", "198.51.100.30" }, { "r1", "fd51::2" }, { "r0", "10.9.0.1" },
		   { "r0", "10.0.0.1" },     { "r0", "10.0.1.1" } };
	struct skep_ip ip;

	for (unsigned int i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		if (!random_below(t, 8) || !ip_parse(of[i].ip, &ip))
			continue;
		(void)sim_conns_block_add(t->conns, of[i].router, &ip, 0);
		(void)sim_conns_block_add(t->conns, of[i].router, &ip, 11008);
		(void)sim_conns_block_add(t->conns, of[i].router, &ip, 4864);
	}
}

static void learn_mac(struct random_topo *t, struct topo_tag *tag)
{
	static const char *const b0[] = { "vm0", "vm1", "vm2", "vm3", "b0-r0" };
	static const char *const b1[] = { "vm4", "vm5", "b1-r0" };
	static const char *const v[] = { "a10", "a20", "t1", "t2", "v-r0" };
	static const char *const bridges[] = { "b0", "b1", "v" };
	unsigned int i = random_below(t, 3);
	const char *port = i == 0 ? PICK(t, b0) : i == 1 ? PICK(t, b1) : PICK(t, v);

	*tag = (struct topo_tag){ .kind = TOPO_TAG_MAC,
				  .name = bridges[i],
				  .vlan = i < 2 ? 0 : random_below(t, 2) ? 10 : 20 };
	mac_parse(PICK(t, macs), &tag->mac);
	if (random_below(t, 3))
		(void)sim_tables_set_mac(t->tables, tag->name, tag->vlan, &tag->mac, port, false, t->now_ns);
	else
		(void)sim_tables_del_mac(t->tables, tag->name, tag->vlan, &tag->mac);
	snprintf(t->text, sizeof(t->text), "mac on %s/%u, perhaps to %s", tag->name, tag->vlan, port);
}

void random_topo_learn(struct random_topo *t, struct topo_tag *tag)
{
	unsigned int i = random_below(t, 6);
	struct skep_mac mac;

	t->now_ns += 1000;
	if (!random_below(t, 2)) {
		learn_mac(t, tag);
		return;
	}
	*tag = (struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = neighbour_ports[i] };
	ip_parse(random_below(t, 2) ? neighbours4[i] : neighbours6[i], &tag->ip);
	mac_parse(PICK(t, macs), &mac);
	switch (random_below(t, 6)) {
	case 0:
		(void)sim_tables_del_neigh(t->tables, tag->name, &tag->ip);
		break;
	case 1:
		(void)sim_tables_fail_neigh(t->tables, tag->name, &tag->ip, UINT64_MAX);
		break;
	default:
		(void)sim_tables_set_neigh(t->tables, tag->name, &tag->ip, &mac, false, t->now_ns);
	}
	snprintf(t->text, sizeof(t->text), "neighbour of %s", tag->name);
}

static const char *l4(struct random_topo *t, bool is_v6, char buf[static 64])
{
	static const uint16_t ports[] = { 80, 80, 53, 22, 8080, 150, 4900, 11100 };
	static const char *const flags[] = { "S", "S", "SA", "A", "FA", "R", "" };

	switch (random_below(t, 8)) {
	case 0:
	case 1:
	case 2:
		snprintf(buf, 64, "tcp %u>%u %s", PICK(t, ports), PICK(t, ports), PICK(t, flags));
		break;
	case 3:
	case 4:
		snprintf(buf, 64, "udp %u>%u", PICK(t, ports), PICK(t, ports));
		break;
	case 5:
		snprintf(buf, 64, "icmp%s echo id %u", is_v6 ? "6" : "", PICK(t, ports));
		break;
	case 6:
		snprintf(buf, 64, "icmp%s reply id %u", is_v6 ? "6" : "", PICK(t, ports));
		break;
	default:
		snprintf(buf, 64, "sctp %u>%u", PICK(t, ports), PICK(t, ports));
	}
	return buf;
}

/* Where frames that enter by the port go to, mostly. */
static const char *next_mac(struct random_topo *t, unsigned int port)
{
	static const char *const routers[] = { "02:aa:00:00:00:00", "02:aa:00:00:00:01", "02:aa:00:00:00:02",
					       "02:aa:00:00:00:05", "02:aa:00:00:00:06" };
	unsigned int net = port < 4 ? 0 : port < 6 ? 1 : port < 10 ? 2 : port - 7;

	if (port >= 10 || random_below(t, 4))
		return random_below(t, 20) ? routers[net] : "ff:ff:ff:ff:ff:ff";
	return random_below(t, 8) ? PICK(t, macs) : "ff:ff:ff:ff:ff:ff";
}

const struct topo_port *random_topo_packet(struct random_topo *t, char line[static RANDOM_LINE])
{
	static const char *const own4[] = { "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.1.14", "10.0.1.15",
					    "10.0.2.16", "10.0.2.17", "10.0.2.30", "10.0.2.31", "198.51.100.50", "8.8.8.8" };
	static const char *const own6[] = { "fd00:0::10", "fd00:0::11", "fd00:0::12", "fd00:0::13", "fd00:1::14", "fd00:1::15",
					    "fd00:2::16", "fd00:2::17", "fd00:2::30", "fd00:2::31", "fd51::50", "2001:db8::1" };
	static const char *const tos[] = { "", "", "", " tos 40", " tos 3" };
	unsigned int i = random_below(t, N_EXTERIORS);
	bool is_v6 = !random_below(t, 3), known = random_below(t, 8);
	char vlan[16] = "", ip[160], buf[64];
	const char *src, *frag = "";

	while (!topo_find_port(t->snap, exteriors[i]) || topo_find_port(t->snap, exteriors[i])->peer)
		i = (i + 1) % N_EXTERIORS;
	if (i >= 8 && i < 10 ? random_below(t, 4) : !random_below(t, 30))
		snprintf(vlan, sizeof(vlan), " vlan %u", random_below(t, 3) * 10);
	if (!strcmp(vlan, " vlan 0"))
		vlan[0] = 0;
	src = is_v6 ? (known ? own6[i] : PICK(t, v6)) : known ? own4[i] : PICK(t, v4);
	if (!random_below(t, 15))
		frag = random_below(t, 2) ? " frag first" : " frag later";
	snprintf(ip, sizeof(ip), "ip%s %s>%s%s%s%s", is_v6 ? "6" : "", src, is_v6 ? PICK(t, v6) : PICK(t, v4),
		 random_below(t, 40) ? "" : " ttl 1", PICK(t, tos), frag);
	snprintf(line, RANDOM_LINE, "eth %s>%s%s / %s%s%s", i < 8 && known ? macs[i] : PICK(t, macs), next_mac(t, i), vlan, ip,
		 !strcmp(frag, " frag later") ? " proto 17 / data 64" : " / ",
		 !strcmp(frag, " frag later") ? "" : l4(t, is_v6, buf));
	return topo_find_port(t->snap, exteriors[i]);
}
