// SPDX-License-Identifier: Apache-2.0
/*
 * The private redis-server.  It runs in a session of its own and outlives its skepd, however that
 * ends; the next skepd finds it through the socket. <state_dir>/db/lock is locked by a descriptor
 * that the server inherits: locked = a server lives, whatever state it is in, so two can never
 * write the same files.  Supervision is a pidfd, which works for children and for adopted ones.
 * Called by db.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "statedb/private.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define STOP_MS	       10000

struct embedded {
	struct db *db;
	char *dir, *run_dir, *listen, *program;
	pid_t pid; /* 0 = none known */
	bool is_child;
	int pidfd;
	struct loop_fd *f;
	uint64_t start_at_ns;
	uint32_t backoff_ms;
	char why[384];
};

static int pid_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* --- supervising --- */

static void forget(struct embedded *e)
{
	loop_fd_del(TAKE_PTR(e->f));
	if (e->pidfd >= 0)
		close(TAKE_FD(e->pidfd));
	e->pid = 0;
	e->is_child = false;
}

static void on_exit_(void *arg, uint32_t events)
{
	struct embedded *e = arg;
	char how[64] = "ended";
	siginfo_t si = { 0 };

	(void)events;
	if (e->is_child && waitid(P_PID, (id_t)e->pid, &si, WEXITED | WNOHANG) == 0 &&
	    si.si_pid == e->pid) {
		if (si.si_code == CLD_EXITED)
			snprintf(how, sizeof(how), "ended with status %d", si.si_status);
		else
			snprintf(how, sizeof(how), "was killed by signal %d", si.si_status);
	}
	snprintf(e->why, sizeof(e->why),
		 "the state DB's server %s (see %.200s/redis.log), starting it again", how, e->dir);
	forget(e);
	e->backoff_ms = e->backoff_ms ? e->backoff_ms * 2 : BACKOFF_MIN_MS;
	if (e->backoff_ms > BACKOFF_MAX_MS)
		e->backoff_ms = BACKOFF_MAX_MS;
	e->start_at_ns = clock_mono_ns() + e->backoff_ms * NSEC_PER_MSEC;
}

static void supervise(struct embedded *e, pid_t pid, bool is_child)
{
	forget(e);
	e->pid = pid;
	e->is_child = is_child;
	e->pidfd = pid_open(pid);
	if (e->pidfd >= 0)
		e->f = loop_fd_add(e->db->loop, e->pidfd, EPOLLIN, on_exit_, e);
	if (!e->f)
		forget(e); /* of another pid namespace, perhaps: then only the lock tells */
}

static void learn_pid(struct embedded *e, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid > 0 &&
	    cred.pid != e->pid)
		supervise(e, cred.pid, false);
}

static void on_listening(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct embedded *e = arg;

	(void)n;
	(void)why;
	if (r && r->type == REDIS_REPLY_ERROR)
		snprintf(e->why, sizeof(e->why),
			 "the state DB's server does not listen on '%.100s': %.200s", e->listen,
			 r->str);
}

/* Of the port that it is not to have it says so in vain, if it was built without TLS. */
static void on_closed(void *arg, struct node *n, const redisReply *r, const char *why)
{
	(void)arg;
	(void)n;
	(void)r;
	(void)why;
}

/* An adopted server was started with another configuration, perhaps: it is told where to listen, and to read its certificate again.
 * Without 'listen' it is left as it is. */
void embedded_connected(struct embedded *e, struct node *n)
{
	const struct db_tls *tls = &e->db->tls;
	struct db_addr listen;
	char port[8];
	const char *closed[] = { "CONFIG", "SET", tls->ca ? "port" : "tls-port", "0" };
	const char *argv[] = { "CONFIG", "SET", tls->ca ? "tls-port" : "port", port, "bind", listen.host,
			       "tls-cert-file", tls->certificate, "tls-key-file", tls->key, "tls-ca-cert-file", tls->ca,
			       "tls-auth-clients", "yes" };

	e->why[0] = 0;
	e->backoff_ms = 0;
	learn_pid(e, node_fd(n));
	if (e->is_child || !e->listen || !db_addr_parse(e->listen, &listen))
		return;
	snprintf(port, sizeof(port), "%u", listen.port);
	(void)node_send(n, 4, closed, NULL, 0, on_closed, e);
	(void)node_send(n, tls->ca ? (int)ARRAY_SIZE(argv) : 6, argv, NULL, 0, on_listening,
			e); /* if it fails, the connection does */
}

