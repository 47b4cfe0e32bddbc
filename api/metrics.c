// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.h"

#include <string.h>
#include <sys/resource.h>

#include "api/cache.h"
#include "api/exchange.h"
#include "api/heavy.h"
#include "api/http.h"
#include "api/role.h"
#include "api/routes.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/traceparent.h"

/* Statuses that are told apart; others are of their class: "4xx". */
static const int statuses[] = { 200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 415, 422, 429, 500, 503 };
#define CLASSES	    5
#define STATUSES_MAX (sizeof(statuses) / sizeof(statuses[0]) + CLASSES)
static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "other" };
#define METHODS_MAX (sizeof(methods) / sizeof(methods[0]))

/* Why somebody was not let in, or not allowed; others are "other". */
static const char *const denials[] = { "unauthorized", "forbidden", "quota_exceeded", "too_many_requests", "busy", "other" };

#define LOG_NS	  (NSEC_PER_SEC / 10) /* of warnings, of those who were refused, of traced requests */
#define LOG_BURST 20

struct api_metrics {
	unsigned int n_routes;
	uint64_t warn_tat_ns, denied_tat_ns, trace_tat_ns;
	uint64_t denied[ARRAY_SIZE(denials)];
	struct histogram took[METHODS_MAX];
	uint64_t count[][STATUSES_MAX]; /* of each route; the last one: none */
};

struct api_metrics *api_metrics_new(void)
{
	struct api_metrics *m;
	unsigned int n = 0;

	while (routes_at(n))
		n++;
	m = calloc(1, sizeof(*m) + (n + 1) * sizeof(m->count[0]));
	if (m)
		m->n_routes = n;
	return m;
}

void api_metrics_free(struct api_metrics *m)
{
	free(m);
}

/* --- what is measured --- */

static unsigned int route_index(const struct api_metrics *m, const struct api_route *route)
{
	unsigned int i = 0;

	while (i < m->n_routes && routes_at(i) != route)
		i++;
	return i;
}

static unsigned int status_index(int status)
{
	const unsigned int known = STATUSES_MAX - CLASSES;

	for (unsigned int i = 0; i < known; i++)
		if (statuses[i] == status)
			return i;
	return known + (status >= 100 && status < 600 ? (unsigned int)status / 100 - 1 : CLASSES - 1);
}

static unsigned int method_index(const char *method)
{
	unsigned int i = 0;

	if (!strcmp(method, "HEAD"))
		method = "GET";
	while (i < METHODS_MAX - 1 && strcmp(methods[i], method) != 0)
		i++;
	return i;
}

static bool is_denied(int status)
{
	return status == 401 || status == 403 || status == 429;
}

void api_metrics_denied(struct api_metrics *m, int status, const char *slug)
{
	size_t i = 0;

	if (!is_denied(status))
		return;
	while (i < ARRAY_SIZE(denials) - 1 && strcmp(denials[i], slug) != 0)
		i++;
	m->denied[i]++;
}

/*
 * What we could not do is a warning; who was refused is told of, and a request whose trace somebody records; none of them more often than somebody can read.  All
 * the rest is there on request.  Who wrote what is in the audit.
 */
static enum log_level level_of(struct api_metrics *m, const struct api_request *r, int status, uint64_t now_ns)
{
	uint64_t *tat_ns = status >= 500 ? &m->warn_tat_ns : is_denied(status) ? &m->denied_tat_ns : &m->trace_tat_ns;

	if (r->api->config->log_writes && status < 300 && r->route && r->route->least > API_READER && !role_method_safe(r->method))
		return LOG_INFO_LEVEL;
	if ((status < 500 && !is_denied(status) && !traceparent_sampled(r->traceparent)) || *tat_ns > now_ns + LOG_BURST * LOG_NS)
		return LOG_DEBUG_LEVEL;
	*tat_ns = (*tat_ns > now_ns ? *tat_ns : now_ns) + LOG_NS;
	return status >= 500 ? LOG_WARN_LEVEL : LOG_INFO_LEVEL;
}

