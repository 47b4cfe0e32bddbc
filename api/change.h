/* SPDX-License-Identifier: Apache-2.0 */
/* What requests that write one object have in common with the operations of a batch: the object that is meant, as a document would have it. */
#pragma once

#include "api/write.h"

/* "id", "rev" and "name" as GET shows them are taken back: 0, or 'err' when they say something else.  'name' NULL: of a new object. */
int change_normalize(enum topo_kind kind, json_t *object, const char *name, struct err *err);
/* The record as a document has it, without id: new reference. */
json_t *change_view(enum topo_kind kind, const char *name, const json_t *record);
/* The patched object, as write_put() wants it: new reference; NULL: 'err'. */
json_t *change_patch(enum topo_kind kind, const char *name, const json_t *record, const json_t *patch, struct err *err);
/* The body must be an object; false: answered. */
bool change_body(struct api_request *r, json_t **body);
/* May this caller change that?  Only operators say where ports are. */
int change_allowed(const struct api_request *r, const json_t *changes, struct err *err);
