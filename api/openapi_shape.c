// SPDX-License-Identifier: Apache-2.0
/* JSON Schemas (2020-12) of the kinds of objects, made of topology's tables.  Called by openapi.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/openapi.h"

#define SCHEMAS "#/components/schemas/"

/* What fields mean, "section<tab>field<tab>text" a line: docs/topology.md, by api/meanings.awk. */
static const char meanings[] =
#include "api/meanings.inc"
	;

/* Schemas in api/openapi.yaml, of the types that need nothing from the field. */
static const char *const type_names[] = {
	[TOPO_T_NAME] = "name",	    [TOPO_T_ID] = "uuid",	    [TOPO_T_REV] = "revision",
	[TOPO_T_REF] = "name",	    [TOPO_T_INTERFACE] = "interface", [TOPO_T_MAC] = "mac",
	[TOPO_T_MAC_MASK] = "mac_mask", [TOPO_T_IP] = "ip",	    [TOPO_T_PREFIX] = "prefix",
	[TOPO_T_ADDRESSES] = "address", [TOPO_T_PROTO] = "proto",   [TOPO_T_ETHERTYPE] = "ethertype",
	[TOPO_T_PORTS] = "l4_ports",    [TOPO_T_RANGE] = "ip_range", [TOPO_T_RATE] = "rate",
	[TOPO_T_BYTES] = "bytes",   [TOPO_T_VLANS] = "vlans",	    [TOPO_T_TCP_FLAGS] = "tcp_flags",
	[TOPO_T_DEVICE] = "device", [TOPO_T_HEX] = "hex",	    [TOPO_T_OBJECTS] = NULL,
};

/* New reference, or NULL: nothing is said. */
static json_t *meaning(const char *section, const char *field)
{
	char key[128];
	const char *p;

	snprintf(key, sizeof(key), "\n%s\t%s\t", section, field);
	p = strstr(meanings, key);
	if (!p)
		return NULL;
	p += strlen(key);
	return json_stringn(p, strcspn(p, "\n"));
}

/* The table of docs/topology.md that tells of the elements of a field. */
static const char *section_of(enum topo_kind kind, const struct topo_field *f)
{
	if (kind == TOPO_SECURITY_GROUP)
		return "rules of security groups";
	return f->shape == &topo_rule_shape || !strcmp(f->name, "match") ? "rules" : f->name;
}

/* An address alone stands for {address: ...} (topology/object.c). */
static bool may_be_text(const struct topo_field *f)
{
	return f->type == TOPO_T_OBJECTS && !strcmp(f->shape->key, "address");
}

static json_t *words_schema(const char *const *words)
{
	json_t *all = json_array();

	for (; *words; words++)
		json_array_append_new(all, json_string(*words));
	return json_pack("{s:s, s:o}", "type", "string", "enum", all);
}

static json_t *one_schema(enum topo_kind kind, const struct topo_field *f)
{
	switch (f->type) {
	case TOPO_T_TEXT:
		return json_pack("{s:s, s:I}", "type", "string", "maxLength", (json_int_t)f->max);
	case TOPO_T_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case TOPO_T_INT:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
				 (json_int_t)f->min, "maximum", (json_int_t)f->max);
	case TOPO_T_WORD:
		return words_schema(f->words);
	case TOPO_T_REF:
		return json_pack("{s:s, s:s}", "$ref", SCHEMAS "name", "x-skep-kind",
				 topo_kind_plural(f->ref));
	case TOPO_T_OBJECTS:
		if (may_be_text(f))
			return json_pack("{s:[{s:o}, {s:s}]}", "anyOf", "$ref",
					 json_sprintf(SCHEMAS "%s_%s", topo_kind_name(kind), f->name),
					 "$ref", SCHEMAS "prefix");
		return json_pack("{s:o}", "$ref",
				 json_sprintf(SCHEMAS "%s_%s", topo_kind_name(kind), f->name));
	default:
		return json_pack("{s:o}", "$ref", json_sprintf(SCHEMAS "%s", type_names[f->type]));
	}
}

/* As it is written: what the server gives is taken back. */
static json_t *given_schema(void)
{
	return json_pack("{s:b, s:s}", "readOnly", true, "description",
			 "taken back as it was answered, and not looked at: If-Match is the precondition");
}

