// SPDX-License-Identifier: Apache-2.0
// Small parts that pages are made of.
import { html, useState, useEffect, useRef, useId, useLayoutEffect, useSettled, useLoad } from './lib.js';
import { SIGNS, fieldLabel } from './kinds.js';
import { list } from './api.js';
import { objectLink } from './router.js';

export const Sign = ({ of, class: cls = '' }) => html`
	<svg class="sign ${cls}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"><path d=${SIGNS[of] || ''} /></svg>`;

export const number = (n) => (typeof n === 'number' ? n.toLocaleString('en').replaceAll(',', '\u2009') : '');

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'];
/* 12 345 678 -> "12.3 M" */
export function short(n, unit = '') {
	let i = 0;

	for (n = Number(n) || 0; Math.abs(n) >= 1000 && i < UNITS.length - 1; i++)
		n /= 1000;
	const text = i && Math.abs(n) < 100 ? n.toFixed(1) : String(Math.round(n));
	const u = `${UNITS[i]}${unit}`;
	return u ? `${text}\u2009${u}` : text;
}

/* Seconds, milliseconds or ISO text -> Date */
export function toDate(t) {
	if (t === undefined || t === null || t === '')
		return null;
	if (typeof t === 'number')
		return new Date(t > 1e14 ? t / 1e6 : t > 1e11 ? t : t * 1000);
	const d = new Date(t);
	return Number.isNaN(d.getTime()) ? null : d;
}

export function ago(t) {
	const d = toDate(t);
	if (!d)
		return '';
	const s = Math.round((Date.now() - d) / 1000);
	const a = Math.abs(s);
	const text = a < 60 ? `${a} s` : a < 3600 ? `${Math.round(a / 60)} min` : a < 86400 ? `${Math.round(a / 3600)} h` : `${Math.round(a / 86400)} d`;
	return s >= 0 ? `${text} ago` : `in ${text}`;
}

export const Time = ({ at }) => {
	const d = toDate(at);
	return d ? html`<time dateTime=${d.toISOString()} title=${d.toLocaleString()}>${ago(at)}</time>` : '';
};

export const Badge = ({ tone = 'plain', children, title }) => html`<span class="badge ${tone}" title=${title}>${children}</span>`;

/* A name of an object, as a link to its page. */
export const Ref = ({ tenant, plural, name }) => (plural ? html`<a class="ref" href=${objectLink(tenant, plural, name)}>${name}</a>` : html`<span>${name}</span>`);

const MONO = new Set(['text']);
const SECONDS = new Set(['lease', 'affinity_timeout']);

/* One value of a field, as text, links, badges; 'f' from schema.js, or nothing. */
export function Value({ tenant, f, value, brief }) {
	if (value === undefined || value === null || value === '')
		return html`<span class="none">–</span>`;
	if (Array.isArray(value)) {
		if (!value.length)
			return html`<span class="none">${brief ? '–' : 'none'}</span>`;
		if (f?.type === 'objects' || typeof value[0] === 'object')
			return brief ? html`<span class="num">${number(value.length)}</span>` : html`<${ObjectTable} tenant=${tenant} f=${f} rows=${value} />`;
		const shown = brief ? value.slice(0, 2) : value.slice(0, 200);
		return html`<span class="values">${shown.map((v) => html`<${Value} tenant=${tenant} f=${f && { ...f, list: false }} value=${v} brief=${brief} />`)}
			${value.length > shown.length && html`<span class="more">+${number(value.length - shown.length)}</span>`}</span>`;
	}
	if (typeof value === 'boolean')
		return brief && !value && f?.name === 'admin_up' ? html`<${Badge} tone="warn">no</${Badge}>` : html`<span class=${value ? 'yes' : 'no'}>${value ? 'yes' : 'no'}</span>`;
	if (f?.type === 'ref')
		return html`<${Ref} tenant=${tenant} plural=${f.ref} name=${String(value)} />`;
	if (typeof value === 'object')
		return html`<code class="mono">${JSON.stringify(value)}</code>`;
	if (typeof value === 'number')
		return html`<span class="num">${String(value)}${SECONDS.has(f?.name) ? '\u2009s' : ''}</span>`;
	const prose = f && ['description', 'name', 'text', 'domain'].includes(f.name);
	return html`<span class=${f && MONO.has(f.type) && !prose ? 'mono' : ''}>${value}</span>`;
}

