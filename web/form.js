// SPDX-License-Identifier: Apache-2.0
// Forms made of the schema of a kind.  What the server finds wrong is shown at the field; nothing is checked twice here but what would
// make no sense to send.
import { html, useState, useEffect, useRef, useId, useMemo, announce } from './lib.js';
import { ask, tenantPath, seg } from './api.js';
import { KINDS, fieldLabel } from './kinds.js';
import { schemas } from './schema.js';
import { objectLink, link, go } from './router.js';
import { Combo, finder, Fault, Busy, Sign, Copy } from './ui.js';
import { curlOf } from './curl.js';

const isSet = (v) => v !== undefined && v !== null && v !== '';
const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/* Text of a field -> what is sent: integers where the schema has them. */
function toValue(f, text) {
	const t = text.trim();

	if (t === '')
		return undefined;
	if ((f.type === 'int' || f.numeric) && /^-?\d+$/.test(t) && Number.isSafeInteger(Number(t)))
		return Number(t);
	return f.type === 'text' && !f.pattern && !f.numeric ? text : t;
}

/* The server tells of what is in lists in words: "rule 1: field 'dst_ports': ...", "rule 'web': ...". */
const INNER = { rule: 'rules', option: 'options', host: 'hosts', condition: 'match', element: null };

function pathOf(e, fields) {
	const m = !e.field && /^(rule|option|host|condition|element) (?:'([^']*)'|(\d+))(?:: field '([a-z_]+)')?/.exec(e.detail || '');
	const list = m && (INNER[m[1]] || fields.find((f) => f.type === 'objects')?.name);

	return m ? [list, m[2] ?? String(Number(m[3]) - 1), m[4]].filter((t) => t !== undefined) : String(e.field || '').split(/[.[\]/]+/).filter(Boolean);
}

/* Where an error belongs: the longest path of the form that it names. */
export function placeErrors(errors, fields, value) {
	const at = new Map(), placed = new Set();

	for (const e of errors || []) {
		const tokens = pathOf(e, fields);
		let path = '', known = fields, list = value, i = 0;
		while (i < tokens.length) {
			const f = known?.find((x) => x.name === tokens[i]);
			if (!f)
				break;
			path += (path && '.') + f.name;
			list = list?.[f.name];
			i++;
			if (f.type !== 'objects' || i >= tokens.length || !Array.isArray(list))
				break;
			const n = /^\d+$/.test(tokens[i]) ? Number(tokens[i]) : list.findIndex((o) => o.name === tokens[i]);
			if (n < 0 || n >= list.length)
				break;
			path += `.${n}`;
			list = list[n];
			known = f.fields;
			i++;
		}
		if (path) {
			at.set(path, [...(at.get(path) || []), e]);
			placed.add(e);
		}
	}
	return { at, placed };
}

function Errors({ id, errors }) {
	return errors ? html`<div class="field-error" id=${id}>${errors.map((e) => html`<p>${e.value !== undefined && e.value !== null && /^[a-z]/.test(e.detail || '') ? `“${typeof e.value === 'string' ? e.value : JSON.stringify(e.value)}” ` : ''}${e.detail || 'This is not allowed.'}${e.allowed && html`${' '}<span class="allowed">Allowed: ${typeof e.allowed === 'string' ? e.allowed : JSON.stringify(e.allowed)}</span>`}</p>`)}</div>` : null;
}

