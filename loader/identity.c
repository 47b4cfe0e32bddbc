// SPDX-License-Identifier: Apache-2.0
#include "loader/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/uuid.h"

int identity_dir(const char *path, struct err *err)
{
	_free_ char *copy = strdup(path);

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *p = copy + 1;; p++) {
		bool last = !*p;

		if (*p != '/' && !last)
			continue;
		*p = 0;
		if (mkdir(copy, last ? 0750 : 0755) && errno != EEXIST)
			return err_set(err, -errno, "cannot create directory '%s': %s", copy,
				       strerror(errno));
		if (last)
			return 0;
		*p = '/';
	}
}

int identity_lock(const char *state_dir, struct err *err)
{
	_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/skepd.lock", state_dir) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "cannot open '%s': %s", path, strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return err_set(err, -EBUSY, "another skepd is running with the state directory '%s'",
		       state_dir);
}

/* An abstract socket: there is one such name in a network namespace, as there is one device of a
 * name, whatever directories the processes see; the kernel frees it when the process is dead. */
int identity_devices(const char *prefix, struct err *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n, rc;

	if (fd < 0)
		return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "skepd.devices.%s", prefix);
	if (!bind(fd, (struct sockaddr *)&name,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)))
		return fd;
	rc = -errno;
	close(fd);
	if (rc == -EADDRINUSE)
		return err_set(err, -EBUSY,
			       "another skepd is running with the devices '%s...' in this network "
			       "namespace (each instance needs its own 'device_prefix')",
			       prefix);
	return err_set(err, rc, "cannot claim the devices '%s...': %s", prefix, strerror(-rc));
}

static int read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, (int)size, f);

	if (f)
		fclose(f);
	if (!ok)
		return -ENOENT;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

static int make_id(const char *path, char id[static UUID_TEXT], struct err *err)
{
	struct timespec now;
	uint8_t random[10];
	FILE *f;
	int rc;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(err, -EIO, "no random numbers: %s", strerror(errno));
	clock_gettime(CLOCK_REALTIME, &now);
	uuid_v7((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, random, id);
	f = fopen(path, "we");
	rc = !f || fprintf(f, "%s\n", id) < 0 ? -errno : 0;
	if (f && fclose(f) && !rc)
		rc = -errno;
	return rc ? err_set(err, rc, "cannot write '%s': %s", path, strerror(-rc)) : 0;
}

int identity_owner(const char *state_dir, char *buf, size_t size, struct err *err)
{
	char boot[64] = "", id[UUID_TEXT + 1] = "";
	_free_ char *path = NULL;
	int rc = 0;

	if (asprintf(&path, "%s/agent-id", state_dir) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)))
		return err_set(err, -EIO, "cannot read /proc/sys/kernel/random/boot_id");
	if (read_line(path, id, sizeof(id)) || !uuid_valid(id))
		rc = make_id(path, id, err);
	if (!rc)
		snprintf(buf, size, "%s.%s", boot, id);
	return rc;
}
