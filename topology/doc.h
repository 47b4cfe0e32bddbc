/* SPDX-License-Identifier: Apache-2.0 */
/* What parsing and applying of documents share; api/ takes paths and single documents by it. */
#pragma once

#include "topology/schema.h"

/* topo_doc_parse(); documents that do not say whose they are are 'tenant's. */
json_t *topo_doc_parse_for(const char *text, size_t len, const char *file, const char *tenant,
			   struct err *err);
/* Shape of a document; 'complete': objects that are only named are refused.  '*fault' says where. */
int topo_doc_check(const json_t *doc, bool complete, struct topo_fault *fault, struct err *err);
/* Splits "port/web1" -> kind and name; false if it is no path of a configuration object. */
bool topo_path_parse(const char *path, enum topo_kind *kind, const char **name);
#define TOPO_PATH 80 /* enough for any "<kind>/<name>" */
const char *topo_path(enum topo_kind kind, const char *name, char buf[static TOPO_PATH]);
/*
 * Which state records die with an object: sets 'path' -> null in 'changes' for "bind/", "live/", "neigh/" of deleted ports and "mac/" of deleted
 * bridges and ports, "health/" of members, "aff/" of VIPs, "natblock/" of routers.  0 or -ENOMEM.
 */
int topo_cascade(const json_t *records, json_t *changes);