/* Rules, hosts of a subnet, and the like: a column for each field that any of them has. */
function ObjectTable({ tenant, f, rows }) {
	const fields = (f?.fields?.length ? f.fields : [...new Set(rows.flatMap((r) => Object.keys(r)))].map((name) => ({ name, type: 'text' })))
		.filter((x) => rows.some((r) => r[x.name] !== undefined && r[x.name] !== null));
	const [all, setAll] = useState(false);
	const shown = all ? rows : rows.slice(0, 100);

	return html`<div class="table-wrap" tabindex="0" role="group" aria-label=${f ? fieldLabel(f.name) : 'values'}><table class="plain">
		<thead><tr><th class="num" scope="col">#</th>${fields.map((x) => html`<th scope="col">${fieldLabel(x.name)}</th>`)}</tr></thead>
		<tbody>${shown.map((r, i) => html`<tr id=${r.name && f ? `${f.name}-${r.name}` : undefined}><td class="num">${i + 1}</td>${fields.map((x) => html`<td>${
			r[x.name] === undefined || r[x.name] === null ? '' : x.name === 'action' ? html`<${Badge} tone=${verdictTone(r[x.name])}>${r[x.name]}</${Badge}>` :
				html`<${Value} tenant=${tenant} f=${x} value=${r[x.name]} />`}</td>`)}</tr>`)}
		</tbody></table>
		${rows.length > shown.length && html`<button type="button" class="quiet" onClick=${() => setAll(true)}>Show all ${number(rows.length)}</button>`}</div>`;
}

export const verdictTone = (v) => ({ accept: 'good', allow: 'good', allowed: 'good', forward: 'good', yes: 'good', up: 'good', live: 'good', ok: 'good', consumed: 'good',
	drop: 'bad', deny: 'bad', denied: 'bad', reject: 'bad', no: 'bad', down: 'bad', dead: 'bad', need: 'warn', unknown: 'warn', draining: 'warn' }[v] || 'plain');

/* What went wrong, in the server's words. */
export function Fault({ error, onRetry }) {
	if (!error)
		return null;
	const errors = error.errors || [];
	return html`<div class="fault" role="alert">
		<strong>${error.name === 'Unreachable' ? 'No connection' : error.title || 'This did not work'}</strong>
		${error.message && error.message !== error.title && !(errors.length === 1 && error.message.endsWith(errors[0].detail)) && html`<p>${error.message}</p>`}
		${errors.length > 0 && html`<ul>${errors.slice(0, 20).map((e) => html`<li>${e.object && html`<code>${e.object}</code> `}${e.field && html`<b>${e.field}</b> `}${
			e.detail || ''}${e.allowed && html` <span class="dim">Allowed: ${typeof e.allowed === 'string' ? e.allowed : JSON.stringify(e.allowed)}</span>`}</li>`)}</ul>`}
		${errors.length > 20 && html`<p>… and ${number(errors.length - 20)} more</p>`}
		${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
		${error.instance && html`<p class="dim small">Request ${error.instance}</p>`}</div>`;
}

/* The same above what was loaded before: it says from when that is. */
export const Old = ({ error, at, what = 'What is shown', onRetry }) => html`<${Fault} error=${error} onRetry=${onRetry} />
	${error && at > 0 && html`<p class="warn-text old-note" role="status">${what} is from ${new Date(at).toLocaleTimeString()}, and may have changed since.</p>`}`;

export const Empty = ({ title, children, action }) => html`<div class="empty"><h2>${title}</h2>${children}${action}</div>`;
export const Busy = ({ label = 'Loading' }) => html`<div class="busy" role="status"><span class="pulse" aria-hidden="true"></span>${label}…</div>`;