const char *embedded_why(const struct embedded *e)
{
	return e->why;
}

/* --- starting --- */

static int make_dir(const char *path, mode_t mode, struct err *err)
{
	char part[4096];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return err_set(err, -ENAMETOOLONG,
			       "state DB: directory '%.100s...' has too long a name", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, i == len ? mode : 0755) && errno != EEXIST)
			return err_set(err, -errno, "state DB: cannot make directory '%.200s': %s",
				       part, strerror(errno));
	}
	return 0;
}

/* A value in redis.conf: quoted, with what sdssplitargs() unescapes escaped. */
static void put_quoted(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s \"", name);
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		if (*p < ' ' || *p == '"' || *p == '\\')
			fprintf(f, "\\x%02x", *p);
		else
			fputc(*p, f);
	fputs("\"\n", f);
}

/* Written anew at each start; 0600, for it may hold the password. */
static int write_config(const struct embedded *e, const char *path, struct err *err)
{
	const struct db_tls *tls = &e->db->tls;
	struct db_addr listen = { .port = 0 };
	char value[512];
	FILE *f;
	int fd;

	if (e->listen)
		(void)db_addr_parse(e->listen, &listen); /* checked when it was given */
	(void)unlink(path);				 /* an older one may have another mode */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return err_set(err, -errno, "state DB: cannot write '%.200s': %s", path,
			       strerror(errno));
	fputs("# written by skep at each start\n"
	      "appendonly yes\nappendfsync everysec\nsave \"\"\ndaemonize no\nunixsocketperm 700\n"
	      "always-show-logo no\nprotected-mode no\ntcp-backlog 128\n",
	      f);
	fprintf(f, "port %u\n", tls->ca ? 0 : listen.port);
	if (listen.port)
		put_quoted(f, "bind", listen.host);
	if (tls->ca) {
		fprintf(f, "tls-port %u\ntls-auth-clients yes\ntls-protocols \"TLSv1.2 TLSv1.3\"\n", listen.port);
		put_quoted(f, "tls-ca-cert-file", tls->ca);
		put_quoted(f, "tls-cert-file", tls->certificate);
		put_quoted(f, "tls-key-file", tls->key);
	}
	put_quoted(f, "dir", e->dir);
	put_quoted(f, "unixsocket", e->db->seeds[0].host);
	snprintf(value, sizeof(value), "%.480s/db.pid", e->run_dir);
	put_quoted(f, "pidfile", value);
	if (e->db->password)
		put_quoted(f, "requirepass", e->db->password);
	if (fclose(f))
		return err_set(err, -errno, "state DB: cannot write '%.200s': %s", path,
			       strerror(errno));
	return 0;
}

/* The child: own session, default signals, only std descriptors and the lock (3); stdout and stderr
 * to redis.log. */
