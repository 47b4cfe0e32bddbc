// SPDX-License-Identifier: Apache-2.0
/*
 * Programs on interfaces.  TC ingress: a pinned tcx link (kernel 6.6), else a clsact filter with a
 * handle and priority of this instance's own.  XDP on the underlay interface: a pinned link in
 * native mode.  A link that is there already gets the new program in one atomic step; a fresh tcx
 * attach costs 12 ms, an update a microsecond.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/hash.h"

#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46) /* BPF_TCX_INGRESS, kernel 6.6 */
#define FILTER_PRIORITY	   50
#define TCX_QUERY_MAX	   64 /* programs of one hook that are looked at */

uint32_t dp_links_handle(const char *instance)
{
	uint32_t handle = (uint32_t)hash_str(instance, 0) & 0x7fffffff;

	return handle ? handle : 1;
}

static const char *link_path(const struct dp_dirs *dirs, char path[static DP_PATH_MAX],
			     uint32_t ifindex, const char *hook)
{
	char name[32];

	snprintf(name, sizeof(name), "%u-%s", ifindex, hook);
	return dp_path(dirs, path, "links", name);
}

/* The same, and it may be one of another layout's datapath until now. */
static const char *link_taken(const struct dp_dirs *dirs, char path[static DP_PATH_MAX], uint32_t ifindex, const char *hook)
{
	dp_others_take(dirs, strrchr(link_path(dirs, path, ifindex, hook), '/') + 1);
	return path;
}

static uint32_t link_id(int fd, uint32_t *ifindex)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	*ifindex = info.xdp.ifindex; /* tcx has it in the same place; 0 = its interface has gone */
	return info.id;
}

/* Is link 'id' on this interface of this namespace?  (Ifindexes of two namespaces look alike.) */
static bool tcx_has_link(uint32_t ifindex, uint32_t id)
{
	uint32_t progs[TCX_QUERY_MAX], links[TCX_QUERY_MAX];
	struct { /* union bpf_attr, BPF_PROG_QUERY, as of kernel 6.6 */
		__u32 ifindex, attach_type, query_flags, attach_flags;
		__aligned_u64 prog_ids;
		__u32 count, pad;
		__aligned_u64 prog_attach_flags, link_ids, link_attach_flags, revision;
	} query = {
		.ifindex = ifindex,
		.attach_type = ATTACH_TCX_INGRESS,
		.prog_ids = (uintptr_t)progs,
		.count = TCX_QUERY_MAX,
		.link_ids = (uintptr_t)links,
	};

	if (syscall(__NR_bpf, BPF_PROG_QUERY, &query, sizeof(query)) < 0)
		return false;
	for (uint32_t i = 0; i < query.count && i < TCX_QUERY_MAX; i++)
		if (links[i] == id)
			return true;
	return false;
}

/* Off the interface at once, whoever still has a descriptor of it. */
static void remove_link(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd >= 0) {
		(void)bpf_link_detach(fd);
		close(fd);
	}
	(void)unlink(path);
}

/* --- TC --- */

static void detach_clsact(struct nl *nl, uint32_t ifindex, uint32_t handle);

static int attach_tcx(struct dp *dp, uint32_t ifindex, enum dp_prog prog)
{
	char path[DP_PATH_MAX];
	uint32_t on = 0, id;
	_close_ int fd = bpf_obj_get(link_taken(&dp->dirs, path, ifindex, "in"));

	if (fd >= 0) {
		id = link_id(fd, &on);
		if (on == ifindex && tcx_has_link(ifindex, id) &&
		    bpf_link_update(fd, dp->prog_fd[prog], NULL) == 0)
			return 0;
		remove_link(path);
		close(fd);
	}
	fd = bpf_link_create(dp->prog_fd[prog], (int)ifindex, ATTACH_TCX_INGRESS, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path) < 0)
		return -errno;
	detach_clsact(&dp->nl, ifindex, dp->handle); /* of a process that was told to use clsact */
	return 0;
}

static int attach_clsact(struct dp *dp, uint32_t ifindex, enum dp_prog prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = dp->prog_fd[prog], .flags = BPF_TC_F_REPLACE,
		    .handle = dp->handle, .priority = FILTER_PRIORITY);
	int rc = bpf_tc_hook_create(&hook);

	if (rc && rc != -EEXIST)
		return rc;
	return bpf_tc_attach(&hook, &opts);
}

int dp_link_attach(struct dp *dp, uint32_t ifindex, const char *ifname, enum dp_prog prog,
		   struct err *err)
{
	int rc = -EOPNOTSUPP;

