// SPDX-License-Identifier: Apache-2.0
/*
 * Being a host among others: the lease of our name, without which nothing is published, and leaving
 * for good.  Called by agent.c's ticks and by the control socket.
 */
#include "loader/agent.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define STOP_NS	 (100 * NSEC_PER_MSEC) /* for the last words to the DB */
#define LEAVE_NS (3 * NSEC_PER_SEC)

static void for_publishers(struct agent *a, void (*fn)(struct publisher *p, void *arg), void *arg)
{
	struct hmap_node *n, *tmp;

	if (a->self)
		fn(a->self, arg);
	hmap_for_each (n, tmp, &a->tenants)
		fn(container_of(n, struct tenant, node)->pub, arg);
}

static void tick_publisher(struct publisher *p, void *arg)
{
	publish_tick(p, *(uint64_t *)arg);
}

void membership_publish(struct agent *a, uint64_t now_ns)
{
	for_publishers(a, tick_publisher, &now_ns);
}

static void on_taken(void *arg, const struct err *err, const json_t *reply)
{
	struct agent *a = arg;
	uint64_t now = clock_mono_ns();

	(void)reply;
	if (err) {
		a->lease_dead = true;
		if (err->code == -EBUSY && !a->refused_ns) {
			a->refused_ns = now;
			log_error(
				"another skepd uses the host name '%s' (%s): trying until its lease is over",
				a->config->host, err->text);
		} else if (err->code != -EBUSY) {
			a->refused_ns = 0;
			log_debug("the state database does not answer yet: %s", err->text);
		}
		return;
	}
	a->leased = true;
	a->refused_ns = 0;
	log_info("this host is '%s' to the others", a->config->host);
	if (!a->registry && hosts_follow(a)) {
		log_error("cannot follow the registry of hosts: out of memory");
		a->exit_code = 1;
		loop_stop(a->loop);
		return;
	}
	membership_publish(a, now);
}

static void on_lost(void *arg, const char *why)
{
	struct agent *a = arg;

	log_error(
		"the lease of the host name '%s' is lost: %s (forwarding goes on, nothing is published)",
		a->config->host, why);
	a->leased = false;
	a->lease_dead = true;
}

void membership_start(struct agent *a)
{
	char name[TOPO_NAME_MAX + 8];

	snprintf(name, sizeof(name), "host/%s", a->config->host);
	a->lease = db_lease(a->db, name, a->owner, AGENT_LEASE_MS, on_taken, on_lost, a);
}

void membership_tick(struct agent *a, uint64_t now)
{
	if (a->leaving)
		return;
	if (a->refused_ns && now > a->refused_ns + (AGENT_LEASE_MS + 2000) * NSEC_PER_MSEC) {
		log_error(
			"host name '%s' belongs to another skepd that is alive: set 'host' to a name of its own",
			a->config->host);
		a->exit_code = 1;
		loop_stop(a->loop);
		return;
	}
	if (a->lease_dead) {
		a->lease_dead = false;
		db_lease_release(TAKE_PTR(a->lease));
	}
	if (!a->lease)
		membership_start(a);
}

/* --- leaving for good --- */

static void stop_now(void *arg)
{
	loop_stop(((struct agent *)arg)->loop);
}

void membership_stop_soon(struct agent *a)
{
	if (!loop_timer_add(a->loop, STOP_NS, 0, stop_now, a))
		loop_stop(a->loop);
}

static void del_all(struct publisher *p, void *arg)
{
	(void)arg;
	publish_all_del(p);
}

static void add_pending(struct publisher *p, void *arg)
{
	*(bool *)arg = *(bool *)arg || publish_pending(p);
}

void membership_leave(struct agent *a, void (*done)(void *arg, const struct err *err), void *arg)
{
	struct hmap_node *n, *tmp;

	a->leave = (struct agent_leave){ .done = done,
					 .arg = arg,
					 .deadline_ns = clock_mono_ns() + LEAVE_NS };
	if (a->leaving)
		return;
	log_info("leaving: withdrawing this host's records, removing its datapath");
	a->leaving = true;
	for_publishers(a, del_all, NULL);
	hmap_for_each (n, tmp, &a->tenants)
		natblock_leave(container_of(n, struct tenant, node));
}

void membership_tick_leave(struct agent *a, uint64_t now)
{
	bool pending = false;

	if (a->remove)
		return;
	for_publishers(a, add_pending, &pending);
	if (pending && a->leased && now < a->leave.deadline_ns)
		return;
	if (pending)
		err_tag(&a->leave.err, -ETIMEDOUT, "unavailable",
			"the datapath is removed, but the state database did not take back this host's records in time");
	db_lease_release(TAKE_PTR(a->lease));
	a->remove = true;
	membership_stop_soon(a); /* the lease's release is on its way */
}

void membership_finish_leave(struct agent *a)
{
	/* where the pins are, though the ancestor whose mount it is has exited */
	_close_ int bpffs = dp_bpffs(a->dp);
	struct err err = { 0 };
	struct dp_config dc;
	char path[32];

	dp_close(TAKE_PTR(a->dp));
	agent_dp_config(a->config, a->address, &dc);
	if (bpffs >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", bpffs);
		dc.bpffs = path;
	}
	if (dp_remove(&dc, &err)) {
		log_error("%s", err.text);
		a->leave.err = err;
	}
	if (a->leave.done)
		a->leave.done(a->leave.arg, a->leave.err.code ? &a->leave.err : NULL);
}
