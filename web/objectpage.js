// SPDX-License-Identifier: Apache-2.0
// One object: its fields, what refers to it, where it is now and how it fares, what became of it.
import { html, useState, useEffect, useRef, useMemo, useLoad } from './lib.js';
import { ask, get, tenantPath, seg } from './api.js';
import { KINDS, kindOf, fieldLabel } from './kinds.js';
import { schemas, referrers } from './schema.js';
import { useChanges } from './live.js';
import { ObjectForm } from './form.js';
import { LivePart } from './livepart.js';
import { Balancer } from './balancer.js';
import { Changes } from './history.js';
import { link, go } from './router.js';
import { curlOf } from './curl.js';
import { Fault, Busy, Sign, Value, Ref, Badge, Dialog, Empty, Copy, number } from './ui.js';

const LONG = new Set(['objects']);

/* The objects that name this one, a few of each kind and field. */
function UsedBy({ tenant, plural, name, all }) {
	const { data, error, reload } = useLoad(async (signal) => (await get(tenantPath(tenant, `${plural}/${seg(name)}/references`), undefined, signal)).items, [`${tenant}/${plural}/${name}`]);
	const kinds = useMemo(() => new Set(referrers(all, plural).map((r) => kindOf(r.plural))), [all, plural]);

	useChanges((b) => (b.reset || [...b.kinds].some((k) => kinds.has(k))) && reload());
	if (error && !data)
		return error.status === 404 ? null : html`<${Fault} error=${error} onRetry=${reload} />`;
	if (!data)
		return html`<${Busy} />`;
	return data.length ? html`<dl class="facts">${data.map((r) => html`<dt>${KINDS[r.kind].many}<br /><small class="dim">as ${fieldLabel(r.field.split('.').pop()).toLowerCase()}</small></dt><dd class="values">
		${r.names.map((n) => html`<${Ref} tenant=${tenant} plural=${r.kind} name=${n} />`)} ${r.total > r.names.length && html`
		<a class="more" href=${link(['t', tenant, r.kind], { q: `${r.field}:${name}` })}>all ${number(r.total)}</a>`}</dd>`)}</dl>` :
		html`<p class="dim">Nothing names this ${KINDS[plural].one.toLowerCase()}.</p>`;
}

function DeleteDialog({ tenant, plural, object, onClose }) {
	const [error, setError] = useState(null);
	const [busy, setBusy] = useState(false);
	const remove = async () => {
		setBusy(true);
		try {
			await ask('DELETE', tenantPath(tenant, `${plural}/${seg(object.name)}`), { headers: { 'If-Match': `"${object.rev}"` } });
			go(link(['t', tenant, plural]));
		} catch (e) {
			setError(e);
		}
		setBusy(false);
	};

	return html`<${Dialog} title=${`Delete ${object.name}?`} onClose=${onClose}>
		<p>The ${KINDS[plural].one.toLowerCase()} <b>${object.name}</b> goes${plural === 'ports' ? ', and its binding with it' : ''}. The change history can bring it back.</p>
		<${Fault} error=${error} />
		<footer><button type="button" class="danger" disabled=${busy} onClick=${remove}>Delete</button><button type="button" onClick=${onClose}>Keep it</button></footer></${Dialog}>`;
}

