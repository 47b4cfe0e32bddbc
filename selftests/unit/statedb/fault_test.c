// SPDX-License-Identifier: Apache-2.0
/*
 * Servers that lie and connections that lose answers.  The garbage comes from a listener in this
 * process; the lost answers from a relay between the client and a real server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "selftests/lib/redis.h"
#include "util/cleanup.h"

static struct loop *loop;

static int listen_any(char address[static 64])
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(address, 64, "127.0.0.1:%u", ntohs(sa.sin_port));
	return fd;
}

static struct db *connect_to(const char *address, enum db_mode mode, unsigned int timeout_ms)
{
	struct db_config c = {
		.mode = mode, .addresses = &address, .n_addresses = 1, .timeout_ms = timeout_ms
	};
	struct db *db = db_new(loop, &c, NULL);

	assert_non_null(db);
	return db;
}

/* --- a server that talks nonsense --- */

struct liar {
	int fd;
	struct loop_fd *f;
	char address[64];
	const char *
		greeting; /* answers the first bytes of a connection; NULL = at once what follows */
	const char *text; /* answers all later ones; NULL = nothing, "" = closes */
	size_t text_len;
	unsigned int connections;
	struct liar_conn {
		struct liar *liar;
		int fd;
		struct loop_fd *f;
		bool greeted;
	} conns[256];
};

static void conn_close(struct liar_conn *c)
{
	loop_fd_del(TAKE_PTR(c->f));
	close(c->fd);
	c->fd = -1;
}

static void on_conn(void *arg, uint32_t events)
{
	struct liar_conn *c = arg;
	char buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	(void)events;
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			conn_close(c);
		return;
	}
	if (c->liar->greeting && !c->greeted) {
		c->greeted = true;
		(void)!send(c->fd, c->liar->greeting, strlen(c->liar->greeting), MSG_NOSIGNAL);
	} else if (c->liar->text && c->liar->text_len == 0) {
		conn_close(c);
	} else if (c->liar->text) {
		(void)!send(c->fd, c->liar->text, c->liar->text_len, MSG_NOSIGNAL);
	}
}

static void on_listener(void *arg, uint32_t events)
{
	struct liar *l = arg;
	struct liar_conn *c;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	c = &l->conns[l->connections++ % ARRAY_SIZE(l->conns)];
	if (c->f)
		conn_close(c);
	*c = (struct liar_conn){ .liar = l, .fd = fd };
	c->f = loop_fd_add(loop, fd, EPOLLIN, on_conn, c);
}

static struct liar *liar_new(const char *greeting, const char *text, size_t len)
{
	struct liar *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->fd = listen_any(l->address);
	l->greeting = greeting;
	l->text = text;
	l->text_len = len;
	l->f = loop_fd_add(loop, l->fd, EPOLLIN, on_listener, l);
	return l;
}

static void liar_free(struct liar *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->conns); i++)
		if (l->conns[i].f)
			conn_close(&l->conns[i]);
	loop_fd_del(l->f);
	close(l->fd);
	free(l);
}

/* A read, a commit and a follow; all must fail with an error that has 'text', or not come at all.
 */
static void try_it(struct liar *l, enum db_mode mode, unsigned int timeout_ms, const char *text)
{
	struct db *db = connect_to(l->address, mode, timeout_ms);
	struct answer a = { 0 }, b = { 0 };
	struct model m = { 0 };
	json_t *c = json_pack("{s:{}}", "bridge/b");

	assert_true(model_follow(&m, db, "t1"));
	db_read(db, "t1", answer_cb, &a);
	db_commit(db, "t1", 0, c, answer_cb, &b);
	json_decref(c);
	assert_true(LOOP_UNTIL(loop, a.calls && b.calls, timeout_ms + 3000));
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	if (!a.err.code || !b.err.code)
		fail_msg("nonsense was taken for an answer");
	if (text && !strstr(a.err.text, text))
		fail_msg("error '%s', want '%s'", a.err.text, text);
	assert_int_equal(m.snapshots + m.changes, 0);
	assert_true(l->connections < 40); /* it does not hammer at the server */
	model_fini(&m);
	db_free(db, false);
	answer_fini(&a);
	answer_fini(&b);
}