/* What a write has made, as its answer says. */
static const char *revision_of(const struct api_request *r)
{
	for (unsigned int i = 0; i < r->n_headers; i++)
		if (!strcmp(r->headers[i].name, "Skep-Revision"))
			return r->headers[i].value;
	return NULL;
}

static void log_request(const struct api_request *r, int status, uint64_t took_ns, enum log_level level)
{
	char code[16], ms[32];
	const struct log_field fields[] = {
		{ "request_id", r->id },	{ "traceparent", r->traceparent }, { "status", code },
		{ "duration_ms", ms },		{ "caller", r->caller.name },	   { "client", r->address },
		{ "token", r->caller.token },	{ "session", r->caller.session },  { "subject", r->caller.subject },
		{ "tenant", r->route ? api_param(r, "tenant") : NULL },
		{ "revision", revision_of(r) },
		{ "why", r->why },
	};

	if (!log_wants(level))
		return;
	snprintf(code, sizeof(code), "%d", status);
	snprintf(ms, sizeof(ms), "%.3f", (double)took_ns / NSEC_PER_MSEC);
	log_with(level, fields, ARRAY_SIZE(fields), "%s %s", r->method, r->path);
}

void api_metrics_answered(struct api_request *r, int status)
{
	struct api_metrics *m = r->api->metrics;
	const uint64_t now = clock_mono_ns(), took = now > r->began_ns ? now - r->began_ns : 0;
	const uint64_t ready = r->ready_ns > r->began_ns ? r->ready_ns - r->began_ns : took;

	m->count[route_index(m, r->route)][status_index(status)]++;
	histogram_add(&m->took[method_index(r->method)], ready);
	log_request(r, status, took, level_of(m, r, status, now));
}

/* --- what is told --- */

static void write_requests(const struct api_metrics *m, struct metrics *out)
{
	static const char name[] = "skep_api_requests_total", took[] = "skep_api_request_duration_seconds";
	char status[8];

	metrics_family(out, name, "counter", "Requests by route and status.");
	for (unsigned int i = 0; i <= m->n_routes; i++) {
		const struct api_route *route = i < m->n_routes ? routes_at(i) : NULL;

		for (unsigned int k = 0; k < STATUSES_MAX; k++) {
			const unsigned int known = STATUSES_MAX - CLASSES;

			if (!m->count[i][k])
				continue;
			snprintf(status, sizeof(status), k < known ? "%d" : "%dxx", k < known ? statuses[k] : (int)(k - known) + 1);
			metrics_sample(out, name);
			metrics_label(out, "method", route ? route->method : "");
			metrics_label(out, "route", route ? route->path : "(none)");
			metrics_label(out, "status", status);
			metrics_value(out, m->count[i][k]);
		}
	}
	metrics_family(out, took, "histogram", "From the beginning of a request to its answer, without what ?wait= asks for; of a stream, to its first byte.");
	for (unsigned int i = 0; i < METHODS_MAX; i++)
		metrics_histogram(out, took, "method", methods[i], &m->took[i]);
}

static void write_denied(const struct api_metrics *m, struct metrics *out)
{
	static const char name[] = "skep_api_denied_total";

	metrics_family(out, name, "counter", "Requests of those who were not let in, or not allowed, by reason.");
	for (size_t i = 0; i < ARRAY_SIZE(denials); i++) {
		metrics_sample(out, name);
		metrics_label(out, "reason", denials[i]);
		metrics_value(out, m->denied[i]);
	}
}

static void write_http(const struct http_stats *s, struct metrics *out)
{
	metrics_counter(out, "skep_api_connections_total", "Connections that were taken.", s->connections);
	metrics_counter(out, "skep_api_refused_total", "Connections and requests ended by a deadline or a limit.", s->refused);
	metrics_counter(out, "skep_api_received_bytes_total", "Bytes of bodies of requests.", s->bytes_in);
	metrics_counter(out, "skep_api_sent_bytes_total", "Bytes of bodies of answers.", s->bytes_out);
	metrics_gauge(out, "skep_api_connections_open", "Connections that are open.", s->open);
	metrics_gauge(out, "skep_api_streams_open", "Streams of events that are open.", s->streams);
	metrics_gauge(out, "skep_api_requests_pending", "Requests that are being worked on.", s->pending);
	metrics_gauge(out, "skep_api_stream_bytes", "Memory of events that wait to be read.", s->stream_bytes);
	metrics_gauge(out, "skep_api_body_bytes", "Memory of bodies that are coming in.", s->body_bytes);
}

