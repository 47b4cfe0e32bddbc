// SPDX-License-Identifier: Apache-2.0
/*
 * YAML events -> jansson trees, and the line table.  Called by topology's document parser and by
 * skepd's configuration. libyaml's parser does not recurse on flow or block nesting, and the stack
 * here is of fixed depth: hostile text cannot exhaust it.
 */
#include "util/yaml.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "util/cleanup.h"
#include "util/hash.h"

/* Open addressing, no deletion.  The key is 64 bits of hash only: a collision costs a wrong line
 * number in a message. */
struct line_slot {
	uint64_t key; /* 0 = free */
	unsigned int line;
};
struct yaml_lines {
	struct line_slot *slots;
	size_t n, n_slots; /* n_slots: power of two, or 0 */
};

struct frame {
	json_t *node; /* owned until it is put into its parent */
	char *key;    /* object: the key whose value comes next */
	unsigned int key_line, line;
};
struct reader {
	const char *file;
	struct err *err;
	struct yaml_lines *lines; /* NULL: not wanted */
	json_t *docs;
	struct frame stack[YAML_DEPTH_MAX];
	unsigned int depth, values;
	bool done;
};

static uint64_t line_key(const json_t *container, uint64_t member)
{
	uint64_t key = hash_u64((uint64_t)(uintptr_t)container + hash_u64(member));

	return key ? key : 1;
}

static uint64_t member_of_key(const char *key)
{
	return hash_str(key, 1);
}

static uint64_t member_of_item(size_t index)
{
	return hash_u64(index + 1);
}

static void slot_put(struct line_slot *slots, size_t n_slots, uint64_t key, unsigned int line)
{
	size_t i = key & (n_slots - 1);

	while (slots[i].key && slots[i].key != key)
		i = (i + 1) & (n_slots - 1);
	slots[i] = (struct line_slot){ .key = key, .line = line };
}

static int lines_add(struct yaml_lines *t, uint64_t key, unsigned int line)
{
	if (!t)
		return 0;
	if (t->n * 2 >= t->n_slots) {
		size_t n = t->n_slots ? t->n_slots * 2 : 64;
		struct line_slot *slots = calloc(n, sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		for (size_t i = 0; i < t->n_slots; i++)
			if (t->slots[i].key)
				slot_put(slots, n, t->slots[i].key, t->slots[i].line);
		free(t->slots);
		t->slots = slots;
		t->n_slots = n;
	}
	slot_put(t->slots, t->n_slots, key, line);
	t->n++;
	return 0;
}

static unsigned int lines_get(const struct yaml_lines *t, uint64_t key)
{
	size_t i;

	if (!t || !t->n_slots)
		return 0;
	for (i = key & (t->n_slots - 1); t->slots[i].key; i = (i + 1) & (t->n_slots - 1))
		if (t->slots[i].key == key)
			return t->slots[i].line;
	return 0;
}

unsigned int yaml_line_of_key(const struct yaml_lines *lines, const json_t *object, const char *key)
{
	return lines_get(lines, line_key(object, member_of_key(key)));
}

unsigned int yaml_line_of_item(const struct yaml_lines *lines, const json_t *array, size_t index)
{
	return lines_get(lines, line_key(array, member_of_item(index)));
}

unsigned int yaml_line_of(const struct yaml_lines *lines, const json_t *container)
{
	return lines_get(lines, line_key(container, 0));
}

void yaml_lines_free(struct yaml_lines *lines)
{
	if (!lines)
		return;
	free(lines->slots);
	free(lines);
}

static unsigned int line_of(const yaml_event_t *ev)
{
	return ev->start_mark.line >= UINT_MAX ? UINT_MAX : (unsigned int)ev->start_mark.line + 1;
}

static int fail(struct reader *r, int code, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(struct reader *r, int code, unsigned int line, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (line)
		return err_set(r->err, code, "%s:%u: %s", r->file, line, text);
	return err_set(r->err, code, "%s: %s", r->file, text);
}

static int no_memory(struct reader *r)
{
	return fail(r, -ENOMEM, 0, "out of memory");
}

/* [-+]?[0-9]+, 0x[0-9a-fA-F]+, 0o[0-7]+ that fit: true and *value. */
static bool core_int(const char *s, json_int_t *value)
{
	const char *digits = "0123456789";
	const char *p = s + (*s == '-' || *s == '+');
	int base = 10;
	char *end;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o')) {
		base = s[1] == 'x' ? 16 : 8;
		digits = s[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
		p = s + 2;
	}
	if (!*p || p[strspn(p, digits)])
		return false;
	errno = 0;
	*value = strtoll(base == 10 ? s : p, &end, base);
	return errno == 0 && !*end;
}

static json_t *plain_scalar(const char *s)
{
	json_int_t value;

	if (!*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") ||
	    !strcmp(s, "NULL"))
		return json_null();
	if (!strcmp(s, "true") || !strcmp(s, "True") || !strcmp(s, "TRUE"))
		return json_true();
	if (!strcmp(s, "false") || !strcmp(s, "False") || !strcmp(s, "FALSE"))
		return json_false();
	if (core_int(s, &value))
		return json_integer(value);
	return json_string(s);
}

/* Puts 'value' (taken, also on failure) where the innermost open container wants it. */
static int add_value(struct reader *r, json_t *value, unsigned int line)
{
	struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
	json_t *parent = f ? f->node : r->docs;
	uint64_t member;
	int rc;

	if (!value)
		return no_memory(r);
	if (++r->values > YAML_VALUES_MAX) {
		json_decref(value);
		return fail(r, -E2BIG, line, "more than %u values", YAML_VALUES_MAX);
	}
	if (json_is_object(parent)) {
		member = member_of_key(f->key);
		line = f->key_line;
		rc = json_object_set_new(parent, f->key, value);
		free(f->key);
		f->key = NULL;
	} else {
		member = member_of_item(json_array_size(parent));
		rc = json_array_append_new(parent, value);
	}
	if (rc || lines_add(r->lines, line_key(parent, member), line))
		return no_memory(r);
	return 0;
}

static int on_key(struct reader *r, struct frame *f, const yaml_event_t *ev)
{
	const char *key = (const char *)ev->data.scalar.value;

	if (json_object_get(f->node, key))
		return fail(r, -EINVAL, line_of(ev), "key '%.63s' appears twice (first in line %u)",
			    key, yaml_line_of_key(r->lines, f->node, key));
	f->key = strdup(key);
	f->key_line = line_of(ev);
	return f->key ? 0 : no_memory(r);
}

static int on_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
	const char *s = (const char *)ev->data.scalar.value;

	if (ev->data.scalar.anchor)
		return fail(r, -EINVAL, line_of(ev),
			    "anchors are not allowed (write the value out)");
	if (ev->data.scalar.tag)
		return fail(r, -EINVAL, line_of(ev),
			    "tags are not allowed (quote a text that looks like something else)");
	if (strlen(s) != ev->data.scalar.length)
		return fail(r, -EINVAL, line_of(ev), "a text has a NUL byte in it");
	if (f && json_is_object(f->node) && !f->key)
		return on_key(r, f, ev);
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return add_value(r, plain_scalar(s), line_of(ev));
	return add_value(r, json_string(s), line_of(ev));
}

static int on_start(struct reader *r, const yaml_event_t *ev, const yaml_char_t *anchor,
		    const yaml_char_t *tag, json_t *node)
{
	struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
	int rc = 0;

	if (!node)
		return no_memory(r);
	if (anchor)
		rc = fail(r, -EINVAL, line_of(ev), "anchors are not allowed (write the value out)");
	else if (tag)
		rc = fail(r, -EINVAL, line_of(ev), "tags are not allowed");
	else if (f && json_is_object(f->node) && !f->key)
		rc = fail(r, -EINVAL, line_of(ev), "a key must be a plain text");
	else if (r->depth == YAML_DEPTH_MAX)
		rc = fail(r, -E2BIG, line_of(ev), "nested deeper than %d", YAML_DEPTH_MAX);
	if (rc) {
		json_decref(node);
		return rc;
	}
	r->stack[r->depth++] = (struct frame){ .node = node, .line = line_of(ev) };
	if (lines_add(r->lines, line_key(node, 0), line_of(ev)))
		return no_memory(r);
	return 0;
}

static int on_end(struct reader *r)
{
	struct frame *f = &r->stack[--r->depth];

	return add_value(r, TAKE_PTR(f->node), f->line);
}

static int on_event(struct reader *r, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_STREAM_END_EVENT:
		r->done = true;
		return 0;
	case YAML_ALIAS_EVENT:
		return fail(
			r, -EINVAL, line_of(ev),
			"aliases are not allowed (write the value out; quote a text that begins with '*')");
	case YAML_SCALAR_EVENT:
		return on_scalar(r, ev);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag,
				json_array());
	case YAML_MAPPING_START_EVENT:
		return on_start(r, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag,
				json_object());
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(r);
	default:
		return 0;
	}
}

