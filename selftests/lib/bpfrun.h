/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real BPF programs, run on one frame by BPF_PROG_TEST_RUN: for tests that compare bytes.  Needs root.  Loaded once per process, attached
 * and pinned nowhere.  Frames enter by interface 1 (lo), which is bound to the port BPFRUN_KEY.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "maps/maps.h"
#include "util/err.h"

#define BPFRUN_KEY     0x777
#define BPFRUN_LPORT   1
#define BPFRUN_TAP     4001 /* ifindex that stands for the upcall tap; redirects are only looked at, never done */
#define BPFRUN_UNDER   4002
#define BPFRUN_MAX     (70 << 10)

enum bpfrun_prog { BPFRUN_PORT, BPFRUN_UNDER_TC, BPFRUN_XDP, BPFRUN_INJECT, BPFRUN_TUNNEL, BPFRUN_CLOCK, BPFRUN_XDP_PORT, BPFRUN_PROGS };

struct bpfrun_result {
	int action; /* TC_ACT_*, XDP_* */
	uint8_t data[BPFRUN_MAX];
	uint32_t len;
	enum skep_drop drop; /* the reason that was counted during this run; SKEP_DROP_NONE = none */
};

struct bpfrun;

struct bpfrun *bpfrun_open(struct err *err); /* NULL: 'err' */
struct bpfrun *bpfrun_open_sized(uint32_t flows, uint32_t conns, struct err *err); /* tables of so many entries */
uint64_t bpfrun_memory(struct bpfrun *r, const char *map); /* bytes that the kernel has for it; 0 = it does not say */
/* The frames' interface gets its slot in skep_iface_at, as skepd gives one; without, it is looked up in skep_ifaces. */
int bpfrun_slot(struct bpfrun *r);
void bpfrun_close(struct bpfrun *r);	     /* takes NULL */
/* 0 or -errno of the run itself.  What goes up is taken off the upcall queue at once, unless bpfrun_queue() was called. */
void bpfrun_queue(struct bpfrun *r, bool keep); /* frames stay in the queue from now on; false: it is emptied */
int bpfrun_run(struct bpfrun *r, enum bpfrun_prog prog, const uint8_t *frame, uint32_t len, struct bpfrun_result *res);
/* Only runs it, 'repeat' times on one frame; *ns = the kernel's own measure of one.  BPFRUN_PROGS = a program of two instructions, to subtract. */
int bpfrun_time(struct bpfrun *r, enum bpfrun_prog prog, const uint8_t *frame, uint32_t len, uint32_t repeat, uint32_t *ns);
int bpfrun_fd(struct bpfrun *r, enum bpfrun_prog prog);
int bpfrun_map(struct bpfrun *r, const char *map);
uint32_t bpfrun_jiffies(struct bpfrun *r); /* the kernel's, low 32 bits; 0 = they could not be read */
/* Map access by name; 0 or -errno. */
int bpfrun_put(struct bpfrun *r, const char *map, const void *key, const void *value);
int bpfrun_get(struct bpfrun *r, const char *map, const void *key, void *value);
int bpfrun_del(struct bpfrun *r, const char *map, const void *key);
uint64_t bpfrun_counter(struct bpfrun *r, enum skep_counter which);
