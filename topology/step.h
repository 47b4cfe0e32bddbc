/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One change after another, each validated for what it changes, whatever the size of the network: for servers that take many small writes.  What this does
 * not know, it does not judge: topo_doc_apply() and topo_doc_delete() look at everything, and say what is wrong.
 */
#pragma once

#include "topology/change.h"

struct topo_step; /* a network: the records that were taken so far */

/* 'records' were validated before.  NULL: 'err'. */
struct topo_step *topo_step_new(const char *tenant, const json_t *records, struct err *err);
void topo_step_free(struct topo_step *step); /* takes NULL */
/*
 * The record at 'path' ("port/", "bind/" or "route/") was 'was' and is 'now' (NULL: none); 'source' has it already.  0: the records are as valid as before, and the
 * network has the change.  -EINVAL: they would not be, 'err' says why.  -EOPNOTSUPP: it cannot be told.  -ENOMEM.  Then the network is as before.  Knows
 * machines' ports, their bindings, and routes.
 */
int topo_step_try(struct topo_step *step, const char *path, const json_t *was, const json_t *now,
		  const struct topo_source *source, struct err *err);
/* The same without judging: a change that was validated elsewhere, or is taken back.  Not 0: make another topo_step. */
int topo_step_take(struct topo_step *step, const char *path, const json_t *was, const json_t *now,
		   const struct topo_source *source);

/* The record that topo_doc_apply() would make of one object, links of ports and what must hold between objects aside.  'by_id': the name
 * of the object that has the id; NULL = there is none.  New reference; NULL: 'err'. */
json_t *topo_doc_record(const json_t *records, enum topo_kind kind, const json_t *obj,
			const char *(*by_id)(void *arg, enum topo_kind kind, const char *id),
			void (*uuid)(void *arg, char out[static 37]), void *arg, struct err *err);
