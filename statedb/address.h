/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Redis server listens, as text and as a struct.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DB_ADDR_TEXT 288

struct db_addr {
	bool is_unix;
	uint16_t port;	/* host order; 0 when is_unix */
	char host[256]; /* name or address without brackets; a path when is_unix */
};

/* "host:port", "[v6]:port", "unix:/path".  False and *addr untouched if the text is anything else.
 */
bool db_addr_parse(const char *text, struct db_addr *addr);
/* As servers write it in redirections: what follows the last colon is the port, "::1:7000" is
 * [::1]:7000; the host may be empty. */
bool db_addr_parse_redirect(const char *text, size_t len, struct db_addr *addr);
const char *db_addr_format(const struct db_addr *addr, char buf[static DB_ADDR_TEXT]);
bool db_addr_eq(const struct db_addr *a, const struct db_addr *b);
