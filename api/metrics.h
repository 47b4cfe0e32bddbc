/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What skep-api measures of its own requests, for Prometheus: GET /metrics, for operators.  Labels are routes as they are declared, so nothing that a client
 * sends becomes a series.  And a line of the log for each request, with its id and its traceparent.
 */
#pragma once

#include "util/metrics.h"

struct api;
struct api_metrics;
struct api_request;

struct api_metrics *api_metrics_new(void); /* NULL: no memory */
void api_metrics_free(struct api_metrics *m); /* takes NULL */
/* http.c: the request is being answered. */
void api_metrics_answered(struct api_request *r, int status);
/* answer.c: a problem; counted if somebody was not let in, or not allowed. */
void api_metrics_denied(struct api_metrics *m, int status, const char *slug);
