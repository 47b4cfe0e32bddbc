// SPDX-License-Identifier: Apache-2.0
/*
 * A result for programs: JSON whose names do not change; what there is nothing of is left out, but
 * for the lists that every result has. trace.c has the same for people.  Called by 'skep trace -j',
 * the control socket, tests.
 */
#include "simulator/run.h"

static void add_text(json_t *array, const char *text)
{
	json_array_append_new(array, json_string(text));
}

static json_t *output_json(const struct pkt_fields *from, const struct sim_output *o)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT], change[192];
	json_t *j = json_pack("{s:s, s:s, s:I, s:s, s:s, s:b}", "port", o->port->o.name, "host",
			      o->port->live_host, "key", (json_int_t)o->port->live_key, "eth_src",
			      mac_format(&o->f.eth_src, src), "eth_dst",
			      mac_format(&o->f.eth_dst, dst), "flooded", o->flooded != NULL);
	json_t *rewrites = json_array();

	for (unsigned int i = 0; i < SIM_REWRITES; i++)
		if (sim_rewrite_text(from, o, i, change, sizeof(change)))
			add_text(rewrites, change);
	json_object_set_new(j, "rewrites", rewrites);
	if (o->f.eth_type == htons(ETH_P_IP) || o->f.eth_type == htons(ETH_P_IPV6))
		json_object_set_new(j, "ttl", json_integer(o->f.ip_ttl));
	if (o->mirror)
		json_object_set_new(j, "mirror", json_string(o->mirror->o.name));
	return j;
}

static json_t *outputs_json(const struct pkt_fields *from, const struct sim_output *v, uint32_t n)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(a, output_json(from, &v[i]));
	return a;
}

static json_t *frames_json(struct sim *sim, const struct sim_result *res)
{
	json_t *a = json_array();
	struct pkt pkt = { 0 };

	for (uint32_t i = 0; i < res->n_frames; i++) {
		const struct sim_frame *f = &res->frames[i];
		const char *text = sim_frame_text(sim, f, &pkt);

		json_array_append_new(a, json_pack("{s:s, s:o}", "packet", text, "outputs",
						   outputs_json(&pkt.f, f->outputs, f->n_outputs)));
	}
	return a;
}

static json_t *need_json(const struct sim_need *need)
{
	char a[ADDR_TEXT], b[ADDR_TEXT];

	switch (need->kind) {
	case SIM_NEED_NONE:
		break;
	case SIM_NEED_NEIGH:
		return json_pack("{s:s, s:s}", "port", need->port->o.name, "ip",
				 ip_format(&need->ip, a));
	case SIM_NEED_OBJECT:
		return json_pack("{s:s}", "object", need->path);
	case SIM_NEED_SNAT:
		return json_pack("{s:{s:s, s:s, s:s}}", "snat", "router", need->snat.router, "from",
				 ip_format(&need->snat.addrs.lo, a), "to",
				 ip_format(&need->snat.addrs.hi, b));
	case SIM_NEED_FRAGMENT:
		return json_pack("{s:b}", "fragment", 1);
	}
	return json_object();
}

static void add_reason(json_t *j, const struct sim_result *res)
{
	char buf[192];

	if (res->verdict == SIM_DROP) {
		json_object_set_new(j, "reason", json_string(sim_drop_name(res->reason)));
		json_object_set_new(j, "help", json_string(sim_drop_help(res->reason)));
		json_object_set_new(j, "culprit",
				    json_string(sim_culprit_text(&res->culprit, buf)));
	}
	if (res->verdict == SIM_NEED)
		json_object_set_new(j, "need", need_json(&res->need));
	if (res->hint)
		json_object_set_new(j, "hint", json_string(res->hint));
}

static json_t *ct_json(uint8_t ct)
{
	json_t *a = json_array();
	char buf[64];

	for (uint8_t bit = 1; bit <= TOPO_CT_INVALID; bit <<= 1)
		if (ct & bit)
			add_text(a, sim_ct_text(bit, buf));
	return a;
}

static json_t *conn_json(const struct sim_conn *c)
{
	char tuple[SIM_TUPLE_TEXT], other[SIM_TUPLE_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "port", c->port, "tuple",
			 sim_tuple_format(&c->tuple, tuple), "other_port", c->other_port,
			 "other_tuple", sim_tuple_format(&c->other, other), "reply", c->reply,
			 "state", sim_conn_state(c));
}

static void add_connection(json_t *j, const struct sim_result *res)
{
	json_t *a = json_array();

	if (res->ct)
		json_object_set_new(j, "ct", ct_json(res->ct));
	if (res->conn)
		json_object_set_new(j, "conn", conn_json(res->conn));
	if (res->end_conn)
		json_object_set_new(j, "end_conn", json_true());
	for (uint32_t i = 0; i < res->n_new_conns; i++)
		json_array_append_new(a, conn_json(&res->new_conns[i]));
	json_object_set_new(j, "new_conns", a);
}

static json_t *rules_json(const struct topo_rule *const *v, uint32_t n)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(a, json_pack("{s:s, s:s}",
						   v[i]->chain->o.kind == TOPO_SECURITY_GROUP ?
							   "security_group" :
							   "chain",
						   v[i]->chain->o.name, "rule", v[i]->name));
	return a;
}

static json_t *steps_json(const struct sim_result *res)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < res->n_steps; i++)
		json_array_append_new(a, json_pack("{s:i, s:s, s:s, s:s}", "depth",
						   (int)res->steps[i].depth, "what",
						   res->steps[i].what, "name", res->steps[i].name,
						   "text", res->steps[i].text));
	return a;
}

json_t *sim_trace_json(struct sim *sim, const struct pkt *pkt, const struct sim_result *res)
{
	static const char *const verdicts[] = { "forward", "drop", "consumed", "need" };
	json_t *mask = json_array(), *tags = json_array(), *j;
	char *summary = pkt_summary(pkt, &sim->arena), buf[256];
	const char *field;

	for (unsigned int i = 0; (field = sim_mask_field(&res->mask, i, buf)) != NULL; i++)
		if (field[0])
			add_text(mask, field);
	for (uint32_t i = 0; i < res->n_tags; i++)
		add_text(tags, topo_tag_format(&res->tags[i], buf, sizeof(buf)));
	j = json_pack("{s:s, s:s, s:b, s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "packet",
		      summary ? summary : "", "verdict", verdicts[res->verdict], "cacheable",
		      res->cacheable, "truncated", res->truncated, "ttl_dec", (int)res->ttl_dec,
		      "steps", steps_json(res), "outputs",
		      outputs_json(&pkt->f, res->outputs, res->n_outputs), "frames",
		      frames_json(sim, res), "mask", mask, "tags", tags, "rules",
		      rules_json(res->rules, res->n_rules));
	if (!j)
		return NULL;
	if (res->mtu)
		json_object_set_new(j, "mtu", json_integer(res->mtu));
	if (res->fragment)
		json_object_set_new(j, "fragment", json_integer(res->fragment));
	add_reason(j, res);
	add_connection(j, res);
	return j;
}
