// SPDX-License-Identifier: Apache-2.0
/* Connections and rules' counters, with the names of control.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "loader/agent.h"
#include "util/clock.h"

#define CONNS_SHOWN 20000

struct list {
	struct report_rows rows;
	struct agent *a;
	json_t *request; /* has the strings below */
	char **tenants; /* those to look at: by name, for they may go meanwhile */
	size_t n_tenants, tenant;
	uint64_t at; /* in the present one's records */
	struct tenant *t;
	const char *port; /* NULL = all */
	json_t *list;
	const char *state, *proto; /* NULL = any */
	bool by_address;
	struct skep_ip address; /* of either end, as either port emits it */
	size_t n, max;
	uint64_t now;
	bool truncated;
};

/* The tenant of that name, NULL with 'err' when there is none; all if 'name' is NULL: '*any'. */
static bool find(const struct agent *a, const char *name, struct tenant **t, struct err *err)
{
	*t = name ? tenant_find(a, name) : NULL;
	if (name && !*t)
		err_tag(err, -ENOENT, "no_such_tenant", "tenant '%.80s' has no port on this host",
			name);
	return !name || *t;
}

/* The name whose hash the record keeps; NULL: it has gone. */
static const char *router_name(const struct tenant *t, uint64_t hash)
{
	for (uint32_t i = 0; t->snap && i < t->snap->n_routers; i++)
		if (sim_name_hash(t->snap->routers[i].o.name) == hash)
			return t->snap->routers[i].o.name;
	return NULL;
}

static const char *member_name(const struct tenant *t, uint64_t hash)
{
	for (uint32_t i = 0; hash && t->snap && i < t->snap->n_members; i++)
		if (sim_name_hash(t->snap->members[i].o.name) == hash)
			return t->snap->members[i].o.name;
	return NULL;
}

static const char *end_text(const struct skep_ip *ip, __be16 port, char buf[static ADDR_TEXT + 8])
{
	char text[ADDR_TEXT];

	ip_format(ip, text);
	if (port)
		snprintf(buf, ADDR_TEXT + 8, ip_is_v4(ip) ? "%s:%u" : "[%s]:%u", text, ntohs(port));
	else
		snprintf(buf, ADDR_TEXT + 8, "%s", text);
	return buf;
}

static json_t *nat_json(const struct tenant *t, const struct sim_conn *c)
{
	char from[ADDR_TEXT + 8], to[ADDR_TEXT + 8];
	json_t *list = json_array();

	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct sim_binding *b = &c->bindings[i];
		const char *member = member_name(t, b->member);
		json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "router",
				      router_name(t, b->router) ?: "", "end", b->dst ? "dst" : "src",
				      "from", end_text(&b->from, b->from_port, from), "to",
				      end_text(&b->to, b->to_port, to));

		if (b->member)
			json_object_set_new(o, "member", json_string(member ?: ""));
		json_array_append_new(list, o);
	}
	return list;
}

/* --- connections --- */

/* Where the port is; NULL = not known, or nowhere. */
static const char *host_of(const struct tenant *t, const char *port)
{
	const struct topo_port *p = t->snap && *port ? topo_find_port(t->snap, port) : NULL;

	return p ? p->live_host : NULL;
}

/* Whatever state it is in: that is asked of the kernel. */
static bool wanted(const struct list *l, const struct sim_conn *c, const char *proto)
{
	const struct skep_ip *a = &l->address;

	return (!l->port || !strcmp(l->port, c->port)) && (!l->proto || !strcmp(l->proto, proto)) &&
	       (!l->by_address || ip_eq(a, &c->tuple.src) || ip_eq(a, &c->tuple.dst) ||
		ip_eq(a, &c->other.src) || ip_eq(a, &c->other.dst));
}

static json_t *conn_json(const struct list *l, const struct sim_conn *c, uint64_t last_ns,
			 const char *proto)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT], other_src[ADDR_TEXT], other_dst[ADDR_TEXT];
	uint64_t idle_ms = l->now > last_ns ? (l->now - last_ns) / NSEC_PER_MSEC : 0;
	int64_t timeout_s = skep_conn_timeout(conns_timeouts(l->t), c->tuple.proto, c->orig_seen,
					      c->reply_seen);
	int64_t left_s = timeout_s - (int64_t)(idle_ms / 1000);

	return json_pack("{s:s, s:s, s:s*, s:s, s:s, s:i, s:s, s:i, s:s, s:s, s:s, s:s*, s:s, s:i, s:s, s:i, s:o, "
			 "s:I, s:I, s:I}",
			 "tenant", l->t->name, "port", c->port, "host", host_of(l->t, c->port), "proto",
			 proto, "src", ip_format(&c->tuple.src, src), "sport",
			 (int)ntohs(c->tuple.sport), "dst", ip_format(&c->tuple.dst, dst), "dport",
			 (int)ntohs(c->tuple.dport), "direction", c->reply ? "reply" : "original",
			 "state", sim_conn_state(c), "other_port", c->other_port, "other_host",
			 host_of(l->t, c->other_port), "other_src",
			 ip_format(&c->other.src, other_src), "other_sport",
			 (int)ntohs(c->other.sport), "other_dst",
			 ip_format(&c->other.dst, other_dst), "other_dport",
			 (int)ntohs(c->other.dport), "nat", nat_json(l->t, c), "idle_ms",
			 (json_int_t)idle_ms, "timeout_s", (json_int_t)timeout_s, "left_s",
			 (json_int_t)(left_s > 0 ? left_s : 0));
}

