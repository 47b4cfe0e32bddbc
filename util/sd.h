/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd and a service say to each other (sd_notify(3), sockets that are open already), without its library. */
#pragma once

#include <stdint.h>

/* "READY=1", "WATCHDOG=1", "STATUS=text", "STOPPING=1".  Does nothing when no one listens
 * ($NOTIFY_SOCKET). */
void sd_tell(const char *state);
/* How often to tell WATCHDOG=1: half of what systemd allows; 0 = no watchdog. */
uint64_t sd_watchdog_ns(void);
/* Descriptors that this process was given, from SD_FDS on (sd_listen_fds(3)); asks once, for children must not take them for theirs. */
#define SD_FDS 3
int sd_listen_fds(void);