/* One value: text, a choice, a switch, a reference. */
function Single({ tenant, f, id, value, onChange, describedBy, invalid, label }) {
	const props = { id, 'aria-describedby': describedBy, 'aria-invalid': invalid ? 'true' : undefined, 'aria-label': label };

	if (f.type === 'bool')
		return html`<select ...${props} value=${value === undefined || value === null ? '' : String(value)} onChange=${(e) => onChange(e.target.value === '' ? undefined : e.target.value === 'true')}>
			<option value="">${f.def === undefined ? 'not set' : `default (${f.def ? 'yes' : 'no'})`}</option><option value="true">yes</option><option value="false">no</option></select>`;
	if (f.type === 'word')
		return html`<select ...${props} value=${value ?? ''} required=${f.required} onChange=${(e) => onChange(e.target.value || undefined)}>
			<option value="">${f.def === undefined ? (f.required ? 'choose' : 'not set') : `default (${f.def})`}</option>${f.words.map((w) => html`<option value=${w}>${w}</option>`)}</select>`;
	if (f.type === 'ref')
		return html`<${Combo} id=${id} label=${label} value=${value ?? ''} find=${finder(tenant, f.ref)} describedBy=${describedBy} invalid=${invalid}
			required=${f.required} onInput=${(v) => onChange(v || undefined)} placeholder=${`name of a ${KINDS[f.ref].one.toLowerCase()}`} />`;
	if (f.name === 'description')
		return html`<textarea ...${props} rows="2" maxlength=${f.maxLength} value=${value ?? ''} onInput=${(e) => onChange(e.target.value || undefined)}></textarea>`;
	const hint = [f.example, f.def !== undefined && typeof f.def !== 'object' ? `default ${f.def}` : null,
		f.type === 'int' && f.min !== undefined ? `${f.min} to ${f.max}` : null].find(isSet);
	return html`<input ...${props} type="text" class="mono" spellcheck=${false} autocomplete="off" inputmode=${f.type === 'int' ? 'numeric' : undefined} required=${f.required}
		value=${value ?? ''} placeholder=${hint} onInput=${(e) => onChange(toValue(f, e.target.value))} />`;
}

/* A list of values: one a line. */
function Lines({ f, id, value, onChange, describedBy, invalid }) {
	const asText = (v) => (v === f.orWord && f.orWord ? f.orWord : (v || []).join('\n'));
	const [text, setText] = useState(asText(value));
	const mine = useRef(value);
	const many = Array.isArray(value) && value.length > 5000;

	useEffect(() => {
		if (!same(mine.current, value))
			setText(asText(value));
		mine.current = value;
	}, [value]);
	if (many)
		return html`<p class="dim" id=${id}>${value.length} values: too many for a form. Apply a document, or use the API.</p>`;
	return html`<textarea id=${id} class="mono" rows=${Math.min(12, Math.max(2, text.split('\n').length))} spellcheck=${false} aria-describedby=${describedBy} aria-invalid=${invalid ? 'true' : undefined}
		placeholder=${f.words ? f.words.join(', ') : 'one a line'} value=${text} onInput=${(e) => {
			const t = e.target.value;
			setText(t);
			const words = t.split(/[\n,]+/).map((w) => w.trim()).filter(Boolean);
			onChange(mine.current = f.orWord && words.length === 1 && words[0] === f.orWord ? f.orWord :
				words.length ? words.map((w) => toValue({ ...f, type: f.type === 'text' ? 'text' : f.type }, w)) : undefined);
		}}></textarea>`;
}

/* A list of references: what is chosen, and a field to choose more. */
function Refs({ tenant, f, id, value, onChange, describedBy, invalid }) {
	const [text, setText] = useState('');
	const names = value || [];
	const add = (name) => {
		setText('');
		if (name && !names.includes(name))
			onChange([...names, name]);
	};

	return html`<div class="chips">${names.map((n) => html`<span class="chip">${n}<button type="button" aria-label=${`Remove ${n}`} onClick=${() => {
			const rest = names.filter((x) => x !== n);
			onChange(rest.length ? rest : undefined);
		}}>✕</button></span>`)}
		<span onKeyDown=${(e) => { if (e.key === 'Enter' && text) { e.preventDefault(); add(text.trim()); } }}>
		<${Combo} id=${id} value=${text} find=${finder(tenant, f.ref)} describedBy=${describedBy} invalid=${invalid} onInput=${setText} onPick=${(o) => add(o.value)}
			placeholder=${`add a ${KINDS[f.ref].one.toLowerCase()}`} /></span></div>`;
}