static json_t *field_schema(enum topo_kind kind, const char *section, const struct topo_field *f)
{
	json_t *s = one_schema(kind, f);
	json_t *text = meaning(section, f->name);

	if (f->list || f->type == TOPO_T_OBJECTS) {
		s = json_pack("{s:s, s:o, s:I}", "type", "array", "items", s, "maxItems",
			      (json_int_t)(f->max ? f->max : TOPO_ADDRS_MAX));
		if (f->type == TOPO_T_REF || f->type == TOPO_T_NAME || f->type == TOPO_T_WORD)
			json_object_set_new(s, "uniqueItems", json_true());
	}
	if (f->def)
		json_object_set_new(s, "default", topo_default(f));
	if (text)
		json_object_set_new(s, "description", text);
	return s;
}

static json_t *shape_schema(enum topo_kind kind, const char *section, const struct topo_shape *shape)
{
	json_t *properties = json_object(), *required = json_array(), *s;

	if (shape == &topo_shapes[TOPO_BIND]) /* as it is answered, and taken back */
		json_object_set_new(properties, "name", json_pack("{s:s, s:b}", "$ref", SCHEMAS "name", "readOnly", true));
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];

		json_object_set_new(properties, f->name,
				    f->record_only ? given_schema() : field_schema(kind, section, f));
		if (f->required)
			json_array_append_new(required, json_string(f->name));
	}
	s = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
		      "additionalProperties", false);
	if (json_array_size(required))
		json_object_set(s, "required", required);
	json_decref(required);
	return s;
}

/* As it is answered: what has a default is there. */
static json_t *object_schema(enum topo_kind kind)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	json_t *properties = json_object(), *required = json_array();

	if (kind == TOPO_BIND) { /* it has its port's name */
		json_object_set_new(properties, "name", json_pack("{s:s}", "$ref", SCHEMAS "name"));
		json_array_append_new(required, json_string("name"));
	}
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		bool always = f->required || f->def || f->type == TOPO_T_ID || f->record_only;

		json_object_set_new(properties, f->name,
				    f->record_only ? one_schema(kind, f) :
						     json_pack("{s:o}", "$ref",
							       json_sprintf(SCHEMAS "%s/properties/%s",
									    topo_kind_name(kind),
									    f->name)));
		if (always)
			json_array_append_new(required, json_string(f->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
			 "required", required, "additionalProperties", false);
}

/* RFC 7396: null takes a field away. */
static json_t *patch_schema(enum topo_kind kind)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	json_t *properties = json_object();

	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];

		if (!f->record_only)
			json_object_set_new(properties, f->name,
					    json_pack("{s:[{s:o}, {s:s}]}", "anyOf", "$ref",
						      json_sprintf(SCHEMAS "%s/properties/%s",
								   topo_kind_name(kind), f->name),
						      "type", "null"));
	}
	return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
			 "additionalProperties", false);
}

static json_t *list_schema(enum topo_kind kind)
{
	json_t *items = json_pack("{s:s, s:{s:o}}", "type", "array", "items", "$ref",
				  json_sprintf(SCHEMAS "%s_object", topo_kind_name(kind)));

	return json_pack("{s:s, s:{s:o, s:{s:s}, s:{s:s}}, s:[s,s,s], s:b}", "type", "object",
			 "properties", "items", items, "next", "$ref", SCHEMAS "next", "total", "$ref",
			 SCHEMAS "total", "required", "items", "next", "total",
			 "additionalProperties", false);
}

static int put(json_t *schemas, json_t *schema, struct err *err, const char *kind, const char *suffix)
{
	char name[96];

	snprintf(name, sizeof(name), "%s%s", kind, suffix);
	return schema && !json_object_set_new(schemas, name, schema) ?
		       0 :
		       err_set(err, -ENOMEM, "out of memory");
}

int openapi_add_kind(json_t *schemas, enum topo_kind kind, struct err *err)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	const char *name = topo_kind_name(kind);
	char suffix[64];

	if (put(schemas, shape_schema(kind, topo_kind_plural(kind), shape), err, name, "") ||
	    put(schemas, object_schema(kind), err, name, "_object") ||
	    put(schemas, patch_schema(kind), err, name, "_patch") ||
	    put(schemas, list_schema(kind), err, name, "_list"))
		return err->code;
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];

		if (f->type != TOPO_T_OBJECTS)
			continue;
		snprintf(suffix, sizeof(suffix), "_%s", f->name);
		if (put(schemas, shape_schema(kind, section_of(kind, f), f->shape), err, name, suffix))
			return err->code;
	}
	return 0;
}
