// SPDX-License-Identifier: Apache-2.0
/*
 * hiredis gives the wire format and its parser; the descriptor is ours, because hiredis' own reads
 * and writes raise SIGPIPE and its connect() waits for name servers.  RESP2 only: hiredis 0.14
 * cannot survive HELLO 3.  Called by cluster.c and watch.c.
 */
#include "statedb/node.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "statedb/resolve.h"
#include "statedb/slots.h"
#include "statedb/node_tls.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define CONNECT_MS     3000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000
#define BEAT_MS	       500 /* nothing was heard for so long: it is asked whether it is there */
#define TICK_MS	       100 /* what counts of the time between two ticks: in more, it was us who did not listen */
#define PENDING_MAX    131072
#define REPLY_SIZE_MAX (1u << 30)
#define ELEMENTS_MAX   (16 * 1024 * 1024)

enum node_state { NODE_DOWN, NODE_RESOLVING, NODE_CONNECTING, NODE_SECURING, NODE_GREETING, NODE_UP };

struct pending {
	struct pending *next;
	node_reply *cb;
	void *arg;
	uint64_t late_ns;  /* no answer by then: stalled */
	uint64_t block_ns; /* the server may take so long, and be well */
};

struct node {
	struct node_config c;
	enum node_state state;
	int fd;
	struct loop_fd *f;
	struct node_tls *tls; /* NULL = none */
	struct resolve *resolve;
	redisReader *reader;
	redisReplyObjectFunctions fn; /* the reader's, with a bound on arrays */
	char *out;
	size_t out_off, out_len, out_size;
	bool want_out;
	struct pending *first, **last;
	size_t n_pending;
	uint64_t next_try_ns, state_ns, tick_ns, quiet_ns, rx_ns; /* rx: when the last bytes came */
	uint32_t backoff_ms;
	unsigned int turn; /* attempts: a name may have several addresses */
	unsigned int gen;  /* counts connections: tells a reading loop that its own is gone */
	unsigned int busy; /* depth of our own frames on the stack */
	bool freed;	   /* by a callback; memory goes when busy is 0 */
	char why[256];
};

static void fail(struct node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct node *node_new(const struct node_config *config)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->c = *config;
	n->fd = -1;
	n->last = &n->first;
	return n;
}

static void leave(struct node *n)
{
	if (--n->busy == 0 && n->freed)
		free(n);
}

/* Closes the connection; who waits is told.  Callbacks may free the node. */
static void disconnect(struct node *n)
{
	struct pending *p = n->first, *next;
	bool was_up = n->state == NODE_UP;

	n->busy++;
	n->gen++;
	n->state = NODE_DOWN;
	resolve_cancel(TAKE_PTR(n->resolve));
	loop_fd_del(TAKE_PTR(n->f));
	node_tls_free(TAKE_PTR(n->tls));
	if (n->fd >= 0)
		close(TAKE_FD(n->fd));
	if (n->reader)
		redisReaderFree(TAKE_PTR(n->reader));
	free(TAKE_PTR(n->out));
	n->out_off = n->out_len = n->out_size = 0;
	n->want_out = false;
	n->first = NULL;
	n->last = &n->first;
	n->n_pending = 0;
	n->quiet_ns = 0;
	for (; p; p = next) {
		next = p->next;
		p->cb(p->arg, n, NULL, n->why);
		free(p);
	}
	if (was_up && !n->freed)
		n->c.on_state(n->c.arg, n, false);
	leave(n);
}

