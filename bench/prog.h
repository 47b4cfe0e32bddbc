/* SPDX-License-Identifier: Apache-2.0 */
/* What the benches of single BPF programs share: packets by number, medians, lines of JSON. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet.h"
#include "selftests/lib/bpfrun.h"

#define ROUNDS 5

static inline void die(const char *what, int rc)
{
	fprintf(stderr, "%s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

static inline uint32_t build(const char *line, uint8_t *buf, uint32_t cap)
{
	struct err err = { 0 };
	int len = pkt_dsl_parse(line, NULL, buf, cap, &err);

	if (len < 0)
		die(err.text, len);
	return (uint32_t)len;
}

/* Flow 'i': another source port, and beyond 1024 of them another address. */
static inline uint32_t inner(uint32_t i, uint8_t *buf, uint32_t cap)
{
	char line[256];

	snprintf(
		line, sizeof(line),
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.%u.%u.1>10.0.0.2 ttl 64 / udp %u>53 / data 78",
		i >> 10 & 255, i >> 18, 1024 + (i & 1023));
	return build(line, buf, cap);
}

static inline int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static inline uint32_t median(uint32_t *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static inline void print(const char *name, const char *how, uint32_t flows, uint32_t *rounds)
{
	uint32_t mid = median(rounds, ROUNDS); /* sorts */

	printf("{\"bench\":\"prog_ns\",\"variant\":\"%s%s\",\"flows\":%u,\"unit\":\"ns\",\"median\":%u,\"min\":%u,\"max\":%u,\"n\":%u}\n",
	       name, how, flows, mid, rounds[0], rounds[ROUNDS - 1], ROUNDS);
	fflush(stdout);
}