/* Rules, members of lists: a card for each; with arrows, if it matters which comes first. */
function Objects({ tenant, f, path, value, onChange, errors }) {
	const items = value || [];
	const [open, setOpen] = useState(items.length <= 3 ? -1 : -2); // -1: all, -2: none, else the one
	const isOpen = (i) => open === -1 || open === i || [...errors.keys()].some((k) => k.startsWith(`${path}.${i}.`));
	const put = (next) => onChange(next.length ? next : undefined);
	const swap = (i, j) => {
		const next = items.slice();
		[next[i], next[j]] = [next[j], next[i]];
		put(next);
	};
	const one = f.name === 'rules' ? 'rule' : 'entry';

	return html`<div class="cards">${items.slice(0, 300).map((o, i) => html`<fieldset class="card ${isOpen(i) ? 'open' : ''}" key=${i}>
		<legend><button type="button" class="quiet" aria-expanded=${isOpen(i)} onClick=${() => setOpen(isOpen(i) ? -2 : i)}>
			<span class="num">${i + 1}</span> ${summary(o)}</button></legend>
		<span class="card-tools">${f.ordered && html`<button type="button" class="quiet icon" disabled=${!i} aria-label=${`Move ${one} ${i + 1} up`} onClick=${() => swap(i, i - 1)}>↑</button>
			<button type="button" class="quiet icon" disabled=${i === items.length - 1} aria-label=${`Move ${one} ${i + 1} down`} onClick=${() => swap(i, i + 1)}>↓</button>`}
			<button type="button" class="quiet icon" aria-label=${`Remove ${one} ${i + 1}`} onClick=${() => put(items.filter((x, j) => j !== i))}>✕</button></span>
		${isOpen(i) && html`<${Fields} tenant=${tenant} fields=${f.fields} value=${o} path=${`${path}.${i}`} errors=${errors} nested
			onChange=${(next) => put(items.map((x, j) => (j === i ? next : x)))} />`}</fieldset>`)}
		${items.length > 300 && html`<p class="dim">${items.length - 300} more are not shown here; they stay as they are.</p>`}
		<button type="button" onClick=${() => { put([...items, {}]); setOpen(items.length <= 3 ? -1 : items.length); }}>Add ${one}</button></div>`;
}

const inWords = (v) => (typeof v === 'boolean' ? (v ? 'yes' : 'no') : Array.isArray(v) ? v.map(inWords).join(' ') : typeof v === 'object' ? JSON.stringify(v) : v);

/* An entry in a line, in the words of its form. */
const summary = (o) => {
	const rest = Object.entries(o).filter(([k, v]) => k !== 'name' && k !== 'description' && isSet(v)).map(([k, v]) => (k === 'action' || k === 'direction' ? v : `${fieldLabel(k)}: ${inWords(v)}`));
	return html`${o.name && html`<b>${o.name}</b> `}<span class="dim">${rest.join(', ') || 'empty'}</span>`;
};

/* Docs' texts have field names and values between backticks. */
const yesOrNo = (text) => text.replace(/`?\b(true|false)\b`?/gi, (all, word) => (/^[tT]/.test(word) ? (word[0] === 'T' ? 'Yes' : 'yes') : word[0] === 'F' ? 'No' : 'no')); // as the choice above it
const Help = ({ id, text }) => html`<p class="help" id=${id}>${text.split('`').map((part, i) => (i % 2 ? html`<code>${part}</code>` : i ? part : part.slice(0, 1).toUpperCase() + part.slice(1)))}</p>`;

function Field({ tenant, f, value, onChange, path, errors }) {
	const id = useId('f');
	const mine = errors.get(path);
	const describedBy = [f.help && `${id}-help`, mine && `${id}-error`].filter(Boolean).join(' ') || undefined;
	const props = { tenant, f, id, value, onChange, describedBy, invalid: !!mine, path, errors };
	const group = f.type === 'objects';
	const control = group ? html`<${Objects} ...${props} />` : f.list && f.type === 'ref' ? html`<${Refs} ...${props} />` :
		f.list ? html`<${Lines} ...${props} />` : html`<${Single} ...${props} />`;

	return html`<div class="field ${mine ? 'wrong' : ''} ${group ? 'group' : ''}" data-field=${path} role=${group ? 'group' : undefined} aria-label=${group ? fieldLabel(f.name) : undefined}>
		${group ? html`<span class="label">${fieldLabel(f.name)}</span>` : html`<label for=${id} title=${f.type === 'bool' ? yesOrNo(f.help) : f.help}>${fieldLabel(f.name)}${f.required && html`<span class="required" title="required"> *</span>`}</label>`}
		<div class="control">${control}<${Errors} id=${`${id}-error`} errors=${mine} />${f.help && html`<${Help} id=${`${id}-help`} text=${f.type === 'bool' ? yesOrNo(f.help) : f.help} />`}</div></div>`;
}

