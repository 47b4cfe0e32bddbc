// SPDX-License-Identifier: Apache-2.0
/*
 * One version of the programs gives way to another, under traffic.  docs/datapath.md, "Versions", has the rules:
 * what the programs of one load tell each other (the array of stages, what was found) is private to that load, and what an
 * earlier load has of it stays until no interface has a program of that load and the last packet has left it.  A datapath of
 * another layout is refused, or, once 'skepd --replace' has said so, given up link by link.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define LAYOUT	 "abi"
#define REPLACED "replaced-"

/* --- within a layout --- */

/* Until the swap is done by a name of its own: the kernel empties an array of programs when the last pin or descriptor of it goes. */
static const char *private_path(const struct dp *dp, char path[static DP_PATH_MAX], enum dp_map map, uint32_t id)
{
	char name[48];

	snprintf(name, sizeof(name), "%s-%u", dp_map_name(map), id);
	return dp_path(&dp->dirs, path, "maps", name);
}

static int map_id(const struct dp *dp, enum dp_map map, uint32_t *id, struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(dp->map_fd[map], &info, &len) < 0)
		return err_set(err, -errno, "cannot read map '%s': %s", dp_map_name(map), strerror(errno));
	*id = info.id;
	return 0;
}

int dp_private_pin(struct dp *dp, enum dp_map map, struct err *err)
{
	char path[DP_PATH_MAX];
	uint32_t id;
	int rc = map_id(dp, map, &id, err);

	if (rc)
		return rc;
	if (bpf_obj_pin(dp->map_fd[map], private_path(dp, path, map, id)) < 0)
		return err_set(err, -errno, "cannot pin map '%s': %s", path, strerror(errno));
	return 0;
}

/* A packet that is in a program now has left it when this returns: an RCU grace period. */
static void wait_for_packets(void)
{
	const struct timespec longer = { .tv_nsec = 100 * NSEC_PER_MSEC };

	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0) /* refused with nohz_full, which a packet takes microseconds of */
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &longer, NULL);
}

/* Before an interface has one of our programs, which count there.  What the old ones count from here on is not taken over. */
void dp_counts_take(struct dp *dp, enum dp_map map, int from_fd, uint32_t from_size)
{
	const struct bpf_map *ours = bpf_object__find_map_by_name(dp->obj, dp_map_name(map));
	uint32_t zero = 0, size = bpf_map__value_size(ours), common = size < from_size ? size : from_size;
	int cpus = libbpf_num_possible_cpus();
	_free_ uint8_t *from = cpus > 0 ? calloc((size_t)cpus, from_size) : NULL;
	_free_ uint8_t *to = cpus > 0 ? calloc((size_t)cpus, size) : NULL;

	if (!from || !to || bpf_map_lookup_elem(from_fd, &zero, from)) /* they begin at zero */
		return;
	for (int cpu = 0; cpu < cpus; cpu++)
		memcpy(to + (size_t)cpu * size, from + (size_t)cpu * from_size, common);
	(void)bpf_map_update_elem(dp->map_fd[map], &zero, to, BPF_ANY);
}

static bool is_ours(const struct dp *dp, const char *sub, const char *name)
{
	if (!strcmp(sub, "maps"))
		for (unsigned int i = 0; i < DP_MAP_MAX; i++)
			if (!strcmp(name, dp_map_name(i)))
				return true;
	if (!strcmp(sub, "progs"))
		for (unsigned int i = 0; i < DP_PROG_MAX; i++)
			if (!strcmp(name, dp_prog_name(i)))
				return true;
	return false;
}

/* Pins of other versions: what we do not keep up to date must not be there when they come back. */
static void forget_unknown(struct dp *dp, const char *sub)
{
	char dirname[DP_PATH_MAX], path[DP_PATH_MAX];
	struct dirent *e;
	DIR *dir = opendir(dp_path(&dp->dirs, dirname, sub, ""));

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && !is_ours(dp, sub, e->d_name))
			(void)unlink(dp_path(&dp->dirs, path, sub, e->d_name));
	if (dir)
		closedir(dir);
}

