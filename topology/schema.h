/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shapes of objects, for topology/ and for those who show, describe or take single objects (api/, cli/).  One table says which fields a kind has, of what type, what is allowed and what the
 * default is; documents, records, exports and docs/topology.md all follow it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "topology/topology.h"
#include "util/cleanup.h"
#include "util/err.h"
#include "util/json.h"

enum topo_type {
	TOPO_T_NAME,
	TOPO_T_ID,
	TOPO_T_REV,
	TOPO_T_TEXT,	  /* free text */
	TOPO_T_INTERFACE, /* name of a Linux interface */
	TOPO_T_BOOL,
	TOPO_T_INT,	  /* min..max */
	TOPO_T_WORD,	  /* one of words[] */
	TOPO_T_REF,	  /* name or id of an object of kind 'ref' */
	TOPO_T_MAC,
	TOPO_T_MAC_MASK,  /* MAC or MAC/mask */
	TOPO_T_IP,
	TOPO_T_PREFIX,	  /* no bits behind the length */
	TOPO_T_ADDRESSES, /* array of address or address/length */
	TOPO_T_PROTO,
	TOPO_T_ETHERTYPE,
	TOPO_T_PORTS,	  /* 80, "80" or "80-90" */
	TOPO_T_RANGE,	  /* address or address-address */
	TOPO_T_RATE,	  /* bit/s: 1000000, "1Mbit" */
	TOPO_T_BYTES,	  /* 65536, "64kB" */
	TOPO_T_VLANS,	  /* "all", or a list of 10 and "20-29" */
	TOPO_T_TCP_FLAGS, /* "syn,!ack" */
	TOPO_T_DEVICE,	  /* "bridge/b1", "router/r1" */
	TOPO_T_HEX,	  /* bytes, "0a0b" */
	TOPO_T_OBJECTS,	  /* list of objects of 'shape' */
};

struct topo_field {
	const char *name;
	enum topo_type type;
	bool required;
	bool record_only; /* not for people to write */
	bool list;	  /* an array of such values */
	enum topo_kind ref;
	int64_t min, max;	  /* INT: values; TEXT: 'max' bytes; lists and OBJECTS: at most 'max' elements (0: TOPO_ADDRS_MAX) */
	const char *const *words; /* NULL-terminated */
	const char *def;	  /* JSON; NULL = not set */
	const struct topo_shape *shape; /* OBJECTS */
};

struct topo_fault;
struct topo_shape {
	const char *what;	 /* "port", "rule" */
	const char *key;	 /* the field that names an object in documents: "name"; bindings: "port" */
	const struct topo_field *fields; /* in export order */
	unsigned int n;
	/* Do the fields of an object, each right by itself, go together?  NULL = always. */
	int (*together)(const json_t *obj, struct topo_fault *fault, struct err *err);
};

extern const struct topo_shape topo_shapes[TOPO_KIND_MAX]; /* in documents */
extern const struct topo_shape topo_bind_record;	     /* bindings as records: named "name" */
extern const struct topo_shape topo_rule_shape;
/* together.c, together_policy.c, together_nat.c */
int topo_together_rule(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_match(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_port(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_route(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_bridge(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_sg(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_qos(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_sg_rule(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_subnet(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_option(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_nat(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_fip(const json_t *obj, struct topo_fault *fault, struct err *err);
int topo_together_at(const json_t *obj, struct topo_fault *fault, struct err *err);

/* The shape that records of the kind have. */
const struct topo_shape *topo_record_shape(enum topo_kind kind);
const struct topo_field *topo_field_find(const struct topo_shape *shape, const char *name);

/* Where in a tree a check failed, for line numbers. */
struct topo_fault {
	const json_t *in; /* container; NULL = unknown */
	const char *key;  /* member of an object; NULL = the container itself */
};

/*
 * Checks one value that is neither null nor a list of objects, and if 'out' is not NULL puts its normal form there (new reference):
 * lower case, shortest text of addresses, "80-90".  Text of 'err': "field 'mac': 'zz' is not ... (want ...)".
 */
int topo_scalar(const struct topo_field *f, const json_t *in, json_t **out, struct err *err);
/*
 * Checks an object's fields: known, right type, allowed; with 'complete' also that none is missing and that they go together.  'out' as
 * above: all set fields in order, without defaults (topo_defaults).  Texts begin with "field ..", without the object's name.
 */
int topo_object_check(const struct topo_shape *shape, const json_t *obj, bool record, bool complete,
		      json_t **out, struct topo_fault *fault, struct err *err);
/* Puts the defaults of fields that are not set. */
int topo_defaults(const struct topo_shape *shape, json_t *obj);
/* The default of a field as JSON: new reference or NULL. */
json_t *topo_default(const struct topo_field *f);

bool topo_name_valid(const char *name);
/* A value for messages: text as it is, anything else as JSON; shortened. */
const char *topo_value_text(const json_t *v, char buf[static 80]);

/* --- text -> values, for those who have checked the text before --- */

bool topo_parse_mac_mask(const char *text, struct skep_mac *mac, struct skep_mac *mask);
bool topo_parse_ports(const json_t *v, uint16_t range[2]);
bool topo_parse_proto(const json_t *v, uint8_t *proto);
bool topo_parse_ethertype(const json_t *v, uint16_t *type); /* host order */
bool topo_parse_range(const char *text, struct topo_ip_range *range); /* of one family, lo <= hi */
bool topo_parse_rate(const json_t *v, uint64_t *bits);
bool topo_parse_bytes(const json_t *v, uint64_t *bytes);
bool topo_parse_tcp_flags(const char *text, uint8_t *mask, uint8_t *value);
bool topo_parse_vlan_range(const json_t *v, uint16_t range[2]); /* 1..4094 */
bool topo_parse_device(const char *text, enum topo_kind *kind, const char **name);
int topo_parse_hex(const char *text, uint8_t *buf, size_t cap); /* bytes, or -1 */
/* The conditions of a rule by their field's name; 0 = none of them. */
uint32_t topo_match_bit(const char *field);

/* Calls back for each reference of a record, also in lists and nested objects: 'slot' holds the name and may be replaced ('at' -1: member
 * 'field' of 'in'; else element 'at' of the array).  Stops at the first non-zero answer, and returns it. */
typedef int topo_ref_cb(void *arg, const struct topo_field *f, enum topo_kind kind, json_t *in,
			const char *field, int at, const char *name);
int topo_each_ref(const struct topo_shape *shape, json_t *rec, topo_ref_cb *cb, void *arg);
const char *topo_ethertype_name(uint16_t type);		     /* NULL: it has none */

/* --- json --- */

/* Shallow.  json_copy() itself hides lack of memory: it returns what it could copy. */
static inline json_t *topo_json_copy(const json_t *obj)
{
	json_t *copy = json_copy((json_t *)obj);

	if (copy && json_object_size(copy) != json_object_size(obj)) {
		json_decref(copy);
		copy = NULL;
	}
	return copy;
}

static inline const char *topo_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}
