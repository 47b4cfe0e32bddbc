// SPDX-License-Identifier: Apache-2.0
/*
 * skep top: asks the agent once per refresh, and shows what ports and flows do.  On a terminal a screen with keys; else, or with --count, tables one
 * after the other; with --json lines of it.
 */
#include "cli/top.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/json.h"
#include "util/clock.h"

#define ANSWER_MS      3000
#define FIRST_MS       300 /* until there are rates to look at */
#define INTERVAL_S     1.0
#define BATCH_ROWS     20
#define BATCH_WIDTH    150
#define ROWS_MAX       200 /* the agent shows no more */

static const double intervals[] = { 0.2, 0.5, 1, 2, 5, 10, 30, 60 };

struct top_run {
	struct cli *cli;
	struct top_view view;
	json_t *base, *newer, *shown; /* rates are those of 'shown' since 'base'; 'newer' is the next base */
	char tenant[128], clock[16], trouble[512];
	size_t rows;
};

static double seconds(const json_t *sample)
{
	return json_number_value(json_object_get(sample, "time_ns")) / 1e9;
}

static void set_clock(struct top_run *t)
{
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(t->clock, sizeof(t->clock), "%H:%M:%S", &tm);
	t->view.clock = t->clock;
}

/* Who asks twice in a moment is not to see the rates of a moment. */
static void take(struct top_run *t, json_t *fresh)
{
	if (!t->newer) {
		t->newer = json_incref(fresh);
	} else if (!t->base || seconds(fresh) - seconds(t->newer) >= 0.8 * t->view.interval_s) {
		json_decref(t->base);
		t->base = t->newer;
		t->newer = json_incref(fresh);
	}
	top_rates(fresh, t->base, t->view.sort);
	json_decref(t->shown);
	t->shown = fresh;
	t->view.now = fresh;
}

static int ask(struct top_run *t, struct err *err)
{
	_json_ json_t *request = json_pack("{s:s, s:i, s:i, s:s, s:s*}", "cmd", "top", "ports",
					   (int)t->rows, "flows", (int)t->rows, "sort",
					   top_sorts[t->view.sort], "tenant", t->view.tenant);
	json_t *fresh;

	if (!request)
		return err_set(err, -ENOMEM, "out of memory");
	if (cli_control_open(t->cli, err))
		return err->code;
	fresh = control_call(t->cli->control, request, ANSWER_MS, err);
	if (!fresh)
		return err->code;
	set_clock(t);
	take(t, fresh);
	return 0;
}

/* --- tables and lines --- */

static void print_plain(struct top_run *t)
{
	_free_ char *text = top_screen(&t->view);

	for (const char *p = text; p && *p; p++) {
		if (*p >= TOP_MARK(OUT_PLAIN) && *p <= TOP_MARK_MAX)
			fputs(out_style(stdout, (enum out_style)(*p - TOP_MARK(OUT_PLAIN))), stdout);
		else
			putchar(*p);
	}
}

static void wait_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static int run_batch(struct top_run *t, struct err *err)
{
	uint64_t next = clock_mono_ns();
	const char *columns = getenv("COLUMNS");

	t->rows = BATCH_ROWS;
	t->view.width = columns && strtol(columns, NULL, 10) >= 40 ? (int)strtol(columns, NULL, 10) :
								     BATCH_WIDTH;
	if (ask(t, err))
		return err->code;
	for (uint64_t n = 0; (!t->cli->count || n < t->cli->count) && !ferror(stdout); n++) {
		next += (uint64_t)(t->view.interval_s * (double)NSEC_PER_SEC);
		wait_until(next);
		if (ask(t, err))
			return err->code;
		if (t->cli->format == CLI_JSON) {
			out_json(t->shown);
			continue;
		}
		if (n)
			putchar('\n');
		print_plain(t);
		fflush(stdout);
	}
	return 0;
}

/* --- the screen --- */

static void draw(struct top_run *t)
{
	_free_ char *text = NULL;

	top_tty_size(&t->view.width, &t->view.height);
	t->rows = t->view.height < ROWS_MAX ? (size_t)t->view.height : ROWS_MAX;
	text = top_screen(&t->view);
	if (text)
		top_tty_show(text);
}

/* The agent may come back. */
static void ask_again(struct top_run *t)
{
	struct err err = { 0 };

	t->view.trouble = NULL;
	if (!ask(t, &err))
		return;
	if (err.code != -ENOENT || strncmp(err_name(&err), "no_such_", 8)) {
		control_close(t->cli->control);
		t->cli->control = NULL;
	}
	snprintf(t->trouble, sizeof(t->trouble), "%s", err.text);
	t->view.trouble = t->trouble;
}

