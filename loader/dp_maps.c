// SPDX-License-Identifier: Apache-2.0
/*
 * Programs and maps: sizes them, takes over maps that an earlier process pinned, loads, pins.  A
 * pinned map of another shape (key, value, type) is refused, for others quote what is in it; of another size it is
 * kept.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bpf/skep.skel.h"
#include "util/clock.h"

static const char *const map_names[DP_MAP_MAX] = {
#define X(id, name) [DP_MAP_##id] = name,
	DP_MAPS(X)
#undef X
};

static const char *const prog_names[DP_PROG_MAX] = {
#define X(id, name) [DP_PROG_##id] = name,
	DP_PROGS(X)
#undef X
};

const char *dp_map_name(enum dp_map map)
{
	return map_names[map];
}

const char *dp_prog_name(enum dp_prog prog)
{
	return prog_names[prog];
}

/* Of the programs, as 'bpftool prog show' tells it. */
const char *dp_version(const struct dp *dp)
{
	return ((const struct skep_bpf *)dp->skel)->rodata->bpf_metadata_version;
}

/* --- open: sizes and adoption --- */

/* One for each wildcard flow, as far as 16 bits can tell them apart. */
static uint32_t stats_max(uint32_t wilds_max)
{
	return wilds_max > 32767 ? 65536 : wilds_max ? 2 * wilds_max + 1 : 0;
}

static uint32_t wanted_size(const struct dp *dp, enum dp_map map)
{
	switch (map) {
	case DP_MAP_FLOWS4:
	case DP_MAP_FLOWS6:
		return dp->config.flows_max;
	case DP_MAP_PORTS:
		return dp->config.ports_max;
	case DP_MAP_REWRITES:
		return dp->config.rewrites_max;
	case DP_MAP_CONNS:
	case DP_MAP_DETAILS:
		return dp->config.conns_max;
	case DP_MAP_WILDS4:
	case DP_MAP_WILDS6:
		return dp->config.wilds_max;
	case DP_MAP_STATS:
		return stats_max(dp->config.wilds_max);
	default:
		return 0; /* as compiled */
	}
}

static int adopt_map(struct dp *dp, enum dp_map which, struct bpf_map *map, struct err *err)
{
	const char *name = map_names[which];
	char path[DP_PATH_MAX];
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	_close_ int fd = bpf_obj_get(dp_path(&dp->dirs, path, "maps", name));
	int rc;

	if (fd < 0) {
		if (errno == ENOENT)
			return 0;
		return err_set(err, -errno, "cannot open pinned map '%s': %s", path,
			       strerror(errno));
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return err_set(err, -errno, "cannot read pinned map '%s': %s", path,
			       strerror(errno));
	if (dp_map_counts(which) && info.type == bpf_map__type(map) && info.value_size != bpf_map__value_size(map))
		return 0; /* a version has counters that another has not: pin_map() */
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.map_flags != bpf_map__map_flags(map))
		return err_set(err, -EEXIST,
			       "pinned map '%s' has another layout (type %u, key %u, value %u bytes, flags %#x; want type %u, key %u, value %u, flags %#x): "
			       "it is another version's, whose datapath goes on; start that one, or 'skepd --replace' first",
			       name, info.type, info.key_size, info.value_size, info.map_flags, bpf_map__type(map), bpf_map__key_size(map),
			       bpf_map__value_size(map), bpf_map__map_flags(map));
	if (info.max_entries != bpf_map__max_entries(map))
		dp_warn(dp,
			"pinned map '%s' has %u entries, the configuration wants %u: kept as it is (takes effect after 'skepd --detach')",
			name, info.max_entries, bpf_map__max_entries(map));
	rc = bpf_map__reuse_fd(map, fd);
	if (rc)
		return err_set(err, rc, "cannot reuse pinned map '%s': %s", path, strerror(-rc));
	dp->adopted = true;
	return 0;
}