/* <dialog>: the browser keeps focus inside, and Escape closes; not with 'keep', when what it shows would be lost. */
export function Dialog({ title, onClose, children, wide, keep }) {
	const ref = useRef();
	const pressed = useRef(null); // where: a selection that ends beside it is no click there
	const id = useId('dialog');

	useLayoutEffect(() => {
		const before = document.activeElement;
		ref.current.showModal();
		return () => before?.isConnected && before.focus();
	}, []);
	return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-labelledby=${id} onClose=${onClose}
		onCancel=${(e) => keep && e.preventDefault()} onPointerDown=${(e) => { pressed.current = e.target; }}
		onClick=${(e) => !keep && e.target === ref.current && pressed.current === ref.current && ref.current.close()}>
		<header><h2 id=${id}>${title}</h2><button type="button" class="quiet icon" aria-label="Close" onClick=${() => ref.current.close()}>✕</button></header>
		${children}</dialog>`;
}

/*
 * A text field that offers what there is: 'find(text, signal)' answers [{value, label, note}].  Follows the combobox pattern of ARIA.
 */
export function Combo({ id, value, onInput, onPick, find, placeholder, label, describedBy, invalid, required, autofocus }) {
	const [open, setOpen] = useState(false);
	const [at, setAt] = useState(-1);
	const settled = useSettled(value, 150);
	const own = useId('combo');
	const { data, busy } = useLoad((signal) => (open ? find(settled, signal) : Promise.resolve(null)), [own, settled, open]);
	const options = open && data && !busy && settled === value ? data : []; // nothing that was found for another text
	const leaving = useRef(0); // a click on an option comes after the blur
	const stay = () => clearTimeout(leaving.current);
	const pick = (o) => {
		onInput(o.value);
		onPick?.(o);
		setOpen(false);
		setAt(-1);
	};
	const key = (e) => {
		if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
			e.preventDefault();
			if (!open)
				setOpen(true);
			else if (options.length)
				setAt((at + (e.key === 'ArrowDown' ? 1 : -1) + options.length) % options.length);
		} else if (e.key === 'Enter' && open && options[at]) {
			e.preventDefault();
			pick(options[at]);
		} else if (e.key === 'Escape' && open) {
			e.preventDefault();
			e.stopPropagation();
			setOpen(false);
		}
	};

	return html`<span class="combo">
		<input id=${id} type="text" role="combobox" aria-expanded=${options.length > 0} aria-controls=${own} aria-autocomplete="list"
			aria-activedescendant=${options[at] ? `${own}-${at}` : undefined} aria-label=${label} aria-describedby=${describedBy}
			aria-invalid=${invalid ? 'true' : undefined} required=${required} autofocus=${autofocus}
			autocomplete="off" spellcheck=${false} value=${value} placeholder=${placeholder}
			onInput=${(e) => { stay(); onInput(e.target.value); setOpen(true); setAt(-1); }}
			onFocus=${() => { stay(); setOpen(true); }} onBlur=${() => { leaving.current = setTimeout(() => setOpen(false), 150); }} onKeyDown=${key} />
		<ul id=${own} role="listbox" aria-label=${label || 'Suggestions'} hidden=${!options.length}>${options.map((o, i) => html`
			<li id=${`${own}-${i}`} role="option" aria-selected=${i === at} class=${i === at ? 'at' : ''}
				onMouseDown=${(e) => { e.preventDefault(); pick(o); }}><span>${o.label || o.value}</span>${o.note && html`<small>${o.note}</small>`}</li>`)}</ul></span>`;
}

/* Finds names of objects of a kind, for Combo. */
export const finder = (tenant, plural, extra) => async (text, signal) => {
	const page = await list(tenant, plural, { limit: 12, filter: [text ? `name:*${text}*` : null, ...(extra || [])].filter(Boolean) }, signal);
	return page.items.map((o) => ({ value: o.name, object: o, note: (o.addresses || []).join(' ') || o.address || o.prefix || '' }));
};

/* A part of a whole, in words as well. */
export function Meter({ label, used, limit, unit = '' }) {
	const bound = typeof limit === 'number'; // 0 is one, too
	const part = limit > 0 ? Math.min(1, used / limit) : bound ? 1 : 0;
	const tone = !bound ? '' : part >= 0.95 ? 'bad' : part >= 0.8 ? 'warn' : 'good';

	return html`<div class="meter ${tone}"><span class="meter-label">${label}</span>
		<span class="meter-num num">${number(used)}${unit}${bound ? html` <span class="dim">of ${number(limit)}</span>` : html` <span class="dim">no limit</span>`}</span>
		<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=${bound ? `${label}: ${Math.round(part * 100)} percent used` : `${label}: no limit`}>
			<rect class="bar-bed" width="100" height="6" /><rect class="bar-used" width=${used > 0 ? Math.max(0.6, 100 * part) : 0} height="6" /></svg></div>`;
}

/* Where the page came by plain HTTP from elsewhere there is no clipboard API: what is selected is copied. */
async function toClipboard(text) {
	if (navigator.clipboard)
		return navigator.clipboard.writeText(text);
	const area = document.createElement('textarea');
	const before = document.activeElement;
	area.value = text;
	area.className = 'hidden';
	(before?.closest('dialog') || document.body).append(area); // what is behind a dialog takes no focus
	area.select();
	const done = document.execCommand('copy');
	area.remove();
	before?.focus();
	return done ? undefined : Promise.reject(new Error('not copied'));
}

/* 'text' may be a function that makes it. */
export function Copy({ text, label = 'Copy', what }) {
	const [said, set] = useState('');

	useEffect(() => {
		const timer = said && setTimeout(() => set(''), 1500);
		return () => clearTimeout(timer);
	}, [said]);
	return html`<button type="button" class="quiet small copy" aria-label=${what && !said ? `${label} ${what}` : undefined} onClick=${() => toClipboard(typeof text === 'function' ? text() : text).then(() => set('Copied'), () => set('Not copied'))}>${said || label}</button>`;
}
