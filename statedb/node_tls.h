/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 or newer (RFC 5246, RFC 8446) on a connection to a Redis server, by GnuTLS: the server shows a certificate for the name or address that was
 * asked for, of an issuer whom we trust, or nothing is sent to it.  Never blocks; the descriptor is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "statedb/statedb.h"

struct node_tls;

/* Reads the files; they may be others than at the last connection.  'host' is borrowed until node_tls_free().  NULL: 'err'. */
struct node_tls *node_tls_new(const struct db_tls *config, const char *host, int fd, struct err *err);
void node_tls_free(struct node_tls *t); /* takes NULL; says good-bye, if that can be done at once */
/* 0, or -errno: 'err'; -EAGAIN when the socket is ready again, for what node_tls_wants_out() says. */
int node_tls_handshake(struct node_tls *t, struct err *err);
bool node_tls_wants_out(const struct node_tls *t);
/* As send() and recv(), but -errno; node_tls_why() explains -EPROTO.  What node_tls_send() answered with -EAGAIN is to be given to it again, from the same byte on. */
ssize_t node_tls_send(struct node_tls *t, const void *data, size_t len);
ssize_t node_tls_recv(struct node_tls *t, void *buf, size_t len);
const char *node_tls_why(const struct node_tls *t);
/* Can the files be used? */
int node_tls_check(const struct db_tls *config, struct err *err);