static void fail(struct node *n, const char *fmt, ...)
{
	char addr[DB_ADDR_TEXT], text[192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(n->why, sizeof(n->why), "'%.50s' %s", db_addr_format(&n->c.addr, addr), text);
	n->backoff_ms = n->backoff_ms ? n->backoff_ms * 2 : BACKOFF_MIN_MS;
	if (n->backoff_ms > BACKOFF_MAX_MS)
		n->backoff_ms = BACKOFF_MAX_MS;
	n->next_try_ns = clock_mono_ns() + n->backoff_ms * NSEC_PER_MSEC;
	disconnect(n);
}

void node_free(struct node *n)
{
	if (!n)
		return;
	n->busy++;
	n->freed = true;
	snprintf(n->why, sizeof(n->why), "the connection was closed");
	disconnect(n);
	leave(n);
}

void node_reset(struct node *n, const char *why)
{
	if (n->state != NODE_DOWN)
		fail(n, "%s", why);
	node_kick(n);
}

void node_kick(struct node *n)
{
	n->next_try_ns = 0;
}

bool node_is_up(const struct node *n)
{
	return n->state == NODE_UP;
}

int node_fd(const struct node *n)
{
	return n->fd;
}

uint64_t node_quiet_ns(const struct node *n)
{
	return n->first && n->quiet_ns > n->first->block_ns ? n->quiet_ns - n->first->block_ns : 0;
}

size_t node_pending(const struct node *n)
{
	return n->n_pending;
}

const struct db_addr *node_addr(const struct node *n)
{
	return &n->c.addr;
}

const char *node_why(const struct node *n)
{
	return n->why;
}

/* --- out --- */

static int want_out(struct node *n, bool want)
{
	if (want == n->want_out)
		return 0;
	n->want_out = want;
	return loop_fd_events(n->f, EPOLLIN | (want ? EPOLLOUT : 0u));
}

static ssize_t send_some(struct node *n)
{
	const char *p = n->out + n->out_off;
	size_t len = n->out_len - n->out_off;
	ssize_t sent;

	if (n->tls)
		return node_tls_send(n->tls, p, len);
	sent = send(n->fd, p, len, MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

/* Sends what it can.  An error is left to be found by the next read, for nobody may be called back
 * from node_send(). */
static void flush(struct node *n)
{
	ssize_t sent;

	while (n->out_off < n->out_len) {
		sent = send_some(n);
		if (sent == -EINTR)
			continue;
		if (sent < 0) {
			if (sent != -EAGAIN)
				n->out_off = n->out_len;
			break;
		}
		n->out_off += (size_t)sent;
	}
	if (n->out_off == n->out_len)
		n->out_off = n->out_len = 0;
	(void)want_out(n, n->out_len > 0);
}

static int out_append(struct node *n, const char *p, size_t len)
{
	size_t size = n->out_size ? n->out_size : 4096;
	char *out;

	if (n->out_off && n->out_len + len > n->out_size) {
		memmove(n->out, n->out + n->out_off, n->out_len - n->out_off);
		n->out_len -= n->out_off;
		n->out_off = 0;
	}
	while (size < n->out_len + len)
		size *= 2;
	if (size != n->out_size) {
		out = realloc(n->out, size);
		if (!out)
			return -ENOMEM;
		n->out = out;
		n->out_size = size;
	}
	memcpy(n->out + n->out_len, p, len);
	n->out_len += len;
	return 0;
}

static int enqueue(struct node *n, int argc, const char *const *argv, const size_t *lens,
		   uint32_t block_ms, node_reply *cb, void *arg)
{
	struct pending *p;
	char *cmd = NULL;
	long long len;
	int rc;

	if (n->n_pending >= PENDING_MAX)
		return -ENOBUFS;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	len = redisFormatCommandArgv(&cmd, argc, (const char **)argv, lens);
	rc = len < 0 ? -ENOMEM : out_append(n, cmd, (size_t)len);
	redisFreeCommand(cmd);
	if (rc) {
		free(p);
		return rc;
	}
	*p = (struct pending){ .cb = cb,
			       .arg = arg,
			       .block_ns = block_ms * NSEC_PER_MSEC,
			       .late_ns = clock_mono_ns() + (n->c.stall_ms + block_ms) * NSEC_PER_MSEC };
	*n->last = p;
	n->last = &p->next;
	n->n_pending++;
	flush(n);
	return 0;
}

int node_send(struct node *n, int argc, const char *const *argv, const size_t *lens,
	      uint32_t block_ms, node_reply *cb, void *arg)
{
	if (n->state != NODE_UP)
		return -ENOTCONN;
	return enqueue(n, argc, argv, lens, block_ms, cb, arg);
}

/* --- greeting: AUTH, then PING must be answered with PONG --- */

static void on_auth(void *arg, struct node *n, const redisReply *r, const char *why)
{
	(void)arg;
	(void)why;
	if (r && r->type == REDIS_REPLY_ERROR)
		fail(n, "refused the password: %.120s", r->str);
}

static void on_pong(void *arg, struct node *n, const redisReply *r, const char *why)
{
	(void)arg;
	(void)why;
	if (!r)
		return;
	if (r->type == REDIS_REPLY_ERROR && reply_classify(r).kind == REPLY_NOAUTH) {
		fail(n, "wants a password: %.120s", r->str);
	} else if (r->type == REDIS_REPLY_ERROR && strncmp(r->str, "DENIED", 6) == 0) {
		fail(n,
		     "is in protected mode: it accepts only local connections until it has a password");
	} else if (r->type == REDIS_REPLY_ERROR) {
		fail(n, "is not ready: %.120s", r->str);
	} else if (r->type != REDIS_REPLY_STATUS || strcmp(r->str, "PONG") != 0) {
		fail(n, "does not answer like a Redis server");
	} else {
		n->state = NODE_UP;
		n->backoff_ms = 0;
		n->why[0] = 0;
		n->c.on_state(n->c.arg, n, true);
	}
}

static void greet(struct node *n)
{
	const char *auth[] = { "AUTH", n->c.password }, *ping[] = { "PING" };
	int rc = 0;

	n->state = NODE_GREETING;
	n->state_ns = clock_mono_ns();
	if (n->c.password)
		rc = enqueue(n, 2, auth, NULL, 0, on_auth, NULL);
	if (!rc)
		rc = enqueue(n, 1, ping, NULL, 0, on_pong, NULL);
	if (rc)
		fail(n, "cannot be greeted: %s", strerror(-rc));
}

/* --- in --- */

static void deliver(struct node *n, const redisReply *r)
{
	struct pending *p = n->first;

	if (!p) {
		fail(n, "sent an answer to no request");
		return;
	}
	n->first = p->next;
	if (!n->first)
		n->last = &n->first;
	n->n_pending--;
	p->cb(p->arg, n, r, NULL);
	free(p);
}

/* All whole replies that are there.  False: the connection is gone. */
static bool parse(struct node *n)
{
	unsigned int gen = n->gen;
	void *r;

	for (;;) {
		r = NULL;
		if (redisReaderGetReply(n->reader, &r) != REDIS_OK) {
			fail(n, "does not speak the Redis protocol: %.100s", n->reader->errstr);
			return false;
		}
		if (!r)
			return true;
		deliver(n, r);
		freeReplyObject(r);
		if (n->gen != gen)
			return false;
	}
}

static ssize_t receive_some(struct node *n, char *buf, size_t size)
{
	ssize_t len;

	if (n->tls)
		return node_tls_recv(n->tls, buf, size);
	len = recv(n->fd, buf, size, 0);
	return len < 0 ? -errno : len;
}

/* Why nothing is to be read any more. */
static void ended(struct node *n, ssize_t len)
{
	bool greeting = n->state == NODE_GREETING && !n->tls && !n->c.addr.is_unix;
	const char *hint = greeting ? " (does it want TLS? 'db.tls.ca')" : "";

	if (len == 0)
		fail(n, "closed the connection%s", hint);
	else
		fail(n, "broke the connection: %.120s%s", len == -EPROTO && n->tls ? node_tls_why(n->tls) : strerror((int)-len), hint);
}

static void receive(struct node *n)
{
	char buf[65536]; /* a record of TLS fits */
	ssize_t len;

	for (int i = 0; i < 16; i++) {
		len = receive_some(n, buf, sizeof(buf));
		if (len == -EAGAIN || len == -EINTR)
			return;
		if (len <= 0) {
			ended(n, len);
			return;
		}
		n->rx_ns = clock_mono_ns();
		n->quiet_ns = 0;
		if (n->reader->len - n->reader->pos > REPLY_SIZE_MAX ||
		    redisReaderFeed(n->reader, buf, (size_t)len) != REDIS_OK) {
			fail(n, "sent more than can be held");
			return;
		}
		if (!parse(n) || (!n->tls && (size_t)len < sizeof(buf)))
			return;
	}
}

/* --- connecting --- */

static void secure(struct node *n)
{
	struct err err = { 0 };
	int rc = node_tls_handshake(n->tls, &err);

	if (!rc)
		greet(n);
	else if (rc == -EAGAIN)
		(void)want_out(n, node_tls_wants_out(n->tls));
	else
		fail(n, "%.180s", err.text);
}

static void on_connected(struct node *n)
{
	struct err err = { 0 };

	n->want_out = true; /* as registered for connecting */
	if (!n->c.tls->ca || n->c.addr.is_unix) {
		greet(n);
		return;
	}
	n->state = NODE_SECURING;
	n->state_ns = clock_mono_ns();
	n->tls = node_tls_new(n->c.tls, n->c.addr.host, n->fd, &err);
	if (n->tls)
		secure(n);
	else
		fail(n, "cannot be asked: %.160s", err.text);
}

static void on_socket(void *arg, uint32_t events)
{
	struct node *n = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	n->busy++;
	if (n->state == NODE_CONNECTING) {
		(void)getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error) {
			fail(n, "cannot be reached: %s", strerror(error));
		} else if (events & EPOLLOUT) {
			on_connected(n);
		}
	} else if (n->state == NODE_SECURING) {
		secure(n);
	} else {
		if (events & EPOLLOUT)
			flush(n);
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(n);
	}
	leave(n);
}

#if HIREDIS_MAJOR >= 1
typedef size_t reply_elements;
#else
typedef int reply_elements;
#endif

static void *(*hiredis_array)(const redisReadTask *task, reply_elements n);

/* A server that announces absurd arrays must not make us reserve memory for them. */
static void *bounded_array(const redisReadTask *task, reply_elements n)
{
	return n > (reply_elements)ELEMENTS_MAX ? NULL : hiredis_array(task, n);
}

static void connect_to(void *arg, const struct sockaddr_storage *sa, socklen_t len, const char *why)
{
	struct node *n = arg;
	int one = 1;

	n->resolve = NULL;
	if (why) {
		fail(n, "cannot be resolved: %s", why);
		return;
	}
	n->fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (n->fd < 0) {
		fail(n, "cannot be reached: no socket: %s", strerror(errno));
		return;
	}
	if (sa->ss_family != AF_UNIX) {
		(void)setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void)setsockopt(n->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	n->reader = redisReaderCreate();
	if (n->reader) {
		n->fn = *n->reader->fn;
		hiredis_array = n->fn.createArray;
		n->fn.createArray = bounded_array;
		n->reader->fn = &n->fn;
	}
	if (connect(n->fd, (const struct sockaddr *)sa, len) && errno != EINPROGRESS) {
		fail(n, "cannot be reached: %s", strerror(errno));
		return;
	}
	n->f = n->reader ? loop_fd_add(n->c.loop, n->fd, EPOLLIN | EPOLLOUT, on_socket, n) : NULL;
	if (!n->f) {
		fail(n, "cannot be reached: out of memory or descriptors");
		return;
	}
	n->state = NODE_CONNECTING;
	n->state_ns = clock_mono_ns();
}

static void connect_start(struct node *n)
{
	struct sockaddr_storage sa = { 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)&sa;

	n->state = NODE_RESOLVING;
	n->state_ns = clock_mono_ns();
	if (n->c.addr.is_unix) {
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%.107s", n->c.addr.host);
		connect_to(n, &sa, sizeof(*un), NULL);
	} else {
		n->resolve = resolve_start(n->c.loop, n->c.addr.host, n->c.addr.port, n->turn++,
					   connect_to, n);
	}
}

static void on_beat(void *arg, struct node *n, const redisReply *r, const char *why)
{
	(void)arg; /* that something came is all that matters */
	(void)n;
	(void)r;
	(void)why;
}

/* A server that hangs keeps its connections: who asks nothing would not notice. */
static void listen_for(struct node *n, uint64_t now_ns)
{
	static const char *const ping[] = { "PING" };
	const uint64_t since = now_ns - n->tick_ns, most = TICK_MS * NSEC_PER_MSEC;

	if (n->first)
		n->quiet_ns += since < most ? since : most;
	else if (now_ns > n->rx_ns + BEAT_MS * NSEC_PER_MSEC)
		(void)enqueue(n, 1, ping, NULL, 0, on_beat, NULL);
}

void node_tick(struct node *n, uint64_t now_ns)
{
	n->busy++;
	if (n->state == NODE_UP)
		listen_for(n, now_ns);
	n->tick_ns = now_ns;
	if (n->state == NODE_DOWN) {
		if (now_ns >= n->next_try_ns)
			connect_start(n);
	} else if (n->state != NODE_UP && now_ns > n->state_ns + CONNECT_MS * NSEC_PER_MSEC) {
		fail(n, n->state == NODE_RESOLVING    ? "cannot be resolved in time"
			: n->state == NODE_CONNECTING ? "does not accept the connection in time"
			: n->state == NODE_SECURING   ? "accepts connections, but does not speak TLS"
						      : "accepts connections, but does not answer");
	} else if (n->first && now_ns > n->first->late_ns &&
		   now_ns > n->rx_ns + n->c.stall_ms * NSEC_PER_MSEC) {
		fail(n, "does not answer (it hangs, or the way to it is cut)");
	}
	leave(n);
}
