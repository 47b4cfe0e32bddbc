// SPDX-License-Identifier: Apache-2.0
/*
 * The registry of hosts (space DB_HOSTS).  Other hosts' records become peers of the datapath;
 * "use/<us>/<tenant>" says which tenants we follow; our own record says where others reach us.
 */
#include "loader/agent.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/log.h"

static struct host *find_host(const struct agent *a, const char *name)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &a->hosts, hash_str(name, 0)) {
		struct host *h = container_of(n, struct host, node);

		if (!strcmp(h->name, name))
			return h;
	}
	return NULL;
}

struct host *hosts_find(const struct agent *a, const char *name)
{
	return find_host(a, name);
}

bool hosts_silent(const struct agent *a, const char *name)
{
	const struct host *h = find_host(a, name);

	return !h || h->silent;
}

uint32_t hosts_peer(void *agent, const char *name)
{
	struct host *h = find_host(agent, name);

	return h ? h->peer : 0;
}

const char *hosts_name(const struct agent *a, uint32_t peer)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->hosts) {
		const struct host *h = container_of(n, struct host, node);

		if (h->peer == peer)
			return h->name;
	}
	return NULL;
}

bool hosts_marks(const struct agent *a, uint32_t peer, uint32_t key)
{
	return key <= dp_peer_mark_max(a->dp, peer);
}

uint32_t hosts_mtu(const struct agent *a, const char *name)
{
	const struct host *h = find_host(a, name);

	return h && h->peer ? dp_peer_mtu(a->dp, h->peer) : 0;
}

void hosts_path(struct agent *a, uint32_t peer)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->hosts) {
		const struct host *h = container_of(n, struct host, node);

		if (!h->peer || (peer && h->peer != peer))
			continue;
		log_info("host '%s': packets of machines of up to %u bytes get there", h->name,
			 dp_peer_mtu(a->dp, h->peer));
		index_invalidate_host(a->index, h->name);
	}
}

uint32_t hosts_encap_size(const struct agent *a)
{
	bool v6 = !ip_is_v4(&a->address);
	uint32_t most = skep_encap_size(dp_encap(a->dp), v6);
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->hosts) {
		uint32_t size = skep_encap_size(container_of(n, struct host, node)->encap, v6);

		if (size > most)
			most = size;
	}
	return most;
}

void hosts_publish(struct agent *a)
{
	char path[TOPO_NAME_MAX + 8], addr[ADDR_TEXT];
	json_t *v = json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:b, s:b}", "host", a->config->host, "address",
			      ip_format(&a->address, addr), "port", (int)a->config->underlay_port,
			      "mtu", (int)a->mtu, "version", SKEP_VERSION, "encap",
			      skep_encap_name(dp_encap(a->dp)), "marks", dp_marks(a->dp), "translations", true);

	snprintf(path, sizeof(path), "host/%s", a->config->host);
	if (publish_set(a->self, path, v))
		log_warn("cannot publish this host's record: out of memory");
}

static bool address_in_use(const struct agent *a, const struct skep_ip *ip,
			   const struct host *except)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->hosts) {
		const struct host *h = container_of(n, struct host, node);

		if (h != except && h->peer && ip_eq(&h->address, ip))
			return true;
	}
	return false;
}

static void drop_peer(struct agent *a, struct host *h)
{
	index_invalidate_host(a->index, h->name);
	if (h->peer && !address_in_use(a, &h->address, h))
		dp_peer_del(a->dp, &h->address);
	h->peer = 0;
}

static void free_host(struct agent *a, struct host *h)
{
	hmap_remove(&a->hosts, &h->node);
	json_decref(h->record);
	free(h);
}

/* How it wants to be sent to.  Older records say nothing of it. */
static bool take_how(struct agent *a, struct host *h, const json_t *record)
{
	const char *text = json_string_value(json_object_get(record, "encap"));
	bool marks = json_is_true(json_object_get(record, "marks"));
	bool binds = json_is_true(json_object_get(record, "translations"));
	enum skep_encap encap = SKEP_ENCAP_VXLAN;

	while (text && encap < SKEP_ENCAPS && strcmp(text, skep_encap_name(encap)) != 0)
		encap++;
	if (encap == SKEP_ENCAPS) {
		log_warn("host '%s' asks for tunnel packets of the unknown kind '%.16s': it is sent vxlan",
			 h->name, text);
		encap = SKEP_ENCAP_VXLAN;
	}
	if (h->peer)
		dp_peer_how(a->dp, &h->address, encap, marks, binds);
	if (h->encap == encap && h->marks == marks && h->binds == binds)
		return false;
	h->encap = encap;
	h->marks = marks;
	h->binds = binds;
	return true;
}

