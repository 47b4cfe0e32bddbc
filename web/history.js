// SPDX-License-Identifier: Apache-2.0
// Who changed what, when, and how to take it back.
import { html, useState, useEffect, useRef, useLoad, announce } from './lib.js';
import { get, post, tenantPath, seg } from './api.js';
import { pluralOf, fieldLabel } from './kinds.js';
import { useInSight } from './insight.js';
import { useChanges } from './live.js';
import { link, setQuery } from './router.js';
import { Fault, Busy, Empty, Dialog, Ref, Time, Badge, number, toDate } from './ui.js';

const PAGE = 50;

const OPS = { PUT: 'written', PATCH: 'changed', DELETE: 'deleted', POST: 'written' }; // as long as it is not known what became of the objects
const BINDING = { created: 'bound', deleted: 'unbound', changed: 'moved' };

/* The server's entry in the form that is shown here.  Lists name the objects only; 'changes' of one entry have before and after, or are null: too large. */
export function entryOf(e) {
	const what = /\/undo$/.test(e.path || '') ? 'undone' : OPS[e.method] || 'changed';
	const changes = e.changes ? e.changes.map((c) => ({ op: c.op, word: (c.path.startsWith('bind/') && BINDING[c.op]) || c.op, object: c.path, before: c.before, after: c.after })) : (e.objects || []).map((object) => ({ op: what, word: what, object }));

	return { id: e.id, at: e.time_ms, who: e.by || '', role: e.role, from: e.address || '', request: e.request || '', crev: e.crev, changes, tooLarge: e.changes === null, undo: what === 'undone' };
}

const TONE = { created: 'good', deleted: 'bad' };

function ObjectRef({ tenant, object }) {
	const at = object.indexOf('/');
	const plural = pluralOf(object.slice(0, at));
	return html`<span class="dim">${object.slice(0, at).replaceAll('_', ' ')}</span> <${Ref} tenant=${tenant} plural=${plural} name=${object.slice(at + 1)} />`;
}

const text = (v) => (v === undefined || v === null ? '' : typeof v === 'string' ? v : Array.isArray(v) && v.every((x) => typeof x !== 'object') ? v.join(', ') : JSON.stringify(v, null, 1));

