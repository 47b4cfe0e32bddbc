// SPDX-License-Identifier: Apache-2.0
/*
 * Opens, adopts, closes and removes the datapath; the upcall path between the tap and the agent.
 * The order of opening is such that a packet in flight meets either the old or the new program,
 * never none: maps, programs, devices, ports, underlay, and the heartbeat last.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "util/addr.h"
#include "util/clock.h"

#define HEARTBEAT_NS (500 * NSEC_PER_MSEC)
#define EVENT_BURST  100
#define FEW	     8 /* frames that are shown as they come: no port waits long behind so many */
#define SLOT	     0 /* one thread, and a write executes its slot before it returns */

void dp_warn(struct dp *dp, const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	for (unsigned int i = 0; i < dp->n_warnings; i++)
		if (!strcmp(dp->warnings[i], text)) {
			free(text);
			return;
		}
	if (dp->n_warnings == DP_WARNINGS_MAX) { /* the oldest makes room */
		free(dp->warnings[0]);
		memmove(&dp->warnings[0], &dp->warnings[1],
			(DP_WARNINGS_MAX - 1) * sizeof(dp->warnings[0]));
		dp->n_warnings--;
	}
	dp->warnings[dp->n_warnings++] = text;
}

void dp_unwarn(struct dp *dp, const char *fmt, ...)
{
	unsigned int kept = 0;
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	for (unsigned int i = 0; i < dp->n_warnings; i++)
		if (strncmp(dp->warnings[i], text, (size_t)n))
			dp->warnings[kept++] = dp->warnings[i];
		else
			free(dp->warnings[i]);
	dp->n_warnings = kept;
	free(text);
}

/* --- packets --- */

/* Frames are counted by BPF before they are in the queue, by us when they have left it.  We alone subtract: never below zero. */
static void uncount(uint32_t *queued)
{
	if (__atomic_load_n(queued, __ATOMIC_RELAXED))
		__atomic_sub_fetch(queued, 1, __ATOMIC_RELAXED);
}

static void unqueue(struct dp *dp, uint32_t key, enum skep_upcall_why why)
{
	const struct dp_port_entry *port = why == SKEP_UP_STATE ? NULL : dp_port_find(dp, key);

	uncount(why == SKEP_UP_STATE ? &dp->lports[0].conns : &dp->lports[0].queued);
	if (port && port->lport)
		uncount(&dp->lports[port->lport].queued);
}

/* The queue is empty.  Frames that were counted, and came to nothing (the tap was down, or full), are forgotten; one that is just being
 * put in is then not counted, which lets its port have one more. */
static void queue_empty(struct dp *dp)
{
	__atomic_store_n(&dp->lports[0].conns, 0, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&dp->lports[0].queued, __ATOMIC_RELAXED))
		return;
	for (uint32_t i = 0; i < dp->map_max[DP_MAP_LPORTS]; i++)
		if (__atomic_load_n(&dp->lports[i].queued, __ATOMIC_RELAXED))
			__atomic_store_n(&dp->lports[i].queued, 0, __ATOMIC_RELAXED);
}

static void show(void *arg, uint32_t key, enum skep_upcall_why why, struct dp_frame *frame)
{
	struct dp *dp = arg;

	unqueue(dp, key, why);
	if (why == SKEP_UP_STATE)
		dp_control_packet(dp, key, frame);
	else
		dp->ops.upcall(dp->arg, key, why, frame);
}

/* All that waits in the tap into the lanes; messages of other hosts are shown at once: packets wait for them. */
static void drain(struct dp *dp)
{
	struct dp_frame frame = { .read_ns = clock_mono_ns() };
	enum skep_upcall_why why;
	uint32_t key;

	for (int n = 0; n < SKEP_UPCALL_QUEUE && dp->tap.fd >= 0 && dp_lanes_room(&dp->lanes); n++) {
		if (tap_read(&dp->tap, &key, &why, &frame) <= 0)
			return;
		if (why == SKEP_UP_STATE || !dp_lanes_put(&dp->lanes, key, why, &frame))
			show(dp, key, why, &frame);
	}
}

