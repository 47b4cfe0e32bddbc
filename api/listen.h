/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: what "listen" says, or what systemd has opened already. */
#pragma once

#include <stdbool.h>

#include "util/err.h"

/* Would listen_open() take it, as far as its text tells? */
int listen_check(const char *text, bool tls, struct err *err);
/* A descriptor, one that is open there already if there is, or -errno with 'err'.  'address': what it became ("127.0.0.1:40123" of port 0).  Without 'tls' only loopback and UNIX sockets. */
int listen_open(const char *text, bool tls, char address[static 128], bool *is_unix, struct err *err);
void listen_close(int fd, const char *address); /* removes a UNIX socket's name, if it was not there before us */
int listen_unused(void); /* how many were opened for us that nobody has asked for */
