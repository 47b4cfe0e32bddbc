/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of random_topo.h. */
#pragma once

#include "selftests/lib/random_topo.h"
#include "selftests/lib/simtest.h"

#define RANDOM_OBJECT 8192

static inline uint32_t random_below(struct random_topo *t, uint32_t n)
{
	return simtest_below(&t->random, n);
}

/* Ports and links that are always there, as a document without tenant. */
extern const char random_skeleton[];

/* random_object.c: kinds of objects, each with a few names. */
#define RANDOM_KINDS 18
unsigned int random_count(unsigned int kind);
const char *random_plural(unsigned int kind);
/* Part of the skeleton: not made anew in the beginning. */
bool random_skipped(unsigned int kind);
/* A document with the i-th object of the kind, its fields at random; it may be one that is refused. */
void random_object(struct random_topo *t, unsigned int kind, unsigned int i, char text[static RANDOM_OBJECT],
		   char name[static 16]);

/* random_packet.c */
const char *random_exterior(unsigned int i); /* NULL: there are no more */
unsigned int random_exteriors(void);
void random_blocks(struct random_topo *t); /* source ports for some of the SNAT addresses */
