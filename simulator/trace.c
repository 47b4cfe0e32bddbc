// SPDX-License-Identifier: Apache-2.0
/*
 * A result for people (an indented tree) and for programs (JSON with stable names).  Called by 'skep trace', the control socket, tests.
 */
#include "simulator/run.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const verdicts[] = { "forward", "drop", "consumed", "need" };

static const struct {
	uint32_t bit;
	const char *name;
} fields[] = {
	{ SIM_FIELD_ETH_DST, "eth_dst" },
	{ SIM_FIELD_ETH_SRC, "eth_src" },
	{ SIM_FIELD_ETH_TYPE, "eth_type" },
	{ SIM_FIELD_VLAN, "vlan" },
	{ SIM_FIELD_IP_SRC, "ip_src" },
	{ SIM_FIELD_IP_DST, "ip_dst" },
	{ SIM_FIELD_PROTO, "proto" },
	{ SIM_FIELD_L4_SRC, "l4_src" },
	{ SIM_FIELD_L4_DST, "l4_dst" },
	{ SIM_FIELD_FRAG, "frag" },
	{ SIM_FIELD_TTL, "ttl" },
	{ SIM_FIELD_ARP, "arp" },
	{ SIM_FIELD_ND, "nd" },
};

static const char *const drops[] = {
#define X(id, name, help) name,
	SKEP_DROPS(X)
#undef X
};
static const char *const drop_texts[] = {
#define X(id, name, help) help,
	SKEP_DROPS(X)
#undef X
};

const char *sim_culprit_text(const struct sim_culprit *c, char buf[static 192])
{
	const struct topo_route *route;
	char a[ADDR_TEXT], object[96];

	buf[0] = 0;
	if (c->rule) {
		snprintf(buf, 192, "rule '%s' of chain '%s'", c->rule->name,
			 c->rule->chain->o.name);
	} else if (c->object && c->object->kind == TOPO_ROUTE) {
		route = container_of(c->object, struct topo_route, o);
		snprintf(buf, 192, "route '%s' of router '%s'",
			 prefix_format(&route->dst, route->dst_len, a), route->router->o.name);
	} else if (c->object) {
		snprintf(buf, 192, "%s", topo_object_text(c->object, object));
	}
	return buf;
}

/* "eth_dst ip_dst/24 ..." into 'buf'; one name at a time. */
static const char *field_text(const struct sim_mask *m, unsigned int i, char buf[static 32])
{
	if (fields[i].bit == SIM_FIELD_IP_SRC)
		snprintf(buf, 32, "%s/%u", fields[i].name, m->src_len);
	else if (fields[i].bit == SIM_FIELD_IP_DST)
		snprintf(buf, 32, "%s/%u", fields[i].name, m->dst_len);
	else
		snprintf(buf, 32, "%s", fields[i].name);
	return buf;
}

const char *sim_mask_format(const struct sim_mask *mask, char *buf, size_t size)
{
	char name[32];
	size_t n = 0;

	buf[0] = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++)
		if ((mask->fields & fields[i].bit) && n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? " " : "",
					      field_text(mask, i, name));
	return buf;
}

/* Text that grows in the arena. */
struct text {
	struct arena *arena;
	char *p; /* NULL: no memory */
	size_t len, max;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	size_t n;
	char *p;

	va_start(ap, fmt);
	n = (size_t)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	if (!t->p || t->len + n >= t->max) {
		t->max = (t->max + n) * 2;
		p = arena_alloc(t->arena, t->max);
		if (p && t->p)
			memcpy(p, t->p, t->len);
		t->p = p;
	}
	if (!t->p)
		return;
	memcpy(t->p + t->len, line, n);
	t->len += n;
	t->p[t->len] = 0;
}

/* "  vm2 at host h2, key 0x101: eth A>B ttl 63" */
static void put_outputs(struct text *t, const struct sim_output *v, uint32_t n)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT], ttl[16];

	for (; n; n--, v++) {
		ttl[0] = 0;
		if (v->f.eth_type == htons(ETH_P_IP) || v->f.eth_type == htons(ETH_P_IPV6))
			snprintf(ttl, sizeof(ttl), " ttl %u", v->f.ip_ttl);
		put(t, "  %s at host %s, key 0x%x: eth %s>%s%s%s\n", v->port->o.name,
		    v->port->live_host, v->port->live_key, mac_format(&v->f.eth_src, src),
		    mac_format(&v->f.eth_dst, dst), ttl, v->flooded ? " (flooded)" : "");
	}
}

static const char *frame_text(struct sim *sim, const struct sim_frame *f)
{
	struct pkt pkt;
	char *text;

	if (pkt_parse(f->data, f->len, &pkt) != SKEP_DROP_NONE)
		return "";
	text = pkt_summary(&pkt, &sim->arena);
	return text ? text : "";
}

