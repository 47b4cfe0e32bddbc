// SPDX-License-Identifier: Apache-2.0
/* Answers that the kernel gives while skepd is away (maps/answer.h).  Few, and rarely written: each in a call of its own. */
#include "loader/dp_private.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>

#include "util/addr.h"

#define ARP_REQUEST 1
#define ND_NS	    135

struct dp_flow_key dp_question(const struct skep_answer_key *a)
{
	struct dp_flow_key k = { .v6 = !ip_is_v4(&a->src) };

	if (k.v6)
		k.k6 = (struct skep_flow_key6){ .in_key = a->in_key,
						.eth_src = a->eth_src,
						.eth_type = htons(ETH_P_IPV6),
						.vlan = a->vlan,
						.src = a->src,
						.dst = a->target,
						.sport = htons(ND_NS << 8),
						.proto = IPPROTO_ICMPV6 };
	else
		k.k4 = (struct skep_flow_key4){ .in_key = a->in_key,
						.eth_src = a->eth_src,
						.eth_type = htons(ETH_P_ARP),
						.vlan = a->vlan,
						.src = ip_v4(&a->src),
						.dst = ip_v4(&a->target),
						.proto = ARP_REQUEST };
	return k;
}

struct skep_answer_key dp_asked(const struct dp_flow_key *question)
{
	const struct skep_flow_key4 *k4 = &question->k4;
	const struct skep_flow_key6 *k6 = &question->k6;

	if (question->v6)
		return (struct skep_answer_key){ k6->in_key, k6->eth_src, k6->vlan, k6->src, k6->dst };
	return (struct skep_answer_key){ k4->in_key, k4->eth_src, k4->vlan, ip_from_v4(k4->src), ip_from_v4(k4->dst) };
}

int dp_answer_put(struct dp *dp, const struct dp_flow_key *question, const struct skep_answer *answer)
{
	const struct skep_answer_key key = dp_asked(question);

	return bpf_map_update_elem(dp->map_fd[DP_MAP_ANSWERS], &key, answer, BPF_ANY) ? -errno : 0;
}

void dp_answer_del(struct dp *dp, const struct dp_flow_key *question)
{
	const struct skep_answer_key key = dp_asked(question);

	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_ANSWERS], &key);
}

bool dp_answer_get(struct dp *dp, const struct dp_flow_key *question, struct skep_answer *answer)
{
	const struct skep_answer_key key = dp_asked(question);

	return bpf_map_lookup_elem(dp->map_fd[DP_MAP_ANSWERS], &key, answer) == 0;
}

struct shown {
	dp_answer_fn *cb;
	void *arg;
};

static void show(void *arg, const void *key, const void *value)
{
	const struct shown *s = arg;
	const struct dp_flow_key question = dp_question(key);

	s->cb(s->arg, &question, value);
}

int dp_answers_step(struct dp *dp, struct dp_cursor *c, dp_answer_fn *cb, void *arg)
{
	const struct dp_table t = { DP_MAP_ANSWERS, sizeof(struct skep_answer_key), sizeof(struct skep_answer) };
	struct shown s = { cb, arg };

	return dp_table_step(dp, &t, c, show, &s);
}
