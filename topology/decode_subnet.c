// SPDX-License-Identifier: Apache-2.0
/* Subnets: record -> struct.  Called by snapshot.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/decode.h"

static struct skep_ip *get_ips(struct arena *arena, const json_t *list, uint32_t *n)
{
	struct skep_ip *ips = arena_alloc(arena, (json_array_size(list) + 1) * sizeof(*ips));
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) if (ips && ip_parse(json_string_value(item), &ips[*n]))
		(*n)++;
	return ips;
}

static void get_routes(struct topo_subnet *s, struct arena *arena, const json_t *list)
{
	const json_t *item;
	unsigned int len;
	size_t i;

	s->routes = arena_alloc(arena, (json_array_size(list) + 1) * sizeof(*s->routes));
	json_array_foreach(list, i, item)
	{
		struct topo_dhcp_route *r = s->routes ? &s->routes[s->n_routes++] : NULL;

		if (!r)
			return;
		memset(r, 0, sizeof(*r));
		if (prefix_parse(topo_str(item, "dst"), &r->dst, &len))
			r->len = (uint8_t)len;
		(void)ip_parse(topo_str(item, "via"), &r->via);
	}
}

/* The bytes of an option as they go on the wire. */
static void get_option(struct topo_dhcp_option *o, struct arena *arena, const json_t *rec)
{
	const char *text = topo_str(rec, "text"), *hex = topo_str(rec, "hex");
	const json_t *list = json_object_get(rec, "addresses"), *item;
	uint8_t *data = arena_alloc(arena, 256);
	struct skep_ip ip;
	size_t i;
	int n;

	o->code = (uint16_t)topo_get_int(rec, "code", 0);
	o->data = data;
	o->len = 0;
	if (!data)
		return;
	if (text) {
		o->len = (uint16_t)strlen(text); /* checked: at most 255 */
		memcpy(data, text, o->len);
	} else if (hex) {
		n = topo_parse_hex(hex, data, 255);
		o->len = (uint16_t)(n > 0 ? n : 0);
	} else if (json_object_get(rec, "number")) {
		o->len = (uint16_t)topo_get_int(rec, "size", 4);
		for (n = 0; n < o->len; n++)
			data[n] = (uint8_t)(topo_get_int(rec, "number", 0) >> (8 * (o->len - 1 - n)));
	}
	json_array_foreach(list, i, item)
	{
		if (!ip_parse(json_string_value(item), &ip))
			continue;
		n = ip_is_v4(&ip) ? 4 : 16;
		memcpy(data + o->len, (const uint8_t *)&ip + 16 - n, (size_t)n);
		o->len = (uint16_t)(o->len + n);
	}
}

static int by_mac(const void *a, const void *b)
{
	return memcmp(&((const struct topo_dhcp_host *)a)->mac, &((const struct topo_dhcp_host *)b)->mac,
		      sizeof(struct skep_mac));
}

static void get_hosts(struct topo_subnet *s, struct arena *arena, const json_t *list)
{
	const json_t *item;
	size_t i;

	s->hosts = arena_alloc(arena, (json_array_size(list) + 1) * sizeof(*s->hosts));
	json_array_foreach(list, i, item)
	{
		struct topo_dhcp_host *h = s->hosts ? &s->hosts[s->n_hosts++] : NULL;
		const char *name = topo_str(item, "hostname");

		if (!h)
			return;
		memset(h, 0, sizeof(*h));
		(void)mac_parse(topo_str(item, "mac"), &h->mac);
		(void)ip_parse(topo_str(item, "address"), &h->ip);
		h->hostname = name ? arena_printf(arena, "%s", name) : NULL;
	}
	if (s->hosts)
		qsort(s->hosts, s->n_hosts, sizeof(*s->hosts), by_mac);
}

static enum topo_ra ra_of(const char *text, bool v4)
{
	if (v4 || (text && !strcmp(text, "none")))
		return TOPO_RA_NONE;
	if (text && !strcmp(text, "stateless"))
		return TOPO_RA_STATELESS;
	return text && !strcmp(text, "stateful") ? TOPO_RA_STATEFUL : TOPO_RA_SLAAC;
}

int topo_decode_subnet(struct topo_snapshot *snap, struct topo_subnet *s, const json_t *rec,
		       struct err *err)
{
	struct arena *arena = &snap->memory->arena;
	const json_t *options = json_object_get(rec, "options"), *item;
	unsigned int len = 0;
	size_t i;

	(void)prefix_parse(topo_str(rec, "prefix"), &s->prefix, &len); /* checked: it parses */
	s->len = (uint8_t)len;
	s->dhcp = topo_get_bool(rec, "dhcp", true);
	s->ra = ra_of(topo_str(rec, "ra"), ip_is_v4(&s->prefix));
	if (topo_str(rec, "gateway"))
		(void)ip_parse(topo_str(rec, "gateway"), &s->gateway);
	if (topo_str(rec, "server"))
		(void)ip_parse(topo_str(rec, "server"), &s->server);
	s->dns = get_ips(arena, json_object_get(rec, "dns"), &s->n_dns);
	s->ntp = get_ips(arena, json_object_get(rec, "ntp"), &s->n_ntp);
	s->domain = topo_str(rec, "domain") ? arena_printf(arena, "%s", topo_str(rec, "domain")) : NULL;
	s->mtu = (uint16_t)topo_get_int(rec, "mtu", 0);
	s->lease_s = (uint32_t)topo_get_int(rec, "lease", 86400);
	get_routes(s, arena, json_object_get(rec, "routes"));
	s->options = arena_alloc(arena, (json_array_size(options) + 1) * sizeof(*s->options));
	json_array_foreach(options, i, item) if (s->options)
		get_option(&s->options[s->n_options++], arena, item);
	get_hosts(s, arena, json_object_get(rec, "hosts"));
	if (arena_failed(arena))
		return err_set(err, -ENOMEM, "out of memory");
	return GET_REF(snap, rec, "bridge", TOPO_BRIDGE, struct topo_bridge, &s->bridge, err);
}