static void on_conn(void *arg, const struct sim_conn *c, uint64_t last_ns)
{
	struct list *l = arg;
	char buf[8];
	const char *proto = proto_format(c->tuple.proto, buf);
	struct sim_conn now = *c;

	if (!wanted(l, c, proto) || !conns_now(l->t, &now, &last_ns) || (l->state && strcmp(l->state, sim_conn_state(&now)) != 0))
		return;
	if (l->n >= l->max) {
		l->truncated = true;
		return;
	}
	json_array_append_new(l->list, conn_json(l, &now, last_ns, proto));
	l->n++;
}

/* What of the request narrows the list; false with 'err'. */
static bool narrow(const json_t *request, struct list *l, struct err *err)
{
	const char *address = json_string_value(json_object_get(request, "address"));
	json_int_t limit = json_integer_value(json_object_get(request, "limit"));

	l->port = json_string_value(json_object_get(request, "port"));
	l->state = json_string_value(json_object_get(request, "state"));
	l->proto = json_string_value(json_object_get(request, "proto"));
	l->max = limit > 0 ? (size_t)limit : CONNS_SHOWN;
	l->by_address = address != NULL;
	if (address && !ip_parse(address, &l->address)) {
		err_tag(err, -EINVAL, "usage", "address '%.60s' is none (want 10.0.0.1 or fd00::1)",
			address);
		return false;
	}
	return true;
}

static bool some_conns(struct report_rows *r, json_t *list)
{
	struct list *l = container_of(r, struct list, rows);

	l->t = l->tenant < l->n_tenants ? tenant_find(l->a, l->tenants[l->tenant]) : NULL;
	l->list = list;
	l->now = clock_mono_ns();
	l->at = l->t ? sim_conns_scan(l->t->conns, l->at, on_conn, l) : 0;
	l->tenant += !l->at;
	return l->tenant < l->n_tenants && !l->truncated;
}

static json_t *behind_conns(struct report_rows *r)
{
	return json_pack("{s:b}", "truncated", container_of(r, struct list, rows)->truncated);
}

static void free_conns(struct report_rows *r)
{
	struct list *l = container_of(r, struct list, rows);

	for (size_t i = 0; l->tenants && i < l->n_tenants; i++)
		free(l->tenants[i]);
	free(l->tenants);
	json_decref(l->request);
	free(l);
}

/* Which tenants are looked at; false with 'err'. */
static bool choose(struct list *l, const struct tenant *only, struct err *err)
{
	struct hmap_node *n, *tmp;
	bool found = !l->port;

	l->tenants = calloc(l->a->tenants.n + 1, sizeof(*l->tenants));
	hmap_for_each (n, tmp, &l->a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if ((only && t != only) || !t->conns)
			continue;
		found = found || ports_find_name(t, l->port);
		if (l->tenants && (l->tenants[l->n_tenants] = strdup(t->name)))
			l->n_tenants++;
	}
	if (!found)
		err_tag(err, -ENOENT, "no_such_port", "port '%.80s' is not bound to this host", l->port);
	return found;
}

struct report_rows *report_conns(struct agent *a, const json_t *request, struct err *err)
{
	const char *tenant = json_string_value(json_object_get(request, "tenant"));
	struct list *l = calloc(1, sizeof(*l));
	struct tenant *only;

	if (!l) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	l->rows = (struct report_rows){ "conns", some_conns, behind_conns, free_conns };
	l->a = a;
	l->request = json_deep_copy(request);
	if (find(a, tenant, &only, err) && narrow(l->request, l, err) && choose(l, only, err)) {
		conns_pull_new(a);
		return &l->rows;
	}
	free_conns(&l->rows);
	return NULL;
}

/* --- rules --- */

json_t *report_rules(struct agent *a, const char *tenant, const char *chain, struct err *err)
{
	struct hmap_node *n, *tmp;
	struct tenant *only;
	bool known = !chain;
	json_t *list;

	if (!find(a, tenant, &only, err))
		return NULL;
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (chain && t->snap && (!only || t == only) &&
		    (topo_find(t->snap, TOPO_CHAIN, chain) ||
		     topo_find(t->snap, TOPO_SECURITY_GROUP, chain)))
			known = true;
	}
	if (!known) {
		err_tag(err, -ENOENT, "no_such_chain",
			"there is no chain or security group '%.80s'", chain);
		return NULL;
	}
	list = json_array();
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (!only || t == only)
			rules_report(t, chain, list);
	}
	return json_pack("{s:o}", "rules", list);
}
