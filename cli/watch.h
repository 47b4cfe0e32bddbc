/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the host's agent as they happen: one request to the control socket, then replies until --count, --timeout or the reader ends it. */
#pragma once

#include "cli/cli.h"

struct watch {
	const char *cmd;  /* of the request */
	const char *key;  /* events have it; other replies are not shown */
	const char *what; /* plural, for messages */
	/* Printed once the agent has been asked: whoever waits for this line knows that nothing will be missed. */
	void (*heading)(void);
	void (*row)(const json_t *event);
};

int watch_run(struct cli *cli, const struct watch *watch, struct err *err);
/* The local time of an event's "time_ns", "17:04:59". */
void watch_clock(const json_t *event, char buf[static 16]);
