// SPDX-License-Identifier: Apache-2.0
/* What becomes of the flow of the last packet when something changes: 'flow stays', 'flow goes'.  scenario.h has the language. */
#include "selftests/lib/scenario_run.h"

#include <stdio.h>
#include <string.h>

#define FAIL(...) (err_set(err, -1, __VA_ARGS__))

void scenario_flow_made(struct scenario_env *env, const struct sim_result *res)
{
	tags_forget(&env->changed);
	tags_keep(&env->flow, res->tags, res->cacheable ? res->n_tags : 0);
	env->has_flow = res->cacheable;
}

static void note(void *arg, const struct topo_tag *tag)
{
	struct scenario_env *env = arg;

	tags_add(&env->changed, tag);
}

void scenario_flow_topology(struct scenario_env *env, const struct topo_snapshot *old)
{
	if (old && env->has_flow)
		topo_diff(old, env->snap, note, env);
}

void scenario_flow_touched(struct scenario_env *env, const struct topo_tag *tag)
{
	if (env->has_flow)
		note(env, tag);
}

/* A flow that goes is one that the agent decides again. */
int scenario_flow(struct scenario_env *env, const char *rest, struct err *err)
{
	const struct topo_tag *by = NULL;
	char text[192];

	if (strcmp(rest, "stays") != 0 && strcmp(rest, "goes") != 0)
		return FAIL("want: flow stays, or flow goes");
	if (!env->has_flow)
		return FAIL("the last packet made no flow");
	for (uint32_t i = 0; i < env->flow.n && !by; i++)
		for (uint32_t k = 0; k < env->changed.n && !by; k++)
			if (tags_touch(&env->flow.tags[i], &env->changed.tags[k]))
				by = &env->changed.tags[k];
	if (!by == !strcmp(rest, "stays"))
		return 0;
	return by ? FAIL("the flow goes, by %s", topo_tag_format(by, text, sizeof(text))) :
		    FAIL("the flow stays: none of its tags is of the change");
}

void scenario_flow_free(struct scenario_env *env)
{
	tags_forget(&env->flow);
	tags_forget(&env->changed);
}
