// SPDX-License-Identifier: Apache-2.0
/* TLS towards the state DB: who is trusted, and what is said when that is not so; an embedded server that asks its clients for certificates. */
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REDIS_KIND "tls"
#include "selftests/unit/statedb/one_server.h"
#include "util/json.h"

static char path[4][160];

/* A file beside the certificates that redis.sh has made. */
static const char *beside(int i, const char *name)
{
	snprintf(path[i], sizeof(path[i]), "%.*s%s", (int)(strlen(redis.tls.ca) - strlen("ca.pem")), redis.tls.ca, name);
	return path[i];
}

static struct db *open_for(const char *address, const struct db_tls *tls, unsigned int timeout_ms)
{
	struct db_config c = { .mode = DB_SERVER, .addresses = &address, .n_addresses = 1, .tls = *tls, .timeout_ms = timeout_ms };
	struct err err = { 0 };
	struct db *d = db_new(loop, &c, &err);

	if (!d)
		fail_msg("%s", err.text);
	return d;
}

static struct db *open_at(const char *address, const struct db_tls *tls)
{
	return open_for(address, tls, 1000);
}

static void assert_read(const char *address, const struct db_tls *tls, const char *error)
{
	struct db *d = open_at(address, tls);

	if (error)
		assert_err(do_read(d, "t1"), -ETIMEDOUT, error);
	else
		assert_ok(do_read(d, "t1"));
	db_free(d, false);
}

/* A server without TLS takes our greeting for a line that has not ended, and says nothing. */
static void assert_plain(const char *address)
{
	struct db *d = open_for(address, &redis.tls, 5000);

	assert_err(do_read(d, "t1"), -ETIMEDOUT, "TLS");
	db_free(d, false);
}

static void long_texts_pass(void **state)
{
	enum { SIZE = 24 << 20 };
	char *text = malloc(SIZE + 1);
	struct answer a;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < SIZE; i++)
		text[i] = (char)('a' + i % 23);
	text[SIZE] = 0;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{s:s}}", "bridge/a", "description", text)));
	a = do_read(db2, "t1");
	assert_int_equal(a.err.code, 0);
	assert_string_equal(json_str(json_object_get(json_object_get(a.reply, "records"), "bridge/a"), "description"), text);
	answer_fini(&a);
	free(text);
}

static void many_requests_pass(void **state)
{
	enum { N = 20000 };
	struct answer *a = calloc(N, sizeof(*a));
	json_t *c = json_pack("{s:{s:s}}", "live/x", "state", "up");

	(void)state;
	assert_non_null(a);
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:{}}", "live/a")));
	for (int i = 0; i < N; i++)
		db_put(db, "t1", NULL, c, answer_cb, &a[i]);
	assert_true(LOOP_UNTIL(loop, a[N - 1].calls, 30000));
	for (int i = 0; i < N; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].err.code, 0);
		answer_fini(&a[i]);
	}
	json_decref(c);
	free(a);
}

static void only_who_is_trusted_is_asked(void **state)
{
	struct db_tls tls = redis.tls;

	(void)state;
	assert_read(redis.address[0], &tls, NULL);
	tls.ca = beside(0, "other.pem");
	assert_read(redis.address[0], &tls, "is not trusted: The certificate is NOT trusted. The certificate issuer is unknown");
	tls = redis.tls;
	tls.name = "state.db";
	assert_read(redis.address[0], &tls, NULL);
	tls.name = "another.db";
	assert_read(redis.address[0], &tls, "The name in the certificate does not match the expected");
}

static void a_name_is_compared(void **state)
{
	struct db_tls tls = redis.tls;
	char address[64];

	(void)state;
	snprintf(address, sizeof(address), "localhost%s", strchr(redis.address[0], ':'));
	assert_read(address, &tls, "The name in the certificate does not match the expected");
	tls.name = "127.0.0.1";
	assert_read(address, &tls, NULL);
}

static void the_server_asks_for_a_certificate(void **state)
{
	struct db_tls tls = { .ca = redis.tls.ca };

	(void)state;
	assert_read(redis.address[0], &tls, "ertificate"); /* "is required", by an alert of either version */
	tls.certificate = beside(0, "stranger.pem");
	tls.key = beside(1, "stranger.key");
	assert_read(redis.address[0], &tls, "'127.0.0.1:");
}

static void certificates_are_read_again(void **state)
{
	const char *ca = beside(0, "now.pem");
	struct db_tls tls = redis.tls;
	struct answer a = { 0 };
	struct db *d;

	(void)state;
	(void)unlink(ca);
	assert_int_equal(link(beside(1, "other.pem"), ca), 0);
	tls.ca = ca;
	d = open_at(redis.address[0], &tls);
	assert_err(do_read(d, "t1"), -ETIMEDOUT, "is not trusted");
	assert_int_equal(unlink(ca), 0);
	assert_int_equal(link(redis.tls.ca, ca), 0);
	for (int i = 0; i < 10 && (!a.calls || a.err.code); i++) {
		answer_fini(&a);
		a = do_read(d, "t1");
	}
	assert_ok(a);
	db_free(d, false);
	(void)unlink(ca);
}

static void what_does_not_fit_is_told(void **state)
{
	struct db_tls none = { 0 };
	struct redis plain;

	(void)state;
	assert_read(redis.address[0], &none, "(does it want TLS? 'db.tls.ca')");
	assert_true(redis_up(&plain, "single"));
	assert_plain(plain.address[0]);
	redis_down(&plain);
}