/* What there is, if that is little; true: there may be more. */
static bool show_few(struct dp *dp, int *n)
{
	struct dp_frame frame = { .read_ns = clock_mono_ns() };
	enum skep_upcall_why why;
	uint32_t key;

	while (dp->tap.fd >= 0 && *n < FEW) {
		if (tap_read(&dp->tap, &key, &why, &frame) <= 0) {
			queue_empty(dp);
			return false;
		}
		++*n;
		show(dp, key, why, &frame);
	}
	return true;
}

static void on_more(void *arg);

static void on_tap(void *arg, uint32_t events)
{
	struct dp *dp = arg;
	int n = 0;

	(void)events;
	if (dp->lanes.n || show_few(dp, &n))
		for (; n < DP_BATCH; n++) {
			if (n % FEW == 0)
				drain(dp);
			if (!dp_lanes_show(&dp->lanes, show, dp))
				break;
		}
	if (n && dp->ops.upcall_done)
		dp->ops.upcall_done(dp->arg);
	if (dp->lanes.n && !dp->more)
		dp->more = loop_timer_add(dp->loop, 0, 0, on_more, dp);
}

static void on_more(void *arg)
{
	struct dp *dp = arg;

	dp->more = NULL;
	on_tap(dp, 0);
}

int dp_inject(struct dp *dp, uint32_t in_key, const struct dp_frame *frame,
	      const struct skep_flow *verdict)
{
	int rc;

	dp->slots[SLOT] = *verdict;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	rc = dp->tap.fd >= 0 ? tap_write(&dp->tap, in_key, SLOT, frame) : -ENODEV;
	if (rc)
		dp_count_drop(dp, SKEP_DROP_UPCALL_QUEUE);
	return rc;
}

int dp_tap_start(struct dp *dp, struct err *err)
{
	char name[IFNAMSIZ];
	int rc = dp_device_name(&dp->config, "up", name, err);

	if (rc)
		return rc;
	rc = tap_open(&dp->tap, name, err);
	if (rc)
		return rc;
	rc = nl_link_setup(&dp->nl, dp->tap.ifindex, TAP_MTU, TAP_QUEUE);
	if (rc) {
		err_set(err, rc, "cannot bring up tap '%s': %s", name, strerror(-rc));
		goto fail;
	}
	rc = dp_link_attach(dp, dp->tap.ifindex, name, DP_PROG_INJECT, err);
	if (rc)
		goto fail;
	queue_empty(dp); /* what waited for the last reader went with its end of the tap */
	dp->tap_fd = loop_fd_add(dp->loop, dp->tap.fd, EPOLLIN, on_tap, dp);
	if (dp->tap_fd)
		return 0;
	rc = err_set(err, -errno, "cannot watch tap '%s': %s", name, strerror(errno));
fail:
	dp_tap_stop(dp);
	return rc;
}

void dp_tap_stop(struct dp *dp)
{
	loop_fd_del(dp->tap_fd);
	dp->tap_fd = NULL;
	loop_timer_del(dp->more);
	dp->more = NULL;
	dp_lanes_free(&dp->lanes);
	tap_close(&dp->tap);
	dp->tap.ifindex = 0;
}

static void on_heartbeat(void *arg)
{
	struct dp *dp = arg;

	__atomic_store_n(&dp->kconfig->agent_seen_ns, clock_mono_ns(), __ATOMIC_RELEASE);
	dp_peers_age(dp, clock_mono_ns());
}

/* Seconds to jiffies. */
static void write_timeouts(struct dp *dp)
{
	const uint32_t *from = (const uint32_t *)&dp->config.timeouts;
	uint32_t *to = (uint32_t *)&dp->kconfig->timeouts;

	for (size_t i = 0; i < sizeof(dp->config.timeouts) / sizeof(*to); i++)
		to[i] = from[i] > INT32_MAX / dp->hz ? INT32_MAX : from[i] * dp->hz;
}