	if (dp->tcx) {
		rc = attach_tcx(dp, ifindex, prog);
		if (rc == 0)
			dp->tcx_proven = true;
		else if ((rc == -EINVAL || rc == -EOPNOTSUPP) &&
			 !dp->tcx_proven) /* kernel before 6.6 */
			dp->tcx = false;
	}
	if (!dp->tcx)
		rc = attach_clsact(dp, ifindex, prog);
	if (rc)
		return err_set(err, rc, "cannot attach program '%s' to interface '%s': %s",
			       dp_prog_name(prog), ifname, strerror(-rc));
	return 0;
}

/* Our filter, if it is there; the qdisc too when nothing else is in it. */
static void detach_clsact(struct nl *nl, uint32_t ifindex, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = handle, .priority = FILTER_PRIORITY);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = FILTER_PRIORITY);

	if (bpf_tc_query(&hook, &query) || bpf_tc_detach(&hook, &opts))
		return;
	if (nl_filter_count(nl, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) == 0 &&
	    nl_filter_count(nl, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)) == 0) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		(void)bpf_tc_hook_destroy(&hook);
	}
}

void dp_link_detach(struct dp *dp, uint32_t ifindex)
{
	char path[DP_PATH_MAX];

	remove_link(link_path(&dp->dirs, path, ifindex, "in"));
	if (!dp->tcx)
		detach_clsact(&dp->nl, ifindex, dp->handle);
}

/* --- XDP --- */

/* Is a program there in this mode?  A link keeps the one that it was made with. */
static bool xdp_is(uint32_t ifindex, uint32_t mode)
{
	__u32 id = 0;

	return !bpf_xdp_query_id((int)ifindex, (int)mode, &id) && id;
}

