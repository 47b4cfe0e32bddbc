/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics for Prometheus: histograms of durations, cheap enough for the packet path, and the text exposition format 0.0.4.  Knows no metric but those that any
 * process has.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Upper bounds: 1 µs, 2 µs, 4 µs, ... 8.4 s; behind them what took longer. */
#define HISTOGRAM_BOUNDS 24

struct histogram {
	uint64_t count[HISTOGRAM_BOUNDS + 1];
	uint64_t sum_ns;
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	const uint64_t us = ns / 1000 + (ns % 1000 != 0);
	const unsigned int i = us > 1 ? 64 - (unsigned int)__builtin_clzll(us - 1) : 0;

	h->count[i < HISTOGRAM_BOUNDS ? i : HISTOGRAM_BOUNDS]++;
	h->sum_ns += ns;
}

/* A text that grows; zeroed at the beginning.  When memory runs out it is 'failed' and of no use. */
struct metrics {
	char *text;
	size_t len, size;
	unsigned int labels; /* of the sample under way */
	bool failed;
};

void metrics_fini(struct metrics *m);
/* "# HELP", "# TYPE"; all samples of a family follow it before the next one begins. */
void metrics_family(struct metrics *m, const char *name, const char *type, const char *help);
/* A sample: its name, any number of labels, its value. */
void metrics_sample(struct metrics *m, const char *name);
void metrics_label(struct metrics *m, const char *label, const char *value);
void metrics_value(struct metrics *m, uint64_t value);
void metrics_value_real(struct metrics *m, double value);
/* A family with one sample without labels. */
void metrics_counter(struct metrics *m, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct metrics *m, const char *name, const char *help, uint64_t value);
/* Samples of a histogram in seconds, with one label, or none if 'label' is NULL.  The family is the caller's. */
void metrics_histogram(struct metrics *m, const char *name, const char *label, const char *value, const struct histogram *h);
/* process_cpu_seconds_total, process_start_time_seconds and what else Prometheus' clients tell of a process: of this one, whose name is 'program'. */
void metrics_process(struct metrics *m, const char *program);
