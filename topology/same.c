// SPDX-License-Identifier: Apache-2.0
/* Are two generations of an object the same to a flow?  Objects of different snapshots: compared by names, never by pointers. */
#include "topology/same.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_chain_ref(const struct topo_chain *a, const struct topo_chain *b)
{
	return same_text(a ? a->o.name : NULL, b ? b->o.name : NULL);
}

static bool same_port_ref(const struct topo_port *a, const struct topo_port *b)
{
	return same_text(a ? a->o.name : NULL, b ? b->o.name : NULL);
}

static bool same_rule(const struct topo_rule *a, const struct topo_rule *b)
{
	return !strcmp(a->name, b->name) && a->action == b->action &&
	       same_chain_ref(a->jump, b->jump) && a->match == b->match &&
	       a->eth_type == b->eth_type && mac_eq(&a->eth_src, &b->eth_src) &&
	       mac_eq(&a->eth_src_mask, &b->eth_src_mask) && mac_eq(&a->eth_dst, &b->eth_dst) &&
	       mac_eq(&a->eth_dst_mask, &b->eth_dst_mask) && a->proto == b->proto &&
	       ip_eq(&a->ip_src, &b->ip_src) && ip_eq(&a->ip_dst, &b->ip_dst) &&
	       a->ip_src_len == b->ip_src_len && a->ip_dst_len == b->ip_dst_len &&
	       !memcmp(a->l4_src, b->l4_src, sizeof(a->l4_src)) &&
	       !memcmp(a->l4_dst, b->l4_dst, sizeof(a->l4_dst)) && a->icmp_type == b->icmp_type &&
	       a->icmp_code == b->icmp_code;
}

bool topo_same_chain(const struct topo_chain *a, const struct topo_chain *b)
{
	if (strcmp(a->o.id, b->o.id) != 0 || a->n_rules != b->n_rules)
		return false;
	for (uint32_t i = 0; i < a->n_rules; i++)
		if (!same_rule(&a->rules[i], &b->rules[i]))
			return false;
	return true;
}

bool topo_same_bridge(const struct topo_bridge *a, const struct topo_bridge *b)
{
	return !strcmp(a->o.id, b->o.id) && a->admin_up == b->admin_up &&
	       same_chain_ref(a->in_chain, b->in_chain) &&
	       same_chain_ref(a->out_chain, b->out_chain);
}

static bool same_addresses(const struct topo_port *a, const struct topo_port *b)
{
	if (a->has_mac != b->has_mac || !mac_eq(&a->mac, &b->mac) || a->n_addrs != b->n_addrs)
		return false;
	for (uint32_t i = 0; i < a->n_addrs; i++)
		if (!ip_eq(&a->addrs[i].ip, &b->addrs[i].ip) || a->addrs[i].len != b->addrs[i].len)
			return false;
	return true;
}

bool topo_same_router(const struct topo_router *a, const struct topo_router *b)
{
	if (strcmp(a->o.id, b->o.id) != 0 || a->admin_up != b->admin_up ||
	    !same_chain_ref(a->in_chain, b->in_chain) ||
	    !same_chain_ref(a->out_chain, b->out_chain) || a->n_ports != b->n_ports)
		return false;
	for (uint32_t i = 0; i < a->n_ports; i++)
		if (!same_port_ref(a->ports[i], b->ports[i]) ||
		    !same_addresses(a->ports[i], b->ports[i]))
			return false;
	return true;
}

bool topo_same_member(const struct topo_port *a, const struct topo_port *b)
{
	return !strcmp(a->o.name, b->o.name) && !strcmp(a->o.id, b->o.id) &&
	       a->admin_up == b->admin_up && same_port_ref(a->peer, b->peer) &&
	       same_addresses(a, b) && same_text(a->live_host, b->live_host) &&
	       a->live_key == b->live_key && a->live_flood_key == b->live_flood_key;
}

bool topo_same_port(const struct topo_port *a, const struct topo_port *b)
{
	return topo_same_member(a, b) && !a->bridge == !b->bridge &&
	       !strcmp(a->bridge ? a->bridge->o.name : a->router->o.name,
		       b->bridge ? b->bridge->o.name : b->router->o.name) &&
	       a->port_security == b->port_security && same_chain_ref(a->in_chain, b->in_chain) &&
	       same_chain_ref(a->out_chain, b->out_chain);
}

bool topo_same_route(const struct topo_route *a, const struct topo_route *b)
{
	return a->type == b->type && ip_eq(&a->src, &b->src) && a->src_len == b->src_len &&
	       same_port_ref(a->port, b->port) && ip_eq(&a->gateway, &b->gateway) &&
	       a->weight == b->weight && topo_route_usable(a) == topo_route_usable(b);
}
