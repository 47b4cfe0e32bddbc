// SPDX-License-Identifier: Apache-2.0
/*
 * trace: what the network would do with a packet, computed here from the state DB by the simulator
 * that the agents use.  Needs no agent and sends nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/out.h"
#include "cli/packet_text.h"
#include "maps/maps.h"
#include "packet/packet.h"
#include "simulator/simulator.h"
#include "topology/topology.h"
#include "util/clock.h"

#define TABLES_MAX 1000000

/* --- what the agents have learnt: records "mac/<bridge>/<mac>" {"port"} and "neigh/<port>/<ip>"
 * {"mac"} --- */

static void load_mac(struct sim_tables *tables, const char *rest, const json_t *record,
		     uint64_t now)
{
	const char *slash = strrchr(rest, '/'), *port = json_str(record, "port");
	char bridge[TOPO_NAME_MAX + 1];
	struct skep_mac mac;

	if (!slash || !port || slash - rest > TOPO_NAME_MAX || !mac_parse(slash + 1, &mac))
		return;
	snprintf(bridge, sizeof(bridge), "%.*s", (int)(slash - rest), rest);
	(void)sim_tables_set_mac(tables, bridge, 0, &mac, port, false,
				 now); /* full: traced as unknown */
}

static void load_neigh(struct sim_tables *tables, const char *rest, const json_t *record,
		       uint64_t now)
{
	const char *slash = strchr(rest, '/'), *text = json_str(record, "mac");
	char port[TOPO_NAME_MAX + 1];
	struct skep_mac mac;
	struct skep_ip ip;

	if (!slash || !text || slash - rest > TOPO_NAME_MAX || !ip_parse(slash + 1, &ip) ||
	    !mac_parse(text, &mac))
		return;
	snprintf(port, sizeof(port), "%.*s", (int)(slash - rest), rest);
	(void)sim_tables_set_neigh(tables, port, &ip, &mac, false, now);
}

static struct sim_tables *load_tables(const json_t *records, uint64_t now)
{
	struct sim_tables *tables = sim_tables_new(TABLES_MAX, TABLES_MAX);
	const char *path;
	json_t *record;

	if (!tables)
		return NULL;
	json_object_foreach((json_t *)records, path, record)
	{
		if (!strncmp(path, "mac/", 4))
			load_mac(tables, path + 4, record, now);
		else if (!strncmp(path, "neigh/", 6))
			load_neigh(tables, path + 6, record, now);
	}
	return tables;
}

/* --- Ethernet addresses of a packet that was written without them --- */

static bool has_ip(const struct topo_port *port, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (ip_eq(&port->addrs[i].ip, ip))
			return true;
	return false;
}

/* Ethernet destination of a multicast or broadcast address (RFC 1112 6.4, RFC 2464 7). */
static bool group_mac(const struct skep_ip *ip, struct skep_mac *mac)
{
	const uint8_t *b = (const uint8_t *)ip->w;

	if (ip_is_broadcast(ip)) {
		memset(mac->b, 0xff, sizeof(mac->b));
		return true;
	}
	if (!ip_is_multicast(ip))
		return false;
	if (ip_is_v4(ip))
		*mac = (struct skep_mac){ { 0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15] } };
	else
		*mac = (struct skep_mac){ { 0x33, 0x33, b[12], b[13], b[14], b[15] } };
	return true;
}

/* The router port behind the bridge port 'p', or NULL. */
static const struct topo_port *router_side(const struct topo_port *p)
{
	return p->peer && p->peer->router ? p->peer : NULL;
}

/* MAC of 'ip' on the bridge, when the topology or the agents know it. */
static bool find_on_bridge(const struct topo_bridge *bridge, const struct sim_view *view,
			   const struct skep_ip *ip, struct skep_mac *mac)
{
	for (uint32_t i = 0; i < bridge->n_ports; i++) {
		const struct topo_port *p = bridge->ports[i], *r = router_side(p);

		if (r && has_ip(r, ip)) {
			*mac = r->mac;
			return true;
		}
		if (!r && p->has_mac && has_ip(p, ip)) {
			*mac = p->mac;
			return true;
		}
		if (r && view->neigh(view->arg, r, ip, mac) == SIM_NEIGH_KNOWN)
			return true;
	}
	return false;
}

