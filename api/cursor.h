/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors as text: Base64 for URLs (RFC 4648 5), without padding. */
#pragma once

#include <stddef.h>

char *cursor_encode(const void *data, size_t len);	   /* the caller's to free; NULL: no memory */
char *cursor_decode(const char *text, size_t *len); /* with a NUL behind it; NULL: no memory, or not Base64 */