/* The fields of an object: required ones and those that are set; the others can be called for. */
function Fields({ tenant, fields, value, onChange, path = '', errors, nested, first = [] }) {
	const [called, setCalled] = useState(() => new Set(first));
	const sub = (f) => (path ? `${path}.${f.name}` : f.name);
	const writable = fields.filter((f) => !f.readOnly);
	const wrong = (f) => [...errors.keys()].some((k) => k === sub(f) || k.startsWith(`${sub(f)}.`));
	const shown = writable.filter((f) => f.required || called.has(f.name) || f.name === 'admin_up' || (isSet(value[f.name]) && !same(value[f.name], f.def)) || wrong(f));
	const others = writable.filter((f) => !shown.includes(f));
	const set = (f, v) => {
		const next = { ...value };
		if (v === undefined)
			delete next[f.name];
		else
			next[f.name] = v;
		setCalled((c) => (c.has(f.name) ? c : new Set([...c, f.name])));
		onChange(next);
	};
	const more = useId('more');

	return html`<div class="fields ${nested ? 'nested' : ''}">${shown.map((f) => html`<${Field} key=${f.name} tenant=${tenant} f=${f} value=${value[f.name]} path=${sub(f)} errors=${errors} onChange=${(v) => set(f, v)} />`)}
		${others.length > 0 && html`<div class="field"><label for=${more}>${nested ? 'Add a condition or field' : 'Add a field'}</label><div class="control">
			<select id=${more} value="" onChange=${(e) => { const name = e.target.value; e.target.value = ''; if (name) setCalled((c) => new Set([...c, name])); }}>
			<option value="">choose…</option>${others.map((f) => html`<option value=${f.name}>${fieldLabel(f.name)}</option>`)}</select></div></div>`}</div>`;
}

/* RFC 7396: what makes 'after' of 'before'. */
export function mergePatch(before, after, fields) {
	const patch = {};

	for (const f of fields) {
		if (f.readOnly || same(before[f.name], after[f.name]))
			continue;
		patch[f.name] = after[f.name] === undefined ? null : after[f.name];
	}
	return patch;
}

const ORDERED = new Set(['chains.rules']); // of all lists of objects: the first rule that matches decides

const FIRST = { ports: ['bridge', 'mac', 'addresses', 'security_groups'], chains: ['rules'], security_groups: ['rules'], address_groups: ['addresses'], mirrors: ['at'],
	routes: ['port', 'gateway'], floating_ips: ['port'], nats: ['to', 'src'], subnets: ['gateway', 'dns'], qos_policies: ['rate_in', 'rate_out'] };

