/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where agents say what their ports carry, for those who watch (docs/monitoring.md).  Who watches a tenant writes its state record DB_WISH, with any
 * content that is another one each time, every DB_WISH_RENEW_S; it may name flows to be told of, too (flow_wish.h).  Agents that have ports of the tenant then write {DB_TELEMETRY: {host: text}} to the
 * tenant's stash every DB_TELEMETRY_S, until nobody has wished it for DB_WISH_S.
 */
#pragma once

#define DB_WISH		   "wish/telemetry"
#define DB_WISH_S	   15
#define DB_WISH_RENEW_S	   5
#define DB_TELEMETRY	   "telemetry"
#define DB_TELEMETRY_S	   2
#define DB_TELEMETRY_TTL_S 10 /* of all hosts: one that has gone may be there as long as others write; see "at_ms" */
