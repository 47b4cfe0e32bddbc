// SPDX-License-Identifier: Apache-2.0
/*
 * The connection that a packet belongs to: looked up once in a run, by the ingress port and the tuple as that port emits it, when somebody asks.  At the
 * end, the records that the packet would make.  Called by rules, security groups, NAT.
 */
#include "simulator/run.h"

#include "maps/state.h"

/* --- tuples --- */

static bool is_echo_request(const struct pkt_fields *f)
{
	const uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	return f->has_l4 && ((f->ip_proto == IPPROTO_ICMP && type == SIM_ICMP_ECHO) ||
			     (f->ip_proto == IPPROTO_ICMPV6 && type == SIM_ICMP6_ECHO));
}

static bool is_echo_reply(const struct pkt_fields *f)
{
	const uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	return f->has_l4 && ((f->ip_proto == IPPROTO_ICMP && type == 0) ||
			     (f->ip_proto == IPPROTO_ICMPV6 && type == SIM_ICMP6_ECHO + 1));
}

bool sim_has_id(const struct pkt_fields *f)
{
	return is_echo_request(f) || is_echo_reply(f);
}

bool sim_has_ports(const struct pkt_fields *f)
{
	return f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP;
}

/* NAT leaves SCTP's ports alone (its checksum covers the packet), but they tell connections apart. */
static bool has_tuple_ports(const struct pkt_fields *f)
{
	return sim_has_ports(f) || f->ip_proto == IPPROTO_SCTP;
}

void sim_tuple_of(const struct pkt_fields *f, struct sim_tuple *t)
{
	const uint16_t echo = f->ip_proto == IPPROTO_ICMP ? SIM_ICMP_ECHO : SIM_ICMP6_ECHO;

	*t = (struct sim_tuple){ .src = f->ip_src, .dst = f->ip_dst, .proto = f->ip_proto };
	if (has_tuple_ports(f)) {
		t->sport = f->l4_src;
		t->dport = f->l4_dst;
	} else if (is_echo_request(f)) {
		t->sport = f->l4_dst;
		t->dport = htons((uint16_t)(echo << 8));
	} else if (is_echo_reply(f)) {
		t->sport = htons((uint16_t)(echo << 8));
		t->dport = f->l4_dst;
	}
}

/* --- what kind of packet is it? --- */

