// SPDX-License-Identifier: Apache-2.0
/*
 * Owns everything, starts it in order and stops it.  The datapath comes first and forwards what it
 * has flows for; the state DB may come when it likes.  Leaving the loop closes no door in the
 * kernel: maps, programs and links stay pinned.
 */
#include "loader/vips.h"

#include "loader/frag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "loader/identity.h"
#include "util/sd.h"
#include "packet/packet.h"
#include "util/clock.h"
#include "util/log.h"

#define TICK_NS	       (250 * NSEC_PER_MSEC)
#define TICKS_A_SECOND 4
#define MANY_FLOWS     20000 /* are looked through less often */
#define ARENA_MAX      (8u << 20)

/* --- ticks --- */

static void tick_ports(struct agent *a)
{
	struct hmap_node *n, *tmp;

	/* those that failed, or wait for an interface that another port has given up */
	hmap_for_each (n, tmp, &a->ports) {
		struct lport *p = container_of(n, struct lport, by_key);

		if (!p->attached && p->tenant->snap && if_nametoindex(p->interface)) {
			if (ports_sync(p->tenant))
				tenant_changed(p->tenant);
			return; /* the tables may have changed under us: the others in a second */
		}
	}
}

static void tick_tenants(struct agent *a, uint64_t now)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		learn_age(t);
		conns_tick(t, now);
		mirror_tick(t);
		natblock_tick(t, now);
	}
}

static void on_tick(void *arg)
{
	struct agent *a = arg;
	uint64_t now = clock_mono_ns();

	if (a->leaving) {
		membership_tick_leave(a, now);
		return;
	}
	upcall_tick(a);
	conns_kernel_tick(a);
	metrics_server_tick(a->metrics_server);
	records_tick(a, now);
	if (++a->ticks % TICKS_A_SECOND)
		return;
	membership_tick(a, now);
	metrics_server_try(a);
	telemetry_tick(a, now);
	tick_ports(a);
	tick_tenants(a, now);
	advertise_tick(a, now);
	sets_gc(&a->sets, now);
	membership_publish(a, now);
	/* promoted flows are none of the index's, but a walk meets them: it may take a twentieth of the time */
	if (a->walk_soon || now > a->walk_at_ns + 5 * NSEC_PER_SEC ||
	    (index_count(a->index) < MANY_FLOWS && now > a->walk_at_ns + 20 * a->walk_took_ns))
		expiry_walk(a);
}

static void on_watchdog(void *arg)
{
	(void)arg;
	sd_tell("WATCHDOG=1");
}

static void on_stop(void *arg, int signo)
{
	struct agent *a = arg;

	log_info("stopping (signal %d): the datapath goes on", signo);
	sd_tell("STOPPING=1");
	a->leased = false;
	db_lease_release(TAKE_PTR(a->lease));
	membership_stop_soon(a);
}

/* --- the datapath's callbacks --- */

static void on_upcall(void *arg, uint32_t in_key, enum skep_upcall_why why, struct dp_frame *frame)
{
	upcall_packet(arg, in_key, why, frame);
}

static void on_upcall_done(void *arg)
{
	upcall_done(arg);
}

static void on_event(void *arg, const struct skep_event *event)
{
	upcall_event(arg, event);
}

static void on_path(void *arg, uint32_t peer)
{
	hosts_path(arg, peer);
}

static void on_newconn(void *arg, const struct skep_conn_key *key, const struct skep_nat *unknown)
{
	conns_newconn(arg, key, unknown);
}

static void on_control(void *arg, const uint8_t *data, uint32_t len)
{
	state_received(arg, data, len);
}

static void on_iface(void *arg, const char *name, uint32_t ifindex, bool up)
{
	(void)up;
	ports_iface(arg, name, ifindex);
}

static void on_underlay(void *arg, bool up, uint32_t mtu)
{
	struct agent *a = arg;

	if (a->underlay_up && !up)
		log_warn("underlay interface '%s' is down", a->config->underlay_interface);
	a->underlay_up = up;
	if (mtu == a->mtu)
		return;
	a->mtu = mtu;
	if (a->index)
		hosts_path(a, 0);
	if (a->self && !a->leaving)
		hosts_publish(a);
}

static void on_removed(void *arg, struct index_flow *flow)
{
	struct agent *a = arg;
	struct skep_flow last;
	bool known;

	if (flow->answer) {
		answers_gone(a, flow);
		return;
	}
	records_flow_ends(a, flow);
	known = dp_flow_take(a->dp, &flow->key, &last);
	if (known)
		rules_carried(flow, &last);
	records_flow_over(a, flow, known ? &last : NULL);
	rules_drop(flow);
	sets_put(flow->set, clock_mono_ns());
	dp_rewrite_put(a->dp, flow->verdict.rewrite);
	dp_nat_put(a->dp, flow->nat);
	vips_put(a, flow->vip);
}