static int spawn(const struct embedded *e, const char *config, int lock_fd, pid_t *pid)
{
	char log[4200];
	char *const argv[] = { e->program, (char *)config, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	snprintf(log, sizeof(log), "%s/redis.log", e->dir);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, lock_fd, 3);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_adddup2(&fa, 1, 2);
	posix_spawn_file_actions_addclosefrom_np(&fa, 4);
	rc = posix_spawnp(pid, e->program, &fa, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return rc;
}

/* Starts the server unless one lives already (then somebody else's is on its way up, or ours cannot
 * be reached yet). */
static int start(struct embedded *e, struct err *err)
{
	char path[4200];
	_close_ int lock_fd = -1;
	pid_t pid;
	int rc;

	snprintf(path, sizeof(path), "%s/lock", e->dir);
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd < 0)
		return err_set(err, -errno, "state DB: cannot open '%.200s': %s", path,
			       strerror(errno));
	if (lock_fd == 3) { /* dup2 onto itself would leave it close-on-exec */
		rc = fcntl(lock_fd, F_DUPFD_CLOEXEC, 4);
		close(lock_fd);
		lock_fd = rc;
		if (lock_fd < 0)
			return err_set(err, -errno, "state DB: no descriptor for its lock");
	}
	if (flock(lock_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK
			       ? 0
			       : err_set(err, -errno, "state DB: cannot lock '%.200s'", path);
	snprintf(path, sizeof(path), "%s/redis.conf", e->dir);
	rc = write_config(e, path, err);
	if (rc)
		return rc;
	rc = spawn(e, path, lock_fd, &pid);
	if (rc)
		return err_set(
			err, -rc,
			"state DB: cannot start '%.200s': %s (install redis-server 7, or name another program)",
			e->program, strerror(rc));
	supervise(e, pid, true);
	return 0;
}

static bool somebody_listens(struct embedded *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%.107s", e->db->seeds[0].host);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&un, sizeof(un)) && errno != EAGAIN))
		return false;
	learn_pid(e, fd);
	return true;
}

struct embedded *embedded_new(struct db *db, const struct db_config *c, struct err *err)
{
	struct embedded *e = calloc(1, sizeof(*e));
	struct db_addr listen = { 0 };

	if (!e) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	e->db = db;
	e->pidfd = -1;
	e->run_dir = strdup(c->run_dir);
	e->listen = c->listen ? strdup(c->listen) : NULL;
	e->program = strdup(c->server ? c->server : "redis-server");
	if (asprintf(&e->dir, "%s/db", c->state_dir) < 0)
		e->dir = NULL;
	if (e->listen && !db_addr_parse(e->listen, &listen)) {
		err_set(err, -EINVAL,
			"state DB: listen address '%.200s' is not valid (want address:port)",
			e->listen);
		goto fail;
	}
	if (!e->dir || !e->run_dir || !e->program || (c->listen && !e->listen)) {
		err_set(err, -ENOMEM, "out of memory");
		goto fail;
	}
	if (make_dir(e->dir, 0700, err) || make_dir(e->run_dir, 0755, err))
		goto fail;
	if (!somebody_listens(e) && start(e, err))
		goto fail;
	return e;
fail:
	embedded_free(e, false);
	return NULL;
}

void embedded_tick(struct embedded *e, uint64_t now_ns)
{
	struct err err = { 0 };

	if (e->pid || now_ns < e->start_at_ns || node_is_up(e->db->nodes[0]))
		return;
	e->start_at_ns = now_ns + BACKOFF_MAX_MS * NSEC_PER_MSEC / 10;
	if (somebody_listens(e))
		return;
	if (start(e, &err))
		snprintf(e->why, sizeof(e->why), "%.380s", err.text);
}

/* --- stopping --- */

/* SIGTERM makes Redis write what it has and end.  This one waits: it is the last thing a program
 * does. */
static void stop_server(struct embedded *e)
{
	struct pollfd p = { .fd = e->pidfd, .events = POLLIN };

	if (!e->pid || e->pidfd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, e->pidfd, SIGTERM, NULL, 0);
	if (poll(&p, 1, STOP_MS) == 0) {
		(void)syscall(SYS_pidfd_send_signal, e->pidfd, SIGKILL, NULL, 0);
		(void)poll(&p, 1, STOP_MS);
	}
	if (e->is_child)
		(void)waitpid(e->pid, NULL, WNOHANG);
}

void embedded_free(struct embedded *e, bool stop)
{
	if (!e)
		return;
	if (stop)
		stop_server(e);
	forget(e);
	free(e->dir);
	free(e->run_dir);
	free(e->listen);
	free(e->program);
	free(e);
}
