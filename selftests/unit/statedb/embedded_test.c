// SPDX-License-Identifier: Apache-2.0
/* The embedded server: started, adopted after its program was killed, restarted when it dies,
 * stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "selftests/lib/redis.h"
#include "util/cleanup.h"

static char dir[64], state_dir[96], run_dir[96];
static struct loop *loop;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/skep-embedded.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/a/state \"x\"",
		 dir); /* a name that needs quoting */
	snprintf(run_dir, sizeof(run_dir), "%s/a/run", dir);
	loop = loop_new();
	return loop ? 0 : -1;
}

static pid_t server_pid(void)
{
	char path[160];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/db.pid", run_dir);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

static int remove_it(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static bool gone(pid_t pid)
{
	(void)waitpid(pid, NULL, WNOHANG); /* if it is our child */
	return kill(pid, 0) && errno == ESRCH;
}

static int teardown(void **state)
{
	pid_t pid = server_pid();

	(void)state;
	if (pid > 0 && !gone(pid)) { /* a test failed */
		kill(pid, SIGKILL);
		(void)LOOP_UNTIL(loop, gone(pid), 5000);
	}
	loop_free(loop);
	return nftw(dir, remove_it, 16, FTW_DEPTH | FTW_PHYS);
}

static struct db *open_db(const char *listen, const char *password, const char *program)
{
	struct db_config c = { .mode = DB_EMBEDDED,
			       .state_dir = state_dir,
			       .run_dir = run_dir,
			       .listen = listen,
			       .password = password,
			       .server = program,
			       .timeout_ms = 5000 };
	struct err err = { 0 };
	struct db *db = db_new(loop, &c, &err);

	if (!db)
		fail_msg("%s", err.text);
	return db;
}

static struct answer do_put(struct db *db, const char *path)
{
	struct answer a = { 0 };
	json_t *c = json_pack("{s:{}}", path);

	db_put(db, "t1", NULL, c, answer_cb, &a);
	json_decref(c);
	assert_true(LOOP_UNTIL(loop, a.calls, 8000));
	if (a.err.code)
		fail_msg("%s", a.err.text);
	return a;
}

static void put(struct db *db, const char *path)
{
	struct answer a = do_put(db, path);

	answer_fini(&a);
}

static size_t count(struct db *db)
{
	struct answer a = { 0 };
	size_t n;

	db_read(db, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, a.calls, 8000));
	if (a.err.code)
		fail_msg("%s", a.err.text);
	n = json_object_size(json_object_get(a.reply, "records"));
	answer_fini(&a);
	return n;
}

static void it_starts_and_stops_and_keeps_its_data(void **state)
{
	struct stat st;
	char path[200];
	struct db *db = open_db(NULL, NULL, NULL);
	pid_t pid;

	(void)state;
	put(db, "live/a");
	pid = server_pid();
	assert_true(pid > 0 && getsid(pid) == pid);
	snprintf(path, sizeof(path), "%s/db", state_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	db_free(db, true);
	assert_true(gone(pid));
	db = open_db(NULL, NULL, NULL);
	assert_int_equal(count(db), 1);
	pid = server_pid();
	db_free(db, true);
	assert_true(gone(pid));
}

static void it_survives_its_program(void **state)
{
	struct db *db;
	pid_t child, pid;
	int status;

	(void)state;
	child = fork();
	if (child == 0) {
		struct loop *l = loop_new();

		loop_free(loop);
		loop = l;
		put(open_db(NULL, NULL, NULL), "live/a");
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	pid = server_pid();
	assert_true(pid > 0);
	db = open_db(NULL, NULL, "/nonexistent"); /* must not be needed */
	assert_int_equal(count(db), 1);
	assert_int_equal(server_pid(), pid);
	db_free(db, false);
	assert_false(gone(pid));
	db = open_db(NULL, NULL, NULL);
	assert_int_equal(count(db), 1);
	db_free(db, true); /* an adopted one is stopped, too */
	assert_true(LOOP_UNTIL(loop, gone(pid), 5000));
}

static void it_is_started_again_when_it_dies(void **state)
{
	struct db *db = open_db(NULL, NULL, NULL);
	struct model m = { 0 };
	pid_t pid;

	(void)state;
	assert_true(model_follow(&m, db, "t1"));
	put(db, "live/a");
	assert_true(LOOP_UNTIL(loop, m.snapshots, 3000));
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int before = m.snapshots;

		pid = server_pid();
		kill(pid, SIGKILL);
		assert_true(LOOP_UNTIL(loop, m.snapshots > before, 8000));
		assert_true(gone(pid));
		assert_int_not_equal(server_pid(), pid);
		put(db, i ? "live/c" : "live/b");
	}
	model_fini(&m);
	db_free(db, true);
}

static void an_adopted_one_is_started_again_too(void **state)
{
	struct db *db = open_db(NULL, NULL, NULL);
	pid_t pid;

	(void)state;
	put(db, "live/a");
	pid = server_pid();
	db_free(db, false);
	db = open_db(NULL, NULL, NULL);
	assert_int_equal(count(db), 1);
	kill(pid, SIGKILL);
	assert_true(LOOP_UNTIL(loop, gone(pid), 5000));
	put(db, "live/b");
	assert_int_not_equal(server_pid(), pid);
	db_free(db, true);
}

static void two_programs_start_one_server(void **state)
{
	struct db *a = open_db(NULL, NULL, NULL), *b = open_db(NULL, NULL, NULL);

	(void)state;
	put(a, "live/a");
	put(b, "live/b");
	assert_int_equal(count(a), 2);
	db_free(b, false);
	db_free(a, true);
}

static unsigned int free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	_close_ int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static void others_reach_it_with_the_password(void **state)
{
	char listen[32];
	const char *address = listen;
	struct db_config c = {
		.mode = DB_SERVER, .addresses = &address, .n_addresses = 1, .timeout_ms = 1000
	};
	const char *password = "se\"cr et\\";
	struct answer a = { 0 };
	struct db *db, *remote;
	char path[200];
	struct stat st;

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", free_port());
	db = open_db(listen, password, NULL);
	put(db, "live/a");
	snprintf(path, sizeof(path), "%s/db/redis.conf", state_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	c.password = password;
	remote = db_new(loop, &c, NULL);
	assert_int_equal(count(remote), 1);
	db_free(remote, false);
	c.password = NULL;
	remote = db_new(loop, &c, NULL);
	db_read(remote, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, a.calls, 3000));
	assert_int_equal(a.err.code, -ETIMEDOUT);
	assert_non_null(strstr(a.err.text, "wants a password"));
	db_free(remote, false);
	answer_fini(&a);
	db_free(db, true);
}

static void an_adopted_one_listens_where_it_should(void **state)
{
	char listen[32];
	const char *address = listen;
	struct db_config c = {
		.mode = DB_SERVER, .addresses = &address, .n_addresses = 1, .timeout_ms = 5000
	};
	struct db *db = open_db(NULL, NULL, NULL), *remote;

	(void)state;
	put(db, "live/a");
	db_free(db, false);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", free_port());
	db = open_db(listen, NULL, NULL);
	remote = db_new(loop, &c, NULL);
	assert_int_equal(count(remote), 1);
	db_free(remote, false);
	db_free(db, true);
}

static void an_adopted_one_is_stopped_without_a_word(void **state)
{
	struct db *db = open_db(NULL, NULL, NULL);
	pid_t pid;

	(void)state;
	put(db, "live/a");
	pid = server_pid();
	db_free(db, false);
	db_free(open_db(NULL, NULL, NULL), true); /* the loop never turned */
	assert_true(LOOP_UNTIL(loop, gone(pid), 5000));
}

static void what_cannot_start_is_told(void **state)
{
	struct db_config c = { .mode = DB_EMBEDDED,
			       .state_dir = state_dir,
			       .run_dir = run_dir,
			       .server = "/nonexistent/redis-server" };
	struct err err = { 0 };
	char longest[256];

	(void)state;
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "cannot start '/nonexistent/redis-server'"));
	c.listen = "nowhere";
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "'nowhere'"));
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = 0;
	c.listen = NULL;
	c.run_dir = longest;
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "at most 107"));
	c.run_dir = run_dir;
	c.state_dir = "/proc/skep";
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "'/proc/skep'"));
	c.state_dir = NULL;
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "state directory"));
}

static void a_server_that_ends_at_once_is_told(void **state)
{
	struct db *db = open_db(NULL, NULL, "/bin/false");
	struct answer a = { 0 };
	json_t *s;

	(void)state;
	db_read(db, "t1", answer_cb, &a);
	s = NULL;
	assert_true(LOOP_UNTIL(loop,
			       (json_decref(s), s = db_status(db),
				strstr(json_string_value(json_object_get(s, "error")) ?: "",
				       "ended with status 1")),
			       5000));
	json_decref(s);
	db_free(db, true);
	assert_int_equal(a.err.code, -ECANCELED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_starts_and_stops_and_keeps_its_data),
		T(it_survives_its_program),
		T(it_is_started_again_when_it_dies),
		T(an_adopted_one_is_started_again_too),
		T(two_programs_start_one_server),
		T(others_reach_it_with_the_password),
		T(an_adopted_one_listens_where_it_should),
		T(an_adopted_one_is_stopped_without_a_word),
		T(what_cannot_start_is_told),
		T(a_server_that_ends_at_once_is_told),
	};

	return cmocka_run_group_tests_name("statedb/embedded", tests, NULL, NULL);
}
