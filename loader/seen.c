// SPDX-License-Identifier: Apache-2.0
/*
 * Tells up to which revision of its configuration a tenant's packets on this host are treated: the stash "seen", one field a host.  For those who have changed
 * something and want to know when it is in force.  Not for each revision: for the last one, SEEN_MS after the first that was not told.
 */
#include "loader/agent.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/clock.h"

#define SEEN_MS	   20
#define SEEN_TTL_S 86400

static void on_told(void *arg, const struct err *err, const json_t *reply)
{
	(void)arg;
	(void)err; /* said again with the next revision; who waits is told that we are late */
	(void)reply;
}

static void tell(struct tenant *t)
{
	char crev[24];
	json_t *changes;

	snprintf(crev, sizeof(crev), "%" PRIu64, t->crev_done);
	changes = json_pack("{s:{s:s}}", "seen", t->agent->config->host, crev);
	t->crev_told = t->crev_done;
	if (changes)
		db_stash(t->agent->db, t->name, changes, SEEN_TTL_S, on_told, NULL);
	json_decref(changes);
}

static void on_timer(void *arg)
{
	struct agent *a = arg;
	struct hmap_node *n, *tmp;

	a->seen_timer = NULL;
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (t->crev_done != t->crev_told)
			tell(t);
	}
}

void seen_done(struct tenant *t)
{
	struct agent *a = t->agent;

	if (t->trouble[0])
		return; /* the present configuration is not what packets meet */
	t->crev_done = t->crev;
	if (t->crev_done != t->crev_told && !a->seen_timer)
		a->seen_timer = loop_timer_add(a->loop, SEEN_MS * NSEC_PER_MSEC, 0, on_timer, a);
}