static int attach_xdp(struct dp *dp, uint32_t ifindex, enum dp_prog prog, bool generic)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	char path[DP_PATH_MAX];
	uint32_t on = 0;
	_close_ int fd = bpf_obj_get(link_taken(&dp->dirs, path, ifindex, "xdp"));

	if (fd >= 0) {
		if (link_id(fd, &on) && on == ifindex && xdp_is(ifindex, opts.flags) &&
		    bpf_link_update(fd, dp->prog_fd[prog], NULL) == 0)
			return 0;
		remove_link(path);
		close(fd);
	}
	fd = bpf_link_create(dp->prog_fd[prog], (int)ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return -errno;
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

/* "program 'x' (id 7)" that sits on the interface's XDP hook.  Only CAP_SYS_ADMIN may ask for its name. */
static const char *xdp_holder(uint32_t ifindex, char *buf, size_t size)
{
	struct bpf_prog_info info = { 0 };
	__u32 id = 0, len = sizeof(info);
	_close_ int fd = -1;

	if (bpf_xdp_query_id((int)ifindex, 0, &id) || !id) {
		snprintf(buf, size, "another program");
		return buf;
	}
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		snprintf(buf, size, "another program (id %u)", id);
	else
		snprintf(buf, size, "program '%s' (id %u)", info.name, id);
	return buf;
}

int dp_xdp_blind(const struct nl_link *link, bool generic, char *why, size_t size)
{
	int hides = nl_hides_tags(link->name), merges = generic && !hides ? nl_merges(link->name) : 0;

	if (hides > 0)
		snprintf(why, size, "XDP would not see VLAN tags (ethtool -K %s rxvlan off)", link->name);
	else if (merges > 0)
		snprintf(why, size, "generic XDP would take merged segments for one (ethtool -K %s gro off)", link->name);
	else if (hides || merges)
		snprintf(why, size, "its offloads cannot be read (%s)", strerror(-(hides ? hides : merges)));
	return hides ? hides : merges;
}

int dp_xdp_link(struct dp *dp, const struct nl_link *link, enum dp_prog prog, bool generic, char *why, size_t size)
{
	char holder[96];
	int rc;

	if (dp_xdp_blind(link, generic, why, size)) {
		rc = 1;
	} else {
		rc = attach_xdp(dp, link->ifindex, prog, generic);
		if (rc == -EBUSY || rc == -EEXIST)
			snprintf(why, size, "XDP is held by %s", xdp_holder(link->ifindex, holder, sizeof(holder)));
		else if (rc)
			snprintf(why, size, "no %s XDP (%s)", generic ? "generic" : "native", strerror(-rc));
	}
	if (rc)
		dp_xdp_unlink(dp, link->ifindex);
	else
		dp_unwarn(dp, "interface '%s': ", link->name); /* all about XDP */
	return rc;
}

int dp_xdp_attach(struct dp *dp, const struct nl_link *under, struct err *err)
{
	bool is_virtual = !strcmp(under->kind, "veth") || !strcmp(under->kind, "tun");
	char why[160];
	int rc;

	dp->xdp = dp->xdp_blind = false;
	if (dp->config.xdp == DP_XDP_OFF || (dp->config.xdp == DP_XDP_AUTO && is_virtual)) {
		dp_xdp_detach(dp, under->ifindex);
		return 0;
	}
	rc = dp_xdp_link(dp, under, DP_PROG_XDP, dp->config.xdp == DP_XDP_GENERIC, why, sizeof(why));
	if (rc == 0) {
		dp->xdp = true;
		return 0;
	}
	dp->xdp_blind = rc > 0;
	if (dp->config.xdp != DP_XDP_AUTO)
		return err_set(err, rc > 0 ? -EINVAL : rc, "cannot attach XDP to interface '%s': %s (set xdp: auto or tc)", under->name, why);
	dp_warn(dp, "interface '%s': %s, using TC alone", under->name, why);
	return 0;
}

void dp_xdp_unlink(struct dp *dp, uint32_t ifindex)
{
	char path[DP_PATH_MAX];

	remove_link(link_taken(&dp->dirs, path, ifindex, "xdp"));
}

void dp_xdp_detach(struct dp *dp, uint32_t ifindex)
{
	dp_xdp_unlink(dp, ifindex);
	dp->xdp = dp->xdp_blind = dp->xdp_send = false;
}

void dp_xdp_again(struct dp *dp, const struct nl_link *under)
{
	struct err err = { 0 };
	char why[160];
	int blind;

	if (!dp->xdp && !dp->xdp_blind)
		return;
	blind = dp_xdp_blind(under, dp->config.xdp == DP_XDP_GENERIC, why, sizeof(why));
	if (blind == -ENODEV) /* gone or renamed since: the kernel will say so */
		return;
	if (blind && dp->xdp) {
		dp_warn(dp, "interface '%s': %s, using TC alone", under->name, why);
		dp->xdp_send = false;
		dp_config_write(dp); /* cards stop sending by it while it can still send */
		dp_xdp_detach(dp, under->ifindex);
		dp->xdp_blind = true;
	} else if (!blind && !dp->xdp) {
		dp->xdp = true;
		dp_config_write(dp); /* TC knows before the first packet is stripped */
		if (dp_xdp_attach(dp, under, &err))
			dp_warn(dp, "%s", err.text);
	} else {
		return;
	}
	dp_cards_underlay(dp, under);
	dp_config_write(dp);
}

/* --- all of them --- */

/* Removes the pinned links that nothing wants any more. */
void dp_links_prune(struct dp *dp,
		    bool (*wanted)(struct dp *dp, uint32_t ifindex, const char *hook))
{
	char dirname[DP_PATH_MAX], path[DP_PATH_MAX];
	struct dirent *e;
	DIR *dir = opendir(dp_path(&dp->dirs, dirname, "links", ""));

	while (dir && (e = readdir(dir))) {
		char *end;
		unsigned long ifindex = strtoul(e->d_name, &end, 10);

		if (end == e->d_name || *end != '-')
			continue;
		if (!wanted(dp, (uint32_t)ifindex, end + 1))
			remove_link(dp_path(&dp->dirs, path, "links", e->d_name));
	}
	if (dir)
		closedir(dir);
}

void dp_links_drop(const char *datapath)
{
	char dirname[DP_PATH_MAX], path[2 * DP_PATH_MAX];
	struct dirent *e;
	DIR *dir;

	snprintf(dirname, sizeof(dirname), "%s/links", datapath);
	dir = opendir(dirname);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && (size_t)snprintf(path, sizeof(path), "%s/%s", dirname, e->d_name) < sizeof(path))
			remove_link(path);
	if (dir)
		closedir(dir);
}

struct filter_sweep {
	struct nl *nl;
	uint32_t *ifindexes;
	size_t n;
};

static void collect_link(void *arg, const struct nl_link *link)
{
	struct filter_sweep *s = arg;
	uint32_t *grown;

	if ((s->n & (s->n - 1)) == 0) { /* powers of two */
		grown = realloc(s->ifindexes, (s->n ? s->n * 2 : 1) * sizeof(*grown));
		if (!grown)
			return;
		s->ifindexes = grown;
	}
	s->ifindexes[s->n++] = link->ifindex;
}

void dp_links_remove(const struct dp_dirs *dirs, struct nl *nl, uint32_t handle)
{
	struct filter_sweep s = { .nl = nl };

	if (dirs)
		dp_links_drop(dirs->abi);
	(void)nl_link_dump(nl, collect_link, &s);
	for (size_t i = 0; i < s.n; i++)
		detach_clsact(nl, s.ifindexes[i], handle);
	free(s.ifindexes);
}