/* Makes a new object, or changes 'before'. */
export function ObjectForm({ tenant, plural, before, onDone }) {
	const [fields, setFields] = useState(null);
	const [value, setValue] = useState(() => before ? Object.fromEntries(Object.entries(before).filter(([, v]) => v !== null)) : {});
	const [base, setBase] = useState(before || {});
	const [error, setError] = useState(null);
	const [taking, setTaking] = useState(null); // why their change could not be taken in
	const [checked, setChecked] = useState(false);
	const [busy, setBusy] = useState(false);
	const form = useRef();
	const K = KINDS[plural];
	const patch = useMemo(() => (fields ? mergePatch(base, value, fields) : {}), [fields, base, value]);
	const { at, placed } = useMemo(() => placeErrors(error?.errors, fields || [], value), [error]);
	const changes = Object.keys(patch);

	// an object keeps its name
	useEffect(() => {
		schemas().then((s) => setFields(s[plural].filter((f) => !before || f.name !== (plural === 'bindings' ? 'port' : 'name')).map((f) => (ORDERED.has(`${plural}.${f.name}`) ? { ...f, ordered: true } : f))), setError);
	}, [plural]);
	useEffect(() => {
		if (error) {
			const el = form.current?.querySelector('[aria-invalid=true]');
			el?.focus();
			announce(error.message);
		}
	}, [error]);
	useEffect(() => {
		const leave = (e) => { if (changes.length && !busy) e.preventDefault(); };
		addEventListener('beforeunload', leave);
		return () => removeEventListener('beforeunload', leave);
	}, [changes.length, busy]);

	/* What would be sent: [method, path, {body, headers}]. */
	const request = () => (before ? ['PATCH', tenantPath(tenant, `${plural}/${seg(before.name)}`), { body: patch, headers: base.rev === undefined ? {} : { 'If-Match': `"${base.rev}"` } }] :
		['POST', tenantPath(tenant, plural), { body: Object.fromEntries(Object.entries(value).filter(([k]) => fields.some((f) => f.name === k && !f.readOnly))) }]);
	const send = async (dry) => {
		setBusy(true);
		setError(null);
		setChecked(false);
		try {
			const [method, path, what] = request();
			const answer = await ask(method, path, { ...what, query: { dry_run: dry ? 'true' : undefined } });
			if (dry) {
				setChecked(true);
				announce('This is valid; nothing was written.');
			} else {
				onDone?.();
				go(objectLink(tenant, plural, answer.body?.name || value.name || value.port || before?.name));
			}
		} catch (e) {
			setError(e);
		}
		setBusy(false);
	};
	const takeTheirs = async () => {
		let body;
		setTaking(null);
		try {
			({ body } = await ask('GET', tenantPath(tenant, `${plural}/${seg(before.name)}`)));
		} catch (e) {
			setTaking(e);
			return;
		}
		setBase(body); // what was changed here is kept, and is sent against the newest revision
		setValue((v) => ({ ...body, ...Object.fromEntries(Object.keys(patch).map((k) => [k, v[k]])) }));
		setError(null);
	};
	const cancel = before ? objectLink(tenant, plural, before.name) : link(['t', tenant, plural]);

	if (!fields)
		return error ? html`<${Fault} error=${error} />` : html`<${Busy} />`;
	return html`<form class="object-form" ref=${form} novalidate onSubmit=${(e) => { e.preventDefault(); send(false); }}>
		<h1 id="title"><${Sign} of=${plural} />${before ? html`Edit <span class="name">${before.name}</span>` : `New ${K.one.toLowerCase()}`}</h1>
		${!before && html`<p class="dim">${K.about}</p>`}
		${error?.status === 412 ? html`<div class="fault" role="alert"><strong>Somebody else has changed this object meanwhile</strong>
			<p>Nothing was written. Take in their change; yours stay in the form, for you to look at once more.</p><button type="button" onClick=${takeTheirs}>Take in their change</button></div><${Fault} error=${taking} />` :
			html`<${Fault} error=${error && placed.size && placed.size === error.errors.length ? { title: 'Nothing was written: see what is marked', message: '', instance: error.instance } : error} />`}
		<${Fields} tenant=${tenant} fields=${fields} value=${value} errors=${at} first=${before ? [] : FIRST[plural]} onChange=${(v) => { setValue(v); setChecked(false); }} />
		<footer class="form-foot"><button type="submit" class="primary" disabled=${busy || (before && !changes.length)}>${before ? 'Save' : 'Create'}</button>
			<button type="button" disabled=${busy || !changes.length} onClick=${() => send(true)}>Check only</button>
			<a class="button" href=${cancel}>Cancel</a>
			${changes.length > 0 && html`<${Copy} label="Copy as curl" text=${() => curlOf(...request())} />`}
			<span class="dim" role="status">${checked ? html`<span class="good-text">Valid; nothing was written.</span>` : before && changes.length ? `Changes: ${changes.map(fieldLabel).join(', ')}` : ''}</span></footer></form>`;
}
