// SPDX-License-Identifier: Apache-2.0
// Lists of objects.  The server sorts and filters; pages of 200 come as one scrolls, and only the rows in sight are in the document.
import { html, useState, useEffect, useRef, useSettled, useSize, useMemo } from './lib.js';
import { list } from './api.js';
import { KINDS, fieldLabel } from './kinds.js';
import { schemas } from './schema.js';
import { useChanges } from './live.js';
import { link, objectLink, setQuery, go } from './router.js';
import { usePlaces, usePlaced, takePlace, stateOf, STATES, TONES } from './places.js';
import { Old, Busy, Empty, Badge, Sign, Value, number, Ref } from './ui.js';

const PAGE = 200, ROW = 32, NARROW = 620, NARROW_ROW = 72; // in narrow windows what a row has is below its name

/* Filters as people write them: "web" is a part of the name, "mac:02:00.." a field. */
export function filters(text) {
	return text.trim().split(/\s+/).filter(Boolean).map((word) => {
		const m = /^([a-z_.]+):(.+)$/.exec(word);
		return m ? `${m[1]}:${m[2]}` : `name:*${word}*`;
	});
}

const RETRY_MS = 2000, RETRY_MOST_MS = 30000;

/* Which pages have rows from 'first' to 'last'. */
function inSight(pages, first, last) {
	let row = 0;

	return pages.map((p, i) => {
		const from = row;
		row += p.items.length;
		return from <= last && row >= first ? i : -1;
	}).filter((i) => i >= 0);
}

/* These pages as they are now.  One ends where the next one begins, as long as that object is there; else those behind it are loaded when one comes to them. */
async function loadAgain({ pages, next, total }, which, ask) {
	pages = pages.slice();
	for (const i of which) {
		if (i >= pages.length)
			break;
		const page = await ask(pages[i].cursor, Math.min(1000, pages[i].items.length + PAGE / 4));
		const before = new Set(pages[i - 1]?.items.map((o) => o.name));
		const items = page.items.filter((o) => !before.has(o.name));
		const end = pages[i + 1]?.items.length ? items.findIndex((o) => o.name === pages[i + 1].items[0].name) : -1;
		pages[i] = { cursor: pages[i].cursor, items: end < 0 ? items : items.slice(0, end), of: page.of };
		if (end < 0) {
			pages.length = i + 1;
			next = page.next;
		}
		total = page.total;
	}
	return { pages, next, total };
}

/*
 * Objects of a kind as far as they were asked for: {items, total, error, busy, change(), tend(first, last), retry()}.  After change() what is in sight is read
 * again, the rest when it comes into sight.  tend() is called as rows come into sight, and loads what is missing.  Nothing is asked for while it is not 'on'.
 */
export function usePages(tenant, plural, query, on = true) {
	const key = JSON.stringify([tenant, plural, query]);
	const none = { key, pages: [], total: null, next: null, at: 0, error: null, again: false, busy: true, age: 0 };
	const [kept, set] = useState(none);
	const run = useRef({ abort: null, tries: 0, age: 0 });
	const state = kept.key === key ? kept : none;
	const items = useMemo(() => state.pages.flatMap((p) => p.items), [state.pages]);

	const load = (fn) => {
		const me = run.current, of = me.age;
		me.abort?.abort();
		const mine = me.abort = new AbortController();
		const ask = async (cursor, limit) => ({ ...await list(tenant, plural, { ...query, limit, cursor }, mine.signal), of });
		set((s) => ({ ...(s.key === key ? s : none), again: false, busy: true }));
		fn(ask).then((fresh) => {
			if (mine.signal.aborted)
				return;
			me.tries = 0;
			set((s) => ({ ...s, ...fresh, at: Date.now(), error: null, busy: false }));
		}, (error) => !mine.signal.aborted && set((s) => ({ ...s, error, busy: false })));
	};
	const more = (s) => load(async (ask) => {
		const page = await ask(s.next || undefined, PAGE);
		return { pages: [...s.pages, { cursor: s.next || undefined, items: page.items, of: page.of }], next: page.next, total: page.total };
	});
	const retry = () => (state.pages.length ? set((s) => ({ ...s, again: true })) : more(none));

	useEffect(() => {
		run.current.tries = 0;
		if (on)
			more(none);
		return () => run.current.abort?.abort();
	}, [key, on]);
	// who is refused waits, as long as the server says, and longer each time
	useEffect(() => {
		const timer = state.error && setTimeout(retry, Math.min(RETRY_MOST_MS, Math.max(1000 * (state.error.retryAfter || 0), RETRY_MS * 2 ** run.current.tries++)));
		return () => clearTimeout(timer);
	}, [state.error]);
	return {
		...state, items, retry,
		change: () => {
			run.current.age++;
			set((s) => ({ ...s, age: run.current.age }));
		},
		tend: (first, last) => {
			if (state.busy || (state.error && !state.again))
				return;
			const which = inSight(state.pages, first, last);
			if (which.some((i) => state.pages[i].of < state.age))
				load((ask) => loadAgain(state, which, ask));
			else if (state.next && last > items.length - 40)
				more(state);
		},
	};
}

