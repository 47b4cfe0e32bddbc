// SPDX-License-Identifier: Apache-2.0
/* What a request asks the server: which keys and script, or which command.  Called by space.c. */
#include <stdio.h>
#include <stdlib.h>

#include "statedb/request.h"

struct op *ask_shard(struct request *rq)
{
	char shard[16];
	const char *get[] = { "HGET", KEY_TENANTS, rq->space->name };
	const char *reg[] = { KEY_TENANTS, rq->space->name, shard };
	struct op_spec spec = {
		.key = KEY_TENANTS, .deadline_ns = rq->deadline_ns, .done = request_on_shard, .arg = rq
	};

	spec.argc = 3;
	if (request_asks_only(rq)) {
		spec.script = SCRIPT_MAX;
		spec.argv = get;
	} else {
		snprintf(shard, sizeof(shard), "%u", schema_new_shard(rq->space->name));
		spec.script = SCRIPT_REGISTER;
		spec.n_keys = 1;
		spec.argv = reg;
	}
	return op_start(rq->db, &spec);
}

struct op *ask_tenants(struct request *rq)
{
	const char *argv[] = { "HKEYS", KEY_TENANTS };
	struct op_spec spec = { .key = KEY_TENANTS,
				.script = SCRIPT_MAX,
				.argc = 2,
				.argv = argv,
				.deadline_ns = rq->deadline_ns,
				.done = request_on_answer,
				.arg = rq };

	return op_start(rq->db, &spec);
}

struct op *ask_forget(struct request *rq)
{
	const char *argv[] = { "HDEL", KEY_TENANTS, rq->space->name };
	struct op_spec spec = { .key = KEY_TENANTS,
				.script = SCRIPT_MAX,
				.argc = 3,
				.argv = argv,
				.deadline_ns = rq->deadline_ns,
				.done = request_on_answer,
				.arg = rq };

	return op_start(rq->db, &spec);
}

struct op *ask_remember(struct request *rq)
{
	char shard[16];
	const char *argv[] = { KEY_TENANTS, rq->space->name, shard };
	struct op_spec spec = { .key = KEY_TENANTS,
				.script = SCRIPT_REGISTER,
				.n_keys = 1,
				.argc = 3,
				.argv = argv,
				.deadline_ns = rq->deadline_ns,
				.done = request_on_answer,
				.arg = rq };

	snprintf(shard, sizeof(shard), "%u", rq->space->shard < 0 ? schema_new_shard(rq->space->name) : (unsigned int)rq->space->shard);
	return op_start(rq->db, &spec);
}

static enum script_id script_of(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_READ:
		return SCRIPT_READ;
	case REQUEST_CLAIM:
		return SCRIPT_CLAIM;
	case REQUEST_AUDIT:
		return SCRIPT_AUDIT;
	case REQUEST_AUDIT_GET:
		return SCRIPT_AUDIT_GET;
	case REQUEST_STASH:
		return SCRIPT_STASH;
	case REQUEST_UNSTASH:
		return SCRIPT_UNSTASH;
	case REQUEST_DROP:
		return SCRIPT_DROP;
	case REQUEST_RESERVE:
		return SCRIPT_RESERVE;
	case REQUEST_SETTLE:
		return SCRIPT_SETTLE;
	case REQUEST_HISTORY:
		return SCRIPT_HISTORY;
	default:
		return SCRIPT_WRITE;
	}
}

/* The space's keys that a request's script wants: the first of them, and how many. */
static int keys_of(const struct request *rq, int *first)
{
	bool reads_audit = rq->kind == REQUEST_AUDIT || rq->kind == REQUEST_AUDIT_GET;

	*first = reads_audit ? SPACE_AUDIT : 0;
	if (rq->n_names && rq->kind != REQUEST_COMMIT)
		return 0;
	return reads_audit ? SPACE_AUDIT_READ_KEYS : rq->audited ? SPACE_KEY_MAX : SPACE_READ_KEYS;
}

/* Keys are the space's own, then those of the stash's names. */
struct op *ask_space(struct request *rq)
{
	int first, own = keys_of(rq, &first), n_keys = own + rq->n_names;
	struct op_spec spec = { .script = script_of(rq->kind),
				.n_keys = n_keys,
				.argc = n_keys + rq->argc - rq->n_names,
				.deadline_ns = rq->deadline_ns,
				.done = request_on_answer,
				.arg = rq };
	const char **argv = calloc((size_t)spec.argc, sizeof(*argv));
	char(*keys)[DB_KEY] = calloc((size_t)n_keys, sizeof(*keys));
	unsigned int shard = (unsigned int)rq->space->shard;
	struct op *op = NULL;

	if (!argv || !keys)
		goto out;
	for (int i = 0; i < n_keys; i++)
		argv[i] = i < own ? schema_space_key(keys[i], shard, rq->space->name, (enum space_key)(first + i)) :
				    schema_stash_key(keys[i], shard, rq->space->name, rq->argv[i - own]);
	for (int i = rq->n_names; i < rq->argc; i++)
		argv[n_keys + i - rq->n_names] = rq->argv[i];
	spec.key = argv[0];
	spec.argv = argv;
	op = op_start(rq->db, &spec);
out:
	free(argv);
	free(keys);
	return op;
}