static void on_leftover(void *arg, struct index_flow *flow)
{
	(void)arg;
	rules_drop(flow);
	free(TAKE_PTR(flow->record));
}

/* --- start --- */

static bool usable(const struct ifaddrs *i, const char *interface, struct skep_ip *ip)
{
	if (strcmp(i->ifa_name, interface) || !i->ifa_addr)
		return false;
	if (i->ifa_addr->sa_family == AF_INET) {
		*ip = ip_from_v4(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr);
		return true;
	}
	if (i->ifa_addr->sa_family != AF_INET6)
		return false;
	memcpy(ip, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, sizeof(*ip));
	return !ip_is_link_local(ip);
}

/* The configured tunnel address, else the interface's first: IPv4 before IPv6. */
static int find_address(const struct config *c, struct skep_ip *ip, struct err *err)
{
	struct skep_ip found = c->underlay_address, one;
	struct ifaddrs *list;

	if (!if_nametoindex(c->underlay_interface))
		return err_set(err, -ENODEV,
			       "underlay interface '%s' does not exist (set 'underlay.interface')",
			       c->underlay_interface);
	if (ip_is_zero(&found)) {
		if (getifaddrs(&list))
			return err_set(err, -errno, "cannot list addresses: %s", strerror(errno));
		for (struct ifaddrs *i = list; i; i = i->ifa_next)
			if (usable(i, c->underlay_interface, &one) &&
			    (ip_is_zero(&found) || (ip_is_v4(&one) && !ip_is_v4(&found))))
				found = one;
		freeifaddrs(list);
	}
	if (ip_is_zero(&found))
		return err_set(
			err, -EADDRNOTAVAIL,
			"underlay interface '%s' has no address (give it one, or set 'underlay.address')",
			c->underlay_interface);
	*ip = found;
	return 0;
}

void agent_dp_config(const struct config *c, struct skep_ip address, struct dp_config *out)
{
	*out = (struct dp_config){
		.bpffs = c->path_bpffs,
		.instance = c->instance,
		.underlay = c->underlay_interface,
		.local = address,
		.tunnel_port = (uint16_t)c->underlay_port,
		.device_prefix = c->device_prefix,
		.xdp = (enum dp_xdp)c->underlay_xdp,
		.border_xdp = (enum dp_xdp)c->border_xdp,
		.border_interfaces = c->border_interfaces,
		.encap = (enum skep_encap)c->underlay_encap,
		.dscp = c->underlay_dscp,
		.flows_max = c->flows_max,
		.ports_max = SKEP_PORTS_MAX,
		.conns_max = c->conns_max,
		.wilds_max = c->wilds_max,
		.timeouts = c->timeouts,
		.rewrites_max = c->flows_max, /* each may have its own */
		.upcall_rate = c->upcall_rate,
		.upcall_burst = c->upcall_burst,
		.event_rate = SKEP_EVENT_RATE,
	};
}

static int start_dp(struct agent *a, struct err *err)
{
	static const struct dp_ops ops = { .upcall = on_upcall,
					   .upcall_done = on_upcall_done,
					   .event = on_event,
					   .newconn = on_newconn,
					   .path = on_path,
					   .control = on_control,
					   .iface = on_iface,
					   .underlay = on_underlay };
	struct dp_config dc;

	agent_dp_config(a->config, a->address, &dc);
	a->dp = dp_open(a->loop, &dc, &ops, a, err);
	if (!a->dp)
		return err->code;
	sets_init(&a->sets, a->dp);
	keys_adopt(a);
	conns_adopt(a);
	if (dp_adopted(a->dp))
		log_info("datapath adopted: %zu ports", a->adopted.n);
	return 0;
}

static int start_db(struct agent *a, struct err *err)
{
	const struct config *c = a->config;
	struct db_config dc = {
		.mode = (enum db_mode)c->db_mode,
		.addresses = (const char *const *)c->addresses,
		.n_addresses = c->n_addresses,
		.password = c->password,
		.tls = c->db_tls,
		.state_dir = c->path_state,
		.run_dir = c->path_run,
		.listen = c->db_listen,
		.server = c->db_server,
		.wait_replicas = c->db_wait_replicas,
		.wait_ms = c->db_wait_ms,
	};

	if (c->db_listen && !c->password && !c->db_tls.ca)
		log_warn(
			"the state DB listens on %s without a password: whoever reaches it controls the network "
			"(set 'db.password_file')",
			c->db_listen);
	a->db = db_new(a->loop, &dc, err);
	if (!a->db)
		return err->code;
	a->self = publisher_new(a->loop, a->db, DB_HOSTS, c->host, &a->leased);
	if (!a->self)
		return err_set(err, -ENOMEM, "out of memory");
	hosts_publish(a);
	membership_start(a);
	return 0;
}