/* The gateway of 'src' on the bridge; *on_link: 'dst' is in the same subnet as 'src'. */
static const struct topo_port *find_gateway(const struct topo_bridge *bridge,
					    const struct skep_ip *src, const struct skep_ip *dst,
					    bool *on_link)
{
	for (uint32_t i = 0; i < bridge->n_ports; i++) {
		const struct topo_port *r = router_side(bridge->ports[i]);

		for (uint32_t a = 0; r && a < r->n_addrs; a++)
			if (ip_in_prefix(src, &r->addrs[a].ip, r->addrs[a].len)) {
				*on_link = ip_in_prefix(dst, &r->addrs[a].ip, r->addrs[a].len);
				return r;
			}
	}
	*on_link = true;
	return NULL;
}

static int find_macs(const struct topo_port *in, const struct sim_view *view,
		     const struct packet_text *p, struct skep_mac *src, struct skep_mac *dst,
		     struct err *err)
{
	const struct topo_port *gateway;
	char text[ADDR_TEXT];
	bool on_link;

	if (in->router) { /* a packet from outside, by the port's own address; who sent it does not
			     matter to a router */
		*src = (struct skep_mac){ { 0x02, 0, 0, 0, 0, 0xfe } };
		(void)view->neigh(view->arg, in, &p->src, src);
		*dst = in->mac;
		if (p->what == PACKET_ARP)
			memset(dst->b, 0xff, sizeof(dst->b));
		return 0;
	}
	if (in->has_mac)
		*src = in->mac;
	else if (!find_on_bridge(in->bridge, view, &p->src, src))
		return err_tag(
			err, -EINVAL, "usage",
			"port '%s' has no field 'mac', and the MAC of %s is not known: give one with --eth 'SRC>DST'",
			in->o.name, ip_format(&p->src, text));
	if (p->what == PACKET_ARP) {
		memset(dst->b, 0xff, sizeof(dst->b));
		return 0;
	}
	if (group_mac(&p->dst, dst))
		return 0;
	gateway = find_gateway(in->bridge, &p->src, &p->dst, &on_link);
	if (!on_link) {
		*dst = gateway->mac;
		return 0;
	}
	if (find_on_bridge(in->bridge, view, &p->dst, dst))
		return 0;
	return err_tag(
		err, -EINVAL, "usage",
		"the MAC of %s is not known on bridge '%s', and no router port there has the subnet of the source: give one with "
		"--eth 'SRC>DST'",
		ip_format(&p->dst, text), in->bridge->o.name);
}

static int parse_eth(const char *text, struct skep_mac *src, struct skep_mac *dst, struct err *err)
{
	const char *gt = strchr(text, '>');
	char one[ADDR_TEXT];

	if (gt && gt - text < ADDR_TEXT) {
		snprintf(one, sizeof(one), "%.*s", (int)(gt - text), text);
		if (mac_parse(one, src) && mac_parse(gt + 1, dst))
			return 0;
	}
	return err_tag(
		err, -EINVAL, "usage",
		"option '--eth': '%s' is not two Ethernet addresses (want 02:00:00:00:00:01>02:00:00:00:00:02)",
		text);
}

/* --- the command --- */

/* The words behind the options, as one line. */
static char *join_args(const struct cli *cli)
{
	char *line = NULL;
	size_t size;
	FILE *f = open_memstream(&line, &size);

	if (!f)
		return NULL;
	for (int i = 0; i < cli->n_args; i++)
		fprintf(f, "%s%s", i ? " " : "", cli->args[i]);
	if (fclose(f))
		return NULL;
	return line;
}

