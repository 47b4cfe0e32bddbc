// SPDX-License-Identifier: Apache-2.0
/*
 * What simulations learn, and what other hosts have learnt: "mac/<bridge>/<mac>" {host, port} (with
 * "@<vlan>" on a VLAN-aware bridge), "neigh/<router port>/<ip>" {host, mac}, and which member of a pool a
 * client keeps: "aff/<vip>/<ip>" {host, member}. Effective here at once, published behind that.  Our own
 * entries age unless a flow still depends on them; others' entries age with them.
 */
#include "loader/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"

#define AFFINITY_S   10800 /* of a VIP that is not known yet */
#define PATH_MAX_LEN (16 + TOPO_NAME_MAX + ADDR_TEXT)

bool learn_is_path(const char *path)
{
	return !strncmp(path, "mac/", 4) || !strncmp(path, "neigh/", 6) ||
	       !strncmp(path, "aff/", 4);
}

static const char *mac_path(char buf[static PATH_MAX_LEN], const char *bridge, uint16_t vlan,
			    const struct skep_mac *mac)
{
	char text[ADDR_TEXT];

	if (vlan)
		snprintf(buf, PATH_MAX_LEN, "mac/%s/%s@%u", bridge, mac_format(mac, text), vlan);
	else
		snprintf(buf, PATH_MAX_LEN, "mac/%s/%s", bridge, mac_format(mac, text));
	return buf;
}

/* "02:..", "02:..@10" */
static bool parse_mac(const char *text, struct skep_mac *mac, uint16_t *vlan)
{
	const char *at = strchr(text, '@');
	char buf[ADDR_TEXT], *end;
	unsigned long v = 0;

	if (at) {
		v = strtoul(at + 1, &end, 10);
		if (*end || end == at + 1 || !v || v > 4094 || (size_t)(at - text) >= sizeof(buf))
			return false;
		snprintf(buf, sizeof(buf), "%.*s", (int)(at - text), text);
		text = buf;
	}
	*vlan = (uint16_t)v;
	return mac_parse(text, mac);
}

static const char *neigh_path(char buf[static PATH_MAX_LEN], const char *port,
			      const struct skep_ip *ip)
{
	char text[ADDR_TEXT];

	snprintf(buf, PATH_MAX_LEN, "neigh/%s/%s", port, ip_format(ip, text));
	return buf;
}

static void invalidate_mac(struct tenant *t, const char *bridge, uint16_t vlan,
			   const struct skep_mac *mac)
{
	tenant_invalidate(t, &(struct topo_tag){ .kind = TOPO_TAG_MAC,
						 .name = bridge,
						 .mac = *mac,
						 .vlan = vlan });
}

static void neigh_changed(struct tenant *t, const char *port, const struct skep_ip *ip,
			  bool changed)
{
	if (changed)
		tenant_invalidate(
			t, &(struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = port, .ip = *ip });
	park_ready(t->agent->park,
		   &(struct park_what){ .kind = PARK_NEIGH, .scope = t, .name = port, .ip = *ip });
}

static void full(struct tenant *t, const char *what, int rc)
{
	static uint64_t said_ns; /* one line in ten seconds is enough for all tables */
	uint64_t now = clock_mono_ns();

	if (said_ns && now < said_ns + 10 * NSEC_PER_SEC)
		return;
	said_ns = now;
	log_warn("tenant '%s': cannot learn more %s: %s", t->name, what,
		 rc == -ENOSPC ? "the table is full" : "out of memory");
}