static void next_interval(struct top_run *t, bool longer)
{
	double best = t->view.interval_s;

	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		if (longer && intervals[i] > t->view.interval_s) {
			best = intervals[i];
			break;
		}
		if (!longer && intervals[i] < t->view.interval_s)
			best = intervals[i];
	}
	t->view.interval_s = best;
}

/* The tenant behind (or before) the one that is shown, by name; behind the last one: all. */
static void next_tenant(struct top_run *t, bool back)
{
	const char *now = t->view.tenant, *best = NULL;
	const json_t *name;
	size_t i;

	json_array_foreach (json_object_get(t->shown, "tenants"), i, name) {
		const char *other = json_string_value(name);
		bool beyond = !now || (back ? strcmp(other, now) < 0 : strcmp(other, now) > 0);
		bool nearer = !best || (back ? strcmp(other, best) > 0 : strcmp(other, best) < 0);

		if (beyond && nearer)
			best = other;
	}
	t->view.tenant = NULL;
	if (!best)
		return;
	snprintf(t->tenant, sizeof(t->tenant), "%s", best);
	t->view.tenant = t->tenant;
}

/* False: quit.  '*now': the agent is to be asked at once. */
static bool press(struct top_run *t, int key, bool *now)
{
	struct top_view *v = &t->view;

	switch (key) {
	case TOP_KEY_QUIT:
	case 'q':
	case 'Q':
		return false;
	case 's':
	case 'S':
		v->sort = (v->sort + (key == 's' ? 1 : TOP_SORT_MAX - 1)) % TOP_SORT_MAX;
		break;
	case 't':
	case 'T':
		next_tenant(t, key == 'T');
		break;
	case 'a':
		v->tenant = NULL;
		break;
	case 'v':
		v->part = (v->part + 1) % TOP_PART_MAX;
		return true;
	case 'h':
	case '?':
		v->help = !v->help;
		return true;
	case '+':
	case '=':
	case '-':
		next_interval(t, key == '-');
		break;
	case 'p':
		v->paused = !v->paused;
		*now = !v->paused;
		return true;
	case ' ':
		break;
	default:
		return true;
	}
	*now = true;
	return true;
}

static int wait_ms(const struct top_run *t, uint64_t next)
{
	uint64_t now = clock_mono_ns();

	if (t->view.paused)
		return 60000;
	return now >= next ? 0 : (int)((next - now) / NSEC_PER_MSEC) + 1;
}

static int run_screen(struct top_run *t, struct err *err)
{
	uint64_t next = clock_mono_ns() + FIRST_MS * NSEC_PER_MSEC;
	int rc;

	t->rows = ROWS_MAX / 4;
	if (ask(t, err))
		return err->code;
	rc = top_tty_open();
	if (rc)
		return err_set(err, rc, "cannot use this terminal: %s", strerror(-rc));
	for (;;) {
		bool now = false;
		int key;

		draw(t);
		key = top_tty_key(wait_ms(t, next));
		if (!press(t, key, &now))
			break;
		if (now || (!t->view.paused && clock_mono_ns() >= next)) {
			ask_again(t);
			next = clock_mono_ns() + (uint64_t)(t->view.interval_s * (double)NSEC_PER_SEC);
		}
	}
	top_tty_close();
	return 0;
}

/* --- the command --- */

static int settings(struct top_run *t, struct err *err)
{
	const char *sort = t->cli->value[CLI_O_SORT_BIT];

	if (t->cli->interval_s > 0)
		t->view.interval_s = t->cli->interval_s;
	while (sort && t->view.sort < TOP_SORT_MAX && strcmp(sort, top_sorts[t->view.sort]) != 0)
		t->view.sort++;
	if (t->view.sort == TOP_SORT_MAX)
		return err_tag(
			err, -EINVAL, "usage",
			"option '--sort': '%s' is not known (want bits, packets, drops or upcalls)",
			sort);
	t->view.tenant = t->cli->value[CLI_O_TENANT_BIT];
	setlocale(LC_CTYPE, "");
	t->view.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	return 0;
}

int cmd_top(struct cli *cli, struct err *err)
{
	struct top_run t = { .cli = cli, .view = { .interval_s = INTERVAL_S } };
	bool batch = cli->count || cli->format != CLI_TABLE || !isatty(STDIN_FILENO) ||
		     !isatty(STDOUT_FILENO);
	int rc = settings(&t, err);

	if (!rc)
		rc = batch ? run_batch(&t, err) : run_screen(&t, err);
	json_decref(t.base);
	json_decref(t.newer);
	json_decref(t.shown);
	return rc;
}