static void nonsense_is_told(void **state)
{
	static const struct {
		const char *greeting, *text, *want;
	} t[] = {
		{ NULL, "HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Redis protocol" },
		{ NULL, "SSH-2.0-OpenSSH_9.2\r\n", "does not speak the Redis protocol" },
		{ NULL, "%7\r\n", "does not speak the Redis protocol" },
		{ NULL, ":1\r\n", "does not answer like a Redis server" },
		{ NULL, "*2147483647\r\n", "does not speak the Redis protocol" },
		{ NULL, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
		  "does not speak the Redis protocol" },
		{ NULL, "+PONG\r\n+PONG\r\n", "it is not a skep database" },
		{ NULL, "-LOADING Redis is loading the dataset in memory\r\n",
		  "loading the dataset" },
		{ NULL, "-DENIED Redis is running in protected mode\r\n", "protected mode" },
		{ NULL, "", "closed the connection" },
		{ "+PONG\r\n", "", "closed the connection" },
		{ "+PONG\r\n", "+OK\r\n", "it is not a skep database" },
		{ "+PONG\r\n", "*0\r\n", "it is not a skep database" },
		{ "+PONG\r\n", "$-1\r\n", "it is not a skep database" },
		{ "+PONG\r\n", "-ERR unknown command\r\n", "unknown command" },
		{ "+PONG\r\n", "-READONLY You can't write against a read only replica.\r\n",
		  "read only replica" },
		{ "+PONG\r\n", "-MOVED 1 127.0.0.1:1\r\n", "want mode 'cluster'" },
		{ "+PONG\r\n", "$1\r\n1\r\n",
		  NULL }, /* a schema, and then the same to every question */
		{ "+PONG\r\n", "*4\r\n:1\r\n:1\r\n$3\r\n0-0\r\n*1\r\n+x\r\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct liar *l = liar_new(t[i].greeting, t[i].text, strlen(t[i].text));

		try_it(l, DB_SERVER, 400, t[i].want);
		liar_free(l);
	}
}

static void nonsense_of_a_cluster_is_told(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "*0\r\n", "no slots assigned" },
		{ "+OK\r\n", "not answered with a list" },
		{ "*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\nh\r\n:1\r\n", "malformed" },
		{ "-MOVED 1 127.0.0.1:1\r\n", "MOVED" },
		{ "-CLUSTERDOWN Hash slot not served\r\n", "CLUSTERDOWN" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct liar *l = liar_new("+PONG\r\n", t[i].text, strlen(t[i].text));

		try_it(l, DB_CLUSTER, 400, t[i].want);
		liar_free(l);
	}
}

static void silence_is_told(void **state)
{
	struct liar *l = liar_new(NULL, NULL, 0);
	struct db *db = connect_to(l->address, DB_SERVER, 400);
	struct answer a = { 0 };
	json_t *s = NULL;

	(void)state;
	db_read(db, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, a.calls, 3000));
	assert_int_equal(a.err.code, -ETIMEDOUT);
	assert_true(LOOP_UNTIL(
		loop,
		(json_decref(s), s = db_status(db),
		 strstr(json_string_value(json_object_get(s, "error")) ?: "", "does not answer")),
		5000));
	json_decref(s);
	db_free(db, false);
	answer_fini(&a);
	liar_free(l);
}

static void random_bytes_do_no_harm(void **state)
{
	static const char alphabet[] = "+-:$*0123456789\r\n\r\n\r\nPONGOKabc{}\"\0\xff";
	uint64_t x = 88172645463325252ULL;
	char text[200];

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct liar *l;
		struct db *db;
		struct answer a = { 0 };
		struct model m = { 0 };
		size_t len = 0;

		if (round % 3) /* get past the greeting and the schema, then nonsense */
			len = (size_t)snprintf(text, sizeof(text), "$1\r\n1\r\n");
		while (len < sizeof(text)) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			text[len++] = alphabet[x % (sizeof(alphabet) - 1)];
		}
		l = liar_new(round % 4 ? "+PONG\r\n" : NULL, text, len);
		db = connect_to(l->address, round % 5 ? DB_SERVER : DB_CLUSTER, 60);
		(void)model_follow(&m, db, DB_HOSTS);
		db_read(db, DB_HOSTS, answer_cb, &a);
		assert_true(LOOP_UNTIL(loop, a.calls, 2000));
		assert_int_not_equal(a.err.code, 0);
		db_free(db, false);
		assert_int_equal(a.calls, 1);
		answer_fini(&a);
		json_decref(m.records);
		liar_free(l);
	}
}

/* --- a relay that loses answers --- */

struct relay {
	int fd;
	struct loop_fd *f;
	char address[64];
	uint16_t port; /* of the server */
	const char *
		lose_answer_to; /* text in a request; its connection is cut when the answer comes */
	unsigned int lost;
	struct relay_conn {
		struct relay *relay;
		int fd[2]; /* client, server */
		struct loop_fd *f[2];
		bool cut;
	} conns[64];
	unsigned int n;
};

static void relay_close(struct relay_conn *c)
{
	for (int i = 0; i < 2; i++) {
		if (!c->f[i])
			continue;
		loop_fd_del(TAKE_PTR(c->f[i]));
		close(c->fd[i]);
	}
}