static void assert_refused(const struct db_tls *tls, enum db_mode mode, const char *error)
{
	const char *address = "127.0.0.1:1";
	struct db_config c = { .mode = mode, .addresses = &address, .n_addresses = 1, .tls = *tls, .state_dir = "/nonexistent/state", .run_dir = "/nonexistent/run" };
	struct err err = { 0 };
	struct db *d = db_new(loop, &c, &err);

	if (d || !strstr(err.text, error))
		fail_msg("'%s', want '%s'", err.text, error);
}

static void files_that_will_not_do_are_refused(void **state)
{
	const char *ca = redis.tls.ca, *open_key = beside(3, "open.key");
	FILE *f = fopen(open_key, "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	assert_int_equal(chmod(open_key, 0644), 0);
	assert_refused(&(struct db_tls){ .ca = "/nonexistent/ca.pem" }, DB_SERVER, "'db.tls.ca': cannot read '/nonexistent/ca.pem': No such file");
	assert_refused(&(struct db_tls){ .ca = redis.tls.key }, DB_SERVER, "want certificates in PEM");
	assert_refused(&(struct db_tls){ .name = "x" }, DB_SERVER, "'db.tls': want 'ca'");
	assert_refused(&(struct db_tls){ .ca = ca, .key = redis.tls.key }, DB_SERVER, "want both 'certificate' and 'key', or neither");
	assert_refused(&(struct db_tls){ .ca = ca, .certificate = ca, .key = redis.tls.key }, DB_SERVER, "want both in PEM");
	assert_refused(&(struct db_tls){ .ca = ca, .certificate = redis.tls.certificate, .key = open_key }, DB_SERVER, "everybody may read");
	assert_refused(&redis.tls, DB_EMBEDDED, "wants 'certificate', 'key' and 'db.listen'");
}

/* --- embedded --- */

static char dir[64];

static int remove_it(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(name);
}

static pid_t server_pid(void)
{
	char file[96];
	int pid = 0;
	FILE *f;

	snprintf(file, sizeof(file), "%s/run/db.pid", dir);
	f = fopen(file, "r");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static int embedded_teardown(void **state)
{
	pid_t pid = server_pid(); /* there is one when the test has failed */

	if (pid > 0)
		(void)kill(pid, SIGKILL);
	(void)nftw(dir, remove_it, 16, FTW_DEPTH | FTW_PHYS);
	return teardown(state);
}

static struct db *embedded(const char *listen, const struct db_tls *tls)
{
	char state_dir[96], run_dir[96];
	struct db_config c = { .mode = DB_EMBEDDED, .state_dir = state_dir, .run_dir = run_dir, .listen = listen, .tls = *tls, .timeout_ms = 5000 };
	struct err err = { 0 };
	struct db *d;

	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	d = db_new(loop, &c, &err);
	if (!d)
		fail_msg("%s", err.text);
	return d;
}

static unsigned int free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	_close_ int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

/* Until it is so: an adopted server is told where to listen when it has answered. */
static void assert_read_soon(const char *address, const struct db_tls *tls)
{
	struct db *d = open_at(address, tls);
	struct answer a = { 0 };

	for (int i = 0; i < 10 && (!a.calls || a.err.code); i++) {
		answer_fini(&a);
		a = do_read(d, "t1");
	}
	assert_ok(a);
	db_free(d, false);
}

static void an_embedded_one_has_tls_for_others(void **state)
{
	struct db_tls server = redis.tls, none = { 0 };
	char listen[32];
	struct db *d;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/skep-tls.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", free_port());
	server.certificate = beside(0, "server.pem");
	server.key = beside(1, "server.key");
	d = embedded(listen, &server);
	assert_ok(do_put(d, "t1", NULL, json_pack("{s:{}}", "live/a")));
	assert_read_soon(listen, &redis.tls);
	assert_read(listen, &none, "does it want TLS");
	assert_read(listen, &(struct db_tls){ .ca = redis.tls.ca }, "ertificate");
	db_free(d, false); /* the server stays */

	d = embedded(listen, &none);
	assert_ok(do_read(d, "t1"));
	assert_read_soon(listen, &none);
	assert_plain(listen);
	db_free(d, false);

	d = embedded(listen, &server);
	assert_ok(do_read(d, "t1"));
	assert_read_soon(listen, &redis.tls);
	assert_read(listen, &none, "does it want TLS");
	db_free(d, true);
	assert_int_equal(server_pid(), 0);
}

static int tls_setup(void **state)
{
	(void)state;
	loop = loop_new();
	db = connect_with(NULL, 0, 10000);
	db2 = connect_with(NULL, 0, 10000);
	redis_ok(&redis, "cli 0 flushall");
	return loop ? 0 : -1;
}

#define TLS(f) cmocka_unit_test_setup_teardown(f, tls_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TLS(long_texts_pass),
		TLS(many_requests_pass),
		TLS(only_who_is_trusted_is_asked),
		TLS(a_name_is_compared),
		TLS(the_server_asks_for_a_certificate),
		TLS(certificates_are_read_again),
		TLS(what_does_not_fit_is_told),
		TLS(files_that_will_not_do_are_refused),
		cmocka_unit_test_setup_teardown(an_embedded_one_has_tls_for_others, tls_setup, embedded_teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