static int prepare_maps(struct dp *dp, struct err *err)
{
	struct bpf_map *map;
	int rc;

	for (unsigned int i = 0; i < DP_MAP_MAX; i++) {
		uint32_t size = wanted_size(dp, i);

		map = bpf_object__find_map_by_name(dp->obj, map_names[i]);
		if (!map)
			return err_set(err, -EINVAL, "the BPF object has no map '%s'",
				       map_names[i]);
		if (size) {
			rc = bpf_map__set_max_entries(map, size);
			if (rc)
				return err_set(err, rc, "cannot size map '%s' to %u entries",
					       map_names[i], size);
		}
		rc = bpf_map__set_pin_path(map, NULL); /* pinned below, under our own path */
		if (!rc && !dp_map_private(i))
			rc = adopt_map(dp, i, map, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- load --- */

static int load_error(int rc, struct err *err)
{
	struct utsname un;
	char prog[64] = "", tail[360];

	if (uname(&un) < 0)
		un.release[0] = '\0';
	dp_log_tail(tail, sizeof(tail), 3);
	if (dp_log_failed_prog(prog, sizeof(prog)))
		return err_set(err, rc, "kernel %s refuses program '%s': %s: %s", un.release, prog,
			       strerror(-rc), tail);
	return err_set(err, rc, "cannot load the BPF programs on kernel %s: %s: %s", un.release,
		       strerror(-rc), tail);
}

static int pin_map(struct dp *dp, enum dp_map map, struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 id, len = sizeof(info);
	char path[DP_PATH_MAX];
	_close_ int old = -1;

	if (dp_map_private(map))
		return dp_private_pin(dp, map, err);
	dp_path(&dp->dirs, path, "maps", map_names[map]);
	if (bpf_obj_get_info_by_fd(dp->map_fd[map], &info, &len) < 0)
		return err_set(err, -errno, "cannot read map '%s': %s", map_names[map], strerror(errno));
	id = info.id;
	old = bpf_obj_get(path);
	if (old >= 0) {
		len = sizeof(info);
		if (bpf_obj_get_info_by_fd(old, &info, &len) == 0 && info.id == id)
			return 0; /* adopted */
		dp_counts_take(dp, map, old, info.value_size);
		(void)unlink(path);
	}
	if (bpf_obj_pin(dp->map_fd[map], path) < 0)
		return err_set(err, -errno, "cannot pin map '%s': %s", path, strerror(errno));
	return 0;
}

static int pin_prog(struct dp *dp, enum dp_prog prog, struct err *err)
{
	struct bpf_program *p = bpf_object__find_program_by_name(dp->obj, prog_names[prog]);
	char path[DP_PATH_MAX];

	if (!p)
		return err_set(err, -EINVAL, "the BPF object has no program '%s'", prog_names[prog]);
	dp->prog_fd[prog] = bpf_program__fd(p);
	dp_path(&dp->dirs, path, "progs", prog_names[prog]);
	(void)unlink(path); /* of the earlier process; its links hold their own reference */
	if (bpf_obj_pin(dp->prog_fd[prog], path) < 0)
		return err_set(err, -errno, "cannot pin program '%s': %s", path, strerror(errno));
	return 0;
}

static int pin_all(struct dp *dp, struct err *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < DP_MAP_MAX && !rc; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(dp->obj, map_names[i]);

		dp->map_fd[i] = bpf_map__fd(map);
		dp->map_max[i] = bpf_map__max_entries(map);
		rc = pin_map(dp, i, err);
	}
	for (unsigned int i = 0; i < DP_PROG_MAX && !rc; i++)
		rc = pin_prog(dp, i, err);
	return rc;
}

static size_t map_bytes(size_t value_size, uint32_t entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (value_size + 7) / 8 * 8 * entries;

	return (bytes + page - 1) / page * page;
}

static void *map_mmap(struct dp *dp, enum dp_map map, size_t value_size, struct err *err)
{
	void *p = mmap(NULL, map_bytes(value_size, dp->map_max[map]), PROT_READ | PROT_WRITE,
		       MAP_SHARED, dp->map_fd[map], 0);

	if (p == MAP_FAILED) {
		err_set(err, -errno, "cannot mmap map '%s': %s", map_names[map], strerror(errno));
		return NULL;
	}
	return p;
}

static int on_event(void *arg, void *data, size_t size)
{
	struct dp *dp = arg;

	const struct skep_event *event = data;

	if (size < sizeof(*event))
		return 0;
	if (event->type == SKEP_EV_PMTU)
		dp_peer_too_big(dp, event);
	else if (dp->ops.event)
		dp->ops.event(dp->arg, event);
	return 0;
}

static int on_newconn(void *arg, void *data, size_t size)
{
	struct dp *dp = arg;
	const struct skep_newconn *n = data;

	if (size >= sizeof(*n) && dp->ops.newconn)
		dp->ops.newconn(dp->arg, &n->key, n->unknown ? &n->nat : NULL);
	return clock_mono_ns() < dp->newconns_until_ns ? 0 : -EAGAIN; /* ends the call that it comes from; the next one goes on */
}

/* Programs that continue others, of this load alone: those of an earlier one, as long as they are on interfaces, have an array of their own. */
static int fill_stages(struct dp *dp, struct err *err)
{
	static const enum dp_prog stages[SKEP_STAGE_MAX] = { [SKEP_STAGE_MISS] = DP_PROG_MISS,
							     [SKEP_STAGE_ACT] = DP_PROG_ACT,
							     [SKEP_STAGE_ARRIVE] = DP_PROG_ARRIVE,
							     [SKEP_STAGE_ANSWER] = DP_PROG_ANSWER };

	for (uint32_t i = 0; i < SKEP_STAGE_MAX; i++)
		if (bpf_map_update_elem(dp->map_fd[DP_MAP_STAGES], &i, &dp->prog_fd[stages[i]], BPF_ANY))
			return err_set(err, -errno, "cannot put program '%s' into map '%s': %s",
				       prog_names[stages[i]], map_names[DP_MAP_STAGES], strerror(errno));
	return 0;
}

static void on_events(void *arg, uint32_t events)
{
	struct dp *dp = arg;

	(void)ring_buffer__consume(dp->events); /* its rate is limited in BPF */
}

int dp_maps_load(struct dp *dp, struct err *err)
{
	struct skep_bpf *skel;
	int rc;

	dp_log_start();
	skel = skep_bpf__open();
	if (!skel)
		return load_error(errno ? -errno : -EINVAL, err);
	dp->skel = skel;
	dp->obj = skel->obj;
	rc = prepare_maps(dp, err);
	if (rc)
		return rc;
	rc = dp_btf_octets(bpf_object__btf(dp->obj));
	if (rc)
		return err_set(err, rc, "cannot describe the maps: %s", strerror(-rc));
	rc = skep_bpf__load(skel);
	if (rc)
		return load_error(rc, err);
	rc = pin_all(dp, err);
	if (rc)
		return rc;
	dp->slots = map_mmap(dp, DP_MAP_SLOTS, sizeof(struct skep_flow), err);
	dp->kconfig = map_mmap(dp, DP_MAP_CONFIG, sizeof(struct skep_config), err);
	dp->rewrites = map_mmap(dp, DP_MAP_REWRITES, sizeof(struct skep_rewrite), err);
	dp->policers = map_mmap(dp, DP_MAP_POLICERS, sizeof(struct skep_policer), err);
	dp->lports = map_mmap(dp, DP_MAP_LPORTS, sizeof(struct skep_lport), err);
	dp->maglev = map_mmap(dp, DP_MAP_MAGLEV, sizeof(struct skep_maglev_row), err);
	if (!dp->slots || !dp->kconfig || !dp->rewrites || !dp->policers || !dp->lports || !dp->maglev)
		return err ? err->code : -EIO;
	rc = fill_stages(dp, err);
	if (rc)
		return rc;
	dp->newconns = ring_buffer__new(dp->map_fd[DP_MAP_NEWCONNS], on_newconn, dp, NULL);
	dp->events = ring_buffer__new(dp->map_fd[DP_MAP_EVENTS], on_event, dp, NULL);
	if (!dp->events || !dp->newconns)
		return err_set(err, -errno, "cannot open the event ring: %s", strerror(errno));
	dp->events_fd =
		loop_fd_add(dp->loop, ring_buffer__epoll_fd(dp->events), EPOLLIN, on_events, dp);
	if (!dp->events_fd)
		return err_set(err, -errno, "cannot watch the event ring: %s", strerror(errno));
	return 0;
}

void dp_maps_unload(struct dp *dp)
{
	loop_fd_del(dp->events_fd);
	ring_buffer__free(dp->events);
	ring_buffer__free(dp->newconns);
	if (dp->slots)
		munmap(dp->slots, map_bytes(sizeof(struct skep_flow), dp->map_max[DP_MAP_SLOTS]));
	if (dp->kconfig)
		munmap(dp->kconfig,
		       map_bytes(sizeof(struct skep_config), dp->map_max[DP_MAP_CONFIG]));
	if (dp->rewrites)
		munmap(dp->rewrites,
		       map_bytes(sizeof(struct skep_rewrite), dp->map_max[DP_MAP_REWRITES]));
	if (dp->lports)
		munmap(dp->lports, map_bytes(sizeof(struct skep_lport), dp->map_max[DP_MAP_LPORTS]));
	if (dp->maglev)
		munmap(dp->maglev, map_bytes(sizeof(struct skep_maglev_row), dp->map_max[DP_MAP_MAGLEV]));
	if (dp->policers)
		munmap(dp->policers,
		       map_bytes(sizeof(struct skep_policer), dp->map_max[DP_MAP_POLICERS]));
	skep_bpf__destroy(dp->skel);
	dp->events_fd = NULL;
	dp->events = dp->newconns = NULL;
	dp->lports = NULL;
	dp->maglev = NULL;
	dp->slots = NULL;
	dp->kconfig = NULL;
	dp->rewrites = NULL;
	dp->policers = NULL;
	dp->skel = NULL;
	dp->obj = NULL;
}

/* --- how full --- */

#define COUNT_BATCH 4096

uint64_t dp_map_count(const struct dp *dp, enum dp_map map)
{
	_free_ char *keys = NULL, *values = NULL;
	const struct bpf_map *m = bpf_object__find_map_by_name(dp->obj, map_names[map]);
	char token_a[128], token_b[128], *in = NULL, *out = token_a;
	uint64_t total = 0;

	switch (bpf_map__type(m)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
		break;
	default:
		return dp->map_max[map]; /* arrays are always full */
	}
	keys = malloc((size_t)COUNT_BATCH * bpf_map__key_size(m));
	values = malloc((size_t)COUNT_BATCH * bpf_map__value_size(m));
	for (uint32_t left = dp->map_max[map] + COUNT_BATCH; keys && values && left;) {
		__u32 n = COUNT_BATCH;
		int rc = bpf_map_lookup_batch(dp->map_fd[map], in, out, keys, values, &n, NULL);

		if (rc && errno != ENOENT)
			break;
		total += n;
		if (rc || n == 0)
			break;
		left = left > n ? left - n : 0;
		in = out;
		out = in == token_a ? token_b : token_a;
	}
	return total;
}