static void put_verdict(struct text *t, const struct sim_result *res)
{
	char culprit[192], a[ADDR_TEXT];

	switch (res->verdict) {
	case SIM_DROP:
		sim_culprit_text(&res->culprit, culprit);
		put(t, "drop: %s: %s%s%s\n", drops[res->reason], drop_texts[res->reason],
		    culprit[0] ? ": " : "", culprit);
		break;
	case SIM_NEED:
		if (res->need.kind == SIM_NEED_OBJECT)
			put(t, "need: object %s\n", res->need.path);
		else
			put(t, "need: the MAC of %s at port '%s'\n", ip_format(&res->need.ip, a),
			    res->need.port->o.name);
		break;
	case SIM_CONSUMED:
		put(t, "consumed: handled by the network itself\n");
		break;
	case SIM_FORWARD:
		put(t, "forward:%s\n", res->truncated ? " (truncated)" : "");
		break;
	}
}

char *sim_trace_text(struct sim *sim, const struct pkt *pkt, const struct sim_result *res)
{
	struct text t = { .arena = &sim->arena, .max = 2048 };
	char *summary = pkt_summary(pkt, &sim->arena), buf[256];
	uint32_t i;

	put(&t, "%s\n", summary ? summary : "");
	for (i = 0; i < res->n_steps; i++) {
		const struct sim_step *s = &res->steps[i];

		put(&t, "%*s%s%s%s: %s\n", 2 * s->depth, "", s->what, s->name[0] ? " " : "",
		    s->name, s->text);
	}
	put_verdict(&t, res);
	put_outputs(&t, res->outputs, res->n_outputs);
	for (i = 0; i < res->n_frames; i++) {
		put(&t, "sends: %s\n", frame_text(sim, &res->frames[i]));
		put_outputs(&t, res->frames[i].outputs, res->frames[i].n_outputs);
	}
	if (!res->cacheable) {
		put(&t, "no flow: every such packet is decided anew\n");
		return t.p;
	}
	put(&t, "flow depends on: in_port%s%s\ntags:", res->mask.fields ? " " : "",
	    sim_mask_format(&res->mask, buf, sizeof(buf)));
	for (i = 0; i < res->n_tags; i++)
		put(&t, " %s", topo_tag_format(&res->tags[i], buf, sizeof(buf)));
	put(&t, "\n");
	return t.p;
}

static json_t *output_json(const struct sim_output *o)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT];
	json_t *j = json_pack("{s:s, s:s, s:I, s:s, s:s, s:b}", "port", o->port->o.name, "host",
			      o->port->live_host, "key", (json_int_t)o->port->live_key, "eth_src",
			      mac_format(&o->f.eth_src, src), "eth_dst",
			      mac_format(&o->f.eth_dst, dst), "flooded", o->flooded != NULL);

	if (j && (o->f.eth_type == htons(ETH_P_IP) || o->f.eth_type == htons(ETH_P_IPV6)))
		json_object_set_new(j, "ttl", json_integer(o->f.ip_ttl));
	return j;
}

static json_t *outputs_json(const struct sim_output *v, uint32_t n)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(a, output_json(&v[i]));
	return a;
}

static void add_reason(json_t *j, const struct sim_result *res)
{
	char buf[192];

	if (res->verdict == SIM_DROP) {
		json_object_set_new(j, "reason", json_string(drops[res->reason]));
		json_object_set_new(j, "help", json_string(drop_texts[res->reason]));
		json_object_set_new(j, "culprit",
				    json_string(sim_culprit_text(&res->culprit, buf)));
	} else if (res->need.kind == SIM_NEED_NEIGH) {
		json_object_set_new(j, "need",
				    json_pack("{s:s, s:s}", "port", res->need.port->o.name, "ip",
					      ip_format(&res->need.ip, buf)));
	} else if (res->need.kind == SIM_NEED_OBJECT) {
		json_object_set_new(j, "need", json_pack("{s:s}", "object", res->need.path));
	}
}

json_t *sim_trace_json(struct sim *sim, const struct pkt *pkt, const struct sim_result *res)
{
	json_t *steps = json_array(), *frames = json_array(), *mask = json_array(),
	       *tags = json_array(), *j;
	char *summary = pkt_summary(pkt, &sim->arena), buf[160];
	uint32_t i;

	for (i = 0; i < res->n_steps; i++)
		json_array_append_new(
			steps, json_pack("{s:i, s:s, s:s, s:s}", "depth", (int)res->steps[i].depth,
					 "what", res->steps[i].what, "name", res->steps[i].name,
					 "text", res->steps[i].text));
	for (i = 0; i < res->n_frames; i++)
		json_array_append_new(frames, json_pack("{s:s, s:o}", "packet",
							frame_text(sim, &res->frames[i]), "outputs",
							outputs_json(res->frames[i].outputs,
								     res->frames[i].n_outputs)));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (res->mask.fields & fields[i].bit)
			json_array_append_new(mask, json_string(field_text(&res->mask, i, buf)));
	for (i = 0; i < res->n_tags; i++)
		json_array_append_new(
			tags, json_string(topo_tag_format(&res->tags[i], buf, sizeof(buf))));
	j = json_pack("{s:s, s:s, s:b, s:b, s:i, s:o, s:o, s:o, s:o, s:o}", "packet",
		      summary ? summary : "", "verdict", verdicts[res->verdict], "cacheable",
		      res->cacheable, "truncated", res->truncated, "ttl_dec", (int)res->ttl_dec,
		      "steps", steps, "outputs", outputs_json(res->outputs, res->n_outputs),
		      "frames", frames, "mask", mask, "tags", tags);
	if (j)
		add_reason(j, res);
	return j;
}