/* What a pool has, the VIPs of a balancer, and so on, are found under "used by"; ports of a device have a line of their own. */
export function ObjectPage({ tenant, plural, name, query, me }) {
	const K = KINDS[plural];
	const [all, setAll] = useState(null);
	const [asking, setAsking] = useState(false);
	const [gone, setGone] = useState(false);
	const { data, error, busy, reload } = useLoad((signal) => get(tenantPath(tenant, `${plural}/${seg(name)}`), undefined, signal), [`${tenant}/${plural}/${name}`]);
	const editing = query.has('edit');
	const fresh = useRef();
	const writable = me.writes && (plural !== 'bindings' || me.role === 'operator');

	useEffect(() => { schemas().then(setAll, () => setAll({})); }, []);
	useEffect(() => { setGone(false); setAsking(false); }, [plural, name]);
	useChanges((b) => {
		const mine = b.events.filter((e) => e.kind === K.kind && e.name === name).pop();
		if (mine?.type === 'delete')
			setGone(true);
		else if (mine || b.reset)
			reload();
	});
	// what came of it: an object may go while nobody tells of it
	useEffect(() => {
		if (!busy && !error)
			setGone(false);
		else if (error?.status === 404)
			setGone(true);
	}, [busy, error, data]);
	useEffect(() => {
		if (fresh.current && data && fresh.current !== data.rev)
			document.querySelector('.object')?.classList.add('changed');
		fresh.current = data?.rev;
	}, [data]);

	if (error && !data)
		return error.status === 404 ? html`<section class="page"><${Empty} title=${`There is no ${K.one.toLowerCase()} “${name}”`} action=${html`<a class="button" href=${link(['t', tenant, plural])}>${K.many}</a>`}>
			<p>It may have been deleted or renamed.</p></${Empty}></section>` : html`<section class="page"><${Fault} error=${error} onRetry=${reload} /></section>`;
	if (!data || !all)
		return html`<section class="page"><${Busy} /></section>`;
	if (editing)
		return html`<section class="page narrow"><${ObjectForm} key=${name} tenant=${tenant} plural=${plural} before=${data} onDone=${reload} /></section>`;

	const fields = (all[plural] || []).filter((f) => !['id', 'rev', 'name'].includes(f.name));
	const known = new Set((all[plural] || []).map((f) => f.name));
	const extra = Object.keys(data).filter((k) => !known.has(k) && !['id', 'rev', 'name'].includes(k)).map((k) => ({ name: k, type: 'text' }));
	const set = [...fields, ...extra].filter((f) => data[f.name] !== undefined && data[f.name] !== null && !(Array.isArray(data[f.name]) && !data[f.name].length));
	const long = set.filter((f) => LONG.has(f.type));
	const path = tenantPath(tenant, `${plural}/${seg(data.name)}`);
	const onMap = ['bridges', 'routers', 'ports'].includes(plural);

	return html`<section class="page object" aria-labelledby="title">
		<nav class="crumbs" aria-label="Where this is"><a href=${link(['t', tenant, plural])}>${K.many}</a></nav>
		<header class="page-head"><h1 id="title"><${Sign} of=${plural} /><span class="name">${data.name}</span></h1>
			${data.admin_up === false && html`<${Badge} tone="warn">disabled</${Badge}>`}${gone && html`<${Badge} tone="bad">deleted</${Badge}>`}
			<span class="grow"></span>
			${onMap && html`<a class="button" href=${link(['t', tenant, 'topology'], { at: `${plural}/${data.name}` })}>Show on map</a>`}
			${plural === 'ports' && !data.peer && html`<a class="button" href=${link(['t', tenant, 'trace'], { from: data.name })}>Trace from here</a>
				<a class="button" href=${link(['t', tenant, 'trace'], { mode: 'live', from: data.name })}>Watch its flows</a>`}
			${writable && !gone && html`<a class="button" href=${link(['t', tenant, plural, data.name], { edit: '1' })}>Edit</a>
				<button type="button" class="danger-quiet" onClick=${() => setAsking(true)}>Delete</button>`}</header>
		${error && error.status !== 404 && html`<${Fault} error=${error} onRetry=${reload} />`}
		${data.description && html`<p class="lead">${data.description}</p>`}
		<div class="columns ${long.length ? 'long' : ''}"><div>
			<section class="first-facts" aria-label="Fields"><dl class="facts">${set.filter((f) => !LONG.has(f.type) && f.name !== 'description').map((f) => html`<dt>${fieldLabel(f.name)}</dt><dd><${Value} tenant=${tenant} f=${f} value=${data[f.name]} /></dd>`)}</dl></section>
			${long.map((f) => html`<section aria-label=${fieldLabel(f.name)}><h2>${fieldLabel(f.name)} <span class="count num">${number(data[f.name].length)}</span></h2>
				<${Value} tenant=${tenant} f=${f} value=${data[f.name]} /></section>`)}
			${['bridges', 'routers', 'ports'].includes(plural) && html`<${LivePart} tenant=${tenant} plural=${plural} object=${data} me=${me} />`}
			${plural === 'load_balancers' && html`<${Balancer} tenant=${tenant} name=${data.name} />`}
		</div><div>
			<section aria-label="Used by"><h2>Used by</h2><${UsedBy} tenant=${tenant} plural=${plural} name=${data.name} all=${all} /></section>
			<section aria-label="History"><h2>Changes</h2><${Changes} tenant=${tenant} object=${`${K.kind}/${data.name}`} limit=${6} me=${me} /></section>
			<section aria-label="API"><h2>API</h2><dl class="facts"><dt>Id</dt><dd class="mono">${data.id} <${Copy} text=${data.id || ''} what="the id" /></dd><dt>Revision</dt><dd class="num">${data.rev}</dd></dl>
				<p class="button-row"><${Copy} label="Copy as curl" text=${() => curlOf('GET', path)} /><a class="button quiet small" href=${path} target="_blank" rel="noopener">JSON</a><a class="button quiet small" href="/openapi.json" target="_blank" rel="noopener">API document</a></p></section>
		</div></div>
		${asking && html`<${DeleteDialog} tenant=${tenant} plural=${plural} object=${data} onClose=${() => setAsking(false)} />`}</section>`;
}

export const NewPage = ({ tenant, plural }) => html`<section class="page narrow"><${ObjectForm} key=${plural} tenant=${tenant} plural=${plural} /></section>`;