void dp_config_write(struct dp *dp)
{
	struct skep_config *c = dp->kconfig;
	uint32_t rate = dp->config.event_rate,
		 interval = rate ? (uint32_t)(NSEC_PER_SEC / rate) : 0;

	if (rate && !interval)
		interval = 1;
	c->abi = SKEP_ABI;
	c->upcall_ifindex = dp->tap.ifindex;
	c->tunnel_ifindex = dp->tunnel_ifindex;
	c->under_ifindex = dp->under_ifindex;
	c->tunnel_port = htons(dp->config.tunnel_port);
	c->encap = dp->config.encap;
	c->flags =
		(dp->xdp ? SKEP_CFG_XDP_DECAP : 0) | (dp->xdp_send ? SKEP_CFG_XDP_SEND : 0) | (dp->decap_l3 ? SKEP_CFG_DECAP_L3_FLAGS : 0);
	c->event_interval_ns = interval;
	c->event_burst_ns = (uint64_t)interval * (rate < EVENT_BURST ? rate : EVENT_BURST);
	c->local = dp->config.local;
	c->hz = dp->hz;
	write_timeouts(dp);
}

/* --- open --- */

static int copy_config(struct dp *dp, const struct dp_config *config, struct err *err)
{
	struct dp_config *c = &dp->config;
	char text[ADDR_TEXT];

	*c = *config;
	c->bpffs = config->bpffs ? strdup(config->bpffs) : NULL;
	c->instance = config->instance ? strdup(config->instance) : NULL;
	c->underlay = config->underlay ? strdup(config->underlay) : NULL;
	c->device_prefix = config->device_prefix ? strdup(config->device_prefix) : NULL;
	c->border_interfaces = config->border_interfaces ? strdup(config->border_interfaces) : NULL;
	if ((config->bpffs && !c->bpffs) || (config->instance && !c->instance) ||
	    (config->underlay && !c->underlay) || (config->border_interfaces && !c->border_interfaces) || (config->device_prefix && !c->device_prefix))
		return err_set(err, -ENOMEM, "out of memory");
	if (!c->underlay || !c->underlay[0] || strlen(c->underlay) >= IFNAMSIZ)
		return err_set(err, -EINVAL,
			       "underlay '%s' is not an interface name (want 1 to %d characters)",
			       c->underlay ? c->underlay : "", IFNAMSIZ - 1);
	if (ip_is_unspecified(&c->local) || ip_is_multicast(&c->local))
		return err_set(err, -EINVAL,
			       "'%s' cannot be this host's tunnel address (want a unicast address)",
			       ip_format(&c->local, text));
	if (!c->tunnel_port)
		c->tunnel_port = SKEP_VXLAN_PORT;
	return 0;
}

static bool link_wanted(struct dp *dp, uint32_t ifindex, const char *hook)
{
	if (!strcmp(hook, "xdp"))
		return (dp->xdp && ifindex == dp->under_ifindex) || dp_card_wants(dp, ifindex);
	if (!dp->tcx)
		return false;
	return ifindex == dp->tap.ifindex || ifindex == dp->under_ifindex ||
	       (dp->tunnel_ifindex && ifindex == dp->tunnel_ifindex) || dp_port_wants(dp, ifindex);
}

static int start(struct dp *dp, struct err *err)
{
	int rc;

	if ((rc = dp_dirs_make(&dp->dirs, err)) || (rc = dp_maps_load(dp, err)) ||
	    (rc = dp_clock_init(dp, err)) || (rc = dp_wilds_open(dp, err)) || (rc = dp_nats_open(dp, err)) || (rc = dp_tap_start(dp, err)) ||
	    (rc = dp_tunnel_open(dp, err)))
		return rc;
	dp->decap_l3 = dp_probe_decap_l3();
	if (!dp->decap_l3 && dp->config.encap != SKEP_ENCAP_VXLAN) {
		dp_warn(dp, "%s needs kernel 6.3: other hosts are told to use vxlan",
			skep_encap_name(dp->config.encap));
		dp->config.encap = SKEP_ENCAP_VXLAN;
	}
	rc = dp_under_open(dp, err); /* before the peers: they quote its ifindex and MTU */
	if (rc)
		return rc;
	dp_config_write(dp);
	if ((rc = dp_sets_adopt(dp, err)) || (rc = dp_rewrites_adopt(dp, err)) ||
	    (rc = dp_peers_adopt(dp, err)) || (rc = dp_ports_adopt(dp, err)) ||
	    (rc = dp_wilds_adopt(dp, err)) || (rc = dp_nats_adopt(dp, err)) || (rc = dp_conns_open(dp, err)) ||
	    (rc = dp_control_open(dp, err)))
		return rc;
	dp_policers_adopt(dp);
	dp_links_prune(dp, link_wanted);
	rc = dp_swap_done(dp, err);
	if (rc)
		return rc;
	dp->heartbeat = loop_timer_add(dp->loop, HEARTBEAT_NS, HEARTBEAT_NS, on_heartbeat, dp);
	if (!dp->heartbeat)
		return err_set(err, -errno, "cannot start a timer: %s", strerror(errno));
	on_heartbeat(dp);
	return 0;
}

