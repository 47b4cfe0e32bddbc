// SPDX-License-Identifier: Apache-2.0
#include "loader/index_marks.h"

void index_marks_put(struct index_marks *m, struct index_flow *f)
{
	if (f->marked)
		return;
	f->marked = true;
	f->mark_no = ++m->no;
	f->mark_prev = m->last;
	f->mark_next = NULL;
	*(m->last ? &m->last->mark_next : &m->first) = f;
	m->last = f;
	m->n++;
}

void index_marks_take(struct index_marks *m, struct index_flow *f)
{
	if (!f->marked)
		return;
	*(f->mark_prev ? &f->mark_prev->mark_next : &m->first) = f->mark_next;
	*(f->mark_next ? &f->mark_next->mark_prev : &m->last) = f->mark_prev;
	f->marked = false;
	m->n--;
}
