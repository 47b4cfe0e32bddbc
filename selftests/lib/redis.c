// SPDX-License-Identifier: Apache-2.0
/* See redis.h. */
#include "selftests/lib/redis.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void take_tls(struct redis *r, const char *dir)
{
	static const char *const names[] = { "ca.pem", "client.pem", "client.key" };

	for (int i = 0; i < 3; i++)
		snprintf(r->file[i], sizeof(r->file[i]), "%.100s/%s", dir, names[i]);
	r->tls = (struct db_tls){ .ca = r->file[0], .certificate = r->file[1], .key = r->file[2] };
}

bool redis_up(struct redis *r, const char *kind)
{
	char line[256];
	int in[2], out[2];
	unsigned int i;

	memset(r, 0, sizeof(*r));
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return false;
	r->pid = fork();
	if (r->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/bin/bash", "bash", "selftests/lib/redis.sh", kind, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	r->to = fdopen(in[1], "w");
	r->from = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), r->from)) {
		if (strcmp(line, "ready\n") == 0)
			return true;
		if (strncmp(line, "tls ", 4) == 0) {
			line[strcspn(line, "\n")] = 0;
			take_tls(r, line + 4);
		}
		if (sscanf(line, "node %u", &i) == 1 && i < REDIS_NODES &&
		    sscanf(line, "node %*u %63s", r->address[i]) == 1)
			r->n = i + 1;
	}
	fprintf(stderr, "no redis '%s'\n", kind);
	redis_down(r);
	return false;
}

void redis_down(struct redis *r)
{
	if (!r->pid)
		return;
	fclose(r->to);
	fclose(r->from);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

static const char *ask(struct redis *r, char answer[static 4096], const char *fmt, va_list ap)
{
	vfprintf(r->to, fmt, ap);
	fputc('\n', r->to);
	fflush(r->to);
	if (!fgets(answer, 4096, r->from))
		answer[0] = 0;
	answer[strcspn(answer, "\n")] = 0;
	return answer;
}

const char *redis_do(struct redis *r, char answer[static 4096], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ask(r, answer, fmt, ap);
	va_end(ap);
	return answer;
}

bool redis_ok(struct redis *r, const char *fmt, ...)
{
	char answer[4096];
	va_list ap;

	va_start(ap, fmt);
	ask(r, answer, fmt, ap);
	va_end(ap);
	return strcmp(answer, "ok") == 0;
}

/* --- answers --- */

void answer_cb(void *arg, const struct err *err, const json_t *reply)
{
	struct answer *a = arg;

	a->calls++;
	if (err)
		a->err = *err;
	json_decref(a->reply);
	a->reply = json_deep_copy(reply);
}

void answer_fini(struct answer *a)
{
	json_decref(a->reply);
	memset(a, 0, sizeof(*a));
}

json_int_t answer_int(const struct answer *a, const char *name)
{
	const json_t *v = json_object_get(a->reply, name);

	return v ? json_integer_value(v) : -1;
}

const char *answer_str(const struct answer *a, const char *name)
{
	const char *s = json_string_value(json_object_get(a->reply, name));

	return s ? s : "";
}

/* --- a follower's copy --- */

static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	struct model *m = arg;

	json_decref(m->records);
	m->records = json_deep_copy(records);
	m->rev = rev;
	m->crev = crev;
	m->snapshots++;
	if (m->check)
		m->check(m);
}

static void on_change(void *arg, const json_t *changes, uint64_t rev, uint64_t crev)
{
	struct model *m = arg;
	const char *path;
	json_t *v;

	if (rev != m->rev + 1 || crev < m->crev || crev > m->crev + 1)
		m->disorders++;
	json_object_foreach((json_t *)changes, path, v)
	{
		if (json_is_null(v))
			json_object_del(m->records, path);
		else
			json_object_set_new(m->records, path, json_deep_copy(v));
		if (!json_is_null(v) &&
		    json_integer_value(json_object_get(v, "rev")) != (json_int_t)rev)
			m->disorders++;
	}
	m->rev = rev;
	m->crev = crev;
	m->changes++;
	if (m->check)
		m->check(m);
}

bool model_follow(struct model *m, struct db *db, const char *space)
{
	static const struct db_follow_ops ops = { on_snapshot, on_change };

	m->follow = db_follow(db, space, &ops, m);
	return m->follow;
}

void model_fini(struct model *m)
{
	db_unfollow(m->follow);
	json_decref(m->records);
	memset(m, 0, sizeof(*m));
}
