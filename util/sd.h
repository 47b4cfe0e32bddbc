/* SPDX-License-Identifier: Apache-2.0 */
/* The two words that systemd wants of a service (sd_notify(3), its datagram protocol), without its
 * library. */
#pragma once

#include <stdint.h>

/* "READY=1", "WATCHDOG=1", "STATUS=text", "STOPPING=1".  Does nothing when no one listens
 * ($NOTIFY_SOCKET). */
void sd_tell(const char *state);
/* How often to tell WATCHDOG=1: half of what systemd allows; 0 = no watchdog. */
uint64_t sd_watchdog_ns(void);