/* Names of fields that are not alike. */
const differing = (before, after) => [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((k) => !['rev', 'id'].includes(k) && JSON.stringify(before[k]) !== JSON.stringify(after[k])).sort();

const BRIEF = 40, FIELDS = 3;
const isBrief = (v) => text(v).length <= BRIEF && !text(v).includes('\n');

/* What became of an object, in short: "MAC: 02:.. → 02:..".  Of a binding where it is, or was. */
export function briefly({ op, object, before, after }) {
	const at = object.startsWith('bind/') && (after || before);

	if (at && op !== 'changed')
		return `${op === 'deleted' ? 'from' : 'on'} ${at.host}, ${at.interface}`;
	if (op !== 'changed')
		return '';
	const names = differing(before, after);
	const said = names.slice(0, FIELDS).map((k) => {
		const was = before[k], is = after[k];
		const values = !isBrief(was) || !isBrief(is) ? '' : text(was) === '' ? text(is) : text(is) === '' ? 'none' : `${text(was)} → ${text(is)}`;
		return values ? `${fieldLabel(k)}: ${values}` : fieldLabel(k);
	});
	return said.join('; ') + (names.length > FIELDS ? ` and ${names.length - FIELDS} more` : '');
}

/* Fields that are not alike, before and after. */
function Difference({ change }) {
	const { before = {}, after = {} } = { before: change.before || {}, after: change.after || {} };
	const names = differing(before, after);

	return names.length ? html`<table class="plain diff"><thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead><tbody>${names.map((k) => html`<tr><th scope="row">${k}</th>
		<td class="was mono">${text(before[k])}</td><td class="is mono">${text(after[k])}</td></tr>`)}</tbody></table>` : html`<p class="dim">No field differs.</p>`;
}

function Entry({ tenant, id, me, onClose }) {
	const { data, error } = useLoad(async (signal) => entryOf(await get(tenantPath(tenant, `audit/${seg(id)}`), undefined, signal)), [id]);
	const [problem, setProblem] = useState(null);
	const [preview, setPreview] = useState(null);
	const [busy, setBusy] = useState(false);
	const undo = async (dry) => {
		setBusy(true);
		setProblem(null);
		try {
			const answer = await post(tenantPath(tenant, `audit/${seg(id)}/undo`), undefined, { query: { dry_run: dry ? 'true' : undefined } });
			if (dry) {
				setPreview(answer?.changes || []);
			} else {
				announce('Undone');
				onClose();
			}
		} catch (e) {
			setProblem(e);
		}
		setBusy(false);
	};

	return html`<${Dialog} title="Change" onClose=${onClose} wide>
		<${Fault} error=${error} />
		${!data && !error && html`<${Busy} />`}
		${data && html`<dl class="facts"><dt>When</dt><dd>${toDate(data.at)?.toLocaleString()} (<${Time} at=${data.at} />)</dd><dt>Who</dt><dd>${data.who}${data.from && html` <span class="dim">from ${data.from}</span>`}</dd>
			${data.crev !== undefined && html`<dt>Revision</dt><dd class="num">${data.crev}</dd>`}${data.request && html`<dt>Request</dt><dd class="mono">${data.request}</dd>`}</dl>
			${data.changes.slice(0, 50).map((c) => html`<section class="change"><h3><${Badge} tone=${TONE[c.op]}>${c.word}</${Badge}> <${ObjectRef} tenant=${tenant} object=${c.object} /></h3><${Difference} change=${c} /></section>`)}
			${data.changes.length > 50 && html`<p class="dim">and ${number(data.changes.length - 50)} more objects</p>`}
			${data.tooLarge && html`<p class="dim">This change was too large to be kept with all that was before.</p>`}
			${preview && html`<div class="hint"><b>Undoing this would:</b><ul>${preview.slice(0, 20).map((c) => html`<li>${{ created: 'make', deleted: 'delete', changed: 'change back' }[c.op] || c.op} ${c.path || c.object}</li>`)}</ul>${preview.length > 20 && html`and ${number(preview.length - 20)} more`}</div>`}
			<${Fault} error=${problem} />
			${me.writes && !data.tooLarge && html`<footer>${preview ? html`<button type="button" class="primary" disabled=${busy} onClick=${() => undo(false)}>Undo it</button>` :
				html`<button type="button" disabled=${busy} onClick=${() => undo(true)}>Undo…</button>`}<button type="button" onClick=${onClose}>Close</button></footer>`}`}</${Dialog}>`;
}

/* What a change was about, in a line: the first few objects, and what became of them; or the one that is looked at, with how many others went along. */
function What({ changes, object, most, undo }) {
	const shown = object ? changes.filter((c) => c.object === object).slice(0, 1) : changes.slice(0, most);
	const more = changes.length - shown.length;
	// a binding has the name of its port, when it is known what became of it
	const named = (c) => (c.object.startsWith('bind/') && c.after !== undefined ? `port/${c.object.slice(5)}` : c.object);

	return html`${undo && html`<${Badge}>undone</${Badge}>`}${shown.map((c) => html`<span>${(!undo || c.word !== 'undone') && html`<${Badge} tone=${TONE[c.op]}>${c.word}</${Badge}>`} ${object ? '' : named(c)}${
			c.after !== undefined && briefly(c) && html` <span class="dim">${briefly(c)}</span>`}</span>`)}
		${more > 0 && html`<span class="dim">${object ? `with ${number(more)} ${more === 1 ? 'other' : 'others'}` : `and ${number(more)} more`}</span>`}`;
}

const LARGE = 50; // objects: what became of more is not asked for by a list

/* Lists name objects only: what became of them is asked for when the line is in sight. */
function Line({ tenant, entry, object, full, onOpen }) {
	const ref = useRef();
	const told = useInSight(ref, entry.changes.length <= LARGE ? async (signal) => entryOf(await get(tenantPath(tenant, `audit/${seg(entry.id)}`), undefined, signal)) : null, [tenant, entry.id]);
	const e = told && !told.tooLarge ? told : entry;

	return html`<li ref=${ref}><button type="button" class="quiet" onClick=${onOpen}>
		<span class="when"><${Time} at=${e.at} /></span> <span class="who">${e.who}</span>
		<span class="what"><${What} changes=${e.changes} object=${object} most=${full ? 3 : 1} undo=${e.undo} /></span></button></li>`;
}

/* 'before' and the page behind it; or a first page, and behind it what is there of 'old' if the two meet. */
function joined(before, page, old) {
	const items = [...before, ...page.items.map(entryOf)];
	const last = old?.items ? old.items.findIndex((e) => e.id === items[items.length - 1]?.id) : -1;

	return last >= 0 ? { items: [...items, ...old.items.slice(last + 1)], next: last + 1 < old.items.length ? old.next : page.next } : { items, next: page.next };
}

/* A list of changes; of one object, if 'object' is given. */
export function Changes({ tenant, object, limit, me, full }) {
	const [state, set] = useState({ items: null, next: null, error: null });
	const [open, setOpen] = useState(null);
	const load = async (cursor) => {
		try {
			const page = await get(tenantPath(tenant, 'audit'), { limit: limit || PAGE, object, cursor });
			set((s) => ({ ...joined(cursor ? s.items : [], page, cursor ? null : s), error: null }));
		} catch (error) {
			set((s) => ({ ...s, error }));
		}
	};

	useEffect(() => { load(); }, [tenant, object]);
	useChanges((b) => (b.reset || !object || b.events.some((e) => object === `${e.kind}/${e.name}`)) && load());
	const items = state.items;
	if (state.error && !items)
		return html`<${Fault} error=${state.error} onRetry=${() => load()} />`;
	if (!items)
		return html`<${Busy} />`;
	return html`${!items.length && (full ? html`<${Empty} title="Nothing has been changed yet"><p>Every write is kept here, with who made it, and can be undone.</p></${Empty}>` : html`<p class="dim">No change is on record.</p>`)}
		<ol class=${`changes ${full ? 'full' : ''}`}>${items.map((e) => html`<${Line} key=${e.id} tenant=${tenant} entry=${e} object=${object} full=${full} onOpen=${() => setOpen(e.id)} />`)}</ol>
		${state.next && (full ? html`<button type="button" onClick=${() => load(state.next)}>Older changes</button>` : html`<a href=${link(['t', tenant, 'history'], { object })}>All changes</a>`)}
		${open && html`<${Entry} tenant=${tenant} id=${open} me=${me} onClose=${() => { setOpen(null); load(); }} />`}`;
}

export function HistoryPage({ tenant, query, me }) {
	const object = query.get('object') || '';
	const [textValue, setText] = useState(object);

	useEffect(() => { setText(object); }, [object]);
	return html`<section class="page" aria-labelledby="title"><header class="page-head"><h1 id="title">Change history</h1><span class="grow"></span>
		<form class="inline" onSubmit=${(e) => { e.preventDefault(); setQuery({ object: textValue.trim() }); }}><label class="hidden" for="history-object">Of one object</label>
			<input id="history-object" type="search" placeholder="Of one object: port/web1" value=${textValue} onInput=${(e) => setText(e.target.value)} /><button type="submit">Filter</button></form></header>
		<${Changes} key=${object} tenant=${tenant} object=${object || undefined} me=${me} full /></section>`;
}
