// SPDX-License-Identifier: Apache-2.0
/*
 * The class of packets that a result is for (struct sim_result): all that would get the same, whatever connection they belong to.  Called by conn.c
 * when a run is over.
 */
#include "simulator/run.h"

#include "maps/flow.h"

/* Is the other end of the connection, as its record has it, where the packet leaves by, and nowhere else? */
static bool is_as_recorded(const struct run *run, uint32_t n_outputs)
{
	return n_outputs == 1 && run->conn_out && !run->left_elsewhere &&
	       !strcmp(run->conn->other_port, run->conn_out->o.name) && !sim_conn_has_moved(run);
}

/* Whether a new connection has records depended on whether it is to a group (is_new()); the tuple is not in the class's mask. */
static void mark_group(const struct run *run, struct sim_mask *mask)
{
	const struct skep_ip *dst = &run->pkt->f.ip_dst;
	const uint8_t len = ip_is_v4(dst) && *(const uint8_t *)&dst->w[3] == 0xff ? 32 : 8;

	mask->fields |= SIM_FIELD_IP_DST;
	if (mask->dst_len < len)
		mask->dst_len = len;
}

/*
 * What alone translates the connection, if it is a load balancer between the ports where it begins and ends: all connections to one member of one VIP
 * share that, so that packets of them may share a flow.  NULL: nothing, or something else does.
 */
static const struct sim_binding *only_member(const struct run *run)
{
	const struct sim_conn *c = run->conn;
	const struct sim_binding *b = c ? c->bindings : run->bindings;
	const bool reply = c && c->reply;
	const struct sim_tuple *t = &run->tuple;
	struct sim_tuple out;

	if ((c ? c->n_bindings : run->n_bindings) != 1 || !b->dst || !b->member || !b->from_port || !b->to_port)
		return NULL;
	if (reply ? !ip_eq(&t->src, &b->to) || t->sport != b->to_port : !ip_eq(&t->dst, &b->from) || t->dport != b->from_port)
		return NULL;
	sim_tuple_translate(t, b, reply, &out);
	return sim_tuple_eq(&out, &run->conn_out_tuple) ? b : NULL;
}

/* Would each packet with the same fields and state of its connection get the same result?  Not where the record's content decided, or where
 * something is to be made of it that others must know. */
void sim_conn_class(const struct run *run, struct sim_result *res)
{
	const uint32_t n = res->verdict == SIM_FORWARD ? res->n_outputs - run->n_copies : 0;
	const struct sim_binding *nat = NULL;

	if (!res->cacheable || (res->verdict != SIM_FORWARD && res->verdict != SIM_DROP))
		return;
	if (!run->ct_known) {
		res->has_class = !run->tuple_read;
		return;
	}
	if (run->elsewhere || run->recheck || run->n_affinities || run->end_conn)
		return;
	if (run->conn_out && (run->conn || res->n_new_conns))
		nat = only_member(run);
	if (!nat && (run->n_bindings || (run->conn && run->conn->n_bindings)))
		return;
	/* translated on the way without a record (floating IP): its other end knows it by another name */
	if (!nat && (run->conn || res->n_new_conns) && !sim_tuple_eq(&run->conn_out_tuple, &run->tuple))
		return;
	if (!run->conn) {
		if (res->n_new_conns == 1 || (nat && (!run->vip || !run->vip->port)))
			return;
		if (run->ct_asked && (run->ct & TOPO_CT_NEW))
			mark_group(run, &res->class_mask);
		res->class_ct = SKEP_CT_NEW;
		res->class_out = res->n_new_conns ? run->conn_out : NULL;
	} else {
		if (!is_as_recorded(run, n))
			return;
		res->class_ct = run->conn->reply ? SKEP_CT_REPLY : SKEP_CT_ORIG;
		res->class_out = run->conn_out;
	}
	if (nat)
		res->class_nat = run->conn ? run->conn->bindings : res->new_conns[0].bindings;
	res->class_vip = nat ? run->vip : NULL;
	res->has_class = true;
}