static int build_packet(const struct cli *cli, const char *line, const struct topo_port *in,
			const struct sim_view *view, uint8_t *buf, uint32_t cap, struct err *err)
{
	const char *eth = cli->value[CLI_O_ETH_BIT];
	struct skep_mac src, dst;
	struct packet_text p;
	char dsl[512];
	int len;

	if (!strncmp(line, "eth ", 4)) { /* the full language */
		len = pkt_dsl_parse(line, NULL, buf, cap, err);
		if (len < 0)
			err->tag = "usage";
		return len;
	}
	if (packet_text_parse(line, &p, err))
		return err->code;
	if (eth ? parse_eth(eth, &src, &dst, err) : find_macs(in, view, &p, &src, &dst, err))
		return err->code;
	if (packet_text_dsl(&p, &src, &dst, dsl, sizeof(dsl), err))
		return err->code;
	return pkt_dsl_parse(dsl, NULL, buf, cap, err);
}

static int trace_packet(struct cli *cli, const struct topo_snapshot *snap,
			const struct sim_view *view, const struct topo_port *in,
			const uint8_t *frame, uint32_t len, struct err *err)
{
	struct sim_result res;
	enum skep_drop bad;
	struct sim sim;
	struct pkt pkt;
	int rc;

	bad = pkt_parse(frame, len, &pkt);
	if (bad != SKEP_DROP_NONE)
		return err_set(err, -EINVAL, "every host drops this packet at once: %s (%s)",
			       skep_drop_name(bad), skep_drop_help(bad));
	sim_init(&sim);
	rc = sim_run(&sim, snap, view, in, &pkt, clock_mono_ns(), 0, SIM_TRACE, &res, err);
	if (!rc && cli->format == CLI_JSON) {
		_json_ json_t *trace = sim_trace_json(&sim, &pkt, &res);

		out_json(trace);
	} else if (!rc) {
		const char *text = sim_trace_text(&sim, &pkt, &res);

		if (text)
			printf("%s%s", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
		else
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	sim_fini(&sim);
	return rc;
}

int cmd_trace(struct cli *cli, struct err *err)
{
	const char *name = cli->value[CLI_O_PORT_BIT], *tenant;
	_free_ char *line = join_args(cli);
	_free_ uint8_t *frame = malloc(PKT_MAX);
	struct topo_snapshot *snap = NULL;
	struct sim_tables *tables = NULL;
	struct sim_tables_view view;
	const struct topo_port *in;
	_json_ json_t *state = NULL;
	uint64_t now = clock_mono_ns();
	int len;

	if (!name)
		return err_tag(err, -EINVAL, "usage",
			       "where does the packet enter? (want --port PORT)");
	if (!line || !frame)
		return err_set(err, -ENOMEM, "out of memory");
	tenant = cli_tenant(cli, err);
	if (!tenant)
		return err->code;
	state = cli_db_read_tenant(cli, tenant, err);
	if (!state)
		return err->code;
	snap = topo_build(tenant, (uint64_t)json_integer_value(json_object_get(state, "rev")),
			  json_object_get(state, "records"), err);
	if (!snap)
		return err->code;
	in = topo_find_port(snap, name);
	tables = load_tables(json_object_get(state, "records"), now);
	if (!tables) {
		err_set(err, -ENOMEM, "out of memory");
	} else if (!in) {
		err_tag(err, -ENOENT, "no_such_port",
			"tenant '%s' has no port '%s' ('skep port list' shows those it has)",
			tenant, name);
	} else if (in->peer) {
		err_set(err, -EINVAL,
			"port '%s' is linked to port '%s': packets enter by exterior ports", name,
			in->peer->o.name);
	} else {
		sim_tables_view_init(&view, tables, snap, now);
		len = build_packet(cli, line, in, &view.view, frame, PKT_MAX, err);
		if (len > 0)
			trace_packet(cli, snap, &view.view, in, frame, (uint32_t)len, err);
	}
	sim_tables_free(tables);
	topo_unref(snap);
	return err->code;
}