const NOW = new Set(['is', 'is_on']); // columns of what is now: no fields

function Cell({ tenant, plural, name, object, fields, place }) {
	if (name === 'is') {
		const state = place || object.peer || object.admin_up === false ? stateOf(object, place) : '';
		return state === 'linked' ? html`<span class="dim">linked</span>` : state && html`<${Badge} tone=${TONES[state]}>${state}</${Badge}>`;
	}
	if (name === 'is_on')
		return place?.host ? html`<a href=${link(['t', tenant, plural], { q: `host:${place.host}` })}>${place.host}</a>` : html`<span class="none">–</span>`;
	if (name === 'device') {
		const on = object.bridge ? 'bridges' : 'routers';
		return html`<${Ref} tenant=${tenant} plural=${on} name=${object.bridge || object.router || ''} />`;
	}
	return html`<${Value} tenant=${tenant} f=${fields?.find((f) => f.name === name)} value=${object[name]} brief />`;
}

const WIDTH = { addresses: 1.8, description: 1.8, mac: 1.4, is: 0.8, is_on: 0.8, peer: 0.8, to: 1.4, admin_up: 0.6, stateful: 0.6, vlan_aware: 0.7, rules: 0.5, weight: 0.6, port: 0.9, proto: 0.6, dhcp: 0.5, position: 0.6, dscp: 0.5 };
const template = (columns) => `minmax(140px, 1.2fr) ${columns.map((c) => `minmax(60px, ${WIDTH[c] || 1}fr)`).join(' ')}`;

const SORTABLE = new Set(['name', 'rev', 'mac', 'prefix', 'address', 'dst', 'host', 'interface', 'position', 'weight', 'type', 'state', 'proto']);

