/* SPDX-License-Identifier: Apache-2.0 */
/* Who this agent is to the other hosts, and that it is the only one with its state directory. */
#pragma once

#include <stddef.h>

#include "util/err.h"

/* mkdir -p, mode 0750. */
int identity_dir(const char *path, struct err *err);
/* Locks <state>/skepd.lock for the life of the process: the descriptor, or -errno (-EBUSY: another
 * skepd has it). */
int identity_lock(const char *state_dir, struct err *err);
/* Claims the devices whose names begin with 'prefix' in this network namespace, for the life of the
 * process: a descriptor, or -errno (-EBUSY: another live skepd has them). */
int identity_devices(const char *prefix, struct err *err);
/*
 * Owner of our lease: "<boot id>.<id of the state directory>".  The same after a restart or a crash
 * of skepd, so that it takes its lease again at once; another on a copy of the machine, or after a
 * reboot.
 */
int identity_owner(const char *state_dir, char *buf, size_t size, struct err *err);
