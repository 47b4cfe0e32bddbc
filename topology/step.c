// SPDX-License-Identifier: Apache-2.0
/*
 * A change is judged by topo_validate(), of those records only that it may be at odds with (around.c): so what is wrong, and how that is said, is the same as
 * if it had looked at all of them.
 */
#include "topology/step.h"

#include <errno.h>
#include <stdlib.h>

#include "topology/around.h"
#include "topology/schema.h"
#include "topology/validate.h"

struct topo_step {
	struct step_index index;
	bool broken; /* for lack of memory: not of all records any more */
	json_t *rest; /* a copy of the records, of which 'at' and what is behind it are still to be taken; NULL = none */
	void *at;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* --- its life --- */

static int put(struct topo_step *s, const char *path, json_t *rec)
{
	struct step_entry *e;
	enum topo_kind kind;
	const char *name;

	if (!topo_path_parse(path, &kind, &name))
		return 0; /* nothing that is looked at here */
	e = step_get(&s->index, kind, name);
	return e ? step_index_put(&s->index, e, json_is_null(rec) ? NULL : rec) : -ENOMEM;
}

struct topo_step *topo_step_begin(const json_t *records)
{
	struct topo_step *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	step_index_init(&s->index);
	s->rest = topo_json_copy(records);
	s->at = json_object_iter(s->rest);
	if (s->rest)
		return s;
	topo_step_free(s);
	return NULL;
}

int topo_step_more(struct topo_step *s, size_t n)
{
	for (; s->at && n; n--) {
		if (put(s, json_object_iter_key(s->at), json_object_iter_value(s->at)))
			return -ENOMEM;
		s->at = json_object_iter_next(s->rest, s->at);
	}
	if (s->at)
		return 1;
	json_decref(s->rest);
	s->rest = NULL;
	return 0;
}

struct topo_step *topo_step_new(const json_t *records, struct err *err)
{
	struct topo_step *s;

	if (topo_validate(records, err))
		return NULL;
	s = topo_step_begin(records);
	if (s && !topo_step_more(s, SIZE_MAX))
		return s;
	topo_step_free(s);
	no_memory(err);
	return NULL;
}

void topo_step_free(struct topo_step *s)
{
	if (!s)
		return;
	step_index_fini(&s->index);
	json_decref(s->rest);
	free(s);
}

int topo_step_take(struct topo_step *s, const json_t *changes)
{
	const char *path;
	json_t *rec;
	int rc = s->broken ? -ENOMEM : 0;

	json_object_foreach((json_t *)changes, path, rec) rc = rc ? rc : put(s, path, rec);
	return rc;
}

/* --- may it? --- */

struct change {
	struct step_entry *e;
	json_t *was;
};

/* The index of the records as they would be. */
static int begin(struct topo_step *s, const json_t *changes, struct change *list, size_t *n)
{
	enum topo_kind kind;
	const char *path, *name;
	json_t *rec;

	json_object_foreach((json_t *)changes, path, rec)
	{
		struct step_entry *e;

		if (!topo_path_parse(path, &kind, &name))
			continue;
		if (json_is_null(rec))
			return -EOPNOTSUPP;
		e = step_get(&s->index, kind, name);
		if (!e)
			return -ENOMEM;
		list[(*n)++] = (struct change){ e, json_incref(e->rec) };
		s->broken = s->broken || step_index_put(&s->index, e, rec);
		if (s->broken)
			return -ENOMEM;
	}
	return 0;
}

static void undo(struct topo_step *s, struct change *list, size_t n)
{
	while (n--) {
		s->broken = s->broken || step_index_put(&s->index, list[n].e, list[n].was);
		json_decref(list[n].was);
	}
}

int topo_step_judge(struct topo_step *s, const json_t *changes, struct err *err)
{
	struct change *list = s->broken ? NULL : calloc(json_object_size(changes) + 1, sizeof(*list));
	_json_ json_t *records = NULL;
	struct around a;
	size_t n = 0;
	int rc;

	if (!list)
		return no_memory(err);
	around_init(&a, &s->index);
	rc = begin(s, changes, list, &n);
	if (!rc && s->index.n > TOPO_OBJECTS_MAX)
		rc = -EOPNOTSUPP;
	for (size_t i = 0; !rc && i < n; i++)
		around_change(&a, list[i].e, list[i].was);
	if (!rc && a.unknown)
		rc = -EOPNOTSUPP;
	records = rc ? NULL : around_records(&a);
	around_fini(&a);
	undo(s, list, n);
	free(list);
	if (rc == -EOPNOTSUPP)
		return rc;
	if (!records)
		return no_memory(err);
	rc = topo_validate_changes(records, changes, err);
	return rc && err->code == -ENOMEM ? -ENOMEM : rc;
}

/* --- what goes --- */

/* Whoever came first, as in a walk over all records. */
static const struct step_entry *first_user(const struct step_entry *e)
{
	const struct step_entry *first = NULL;

	for (int i = 0; i < STEP_USERS; i++)
		for (const struct step_use *u = e->users[i]; u; u = u->next)
			if (u->by != e && (!first || u->by->order < first->order))
				first = u->by;
	return first;
}

json_t *topo_step_delete(struct topo_step *s, enum topo_kind kind, const char *name, struct err *err)
{
	const struct step_entry *e = step_find(&s->index, kind, name), *user = e ? first_user(e) : NULL;
	const struct step_entry *bind = kind == TOPO_PORT ? step_find(&s->index, TOPO_BIND, name) : NULL;
	_json_ json_t *few = json_object();
	_json_ json_t *doc = json_pack("{s:s, s:[{s:s}]}", "tenant", "t", topo_kind_plural(kind), topo_shapes[kind].key, name);

	if (s->broken || !few || !doc || (e && e->rec && json_object_set(few, e->path, e->rec)) ||
	    (bind && bind->rec && json_object_set(few, bind->path, bind->rec)) ||
	    (user && json_object_set(few, user->path, user->rec))) {
		no_memory(err);
		return NULL;
	}
	return topo_doc_delete(few, doc, err);
}
