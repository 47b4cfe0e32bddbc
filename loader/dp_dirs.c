// SPDX-License-Identifier: Apache-2.0
/*
 * Where an instance's pins live, and the lock that lets one process at a time have them.  The bpffs
 * may be hidden: 'ip netns exec' unshares mounts and puts a fresh /sys in place.  A mount made
 * there would die with the process, and the datapath with it, so the mounts of the process's
 * ancestors are looked at too, and a new one is made in theirs.  It is then held by a descriptor,
 * and named /proc/self/fd/N: the ancestor may exit.
 */
#include "loader/dp_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static int make_path(const char *path)
{
	char buf[DP_PATH_MAX];

	if ((size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return -ENAMETOOLONG;
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(buf, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int mount_here(const char *path)
{
	int rc = make_path(path);

	if (rc)
		return rc;
	return mount("bpf", path, "bpf", 0, "mode=0700") < 0 ? -errno : 0;
}

/* --- the bpffs, perhaps in another mount namespace --- */

#define ANCESTORS_MAX 64

static pid_t parent_of(pid_t pid)
{
	char path[64], line[512], *end;
	FILE *f;
	long ppid = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) && strlen(end) > 4)
		ppid = strtol(end + 4, NULL, 10); /* ") S ppid" */
	fclose(f);
	return (pid_t)ppid;
}

static bool other_mount_ns(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return stat("/proc/self/ns/mnt", &ours) == 0 && stat(path, &theirs) == 0 &&
	       (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino);
}

/* 'path' as process 'pid' sees it, if that is a bpffs; else -1. */
static int open_far(pid_t pid, const char *path)
{
	char far[DP_PATH_MAX];
	struct statfs fs;
	int fd;

	snprintf(far, sizeof(far), "/proc/%d/root%s", (int)pid, path);
	fd = open(far, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return fd;
	close(fd);
	return -1;
}

static int mount_far(pid_t pid, const char *path)
{
	char ns[64];
	int status, fd, rc;
	pid_t child;

	snprintf(ns, sizeof(ns), "/proc/%d/ns/mnt", (int)pid);
	fd = open(ns, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	child = fork();
	if (child == 0) {
		rc = setns(fd, CLONE_NEWNS) < 0 ? -errno : mount_here(path);
		_exit(rc ? 1 : 0);
	}
	close(fd);
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? open_far(pid, path)
									  : -1;
}

/* Sets dirs->bpffs.  -ENOENT when there is none and none is to be made. */
static int find_bpffs(struct dp_dirs *dirs, const char *path, bool create)
{
	pid_t pid = getppid(), outer = 0;
	int rc;

	if (!is_bpffs(path)) {
		for (int i = 0; pid > 0 && i < ANCESTORS_MAX && dirs->far_fd < 0;
		     i++, pid = parent_of(pid)) {
			if (!other_mount_ns(pid))
				continue;
			dirs->far_fd = open_far(pid, path);
			if (!outer)
				outer = pid;
		}
		if (dirs->far_fd < 0 && !create)
			return -ENOENT;
		if (dirs->far_fd < 0 && outer)
			dirs->far_fd = mount_far(outer, path);
		if (dirs->far_fd < 0) {
			rc = mount_here(path);
			if (rc)
				return rc;
		}
	}
	if (dirs->far_fd >= 0)
		return asprintf(&dirs->bpffs, "/proc/self/fd/%d", dirs->far_fd) < 0 ? -ENOMEM : 0;
	dirs->bpffs = strdup(path);
	return dirs->bpffs ? 0 : -ENOMEM;
}

static bool name_ok(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len > 0 && len <= 64 && name[0] != '.' && !strchr(name, '/');
}

int dp_dirs_open(struct dp_dirs *dirs, const struct dp_config *config, bool create, struct err *err)
{
	struct stat st;
	int rc;

	*dirs = (struct dp_dirs){ .lock_fd = -1, .far_fd = -1 };
	if (!name_ok(config->instance))
		return err_set(
			err, -EINVAL,
			"instance '%s' is not a usable name (want 1 to 64 characters without '/', not a dot in front)",
			config->instance ? config->instance : "");
	if (!config->bpffs || config->bpffs[0] != '/' || strlen(config->bpffs) > 256)
		return err_set(err, -EINVAL,
			       "bpffs '%s' is not an absolute path of at most 256 characters",
			       config->bpffs ? config->bpffs : "");
	rc = find_bpffs(dirs, config->bpffs, create);
	if (rc) {
		if (rc == -ENOENT && !create)
			err_set(err, rc, "no bpffs is mounted on '%s'", config->bpffs);
		else
			err_set(err, rc,
				"cannot mount a bpffs on '%s': %s (run 'mount -t bpf bpf %s' first)",
				config->bpffs, strerror(-rc), config->bpffs);
		goto fail;
	}
	if (asprintf(&dirs->instance, "%s/skep/%s", dirs->bpffs, config->instance) < 0 ||
	    asprintf(&dirs->abi, "%s/abi%d", dirs->instance, SKEP_ABI) < 0) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto fail;
	}
	if (!create && stat(dirs->instance, &st) < 0) {
		rc = err_set(err, -ENOENT, "instance '%s' has nothing under '%s'", config->instance,
			     dirs->bpffs);
		goto fail;
	}
	rc = make_path(dirs->instance);
	if (rc) {
		err_set(err, rc, "cannot make '%s': %s", dirs->instance, strerror(-rc));
		goto fail;
	}
	dirs->lock_fd = open(dirs->instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirs->lock_fd < 0 || flock(dirs->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		rc = -errno;
		if (rc == -EWOULDBLOCK)
			err_tag(err, -EBUSY, "busy", "instance '%s' is in use by another skepd",
				config->instance);
		else
			err_set(err, rc, "cannot lock '%s': %s", dirs->instance, strerror(-rc));
		rc = rc == -EWOULDBLOCK ? -EBUSY : rc;
		goto fail;
	}
	rc = dp_others_find(dirs, create, err);
	if (rc)
		goto fail;
	return 0;
fail:
	dp_dirs_close(dirs);
	return rc;
}

void dp_dirs_close(struct dp_dirs *dirs)
{
	if (dirs->lock_fd >= 0)
		close(dirs->lock_fd);
	if (dirs->far_fd >= 0)
		close(dirs->far_fd);
	free(dirs->bpffs);
	free(dirs->instance);
	free(dirs->abi);
	for (size_t i = 0; i < dirs->n_others; i++)
		free(dirs->others[i]);
	free(dirs->others);
	*dirs = (struct dp_dirs){ .lock_fd = -1, .far_fd = -1 };
}

int dp_dirs_make(const struct dp_dirs *dirs, struct err *err)
{
	static const char *const subs[] = { "maps", "progs", "links" };
	char path[DP_PATH_MAX];
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(subs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs->abi, subs[i]);
		rc = make_path(path);
		if (rc)
			return err_set(err, rc, "cannot make '%s': %s", path, strerror(-rc));
	}
	return 0;
}

/* Depth is bounded by the layout: <instance>/abi<N>/<sub>/<pin>. */
static void remove_tree(const char *path, int depth)
{
	char child[DP_PATH_MAX];
	struct dirent *e;
	DIR *dir = depth > 0 ? opendir(path) : NULL;

	while (dir && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >=
		    sizeof(child))
			continue;
		if (unlink(child) < 0)
			remove_tree(child, depth - 1);
	}
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

void dp_tree_remove(const char *path)
{
	remove_tree(path, 2);
}

void dp_dirs_remove(const struct dp_dirs *dirs)
{
	char parent[DP_PATH_MAX];

	remove_tree(dirs->instance, 3);
	snprintf(parent, sizeof(parent), "%s/skep", dirs->bpffs);
	(void)rmdir(parent); /* stays while other instances are there */
}

const char *dp_path(const struct dp_dirs *dirs, char path[static DP_PATH_MAX], const char *sub,
		    const char *name)
{
	snprintf(path, DP_PATH_MAX, "%s/%s/%s", dirs->abi, sub, name);
	return path;
}
