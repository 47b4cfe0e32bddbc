/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a connection?  An address, or, of IPv6, a network of 64 bits: a customer has all addresses of it.  How many connections each has.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "api/config.h"

#define PEER_TEXT 48

struct peers;

struct peers *peers_new(void); /* NULL: no memory */
void peers_free(struct peers *p); /* takes NULL */
/* The number of connections of the address: to be looked at, and kept, by the caller.  NULL: an address that does not count (a socket's).  Two addresses of
 * 65536 may share one. */
uint32_t *peers_seat(struct peers *p, const struct sockaddr *sa);
/* The address as text, of IPv4 also where the socket is IPv6; "unknown". */
void peer_name(const struct sockaddr *sa, char text[static PEER_TEXT]);
/* Of an address as text; of a name that is none, the name. */
const char *peer_network(const char *address, char buf[static PEER_TEXT]);

/* Does a proxy speak there that tells the truth of its clients ('trusted_proxies')? */
bool peer_is_proxy(const struct api_config *config, const char *address);
/* The client's address of "X-Forwarded-For: a, b, c": the last one that is no proxy of ours, in place of 'address', which is one. */
void peer_forwarded(const struct api_config *config, const char *header, char address[static PEER_TEXT]);