static void host_record(struct agent *a, const char *name, const json_t *record)
{
	const char *text = json_string_value(json_object_get(record, "address"));
	struct host *h = find_host(a, name);
	struct skep_ip ip = { 0 };
	struct err err = { 0 };

	if (!strcmp(name, a->config->host))
		return;
	if (!record) {
		if (h) {
			log_info("host '%s' has left", name);
			drop_peer(a, h);
			free_host(a, h);
		}
		return;
	}
	if (strlen(name) > TOPO_NAME_MAX || !text || !ip_parse(text, &ip)) {
		log_warn("host '%.64s': its record has no usable address, keeping what was", name);
		return;
	}
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h || hmap_insert(&a->hosts, &h->node, hash_str(name, 0))) {
			log_error("host '%s': out of memory", name);
			free(h);
			return;
		}
		memcpy(h->name, name, strlen(name) + 1);
	}
	json_decref(h->record);
	h->record = json_incref((json_t *)record);
	if (h->peer && ip_eq(&h->address, &ip)) {
		if (take_how(a, h, record)) /* other packets fit */
			index_invalidate_host(a->index, h->name);
		return;
	}
	drop_peer(a, h);
	h->address = ip;
	if (ip_eq(&ip, &a->address)) {
		log_error("host '%s' has our own tunnel address %s: nothing can be sent to it",
			  name, text);
	} else if (dp_peer_add(a->dp, &ip, &h->peer, &err)) {
		h->peer = 0;
		log_error("host '%s' at %s: %s", name, text, err.text);
	} else {
		(void)take_how(a, h, record);
		log_info("host '%s' is at %s, by %s", name, text, skep_encap_name(h->encap));
	}
}

/* "use/<us>/<tenant>": the tenant, else NULL. */
static const char *used_tenant(const struct agent *a, const char *path)
{
	size_t n = strlen(a->config->host);

	if (strncmp(path, "use/", 4) || strncmp(path + 4, a->config->host, n) || path[4 + n] != '/')
		return NULL;
	return path + 5 + n;
}

static void apply(struct agent *a, const char *path, const json_t *record)
{
	const char *tenant = used_tenant(a, path);
	struct tenant *t;

	if (json_is_null(record))
		record = NULL;
	if (!strncmp(path, "host/", 5)) {
		publish_seen(a->self, path, record);
		host_record(a, path + 5, record);
	} else if (tenant) {
		t = tenant_find(a, tenant);
		if (record && !t)
			(void)tenant_follow(a, tenant); /* it says itself what is wrong */
		else if (!record && t)
			tenant_free(t);
	}
}

static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	struct agent *a = arg;
	struct hmap_node *n, *tmp;
	char path[TOPO_NAME_MAX * 2 + 16];
	const char *key;
	json_t *v;

	(void)rev;
	(void)crev;
	json_object_foreach ((json_t *)records, key, v)
		apply(a, key, v);
	hmap_for_each (n, tmp, &a->hosts) {
		struct host *h = container_of(n, struct host, node);

		snprintf(path, sizeof(path), "host/%s", h->name);
		if (!json_object_get(records, path))
			host_record(a, h->name, NULL);
	}
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		snprintf(path, sizeof(path), "use/%s/%s", a->config->host, t->name);
		if (!json_object_get(records, path))
			tenant_free(t);
	}
	publish_snapshot(a->self, records);
	a->registry_known = true;
	if (tenants_loaded(a))
		keys_adoption_end(a);
}

static void on_change(void *arg, const json_t *changes, uint64_t rev, uint64_t crev)
{
	const char *key;
	json_t *v;

	(void)rev;
	(void)crev;
	json_object_foreach ((json_t *)changes, key, v)
		apply(arg, key, v);
}

int hosts_follow(struct agent *a)
{
	static const struct db_follow_ops ops = { .snapshot = on_snapshot, .change = on_change };

	a->registry = db_follow(a->db, DB_HOSTS, &ops, a);
	return a->registry ? 0 : -1;
}

void hosts_fini(struct agent *a)
{
	struct hmap_node *n, *tmp;

	db_unfollow(a->registry);
	hmap_for_each (n, tmp, &a->hosts)
		free_host(a, container_of(n, struct host, node));
	hmap_fini(&a->hosts);
}