struct dp *dp_open(struct loop *loop, const struct dp_config *config, const struct dp_ops *ops,
		   void *arg, struct err *err)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	bool fresh;
	int rc;

	if (!dp) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	dp->loop = loop;
	dp->ops = *ops;
	dp->arg = arg;
	dp->tap.fd = -1;
	dp->dirs = (struct dp_dirs){ .lock_fd = -1, .far_fd = -1 };
	dp->tcx = !config->clsact;
	rc = copy_config(dp, config, err);
	if (rc == 0) {
		dp->handle = dp_links_handle(config->instance ? config->instance : "");
		rc = dp_dirs_open(&dp->dirs, config, true, err);
	}
	if (rc == 0) {
		rc = nl_open(&dp->nl);
		if (rc)
			err_set(err, rc, "cannot open a netlink socket: %s", strerror(-rc));
	}
	if (rc == 0)
		rc = start(dp, err);
	if (rc == 0)
		return dp;
	fresh = dp->dirs.lock_fd >= 0 && !dp->adopted && !dp->dirs.n_others;
	dp_close(dp);
	if (fresh) /* nothing half-made stays; what an earlier process left is not ours to break */
		(void)dp_remove(config, NULL);
	return NULL;
}

void dp_close(struct dp *dp)
{
	if (!dp)
		return;
	if (dp->kconfig)
		__atomic_store_n(&dp->kconfig->agent_seen_ns, 0, __ATOMIC_RELEASE);
	if (dp->heartbeat)
		(void)dp_flows_flush(dp);
	loop_timer_del(dp->heartbeat);
	dp_tap_stop(dp);
	dp_stats_close(dp);
	dp_under_close(dp);
	dp_ports_close(dp);
	dp_peers_close(dp);
	dp_rewrites_close(dp);
	dp_wilds_close(dp);
	dp_conns_close(dp);
	dp_nats_close(dp);
	dp_maps_unload(dp);
	nl_close(&dp->nl);
	dp_dirs_close(&dp->dirs);
	for (unsigned int i = 0; i < dp->n_warnings; i++)
		free(dp->warnings[i]);
	free((char *)dp->config.bpffs);
	free((char *)dp->config.instance);
	free((char *)dp->config.underlay);
	free((char *)dp->config.device_prefix);
	free((char *)dp->config.border_interfaces);
	free(dp);
}

/* --- remove --- */

int dp_bpffs(const struct dp *dp)
{
	return dp && dp->dirs.far_fd >= 0 ? fcntl(dp->dirs.far_fd, F_DUPFD_CLOEXEC, 3) : -1;
}

static int remove_device(struct nl *nl, const struct dp_config *config, const char *suffix,
			 const char *kind, struct err *err)
{
	char name[IFNAMSIZ];
	struct nl_link link;
	int rc = dp_device_name(config, suffix, name, err);

	if (rc)
		return rc;
	rc = nl_link_get(nl, 0, name, &link);
	if (rc == -ENODEV || (rc == 0 && strcmp(link.kind, kind) != 0))
		return 0;
	if (rc == 0)
		rc = nl_link_del(nl, link.ifindex);
	if (rc && rc != -ENODEV)
		return err_set(err, rc, "cannot remove device '%s': %s", name, strerror(-rc));
	return 0;
}