int dp_swap_done(struct dp *dp, struct err *err)
{
	char from[DP_PATH_MAX], to[DP_PATH_MAX];
	uint32_t id;

	wait_for_packets();
	for (unsigned int i = 0; i < DP_MAP_MAX; i++) {
		if (!dp_map_private(i))
			continue;
		if (map_id(dp, i, &id, err))
			return err ? err->code : -EIO;
		if (rename(private_path(dp, from, i, id), dp_path(&dp->dirs, to, "maps", dp_map_name(i))) < 0)
			return err_set(err, -errno, "cannot rename pinned map '%s': %s", from, strerror(errno));
	}
	forget_unknown(dp, "maps");
	forget_unknown(dp, "progs");
	return 0;
}

/* --- from one layout to another --- */

static int note_other(struct dp_dirs *dirs, const char *name)
{
	char **grown = reallocarray(dirs->others, dirs->n_others + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	dirs->others = grown;
	if (asprintf(&dirs->others[dirs->n_others], "%s/%s", dirs->instance, name) < 0)
		return -ENOMEM;
	dirs->n_others++;
	return 0;
}

/*
 * If ours is there besides, an earlier process of ours has begun to replace the others, and we go on with that.  'create': this is a
 * start, which must not step in beside a live datapath that it cannot read.
 */
int dp_others_find(struct dp_dirs *dirs, bool create, struct err *err)
{
	const char *ours = strrchr(dirs->abi, '/') + 1;
	char foreign[64] = "";
	struct dirent *e;
	struct stat st;
	DIR *dir = opendir(dirs->instance);
	int rc = 0;

	while (dir && !rc && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || !strcmp(e->d_name, ours))
			continue;
		rc = note_other(dirs, e->d_name);
		if (!strncmp(e->d_name, LAYOUT, strlen(LAYOUT)))
			snprintf(foreign, sizeof(foreign), "%.60s", e->d_name);
	}
	if (dir)
		closedir(dir);
	if (rc)
		return err_set(err, rc, "out of memory");
	if (create && foreign[0] && stat(dirs->abi, &st) < 0)
		return err_set(err, -EEXIST,
			       "instance '%s' has a datapath of another version ('%s', this one is '%s'), which goes on: start that version, "
			       "or run 'skepd --replace' and start again",
			       strrchr(dirs->instance, '/') + 1, foreign, ours);
	return 0;
}

/* A link that is pinned in a datapath that is being replaced becomes ours, and has the old program until we update it. */
void dp_others_take(const struct dp_dirs *dirs, const char *link)
{
	char from[2 * DP_PATH_MAX], to[DP_PATH_MAX];
	struct stat st;

	if (!dirs->n_others || stat(dp_path(dirs, to, "links", link), &st) == 0)
		return;
	for (size_t i = 0; i < dirs->n_others; i++)
		if ((size_t)snprintf(from, sizeof(from), "%s/links/%s", dirs->others[i], link) < sizeof(from) && rename(from, to) == 0)
			return;
}

/* The ports that we want have our programs: what is left of the others' goes. */
void dp_others_remove(struct dp *dp)
{
	if (!dp->dirs.n_others)
		return;
	wait_for_packets();
	while (dp->dirs.n_others) {
		char *path = dp->dirs.others[--dp->dirs.n_others];

		dp_links_drop(path);
		dp_tree_remove(path);
		free(path);
	}
}

static int set_aside(const struct dp_dirs *dirs, const char *path, struct err *err)
{
	char to[2 * DP_PATH_MAX];
	struct stat st;

	for (unsigned int n = 1;; n++) {
		snprintf(to, sizeof(to), "%s/" REPLACED "%u", dirs->instance, n);
		if (stat(to, &st) < 0)
			break;
	}
	return rename(path, to) < 0 ? err_set(err, -errno, "cannot rename '%s': %s", path, strerror(errno)) : 0;
}

int dp_replace(const struct dp_config *config, struct err *err)
{
	struct dp_dirs dirs;
	struct stat st;
	int rc = dp_dirs_open(&dirs, config, false, err);

	if (rc)
		return rc;
	if (stat(dirs.abi, &st) == 0)
		rc = set_aside(&dirs, dirs.abi, err);
	for (size_t i = 0; i < dirs.n_others && !rc; i++)
		if (!strncmp(strrchr(dirs.others[i], '/') + 1, LAYOUT, strlen(LAYOUT)))
			rc = set_aside(&dirs, dirs.others[i], err);
	dp_dirs_close(&dirs);
	return rc;
}
