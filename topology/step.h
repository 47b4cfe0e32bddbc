/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One change after another, each validated for what it changes, whatever the size of the network: for servers that take many small writes.  What this does
 * not know, it does not judge: topo_doc_apply() looks at everything, and says what is wrong.
 */
#pragma once

#include "topology/topology.h"

struct topo_step; /* a network: the records that were taken so far */

/* NULL: 'err'; 'records' must be valid. */
struct topo_step *topo_step_new(const json_t *records, struct err *err);
/* The same of records that are known to be valid, bit by bit: first none of them is taken, each topo_step_more() takes 'n' more.  NULL: no memory. */
struct topo_step *topo_step_begin(const json_t *records);
int topo_step_more(struct topo_step *step, size_t n); /* 1: there are more; 0: those were all, now it may be used; -ENOMEM: free it */
void topo_step_free(struct topo_step *step); /* takes NULL */
/*
 * Would the records be valid with 'changes' ({path: record})?  0; -EINVAL: no, and 'err' is topo_validate()'s; -EOPNOTSUPP: it cannot be told; -ENOMEM.  The step
 * stays as it was.
 */
int topo_step_judge(struct topo_step *step, const json_t *changes, struct err *err);
/* The changes that delete an object, as topo_doc_delete() would have them but for records of state: new reference.  NULL: 'err', the same. */
json_t *topo_step_delete(struct topo_step *step, enum topo_kind kind, const char *name, struct err *err);
/* Changes that were judged, or validated elsewhere: {path: record | null}.  Not 0: make another topo_step. */
int topo_step_take(struct topo_step *step, const json_t *changes);

/* The changes that topo_doc_apply() would make of a document, before it validates them; costs what the document has, whatever the size of the network.
 * 'by_id': the name of the record that has the id; NULL = there is none.  New reference; NULL: 'err'. */
json_t *topo_doc_changes(const json_t *records, const json_t *doc,
			 const char *(*by_id)(void *arg, enum topo_kind kind, const char *id),
			 void (*uuid)(void *arg, char out[static 37]), void *arg, struct err *err);
