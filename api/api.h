/* SPDX-License-Identifier: Apache-2.0 */
/* What the program is made of: one of it, reached from every request by api_of(). */
#pragma once

#include "api/config.h"
#include "statedb/statedb.h"
#include "util/loop.h"

struct http;
struct api_metrics;
struct auth;
struct budget;
struct cache;
struct heavy;
struct live;
struct tenant_settle;

struct api {
	const struct api_config *config;
	struct loop *loop;
	struct db *db;
	struct auth *auth;
	struct budget *budget;
	struct cache *cache;
	struct heavy *heavy;
	struct http *http;
	struct live *live;
	struct tenant_settle *settle;
	struct api_metrics *metrics;
};
