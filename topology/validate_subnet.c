// SPDX-License-Identifier: Apache-2.0
/* Subnets of a bridge lie apart, and their hosts are nobody else.  Part of topo_validate(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/validate.h"

static int by_prefix(const void *a, const void *b)
{
	const struct topo_subnet *x = *(struct topo_subnet *const *)a, *y = *(struct topo_subnet *const *)b;
	int c = memcmp(&x->prefix, &y->prefix, sizeof(x->prefix));

	c = c ? c : (int)x->len - (int)y->len;
	c = c ? c : x->o.changed - y->o.changed;
	return c ? c : strcmp(x->o.name, y->o.name);
}

/* Sorted by their first address, only neighbours can overlap. */
static int check_apart(const struct topo_bridge *b, struct arena *arena, struct err *err)
{
	struct topo_subnet **all = arena_dup(arena, b->subnets, (b->n_subnets + 1) * sizeof(*all));
	char text[ADDR_TEXT], other[ADDR_TEXT];

	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	qsort(all, b->n_subnets, sizeof(*all), by_prefix);
	for (uint32_t i = 1; i < b->n_subnets; i++) {
		const struct topo_subnet *s = all[i], *outer = all[i - 1];

		if (!ip_in_prefix(&s->prefix, &outer->prefix, outer->len))
			continue;
		if (topo_blames_first(&outer->o, &s->o)) {
			s = outer;
			outer = all[i];
		}
		return err_set(err, -EINVAL,
			       "subnet '%s': field 'prefix': '%s' overlaps '%s' of subnet '%s' on the same bridge '%s' (want subnets apart)",
			       s->o.name, prefix_format(&s->prefix, s->len, text), prefix_format(&outer->prefix, outer->len, other),
			       outer->o.name, b->o.name);
	}
	return 0;
}

static int check_host(const struct topo_subnet *s, uint32_t i, struct claims *ips, struct err *err)
{
	const struct topo_dhcp_host *h = &s->hosts[i];
	const struct skep_mac *mac;
	const struct topo_port *p;
	bool failed = false;
	char text[ADDR_TEXT], net[ADDR_TEXT];

	ip_format(&h->ip, text);
	if (i && mac_eq(&s->hosts[i - 1].mac, &h->mac))
		return err_set(err, -EINVAL, "field 'mac': '%s' appears twice", mac_format(&h->mac, text));
	if (!ip_in_prefix(&h->ip, &s->prefix, s->len))
		return err_set(err, -EINVAL, "field 'address': '%s' is not in prefix '%s'", text,
			       prefix_format(&s->prefix, s->len, net));
	if (topo_useless(&h->ip, s->len))
		return err_set(err, -EINVAL, "field 'address': '%s' is %s (want the address of a machine)",
			       text, topo_useless(&h->ip, s->len));
	if (ip_eq(&h->ip, &s->gateway))
		return err_set(err, -EINVAL, "field 'address': '%s' is the gateway's", text);
	if (topo_claim(ips, s, &h->ip, "", h, &failed))
		return err_set(err, -EINVAL, "field 'address': '%s' appears twice", text);
	p = topo_bridge_find_ip(s->bridge, &h->ip, &mac);
	if (p && !mac_eq(mac, &h->mac))
		return err_set(err, -EINVAL, "field 'address': '%s' is that of port '%s' (want one of its own)",
			       text, p->o.name);
	return failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int check_subnet(const struct topo_subnet *s, struct claims *ips, struct err *err)
{
	static const char *const names[] = { "gateway", "server" };
	const struct skep_ip *const fields[] = { &s->gateway, &s->server };
	char text[ADDR_TEXT];
	int rc = 0;

	for (int i = 0; i < 2; i++) {
		bool in = ip_in_prefix(fields[i], &s->prefix, s->len);
		const char *why = topo_useless(fields[i], in && i == 0 && ip_is_v4(fields[i]) ? s->len : ip_bits(fields[i]));

		if (!ip_is_zero(fields[i]) && why)
			return err_set(err, -EINVAL, "field '%s': '%s' is %s (want the address of a machine)",
				       names[i], ip_format(fields[i], text), why);
	}
	for (uint32_t i = 0; !rc && i < s->n_hosts; i++) {
		rc = check_host(s, i, ips, err);
		if (rc)
			err_prefix(err, "host '%s'", mac_format(&s->hosts[i].mac, text));
	}
	return rc;
}

int topo_validate_subnets(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	struct claims ips = { .arena = arena };
	int rc = 0;

	for (uint32_t i = 0; !rc && i < snap->n_bridges; i++)
		if (snap->bridges[i].n_subnets)
			rc = check_apart(&snap->bridges[i], arena, err);
	hmap_init(&ips.map);
	for (uint32_t i = 0; !rc && i < snap->n_subnets; i++) {
		rc = check_subnet(&snap->subnets[i], &ips, err);
		if (rc)
			err_prefix(err, "subnet '%s'", snap->subnets[i].o.name);
	}
	hmap_fini(&ips.map);
	return rc;
}