static bool is_icmp(const struct pkt_fields *f)
{
	return f->ip_proto == (f->eth_type == htons(ETH_P_IPV6) ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool is_icmp_error(const struct pkt_fields *f)
{
	const uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	if (!f->has_l4 || !is_icmp(f))
		return false;
	if (f->ip_proto == IPPROTO_ICMPV6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* It answers nothing that anybody asked. */
static bool is_redirect(const struct pkt_fields *f)
{
	return f->has_l4 && is_icmp(f) &&
	       ntohs(f->l4_src) >> 8 == (f->ip_proto == IPPROTO_ICMPV6 ? 137 : 5);
}

bool sim_is_error(struct walk *w)
{
	const struct pkt_fields *f = &w->run->pkt->f;

	w->run->mask.fields |= SIM_FIELD_PROTO;
	if (!is_icmp(f))
		return false;
	w->run->mask.fields |= SIM_FIELD_FRAG | SIM_FIELD_L4_SRC;
	return is_icmp_error(f);
}

static void mark_flags(struct run *run, uint8_t mask)
{
	run->mask.fields |= SIM_FIELD_TCP_FLAGS;
	run->mask.tcp_mask |= mask;
}

/* What is neither a SYN nor an ACK begins nothing, nor does a RST.  An ACK alone is in the middle of something: picked up.  Data (PSH) and ends
 * (FIN) behind it are the same case, so that they share a flow. */
static bool may_begin(struct run *run)
{
	const uint8_t flags = run->pkt->f.tcp_flags;

	mark_flags(run, SKEP_TCP_RST);
	if (flags & SKEP_TCP_RST)
		return false;
	mark_flags(run, SKEP_TCP_SYN | SKEP_TCP_ACK);
	if (!(flags & SKEP_TCP_SYN) || (flags & SKEP_TCP_ACK))
		return !(flags & SKEP_TCP_SYN) && (flags & SKEP_TCP_ACK);
	mark_flags(run, SKEP_TCP_FIN);
	return !(flags & SKEP_TCP_FIN);
}

/* Without a record: may it begin a connection? */
static uint8_t classify_new(struct run *run)
{
	const struct pkt_fields *f = &run->pkt->f;

	if (f->ip_proto == IPPROTO_TCP && run->pkt->l4_off)
		return may_begin(run) ? TOPO_CT_NEW : TOPO_CT_INVALID;
	return is_echo_reply(f) ? TOPO_CT_INVALID : TOPO_CT_NEW;
}

/* A SYN behind the end of a connection is the next one with the same ports. */
static bool is_successor(struct run *run, const struct sim_conn *c)
{
	const struct pkt_fields *f = &run->pkt->f;

	if (f->ip_proto != IPPROTO_TCP || !run->pkt->l4_off ||
	    !((c->orig_seen | c->reply_seen) & (SKEP_TCP_RST | SKEP_TCP_FIN)))
		return false;
	mark_flags(run, SKEP_TCP_SYN | SKEP_TCP_ACK);
	return (f->tcp_flags & (SKEP_TCP_SYN | SKEP_TCP_ACK)) == SKEP_TCP_SYN;
}

/* A record of another way that nobody has answered on binds nobody. */
static bool is_void(const struct run *run, const struct sim_conn *c)
{
	return run->elsewhere && !run->recheck && !c->reply && !c->reply_seen;
}

/* --- looking up --- */

/* Leading bits of the destination that tell whether it is a group's. */
static unsigned int group_bits(const struct pkt_fields *f)
{
	const bool v6 = f->eth_type == htons(ETH_P_IPV6);
	const uint32_t first = ntohl(f->ip_dst.w[v6 ? 0 : 3]);
	const unsigned int bits = near16_range((uint16_t)(first >> 16), v6 ? 0xff00 : 0xe000,
					       v6 ? 0xffff : 0xefff);
	const unsigned int all = v6 ? 0 : near32(first, 0xffffffff); /* broadcast */

	return all > bits ? all : bits;
}

/* The tuple is the packet's own, whatever this path has written since.  What kind of packet it is decides by itself whether it can belong to a
 * connection at all, or begin one. */
static void mark_tuple(struct run *run)
{
	const unsigned int bits = group_bits(&run->pkt->f);

	run->tuple_read = true;
	run->mask.fields |= SIM_FIELD_ETH_TYPE | SIM_FIELD_PROTO | SIM_FIELD_FRAG;
	if (is_icmp(&run->pkt->f))
		run->mask.fields |= SIM_FIELD_L4_SRC;
	run->mask.fields |= SIM_FIELD_IP_DST; /* a group has no connections: is_new() */
	if (run->mask.dst_len < bits)
		run->mask.dst_len = (uint8_t)bits;
}

void sim_conn_masks(const struct run *run, struct sim_result *res)
{
	const struct pkt_fields *f = &run->pkt->f;

	res->mask = res->class_mask = run->mask;
	if (!run->tuple_read)
		return;
	res->mask.fields |= SIM_FIELD_IP_SRC | SIM_FIELD_IP_DST;
	res->mask.src_len = res->mask.dst_len = f->eth_type == htons(ETH_P_IPV6) ? 128 : 32;
	if (has_tuple_ports(f) || is_icmp(f))
		res->mask.fields |= SIM_FIELD_L4_SRC | SIM_FIELD_L4_DST;
}

static const struct sim_conn *find(struct walk *w, const struct sim_tuple *t)
{
	const struct run *run = w->run;

	sim_tag(w, &(struct topo_tag){
			   .kind = TOPO_TAG_CONN, .name = run->in->o.name, .hash = sim_tuple_hash(t) });
	return run->view->conn ? run->view->conn(run->view->arg, run->in, t) : NULL;
}

/* An ICMP error is about a packet that the ingress port was sent: reversed, one that it could have emitted. */
static uint8_t look_up_quoted(struct walk *w)
{
	struct run *run = w->run;
	struct pkt_fields quoted;
	struct sim_tuple t;

	run->cacheable = false;
	run->mask.fields |= SIM_FIELD_PAYLOAD;
	/* to anybody but who sent the packet it would be a way around policy: nothing that a host or router sends */
	if (!pkt_quoted(run->pkt, &run->quote) ||
	    !ip_eq(&run->quote.f.ip_src, &run->pkt->f.ip_dst))
		return TOPO_CT_INVALID;
	run->quoting = true;
	run->inner = run->quote.f;
	quoted = run->quote.f;
	quoted.eth_type = run->pkt->f.eth_type;
	sim_tuple_of(&quoted, &t);
	sim_tuple_reverse(&t, &run->tuple);
	run->conn = find(w, &run->tuple);
	if (!run->conn)
		return TOPO_CT_INVALID;
	return TOPO_CT_RELATED | (run->conn->reply ? TOPO_CT_REPLY : 0);
}

static uint8_t look_up(struct walk *w)
{
	struct run *run = w->run;
	const struct pkt_fields *f = &run->pkt->f;

	mark_tuple(run);
	if (is_icmp_error(f))
		return look_up_quoted(w);
	sim_tuple_of(f, &run->tuple);
	if (is_redirect(f))
		return TOPO_CT_INVALID;
	if (f->ip_frag != SKEP_FRAG_NONE && (has_tuple_ports(f) || is_icmp(f)))
		run->cacheable = false; /* the next packet in fragments has other ports */
	run->conn = find(w, &run->tuple);
	if (run->conn && (is_successor(run, run->conn) || is_void(run, run->conn)))
		run->conn = NULL;
	if (!run->conn)
		return classify_new(run);
	return TOPO_CT_ESTABLISHED | (run->conn->reply ? TOPO_CT_REPLY : 0);
}

uint8_t sim_ct(struct walk *w)
{
	struct run *run = w->run;
	const struct pkt_fields *f = &run->pkt->f;
	char text[SIM_TUPLE_TEXT], state[64];

	if (w->generation && w->pkt != run->pkt)
		return TOPO_CT_ESTABLISHED | TOPO_CT_REPLY | TOPO_CT_RELATED;
	if (run->ct_known)
		return run->ct;
	if (w->generation) /* the packet itself, looked at for a trace */
		return TOPO_CT_NEW;
	if (!see_is_ip(w))
		return 0;
	if (f->ip_frag == SKEP_FRAG_LATER && !f->has_l4 && (has_tuple_ports(f) || is_icmp(f))) {
		mark_tuple(run);
		run->cacheable = false;
		if (run->need.kind == SIM_NEED_NONE)
			run->need.kind = SIM_NEED_FRAGMENT;
		return 0;
	}
	run->ct_known = true;
	run->ct = look_up(w);
	STEP(w, 1, "connection", run->in->o.name, "%s: %s%s", sim_tuple_format(&run->tuple, text),
	     sim_ct_text(run->ct, state),
	     run->elsewhere && run->conn ? ", but its record is of another way: rules do not see it" : "");
	return run->ct;
}

/* --- records of another way --- */

/* Two ports of one stateful group have each other's records. */
static bool shares_records(const struct run *run, const char *name, const struct topo_port *port)
{
	const struct topo_port *other = topo_find_port(run->snap, name);

	for (uint32_t i = 0; other && i < port->more->n_groups; i++)
		for (uint32_t k = 0; k < other->more->n_groups; k++)
			if (port->more->groups[i] == other->more->groups[k] &&
			    port->more->groups[i]->stateful)
				return true;
	return false;
}

bool sim_conn_is_with(struct walk *w, const struct topo_port *port)
{
	const struct sim_conn *c = w->run->conn;
	const struct topo_port *other;

	if (!w->run->ct_known || !c)
		return false;
	if (!strcmp(c->other_port, port->o.name))
		return true;
	other = topo_find_port(w->run->snap, c->other_port);
	if (!other)
		return false;
	sim_tag_object(w, TOPO_TAG_PORT, &other->o);
	for (uint32_t i = 0; i < port->more->n_groups; i++)
		sim_tag_object(w, TOPO_TAG_PGROUP, &port->more->groups[i]->o);
	return shares_records(w->run, c->other_port, port);
}

static bool is_machine(const struct topo_port *port)
{
	return port && port->bridge && !port->peer && port->has_mac;
}

/*
 * Does the packet, leaving by the port, go elsewhere than the record of its connection says?  Who sends it chooses the MAC that it is for, and so the way: a
 * record that the policy of one way let be made says nothing about another.  Replies between a machine and the outside may come by any uplink.
 */
static bool goes_elsewhere(struct walk *w, const struct topo_port *port)
{
	const struct run *run = w->run;

	if (!run->conn || sim_conn_is_with(w, port))
		return false;
	if (!(run->ct & (TOPO_CT_REPLY | TOPO_CT_RELATED)))
		return true;
	return is_machine(port) || is_machine(topo_find_port(run->snap, run->conn->other_port));
}

bool sim_conn_elsewhere(const struct run *run)
{
	return run->left_elsewhere && !run->left_as_recorded && !run->elsewhere && !run->recheck &&
	       run->need.kind == SIM_NEED_NONE;
}

/* What rules see of a connection that has a record of another way: what they would without. */
static uint8_t without_record(struct walk *w, uint8_t ct)
{
	const uint32_t fields = w->run->mask.fields;
	const uint8_t tcp_mask = w->run->mask.tcp_mask;

	if (ct & TOPO_CT_RELATED)
		return TOPO_CT_INVALID;
	if (!(ct & TOPO_CT_REPLY))
		return TOPO_CT_NEW;
	ct = classify_new(w->run);
	if (w->generation) { /* a trace marks nothing */
		w->run->mask.fields = fields;
		w->run->mask.tcp_mask = tcp_mask;
	}
	return ct;
}

uint8_t sim_ct_ask(struct walk *w)
{
	const struct topo_port *out = w->out_port;
	struct run *run = w->run;
	uint8_t ct = sim_ct(w);

	if (w->pkt != run->pkt)
		return ct;
	if (!w->generation)
		run->ct_asked = true;
	if (run->recheck && (ct & TOPO_CT_ESTABLISHED) && !(ct & TOPO_CT_REPLY))
		return TOPO_CT_NEW;
	if (run->conn && (run->elsewhere || (out && !out->peer && goes_elsewhere(w, out))))
		return without_record(w, ct);
	return ct;
}

/* --- records --- */

bool sim_bind(struct walk *w, const struct sim_binding *b)
{
	struct run *run = w->run;

	if (run->n_bindings >= SIM_BINDINGS_MAX)
		return false;
	run->bindings[run->n_bindings++] = *b;
	return true;
}

/* Does the packet begin a connection that is to be recorded? */
static bool is_new(const struct run *run)
{
	if (!run->ct_known || run->conn || !(run->ct & TOPO_CT_NEW))
		return false;
	return run->n_bindings || (run->ct_asked && !ip_is_multicast(&run->pkt->f.ip_dst) &&
				   !ip_is_broadcast(&run->pkt->f.ip_dst));
}

static bool has_room(struct walk *w, const struct topo_port *port)
{
	const struct sim_view *view = w->run->view;

	if (!view->conn_room || view->conn_room(view->arg, port))
		return true;
	w->run->cacheable = false; /* there may be room for the next one */
	sim_drop(w, SKEP_DROP_CONN_LIMIT, &port->o, NULL);
	return false;
}

bool sim_conn_output(struct walk *w, const struct topo_port *port)
{
	struct run *run = w->run;

	if (w->generation || w->mirrored || !run->ct_known)
		return true;
	if (is_new(run) && !has_room(w, run->in))
		return false;
	if (goes_elsewhere(w, port))
		run->left_elsewhere = true;
	else
		run->left_as_recorded = true;
	run->conn_out = port;
	sim_tuple_of(&w->f, &run->conn_out_tuple);
	return true;
}

/* The connection goes on, but its packets leave elsewhere than its record says: replies must find one there. */
bool sim_conn_has_moved(const struct run *run)
{
	const struct sim_conn *c = run->conn;
	struct sim_tuple reply;

	if (!c || run->recheck || c->reply || !(run->ct & TOPO_CT_ESTABLISHED))
		return false;
	sim_tuple_reverse(&run->conn_out_tuple, &reply);
	if (!sim_tuple_eq(&c->other, &reply))
		return true;
	return strcmp(c->other_port, run->conn_out->o.name) != 0 &&
	       !shares_records(run, c->other_port, run->conn_out);
}

static void set_name(char dst[static TOPO_NAME_MAX + 1], const char *src)
{
	size_t n = strnlen(src, TOPO_NAME_MAX);

	memcpy(dst, src, n);
	memset(dst + n, 0, TOPO_NAME_MAX + 1 - n);
}

static uint8_t seen_of(const struct pkt *pkt)
{
	if (pkt->f.ip_proto == IPPROTO_TCP && pkt->l4_off)
		return pkt->f.tcp_flags;
	return SIM_SEEN_ANY;
}

/* 'n_outputs' of the packet.  Where it goes to several ports, each may be the one that answers: none has a record until that is known. */
static void make_records(struct run *run, struct sim_result *res, uint32_t n_outputs)
{
	struct sim_conn *v = arena_alloc(run->arena, 2 * sizeof(*v));
	const struct sim_conn *old = run->conn;

	if (!v)
		return;
	if (old)
		v[0] = *old;
	v[0].tuple = run->tuple;
	sim_tuple_reverse(&run->conn_out_tuple, &v[0].other);
	set_name(v[0].port, run->in->o.name);
	set_name(v[0].other_port, n_outputs == 1 ? run->conn_out->o.name : "");
	v[0].orig_seen |= seen_of(run->pkt);
	if (!old) {
		v[0].n_bindings = run->n_bindings;
		memcpy(v[0].bindings, run->bindings, sizeof(v[0].bindings));
	}
	res->new_conns = v;
	res->n_new_conns = 1;
	if (n_outputs != 1)
		return;
	v[1] = v[0];
	v[1].tuple = v[0].other;
	v[1].other = v[0].tuple;
	set_name(v[1].port, v[0].other_port);
	set_name(v[1].other_port, v[0].port);
	v[1].reply = true;
	res->n_new_conns = 2;
}

/* What the packet's inner part has become, if it is an ICMP error that was translated. */
static void rewrite_inner(struct run *run, struct sim_result *res)
{
	const struct pkt_fields *from = &run->quote.f, *to = &run->inner;
	uint8_t *data;

	if (!run->quoting || (ip_eq(&from->ip_src, &to->ip_src) && ip_eq(&from->ip_dst, &to->ip_dst) &&
			      from->l4_src == to->l4_src && from->l4_dst == to->l4_dst))
		return;
	data = arena_alloc(run->arena, run->pkt->len);
	if (!data)
		return;
	memcpy(data, run->pkt->data, run->pkt->len);
	pkt_rewrite_quote(data, run->pkt, &run->quote, to);
	res->data = data;
	res->len = run->pkt->len;
}

static bool is_policy(enum skep_drop reason)
{
	return reason == SKEP_DROP_POLICY || reason == SKEP_DROP_REJECT ||
	       reason == SKEP_DROP_SECURITY_GROUP || reason == SKEP_DROP_SPOOF;
}

void sim_conn_finish(struct run *run, struct sim_result *res)
{
	res->ct = run->ct_known ? run->ct : 0;
	res->conn = run->ct_known ? run->conn : NULL;
	res->affinities = run->affinities;
	res->n_affinities = run->n_affinities;
	res->end_conn = run->end_conn;
	if (res->verdict == SIM_FORWARD) {
		const uint32_t n = res->n_outputs - run->n_copies;

		if (run->conn_out && (is_new(run) || (n == 1 && sim_conn_has_moved(run))))
			make_records(run, res, n);
		rewrite_inner(run, res);
	}
	if (run->recheck && run->conn && !run->conn->reply && res->verdict == SIM_DROP &&
	    is_policy(res->reason))
		res->end_conn = true;
	if (res->verdict == SIM_DROP)
		res->n_affinities = 0;
	sim_conn_class(run, res);
}
