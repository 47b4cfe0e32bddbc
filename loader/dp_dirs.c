// SPDX-License-Identifier: Apache-2.0
/*
 * Where an instance's pins live, and the lock that lets one process at a time have them.  The bpffs may be hidden: 'ip netns exec'
 * unshares mounts and puts a fresh /sys in place.  A mount made there would die with the process, and the datapath with it, so the
 * one of the first process's mount namespace is preferred, looked at through /proc/1/root.
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

static bool in_first_mount_ns(void)
{
	struct stat ours, first;

	if (stat("/proc/self/ns/mnt", &ours) < 0 || stat("/proc/1/ns/mnt", &first) < 0)
		return true; /* no way to look elsewhere */
	return ours.st_dev == first.st_dev && ours.st_ino == first.st_ino;
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

static int mount_in_first_ns(const char *path)
{
	int status, fd, rc;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
			_exit(errno);
		rc = mount_here(path);
		_exit(rc < 0 ? -rc : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* The mount as a path that this process can use; NULL with *rc = -ENOENT when there is none and none is to be made. */
static char *find_bpffs(const char *path, bool create, int *rc)
{
	char *far = NULL;
	bool elsewhere = !in_first_mount_ns();

	*rc = 0;
	if (is_bpffs(path))
		goto here;
	if (elsewhere && asprintf(&far, "/proc/1/root%s", path) < 0) {
		*rc = -ENOMEM;
		return NULL;
	}
	if (far && is_bpffs(far))
		return far;
	if (!create) {
		free(far);
		*rc = -ENOENT;
		return NULL;
	}
	if (far && mount_in_first_ns(path) == 0 && is_bpffs(far))
		return far;
	free(far);
	*rc = mount_here(path);
	if (*rc)
		return NULL;
here:
	far = strdup(path);
	if (!far)
		*rc = -ENOMEM;
	return far;
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

	*dirs = (struct dp_dirs){.lock_fd = -1};
	if (!name_ok(config->instance))
		return err_set(err, -EINVAL,
			       "instance '%s' is not a usable name (want 1 to 64 characters without '/', not a dot in front)",
			       config->instance ? config->instance : "");
	if (!config->bpffs || config->bpffs[0] != '/' || strlen(config->bpffs) > 256)
		return err_set(err, -EINVAL, "bpffs '%s' is not an absolute path of at most 256 characters",
			       config->bpffs ? config->bpffs : "");
	dirs->bpffs = find_bpffs(config->bpffs, create, &rc);
	if (!dirs->bpffs) {
		if (rc == -ENOENT && !create)
			return err_set(err, rc, "no bpffs is mounted on '%s'", config->bpffs);
		return err_set(err, rc, "cannot mount a bpffs on '%s': %s (run 'mount -t bpf bpf %s' first)",
			       config->bpffs, strerror(-rc), config->bpffs);
	}
	if (asprintf(&dirs->instance, "%s/skep/%s", dirs->bpffs, config->instance) < 0 ||
	    asprintf(&dirs->abi, "%s/abi%d", dirs->instance, SKEP_ABI) < 0) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto fail;
	}
	if (!create && stat(dirs->instance, &st) < 0) {
		rc = err_set(err, -ENOENT, "instance '%s' has nothing under '%s'", config->instance, dirs->bpffs);
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
			err_tag(err, -EBUSY, "busy", "instance '%s' is in use by another skepd", config->instance);
		else
			err_set(err, rc, "cannot lock '%s': %s", dirs->instance, strerror(-rc));
		rc = rc == -EWOULDBLOCK ? -EBUSY : rc;
		goto fail;
	}
	return 0;
fail:
	dp_dirs_close(dirs);
	return rc;
}

void dp_dirs_close(struct dp_dirs *dirs)
{
	if (dirs->lock_fd >= 0)
		close(dirs->lock_fd);
	free(dirs->bpffs);
	free(dirs->instance);
	free(dirs->abi);
	*dirs = (struct dp_dirs){.lock_fd = -1};
}

int dp_dirs_make(const struct dp_dirs *dirs, struct err *err)
{
	static const char *const subs[] = {"maps", "progs", "links"};
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
		if ((size_t)snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >= sizeof(child))
			continue;
		if (unlink(child) < 0)
			remove_tree(child, depth - 1);
	}
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

void dp_dirs_remove(const struct dp_dirs *dirs)
{
	char parent[DP_PATH_MAX];

	remove_tree(dirs->instance, 3);
	snprintf(parent, sizeof(parent), "%s/skep", dirs->bpffs);
	(void)rmdir(parent); /* stays while other instances are there */
}

const char *dp_path(const struct dp_dirs *dirs, char path[static DP_PATH_MAX], const char *sub, const char *name)
{
	snprintf(path, DP_PATH_MAX, "%s/%s/%s", dirs->abi, sub, name);
	return path;
}