static int parse_failed(struct reader *r, const yaml_parser_t *p)
{
	const char *why = p->problem ? p->problem : "not YAML";

	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	if (p->error == YAML_READER_ERROR)
		return fail(r, -EINVAL, 0, "byte %zu: %s", p->problem_offset, why);
	if (p->context)
		return fail(r, -EINVAL, (unsigned int)p->problem_mark.line + 1, "not YAML: %s, %s",
			    p->context, why);
	return fail(r, -EINVAL, (unsigned int)p->problem_mark.line + 1, "not YAML: %s", why);
}

static int read_events(struct reader *r, yaml_parser_t *p)
{
	yaml_event_t ev;
	int rc = 0;

	while (!rc && !r->done) {
		if (!yaml_parser_parse(p, &ev))
			return parse_failed(r, p);
		rc = on_event(r, &ev);
		yaml_event_delete(&ev);
	}
	return rc;
}

json_t *yaml_parse(const char *text, size_t len, const char *file, struct yaml_lines **lines,
		   struct err *err)
{
	struct reader r = { .file = file, .err = err };
	yaml_parser_t parser;
	int rc = 0;

	if (lines)
		*lines = NULL;
	if (len > YAML_SIZE_MAX) {
		fail(&r, -E2BIG, 0, "%zu bytes are too many (at most %u)", len, YAML_SIZE_MAX);
		return NULL;
	}
	r.docs = json_array();
	r.lines = calloc(1, sizeof(*r.lines));
	if (!r.docs || !r.lines || !yaml_parser_initialize(&parser)) {
		no_memory(&r);
		json_decref(r.docs);
		free(r.lines);
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	rc = read_events(&r, &parser);
	yaml_parser_delete(&parser);
	while (r.depth) {
		struct frame *f = &r.stack[--r.depth];

		json_decref(f->node);
		free(f->key);
	}
	if (rc) {
		json_decref(r.docs);
		yaml_lines_free(r.lines);
		return NULL;
	}
	if (lines)
		*lines = r.lines;
	else
		yaml_lines_free(r.lines);
	return r.docs;
}
