// SPDX-License-Identifier: Apache-2.0
#include "util/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void metrics_fini(struct metrics *m)
{
	free(m->text);
	*m = (struct metrics){ 0 };
}

static bool room(struct metrics *m, size_t n)
{
	size_t size = m->size ? m->size : 4096;
	char *text;

	if (m->failed)
		return false;
	while (size < m->len + n + 1)
		size *= 2;
	if (size == m->size)
		return true;
	text = realloc(m->text, size);
	if (!text) {
		m->failed = true;
		return false;
	}
	m->text = text;
	m->size = size;
	return true;
}

static void put(struct metrics *m, const char *text)
{
	size_t n = strlen(text);

	if (!room(m, n))
		return;
	memcpy(m->text + m->len, text, n + 1);
	m->len += n;
}

/* Help: \ and newline; labels: " too. */
static void put_escaped(struct metrics *m, const char *text, bool quote)
{
	char one[3] = { 0 };

	for (; *text; text++) {
		const bool odd = *text == '\\' || *text == '\n' || (quote && *text == '"');

		one[0] = odd ? '\\' : *text;
		one[1] = !odd ? 0 : *text == '\n' ? 'n' : *text;
		put(m, one);
	}
}

void metrics_family(struct metrics *m, const char *name, const char *type, const char *help)
{
	put(m, "# HELP ");
	put(m, name);
	put(m, " ");
	put_escaped(m, help, false);
	put(m, "\n# TYPE ");
	put(m, name);
	put(m, " ");
	put(m, type);
	put(m, "\n");
}

void metrics_sample(struct metrics *m, const char *name)
{
	put(m, name);
	m->labels = 0;
}

void metrics_label(struct metrics *m, const char *label, const char *value)
{
	put(m, m->labels++ ? "," : "{");
	put(m, label);
	put(m, "=\"");
	put_escaped(m, value, true);
	put(m, "\"");
}

static void end(struct metrics *m, const char *value)
{
	put(m, m->labels ? "} " : " ");
	put(m, value);
	put(m, "\n");
}

void metrics_value(struct metrics *m, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	end(m, text);
}

void metrics_value_real(struct metrics *m, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.12g", value);
	end(m, text);
}

static void single(struct metrics *m, const char *name, const char *type, const char *help, uint64_t value)
{
	metrics_family(m, name, type, help);
	metrics_sample(m, name);
	metrics_value(m, value);
}

void metrics_counter(struct metrics *m, const char *name, const char *help, uint64_t value)
{
	single(m, name, "counter", help, value);
}

void metrics_gauge(struct metrics *m, const char *name, const char *help, uint64_t value)
{
	single(m, name, "gauge", help, value);
}

static void sample_of(struct metrics *m, const char *name, const char *suffix, const char *label, const char *value)
{
	put(m, name);
	metrics_sample(m, suffix);
	if (label)
		metrics_label(m, label, value);
}

void metrics_histogram(struct metrics *m, const char *name, const char *label, const char *value, const struct histogram *h)
{
	uint64_t sum = 0;
	char le[32];

	for (unsigned int i = 0; i < HISTOGRAM_BOUNDS; i++) {
		sum += h->count[i];
		sample_of(m, name, "_bucket", label, value);
		snprintf(le, sizeof(le), "%.10g", (double)(1u << i) / 1e6);
		metrics_label(m, "le", le);
		metrics_value(m, sum);
	}
	sum += h->count[HISTOGRAM_BOUNDS];
	sample_of(m, name, "_bucket", label, value);
	metrics_label(m, "le", "+Inf");
	metrics_value(m, sum);
	sample_of(m, name, "_sum", label, value);
	metrics_value_real(m, (double)h->sum_ns / 1e9);
	sample_of(m, name, "_count", label, value);
	metrics_value(m, sum);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* 0: it cannot be read. */
static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* UNIX time, of the clock as it is now; 0: it cannot be read. */
static double start_time(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	struct timespec now, up;
	unsigned long long ticks = 0;
	char text[1024] = "", *name_end;

	if (!f)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	name_end = strrchr(text, ')'); /* a name may have anything in it */
	if (!name_end || sscanf(name_end + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &ticks) != 1 ||
	    clock_gettime(CLOCK_REALTIME, &now) || clock_gettime(CLOCK_BOOTTIME, &up))
		return 0;
	return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9 + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	uint64_t n = 0;

	if (!d)
		return 0;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n - 1; /* the one that looks */
}

static uint64_t max_fds(void)
{
	struct rlimit limit = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail */
	return limit.rlim_cur;
}

void metrics_process(struct metrics *m, const char *program)
{
	struct rusage used = { 0 };
	char help[96];

	(void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
	snprintf(help, sizeof(help), "Time of processors that %s has used.", program);
	metrics_family(m, "process_cpu_seconds_total", "counter", help);
	metrics_sample(m, "process_cpu_seconds_total");
	metrics_value_real(m, seconds(&used.ru_utime) + seconds(&used.ru_stime));
	snprintf(help, sizeof(help), "Memory of %s that is in RAM.", program);
	metrics_gauge(m, "process_resident_memory_bytes", help, resident_bytes());
	snprintf(help, sizeof(help), "When %s was started, UNIX time.", program);
	metrics_family(m, "process_start_time_seconds", "gauge", help);
	metrics_sample(m, "process_start_time_seconds");
	metrics_value_real(m, start_time());
	snprintf(help, sizeof(help), "Files and sockets that %s has open.", program);
	metrics_gauge(m, "process_open_fds", help, open_fds());
	snprintf(help, sizeof(help), "Files and sockets that %s may have open.", program);
	metrics_gauge(m, "process_max_fds", help, max_fds());
}
