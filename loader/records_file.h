/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for a file that has a thread of its own: a disk that does not answer, or a reader that does not read, is waited for there and nowhere else.  What
 * waits is bounded.  A file that was moved away (logrotate) is made anew.  Called by records_out.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct records_file;

struct records_file *records_file_new(const char *path); /* NULL: no memory */
/* Its end included.  False: there is no room, it is lost. */
bool records_file_put(struct records_file *f, const char *line, size_t len);
void records_file_flush(struct records_file *f); /* now and then: what waits is to be written, soon */
/* Writes what waits, but for no longer than a second.  Takes NULL. */
void records_file_free(struct records_file *f);