static void relay_move(struct relay_conn *c, int from)
{
	struct relay *r = c->relay;
	char buf[65536];
	ssize_t n = recv(c->fd[from], buf, sizeof(buf), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && from == 0 && r->lose_answer_to &&
	    memmem(buf, (size_t)n, r->lose_answer_to, strlen(r->lose_answer_to))) {
		r->lose_answer_to = NULL;
		c->cut = true;
	}
	if (n > 0 && from == 1 && c->cut) {
		r->lost++;
		n = 0;
	}
	if (n <= 0 || send(c->fd[!from], buf, (size_t)n, MSG_NOSIGNAL) != n)
		relay_close(c);
}

static void on_client(void *arg, uint32_t events)
{
	(void)events;
	relay_move(arg, 0);
}

static void on_server(void *arg, uint32_t events)
{
	(void)events;
	relay_move(arg, 1);
}

static void on_relay(void *arg, uint32_t events)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct relay *r = arg;
	struct relay_conn *c = &r->conns[r->n++];

	(void)events;
	assert_true(r->n <= ARRAY_SIZE(r->conns));
	sa.sin_port = htons(r->port);
	c->relay = r;
	c->fd[0] = accept(r->fd, NULL, NULL);
	c->fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c->fd[1], (struct sockaddr *)&sa, sizeof(sa)), 0);
	c->f[0] = loop_fd_add(loop, c->fd[0], EPOLLIN, on_client, c);
	c->f[1] = loop_fd_add(loop, c->fd[1], EPOLLIN, on_server, c);
}

static void a_commit_whose_answer_was_lost_is_applied_once(void **state)
{
	struct relay r = { 0 };
	struct answer a = { 0 }, b = { 0 };
	struct redis redis;
	struct db *db;
	json_t *c = json_pack("{s:{s:s}}", "bridge/b", "name", "marker1");

	(void)state;
	assert_true(redis_up(&redis, "single"));
	r.port = (uint16_t)strtoul(strchr(redis.address[0], ':') + 1, NULL, 10);
	r.fd = listen_any(r.address);
	r.f = loop_fd_add(loop, r.fd, EPOLLIN, on_relay, &r);
	db = connect_to(r.address, DB_SERVER, 5000);
	db_read(db, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, a.calls, 3000));
	answer_fini(&a);
	/* The script must be known to the server, so that it is the write's answer that is lost,
	 * not NOSCRIPT. */
	for (unsigned int i = 0; i < 3; i++) {
		r.lose_answer_to = i ? "marker1" : NULL;
		db_commit(db, "t1", i, c, answer_cb, &a);
		assert_true(LOOP_UNTIL(loop, a.calls, 5000));
		if (a.err.code)
			fail_msg("%s", a.err.text);
		assert_int_equal(r.lost, i);
		assert_int_equal(answer_int(&a, "crev"), i + 1);
		answer_fini(&a);
	}
	/* A conflict stays one, however often it is asked. */
	r.lose_answer_to = "marker1";
	db_commit(db, "t1", 1, c, answer_cb, &b);
	assert_true(LOOP_UNTIL(loop, b.calls, 5000));
	assert_int_equal(r.lost, 3);
	assert_int_equal(b.err.code, -EAGAIN);
	answer_fini(&b);
	json_decref(c);
	db_free(db, false);
	for (unsigned int i = 0; i < r.n; i++)
		relay_close(&r.conns[i]);
	loop_fd_del(r.f);
	close(r.fd);
	redis_down(&redis);
}

static void names_are_resolved_aside(void **state)
{
	struct liar *l = liar_new("+PONG\r\n", "$2\r\n99\r\n", 8);
	struct answer a = { 0 };
	char name[64];
	struct db *db;

	(void)state;
	snprintf(name, sizeof(name), "localhost%s", strchr(l->address, ':'));
	db = connect_to(name, DB_SERVER, 3000);
	db_read(db, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, a.calls, 5000));
	assert_non_null(strstr(a.err.text, "schema 99"));
	answer_fini(&a);
	db_free(db, false);
	db = connect_to("no-such-host.invalid:1", DB_SERVER, 300);
	db_read(db, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, a.calls, 5000));
	assert_int_equal(a.err.code, -ETIMEDOUT);
	db_free(db, false);
	liar_free(l);
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nonsense_is_told),
		T(nonsense_of_a_cluster_is_told),
		T(silence_is_told),
		T(random_bytes_do_no_harm),
		T(a_commit_whose_answer_was_lost_is_applied_once),
		T(names_are_resolved_aside),
	};

	return cmocka_run_group_tests_name("statedb/fault", tests, NULL, NULL);
}