int dp_remove(const struct dp_config *config, struct err *err)
{
	struct dp_dirs dirs;
	struct nl nl;
	int rc, rc_vx;
	bool has_dirs;

	dp_log_start();
	rc = dp_dirs_open(&dirs, config, false, err);
	if (rc && rc != -ENOENT)
		return rc;
	has_dirs = rc == 0;
	rc = nl_open(&nl);
	if (rc) {
		dp_dirs_close(&dirs);
		return err_set(err, rc, "cannot open a netlink socket: %s", strerror(-rc));
	}
	for (size_t i = 0; i < dirs.n_others; i++)
		dp_links_drop(dirs.others[i]);
	dp_links_remove(has_dirs ? &dirs : NULL, &nl, dp_links_handle(config->instance));
	rc = remove_device(&nl, config, "up", "tun", err);
	rc_vx = remove_device(&nl, config, "vx", "vxlan", rc ? NULL : err);
	nl_close(&nl);
	if (has_dirs)
		dp_dirs_remove(&dirs);
	dp_dirs_close(&dirs);
	return rc ? rc : rc_vx;
}

enum skep_encap dp_encap(const struct dp *dp)
{
	return dp->config.encap;
}

/* What carries a mark is popped by us, whatever it is. */
bool dp_marks(const struct dp *dp)
{
	return dp->decap_l3;
}

bool dp_adopted(const struct dp *dp)
{
	return dp->adopted;
}

void dp_sweep(struct dp *dp)
{
	dp_peers_sweep(dp);
	dp_ports_sweep(dp);
	dp_sets_sweep(dp);
	dp_rewrites_sweep(dp);
	dp_policers_sweep(dp);
	dp_nats_sweep(dp);
	dp_others_remove(dp);
}

/* --- status --- */

/* The tag is the kernel's hash of the instructions. */
static json_t *prog_status(const struct dp *dp, enum dp_prog prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	char tag[2 * BPF_TAG_SIZE + 1] = "";

	if (bpf_obj_get_info_by_fd(dp->prog_fd[prog], &info, &len) == 0)
		for (unsigned int i = 0; i < BPF_TAG_SIZE; i++)
			snprintf(tag + 2 * i, 3, "%02x", info.tag[i]);
	return json_pack("{s:s, s:I, s:s}", "name", dp_prog_name(prog), "id", (json_int_t)info.id, "tag", tag);
}

json_t *dp_status(const struct dp *dp)
{
	json_t *progs = json_array(), *maps = json_object(), *warnings = json_array();
	char name[IFNAMSIZ] = "", pins[DP_PATH_MAX];

	snprintf(pins, sizeof(pins), "%s%s", dp->config.bpffs,
		 dp->dirs.abi + strlen(dp->dirs.bpffs));
	for (unsigned int i = 0; i < DP_PROG_MAX; i++)
		json_array_append_new(progs, prog_status(dp, i));
	for (unsigned int i = 0; i < DP_MAP_MAX; i++)
		json_object_set_new(maps, dp_map_name(i),
				    json_pack("{s:I, s:I}", "entries",
					      (json_int_t)dp_map_count(dp, i), "max",
					      (json_int_t)dp->map_max[i]));
	for (unsigned int i = 0; i < dp->n_warnings; i++)
		json_array_append_new(warnings, json_string(dp->warnings[i]));
	if (dp->tunnel_ifindex)
		(void)dp_device_name(&dp->config, "vx", name, NULL);
	return json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:s, s:b, s:s, s:I, s:o}",
			 "version", dp_version(dp), "programs", progs, "maps", maps, "xdp", dp_xdp_mode(dp), "hook",
			 dp->tcx ? "tcx" : "clsact", "tunnel_device", name, "underlay",
			 dp->config.underlay, "underlay_up", dp->under_up, "adopted", dp->adopted,
			 "underlay_mtu", (json_int_t)dp->under_mtu, "encap", skep_encap_name(dp->config.encap), "decap_l3_flags", dp->decap_l3,
			 "pins", pins, "foreign_frames", (json_int_t)dp->tap.foreign, "warnings",
			 warnings);
}