export function ListPage({ tenant, plural, query, me }) {
	const K = KINDS[plural];
	const [text, setText] = useState(query.get('q') || '');
	const settled = useSettled(text, 200);
	const sort = query.get('sort') || 'name';
	const places = plural === 'ports'; // of these it is told what is now
	const { rest, ...asked } = places ? takePlace(settled) : { rest: settled };
	const wanted = { sort: sort === 'name' ? undefined : sort, filter: filters(rest), fields: ['name', ...K.columns.filter((c) => c !== 'device' && !NOW.has(c)), ...(K.fields || [])].join(',') };
	const placed = usePlaced(tenant, wanted, asked);
	const paged = usePages(tenant, plural, wanted, !placed);
	const pages = placed || paged;
	const [fields, setFields] = useState(null);
	const box = useRef();
	const size = useSize(box);
	const narrow = size.width > 0 && size.width < NARROW;
	const row = narrow ? NARROW_ROW : ROW;
	const [top, setTop] = useState(0);
	const [at, setAt] = useState(0);
	const first = Math.max(0, Math.floor(top / row) - 8);
	const last = Math.min(pages.items.length, Math.ceil((top + size.height) / row) + 8);
	const writable = me.writes && (plural !== 'bindings' || me.role === 'operator');
	const now = usePlaces(tenant, places ? pages.items.slice(first, last).map((o) => o.name) : []);
	const askState = (state) => {
		const typed = takePlace(text);
		setText([typed.rest, typed.host && `host:${typed.host}`, state && `state:${state.replaceAll(' ', '_')}`].filter(Boolean).join(' '));
	};

	useEffect(() => { schemas().then((s) => setFields(s[plural]), () => {}); }, [plural]);
	useEffect(() => { setQuery({ q: settled }); }, [settled]);
	useEffect(() => { setText(query.get('q') || ''); setAt(0); if (box.current) box.current.scrollTop = 0; }, [plural]);
	useChanges((b) => (b.reset || b.kinds.has(K.kind)) && pages.change());
	useEffect(() => pages.tend(first, last), [first, last, pages.items, pages.busy, pages.error, pages.again, pages.age]);

	const move = (to) => {
		to = Math.max(0, Math.min(pages.items.length - 1, to));
		setAt(to);
		const el = box.current;
		const y = to * row;
		if (y < el.scrollTop)
			el.scrollTop = y;
		else if (y + 2 * row > el.scrollTop + el.clientHeight)
			el.scrollTop = y + 2 * row - el.clientHeight;
		requestAnimationFrame(() => box.current?.querySelector(`[data-row="${to}"] a`)?.focus());
	};
	const key = (e) => {
		const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[e.key];
		if (step || e.key === 'Home' || e.key === 'End') {
			e.preventDefault();
			move(step ? at + step : e.key === 'Home' ? 0 : pages.items.length - 1);
		}
	};
	const head = (name) => {
		const can = SORTABLE.has(name);
		const on = sort === name ? 'ascending' : sort === `-${name}` ? 'descending' : undefined;
		return html`<div role="columnheader" aria-sort=${on}>${can ? html`<button type="button" class="head" onClick=${() => setQuery({ sort: sort === name ? `-${name}` : name })}>
			${fieldLabel(name)}<span aria-hidden="true">${on === 'ascending' ? ' ↑' : on ? ' ↓' : ''}</span></button>` : fieldLabel(name)}</div>`;
	};
	const empty = !pages.busy && !pages.error && !pages.items.length;

	return html`<section class="page fill" aria-labelledby="title">
		<header class="page-head"><h1 id="title"><${Sign} of=${plural} />${K.many}</h1>
			<span class="count num" role="status">${pages.total !== null && `${number(pages.total)}${settled ? ' found' : ''}`}</span>
			<span class="grow"></span>
			${places && html`<select aria-label="State" value=${asked.state || ''} onChange=${(e) => askState(e.target.value)}><option value="">any state</option>${STATES.map((x) => html`<option value=${x}>${x}</option>`)}</select>`}
			<input type="search" aria-label=${`Filter ${K.many.toLowerCase()}`} placeholder="Filter: part of a name, or field:value" value=${text} onInput=${(e) => setText(e.target.value)} />
			${writable && html`<a class="button primary" href=${link(['t', tenant, plural], { new: '1' })}>New ${K.one.toLowerCase()}</a>`}
		</header>
		<${Old} error=${pages.error} at=${pages.at} onRetry=${pages.retry} />
		${empty && (settled ? html`<${Empty} title=${`No ${K.one.toLowerCase()} matches “${settled}”`}
				action=${html`<button type="button" onClick=${() => setText('')}>Show all</button>`}><p>A word is looked for in names. Other fields by their name: <code>mac:02:00:00:00:00:01</code>, <code>name:*db*</code>.</p></${Empty}>` :
			html`<${Empty} title=${`No ${K.many.toLowerCase()} yet`} action=${writable && html`<a class="button primary" href=${link(['t', tenant, plural], { new: '1' })}>Make the first one</a>`}><p>${K.about}</p></${Empty}>`)}
		<div class=${`vtable ${narrow ? 'narrow' : ''}`} ref=${box} hidden=${empty} role="table" aria-label=${K.many} aria-rowcount=${(pages.total ?? pages.items.length) + 1} aria-busy=${pages.busy}
			onScroll=${(e) => setTop(e.target.scrollTop)} onKeyDown=${key} style=${{ '--columns': template(K.columns) }} tabindex="0">
			<div role="rowgroup" class="vhead"><div role="row" aria-rowindex="1">${['name', ...K.columns].map(head)}</div></div>
			<div role="rowgroup" class="vbody" style=${{ height: `${pages.items.length * row}px` }}>
				${pages.items.slice(first, last).map((o, i) => html`<div role="row" key=${o.name} data-row=${first + i} aria-rowindex=${first + i + 2}
					style=${{ transform: `translateY(${(first + i) * row}px)` }} onDblClick=${() => go(objectLink(tenant, plural, o.name))}>
					<div role="cell"><a class="strong" href=${objectLink(tenant, plural, o.name)} tabindex=${first + i === at ? 0 : -1} onFocus=${() => setAt(first + i)}>${o.name}</a></div>
					${K.columns.map((c) => html`<div role="cell"><${Cell} tenant=${tenant} plural=${plural} name=${c} object=${o} fields=${fields} place=${now[o.name]} /></div>`)}</div>`)}
			</div>
			${pages.busy && html`<${Busy} />`}
		</div></section>`;
}