void learn_result(struct tenant *t, const struct sim_result *res)
{
	const char *host = t->agent->config->host;
	uint64_t now = clock_mono_ns();
	char path[PATH_MAX_LEN], text[ADDR_TEXT];
	int rc;

	for (uint32_t i = 0; i < res->n_learns; i++) {
		const struct sim_learn *l = &res->learns[i];
		const char *bridge = l->bridge->o.name;

		rc = sim_tables_set_mac(t->tables, bridge, l->vlan, &l->mac, l->port->o.name, true, now);
		if (rc < 0)
			full(t, "MAC addresses", rc);
		if (rc != 1)
			continue;
		t->agent->stats.learnt++;
		invalidate_mac(t, bridge, l->vlan, &l->mac);
		rc = publish_set(t->pub, mac_path(path, bridge, l->vlan, &l->mac),
				 json_pack("{s:s, s:s}", "host", host, "port", l->port->o.name));
		if (rc)
			full(t, "MAC addresses to publish", rc);
	}
	for (uint32_t i = 0; i < res->n_neighs; i++) {
		const struct sim_neigh_learn *l = &res->neighs[i];

		rc = sim_tables_set_neigh(t->tables, l->port->o.name, &l->ip, &l->mac, true, now);
		if (rc < 0) {
			full(t, "neighbours", rc);
			continue;
		}
		neigh_changed(t, l->port->o.name, &l->ip, rc == 1);
		if (rc != 1)
			continue;
		t->agent->stats.learnt++;
		rc = publish_set(
			t->pub, neigh_path(path, l->port->o.name, &l->ip),
			json_pack("{s:s, s:s}", "host", host, "mac", mac_format(&l->mac, text)));
		if (rc)
			full(t, "neighbours to publish", rc);
	}
}

void learn_affinity(struct tenant *t, const struct sim_affinity_learn *l)
{
	char path[PATH_MAX_LEN], text[ADDR_TEXT];
	int rc;

	snprintf(path, sizeof(path), "aff/%s/%s", l->vip->o.name, ip_format(&l->client, text));
	rc = publish_set(t->pub, path,
			 json_pack("{s:s, s:s}", "host", t->agent->config->host, "member",
				   l->member->o.name));
	if (rc)
		full(t, "clients of VIPs to publish", rc);
}

static const struct topo_vip *find_vip(const struct tenant *t, const char *name)
{
	const struct topo_object *o = topo_find(t->snap, TOPO_VIP, name);

	return o ? container_of(o, struct topo_vip, o) : NULL;
}

static void aged_affinity(void *arg, const char *vip, const struct skep_ip *client)
{
	struct tenant *t = arg;
	char path[PATH_MAX_LEN], text[ADDR_TEXT];

	snprintf(path, sizeof(path), "aff/%s/%s", vip, ip_format(client, text));
	publish_del(t->pub, path);
}

void learn_age_affinities(struct tenant *t, uint64_t now_ns)
{
	sim_conns_affinity_aged(t->conns, now_ns, aged_affinity, t);
}

/* "mac/b1/02:.." -> "b1" and the rest; false if it is not of that form. */
static bool split_path(const char *path, char name[static TOPO_NAME_MAX + 1], const char **rest)
{
	const char *from = strchr(path, '/'), *to = from ? strchr(from + 1, '/') : NULL;
	size_t n = to ? (size_t)(to - from - 1) : 0;

	if (!n || n > TOPO_NAME_MAX)
		return false;
	memcpy(name, from + 1, n);
	name[n] = 0;
	*rest = to + 1;
	return true;
}

static void mac_record(struct tenant *t, const char *path, const char *bridge, uint16_t vlan,
		       const struct skep_mac *mac, const json_t *record, bool own)
{
	const char *port = json_string_value(json_object_get(record, "port"));
	int rc;

	if (!record) {
		if (!publish_wanted(t->pub, path) && sim_tables_del_mac(t->tables, bridge, vlan, mac))
			invalidate_mac(t, bridge, vlan, mac);
		return;
	}
	if (!port)
		return;
	rc = sim_tables_set_mac(t->tables, bridge, vlan, mac, port, own, clock_mono_ns());
	if (rc == 1)
		invalidate_mac(t, bridge, vlan, mac);
	else if (rc < 0)
		full(t, "MAC addresses", rc);
}

static void neigh_record(struct tenant *t, const char *path, const char *port,
			 const struct skep_ip *ip, const json_t *record, bool own)
{
	const char *text = json_string_value(json_object_get(record, "mac"));
	struct skep_mac mac;
	int rc;

	if (!record) {
		if (!publish_wanted(t->pub, path) && sim_tables_del_neigh(t->tables, port, ip))
			neigh_changed(t, port, ip, true);
		return;
	}
	if (!text || !mac_parse(text, &mac))
		return;
	rc = sim_tables_set_neigh(t->tables, port, ip, &mac, own, clock_mono_ns());
	if (rc < 0)
		full(t, "neighbours", rc);
	else
		neigh_changed(t, port, ip, rc == 1);
}

