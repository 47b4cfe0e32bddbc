// SPDX-License-Identifier: Apache-2.0
/*
 * Mirrors: copies of a frame as it is at the hook, to an exterior port on any host.  A copy meets
 * no policy and no further mirrors, and the frame itself goes on whether it could be made or not.
 * Called by the hooks of port.c, bridge.c and router.c.
 */
#include "simulator/run.h"

static bool wants(struct walk *w, const struct topo_mirror *m)
{
	if (!m->n_match)
		return true;
	for (uint32_t i = 0; i < m->n_match && ++w->run->n_rules <= SIM_RULES_MAX; i++) {
		if (sim_rule_matches(w, &m->match[i]))
			return true;
		if (sim_waits(w))
			return false;
	}
	return false;
}

void sim_mirror(struct walk *w, const struct topo_mirror_at *list)
{
	if (w->mirrored)
		return;
	for (; list; list = list->next) {
		const struct topo_mirror *m = list->mirror;

		sim_tag_object(w, TOPO_TAG_MIRROR, &m->o);
		if (!m->admin_up || !wants(w, m))
			continue;
		sim_tag_object(w, TOPO_TAG_PORT, &m->to->o);
		STEP(w, 1, "mirror", m->o.name, "a copy to port %s%s", m->to->o.name,
		     !m->to->admin_up	 ? ": administratively down"
		     : !m->to->live_host ? ": bound to no running interface"
					 : "");
		if (m->to->admin_up && m->to->live_host && !m->to->peer)
			sim_output_copy(w, m->to, m);
	}
}
