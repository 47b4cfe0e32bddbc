/* SPDX-License-Identifier: Apache-2.0 */
/* What control_server.c and control_rows.c share: a client of the control socket. */
#pragma once

#include "loader/agent.h"

#define CONTROL_OUT_MAX (64u << 20) /* bytes waiting for one client */

enum watch { WATCH_DROPS = 1 << 0, WATCH_LOG = 1 << 1 };

struct client {
	struct client *next;
	struct control_server *server;
	int fd;
	struct loop_fd *f;
	char *in, *out;
	size_t in_len, in_cap, out_len, out_off, out_cap;
	bool leaving, closing, dead;
	json_t *top; /* this request waits for a sample of the ports */
	json_t *waiting; /* this one for a walk over the flows: */
	uint64_t walk;	 /* number 'walk' */
	struct report_rows *rows; /* of an answer that is being made */
	bool some_rows;		  /* of which there are some already */
	unsigned int watch; /* enum watch */
	uint64_t lost;
};

struct control_server {
	struct agent *a;
	int fd;
	struct loop_fd *f;
	struct client *clients;
	unsigned int n;
	unsigned int drop_watchers, log_watchers;
	char *path;
	struct loop_timer *rows_timer;
};

/* control_server.c */
void control_kill(struct client *c);
void control_push(struct client *c); /* sends what the socket takes */
bool control_queue_bytes(struct client *c, const char *p, size_t n, size_t max);
bool control_queue(struct client *c, const char *line, size_t n, size_t max); /* and the line's end; false = no room */
void control_requests(struct client *c); /* those that came while one was being answered */
void control_sweep(struct control_server *s);

/* control_rows.c */
void control_rows_begin(struct client *c, struct report_rows *rows); /* takes 'rows' */
void control_rows_soon(struct control_server *s); /* goes on with a client who has read */