static int start_memory(struct agent *a, struct err *err)
{
	uint64_t random[4];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(err, -EIO, "no random numbers: %s", strerror(errno));
	a->last_key = SKEP_KEY_FIRST + (uint32_t)(random[0] % (SKEP_KEY_LAST - SKEP_KEY_FIRST));
	arena_init(&a->arena, ARENA_MAX);
	sim_init(&a->sim);
	a->env = (struct install_env){
		.host = a->config->host, .local = ports_output, .peer = hosts_peer,
		.police = ports_policer, .arg = a
	};
	a->index = index_new(a->config->flows_max, random[1], on_removed, a);
	a->park = park_new(random[2]);
	a->frags = frags_new(random[3]);
	a->txbuf = malloc(DP_HEADROOM + PKT_MAX);
	a->loop = loop_new();
	if (state_init(a) || recheck_init(a))
		return err_set(err, -ENOMEM, "cannot start: %s", strerror(ENOMEM));
	if (!a->index || !a->park || !a->frags || !a->txbuf || !a->loop)
		return err_set(err, -ENOMEM, "cannot start: %s", strerror(errno ? errno : ENOMEM));
	return 0;
}

static int start_loop(struct agent *a, struct err *err)
{
	uint64_t watchdog = sd_watchdog_ns();
	if (watchdog)
		a->watchdog = loop_timer_add(a->loop, watchdog, watchdog, on_watchdog, a);
	a->tick_timer = loop_timer_add(a->loop, TICK_NS, TICK_NS, on_tick, a);
	if (!a->tick_timer || loop_signal(a->loop, SIGTERM, on_stop, a) ||
	    loop_signal(a->loop, SIGINT, on_stop, a))
		return err_set(err, -errno, "cannot start the event loop: %s", strerror(errno));
	return 0;
}

static int start(struct agent *a, struct err *err)
{
	const struct config *c = a->config;
	_free_ char *socket = NULL;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if ((rc = identity_dir(c->path_state, err)) || (rc = identity_dir(c->path_run, err)))
		return rc;
	rc = identity_lock(c->path_state, err);
	if (rc < 0)
		return rc;
	a->lock_fd = rc;
	rc = identity_devices(c->device_prefix, err);
	if (rc < 0)
		return rc;
	a->devices_fd = rc;
	if ((rc = identity_owner(c->path_state, a->owner, sizeof(a->owner), err)) ||
	    (rc = find_address(c, &a->address, err)) || (rc = start_memory(a, err)) ||
	    (rc = start_loop(a, err)) || (rc = records_start(a, err)) || (rc = start_dp(a, err)) || (rc = start_db(a, err)))
		return rc;
	if (asprintf(&socket, "%s/skepd.sock", c->path_run) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	a->control = control_server_new(a, socket, err);
	if (!a->control)
		return err->code;
	metrics_server_try(a);
	return 0;
}

/* --- stop --- */

static void stop(struct agent *a)
{
	if (a->dp)
		upcall_flush(a);
	if (a->db) {
		hosts_fini(a);
		tenants_fini(a);
		publisher_free(a->self);
		/* a last message (the lease) may be on its way */
		db_free(a->db, !a->keep_db);
	}
	if (a->index)
		index_walk(a->index, NULL, on_leftover, NULL);
	expiry_fini(a);
	records_stop(a);
	index_free(a->index);
	vips_fini(a);
	state_fini(a);
	recheck_fini(a);
	conns_adopt_end(a);
	if (a->remove)
		membership_finish_leave(a);
	control_server_free(a->control);
	metrics_server_free(a->metrics_server);
	ports_fini(a);
	sets_fini(&a->sets);
	dp_close(a->dp);
	park_free(a->park);
	frags_free(a->frags);
	free(a->txbuf);
	sim_fini(&a->sim);
	arena_fini(&a->arena);
	loop_free(a->loop);
	if (a->devices_fd >= 0)
		close(a->devices_fd);
	if (a->lock_fd >= 0)
		close(a->lock_fd);
}

int agent_run(const struct config *config, bool keep_db)
{
	struct agent agent = { .config = config,
			       .keep_db = keep_db,
			       .started_ns = clock_mono_ns(),
			       .lock_fd = -1,
			       .devices_fd = -1 },
		     *a = &agent;
	struct err err = { 0 };

	if (start(a, &err)) {
		log_error("%s", err.text);
		a->exit_code = 1;
	} else {
		log_info("skepd %s of host '%s' is running on '%s'", SKEP_VERSION, config->host,
			 config->underlay_interface);
		sd_tell("READY=1");
		if (loop_run(a->loop)) {
			log_error("the event loop failed");
			a->exit_code = 1;
		}
	}
	stop(a);
	return a->exit_code;
}
