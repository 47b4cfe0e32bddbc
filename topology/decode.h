/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: what the decoders of records share. */
#pragma once

#include <errno.h>

#include "topology/classifier.h"
#include "topology/ipset.h"
#include "topology/maglev.h"
#include "topology/snapshot.h"

static inline bool topo_get_bool(const json_t *rec, const char *key, bool def)
{
	const json_t *v = json_object_get(rec, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

static inline json_int_t topo_get_int(const json_t *rec, const char *key, json_int_t def)
{
	const json_t *v = json_object_get(rec, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

/* NULL and 0: not set.  Dangling: an error.  Ports count who names them. */
static inline int topo_get_ref(struct topo_snapshot *snap, const json_t *rec, const char *key,
			       enum topo_kind kind, struct topo_object **out, struct err *err)
{
	const char *name = topo_str(rec, key);

	*out = name ? topo_find(snap, kind, name) : NULL;
	if (*out && kind == TOPO_PORT)
		container_of(*out, struct topo_port, o)->refs++;
	if (name && !*out)
		return err_tag(err, -EINVAL, "no_such_object", "field '%s': %s '%s' does not exist",
			       key, topo_kind_name(kind), name);
	return 0;
}

#define GET_REF(snap, rec, key, KIND, type, out, err)              \
	({                                                         \
		struct topo_object *_o;                            \
		int _rc = topo_get_ref(snap, rec, key, KIND, &_o, err); \
		*(out) = _o ? container_of(_o, type, o) : NULL;    \
		_rc;                                               \
	})

int topo_get_chains(struct topo_snapshot *snap, const json_t *rec, struct topo_chain **in,
		    struct topo_chain **out, struct err *err);
/* Conditions of a rule, a NAT rule, a mirror; with 'references' also those that name objects. */
int topo_decode_match(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		      bool references, struct err *err);
int topo_decode_rule(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		     struct err *err);
