// SPDX-License-Identifier: Apache-2.0
/* Shows events as they happen (watch.h).  Called by 'drop watch' and 'log watch'. */
#include "cli/watch.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "util/json.h"
#include "cli/out.h"
#include "util/clock.h"

#define WATCH_START_MS 200 /* a watch may begin with silence */

void watch_clock(const json_t *event, char buf[static 16])
{
	uint64_t at = (uint64_t)json_integer_value(json_object_get(event, "time_ns"));
	uint64_t age_ns = clock_mono_ns() - at;
	struct timespec now;
	struct tm tm;
	time_t when;

	clock_gettime(CLOCK_REALTIME, &now);
	when = now.tv_sec - (time_t)(age_ns / NSEC_PER_SEC);
	buf[0] = 0;
	if (localtime_r(&when, &tm))
		strftime(buf, 16, "%H:%M:%S", &tm);
}

/* The agent does not wait for a slow reader. */
static void print_lost(const struct cli *cli, const struct watch *watch, const json_t *event)
{
	if (cli->format == CLI_JSON)
		out_json(event);
	else
		fprintf(stderr, "skep: %" JSON_INTEGER_FORMAT " %s not shown: this reads too slowly\n",
			json_integer_value(json_object_get(event, "lost")), watch->what);
}

/* How long to wait for the next one; 0 = the time is over. */
static int wait_ms(uint64_t end_ns)
{
	uint64_t now = clock_mono_ns();

	if (!end_ns)
		return 60000;
	if (now >= end_ns)
		return 0;
	return end_ns - now > 60 * NSEC_PER_SEC ? 60000 : (int)((end_ns - now) / NSEC_PER_MSEC) + 1;
}

/* Whether it was one that was asked for. */
static bool show(const struct cli *cli, const struct watch *watch, const json_t *event)
{
	if (json_object_get(event, "lost"))
		print_lost(cli, watch, event);
	if (!json_object_get(event, watch->key))
		return false;
	if (cli->format == CLI_JSON)
		out_json(event);
	else
		watch->row(event);
	return true;
}

int watch_run(struct cli *cli, const struct watch *watch, struct err *err)
{
	uint64_t end_ns = cli->timeout_ms ? clock_mono_ns() + cli->timeout_ms * NSEC_PER_MSEC : 0;
	_json_ json_t *ask = json_pack("{s:s, s:b}", "cmd", watch->cmd, "watch", 1), *event = NULL;
	uint64_t n = 0;
	int wait;

	if (cli_control_open(cli, err))
		return err->code;
	event = control_call(cli->control, ask, WATCH_START_MS, err);
	if (!event && err->code != -ETIMEDOUT)
		return err->code;
	if (cli->format == CLI_TABLE)
		watch->heading();
	for (;;) {
		n += show(cli, watch, event);
		*err = (struct err){ 0 };
		if ((cli->count && n >= cli->count) ||
		    ferror(stdout)) /* ... or whoever read us has gone */
			return 0;
		wait = wait_ms(end_ns);
		if (!wait)
			break;
		json_decref(event);
		event = control_next(cli->control, wait, err);
		if (!event && err->code != -ETIMEDOUT)
			return err->code;
	}
	if (cli->count)
		return err_tag(err, -ETIMEDOUT, "timeout", "only %llu of %llu %s in %llu s",
			       (unsigned long long)n, (unsigned long long)cli->count, watch->what,
			       (unsigned long long)cli->timeout_ms / 1000);
	return 0;
}
