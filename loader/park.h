/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that wait: for a neighbour's answer, for a record, or for the tenant of their port.
 * Bounded per thing waited for, per port and in all; in order of arrival; with a deadline.  Knows
 * no simulation: upcall.c puts packets in and takes them out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loader/dp.h"
#include "maps/types.h"

#define PARK_PER_NEED	 16
#define PARK_PER_PORT	 256
#define PARK_MAX	 4096
#define PARK_BYTES_MAX	 (64u << 20)
#define PARK_DEADLINE_NS 5000000000ULL

enum park_kind {
	PARK_NEIGH,  /* scope = tenant, name = router port, ip */
	PARK_RECORD, /* scope = tenant, name = path */
	PARK_SNAT,   /* scope = tenant, name = router, ip = first of the addresses: source ports */
	PARK_PORT,   /* key: nobody has claimed the port yet */
	PARK_FRAGMENT, /* key = ingress port, name = of frag.h: the first fragment of its packet */
	PARK_STATE, /* key: of hold.h; decided already: has a verdict */
};

/* What is waited for.  'name' is copied. */
struct park_what {
	enum park_kind kind;
	const void *scope;
	const char *name;
	struct skep_ip ip;
	uint32_t key;
};

struct parked {
	struct parked *next;
	enum park_kind kind; /* of what it waits or waited for */
	uint32_t in_key, key;
	uint64_t deadline_ns;
	struct skep_flow verdict; /* PARK_STATE */
	struct dp_frame frame; /* data has DP_HEADROOM bytes in front */
	uint8_t buf[];
};

struct park;
struct park *park_new(uint64_t seed);
void park_free(struct park *p); /* takes NULL */
uint32_t park_count(const struct park *p);

/* Copies the frame.  *fresh: the first one to wait for this.  0, -ENOSPC (full), -ENOMEM. */
int park_put(struct park *p, const struct park_what *what, uint32_t in_key,
	     const struct dp_frame *frame, uint64_t now_ns, uint64_t deadline_ns, bool *fresh);
/* The same for a packet that is decided. */
int park_put_verdict(struct park *p, const struct park_what *what, uint32_t in_key, const struct dp_frame *frame,
		     const struct skep_flow *verdict, uint64_t now_ns, uint64_t deadline_ns, bool *fresh);
/* What is waited for has come, or may have: its packets become ready, in order. */
void park_ready(struct park *p, const struct park_what *what);
/* The same for all that waits within a scope, and for the port 'key'. */
void park_ready_scope(struct park *p, const void *scope);
/* The next ready packet, the caller's to free(); NULL = none. */
struct parked *park_take(struct park *p);
/* Those whose deadline has passed: shown once, then gone. */
void park_expire(struct park *p, uint64_t now_ns,
		 void (*cb)(void *arg, const struct parked *packet), void *arg);
/*
 * Calls back for each neighbour whose last try is 'retry_ns' old: 'packet' is the first that waits
 * for it, 'tries' how often it was asked; the callback may call park_ready() on it, not more.
 */
void park_retry(struct park *p, uint64_t now_ns, uint64_t retry_ns,
		void (*cb)(void *arg, const struct park_what *what, const struct parked *packet,
			   uint32_t tries),
		void *arg);