/* A deleted one ages here by itself. */
static void affinity_record(struct tenant *t, const char *vip, const struct skep_ip *ip,
			    const json_t *record)
{
	const char *member = json_string_value(json_object_get(record, "member"));
	const struct topo_vip *v = t->snap ? find_vip(t, vip) : NULL;

	if (member && strlen(member) <= TOPO_NAME_MAX)
		(void)sim_conns_set_affinity(t->conns, vip, ip, member,
					     (v ? v->affinity_s : AFFINITY_S) * NSEC_PER_SEC,
					     clock_mono_ns());
}

void learn_record(struct tenant *t, const char *path, const json_t *record)
{
	const char *host = json_string_value(json_object_get(record, "host")), *rest;
	bool own = host && !strcmp(host, t->agent->config->host);
	char name[TOPO_NAME_MAX + 1];
	struct skep_mac mac;
	struct skep_ip ip;
	uint16_t vlan;

	if (own && publish_wanted(t->pub, path))
		return; /* the echo of what we said */
	if (own)	/* what an earlier skepd here learnt: ours to age */
		(void)publish_adopt(t->pub, path, json_incref((json_t *)record));
	else if (record)
		publish_forget(t->pub, path); /* seen elsewhere later than here */
	if (!split_path(path, name, &rest))
		return;
	if (path[0] == 'm' && parse_mac(rest, &mac, &vlan))
		mac_record(t, path, name, vlan, &mac, record, own);
	else if (path[0] == 'n' && ip_parse(rest, &ip))
		neigh_record(t, path, name, &ip, record, own);
	else if (path[0] == 'a' && ip_parse(rest, &ip))
		affinity_record(t, name, &ip, record);
}

static void aged_mac(void *arg, const char *bridge, uint16_t vlan, const struct skep_mac *mac,
		     const char *port)
{
	struct topo_tag tag = {
		.kind = TOPO_TAG_MAC, .name = bridge, .mac = *mac, .vlan = vlan
	};
	struct tenant *t = arg;
	char path[PATH_MAX_LEN];

	if (index_uses(t->agent->index, t, &tag)) {
		(void)sim_tables_set_mac(t->tables, bridge, vlan, mac, port, true, clock_mono_ns());
		return;
	}
	publish_del(t->pub, mac_path(path, bridge, vlan, mac));
	(void)sim_tables_del_mac(t->tables, bridge, vlan, mac);
}

static void aged_neigh(void *arg, const char *port, const struct skep_ip *ip)
{
	struct topo_tag tag = { .kind = TOPO_TAG_NEIGH, .name = port, .ip = *ip };
	struct tenant *t = arg;
	char path[PATH_MAX_LEN], text[ADDR_TEXT];
	const char *mac_text;
	struct skep_mac mac;

	neigh_path(path, port, ip);
	mac_text = json_string_value(json_object_get(publish_wanted(t->pub, path), "mac"));
	if (mac_text && mac_parse(mac_text, &mac) && index_uses(t->agent->index, t, &tag)) {
		(void)sim_tables_set_neigh(t->tables, port, ip, &mac, true, clock_mono_ns());
		return;
	}
	log_debug("tenant '%s': neighbour %s of port '%s' is forgotten", t->name,
		  ip_format(ip, text), port);
	publish_del(t->pub, path);
	(void)sim_tables_del_neigh(t->tables, port, ip);
}

void learn_age(struct tenant *t)
{
	uint64_t now = clock_mono_ns(), macs = t->agent->config->mac_age_s * NSEC_PER_SEC;
	uint64_t neighs = t->agent->config->neigh_age_s * NSEC_PER_SEC;

	/* a scan of a subnet must not fill the table with addresses that did not answer */
	sim_tables_aged(t->tables, now, NULL, NULL, NULL);
	if (now > macs)
		sim_tables_aged(t->tables, now - macs, aged_mac, NULL, t);
	if (now > neighs)
		sim_tables_aged(t->tables, now - neighs, NULL, aged_neigh, t);
}