static void write_cache(const struct cache_stats s, struct metrics *out)
{
	metrics_gauge(out, "skep_api_cache_bytes", "Memory of tenants' records, about.", s.bytes);
	metrics_gauge(out, "skep_api_cache_tenants", "Tenants whose records are known.", s.tenants);
	metrics_counter(out, "skep_api_cache_dropped_total", "Tenants whose records were let go to make place for others.", s.dropped);
	metrics_counter(out, "skep_api_cache_refused_total", "Tenants whose records did not fit into memory.", s.refused);
}

static void write_heavy(const struct heavy_stats s, struct metrics *out)
{
	static const char name[] = "skep_api_heavy_total", cpu[] = "skep_api_heavy_cpu_seconds_total";
	const struct {
		const char *end;
		uint64_t n;
	} ends[] = { { "done", s.done }, { "died", s.died }, { "late", s.late }, { "left", s.left }, { "refused", s.refused } };

	metrics_family(out, name, "counter", "Requests that were worked on in a process of their own, by its end; refused: they had no turn.");
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		metrics_sample(out, name);
		metrics_label(out, "end", ends[i].end);
		metrics_value(out, ends[i].n);
	}
	metrics_family(out, cpu, "counter", "Processor time of those processes.");
	metrics_sample(out, cpu);
	metrics_value_real(out, (double)s.cpu_ns / NSEC_PER_SEC);
	metrics_gauge(out, "skep_api_heavy_running", "Processes that work on a request.", s.running);
	metrics_gauge(out, "skep_api_heavy_waiting", "Requests that wait for their turn to have one.", s.waiting);
}

static void write_process(struct metrics *out)
{
	struct rusage used = { 0 };

	(void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
	metrics_process(out, "skep-api");
	metrics_family(out, "skep_api_build_info", "gauge", "1; which skep-api this is.");
	metrics_sample(out, "skep_api_build_info");
	metrics_label(out, "version", SKEP_VERSION);
	metrics_value(out, 1);
	metrics_gauge(out, "process_resident_memory_max_bytes", "The most memory that skep-api had in RAM.", (uint64_t)used.ru_maxrss * 1024);
}

static void write_db(const struct db *db, struct metrics *out)
{
	static const char took[] = "skep_api_db_request_duration_seconds", failed[] = "skep_api_db_request_errors_total";
	json_t *status = db_status(db);
	struct db_took t;

	metrics_gauge(out, "skep_api_db_connected", "1: all of the state DB that can be written is connected.",
		      json_is_true(json_object_get(status, "connected")));
	json_decref(status);
	metrics_family(out, took, "histogram", "From a request to the state DB to its answer.");
	for (unsigned int i = 0; db_took(db, i, &t); i++)
		metrics_histogram(out, took, "request", t.request, t.took);
	metrics_family(out, failed, "counter", "Requests to the state DB that were answered with an error, or not in time.");
	for (unsigned int i = 0; db_took(db, i, &t); i++) {
		metrics_sample(out, failed);
		metrics_label(out, "request", t.request);
		metrics_value(out, t.failed);
	}
}

static void on_metrics(struct api_request *r)
{
	const struct api *api = api_of(r);
	struct metrics out = { 0 };

	write_process(&out);
	write_requests(api->metrics, &out);
	write_denied(api->metrics, &out);
	write_http(http_stats(api->http), &out);
	write_cache(cache_stats(api->cache), &out);
	write_heavy(heavy_stats(api->heavy), &out);
	write_db(api->db, &out);
	if (out.failed) {
		metrics_fini(&out);
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	api_answer_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", out.text, out.len);
}

const struct api_route metrics_routes[] = {
	{ "GET", "/metrics", on_metrics, API_OPERATOR, API_MONITORS, NULL, "metrics of this server, for Prometheus" },
};
const unsigned int n_metrics_routes = ARRAY_SIZE(metrics_routes);
