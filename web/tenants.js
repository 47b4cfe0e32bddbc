// SPDX-License-Identifier: Apache-2.0
// Tenants, for operators: what there is, making one, deleting one.  Which there are is asked for here for the whole panel.
import { html, useState, useEffect, useRef, useLoad } from './lib.js';
import { get, getUpTo, ask, tenantPath } from './api.js';
import { KINDS, PLURALS } from './kinds.js';
import { useInSight } from './insight.js';
import { link } from './router.js';
import { Fault, Busy, Empty, Dialog, number } from './ui.js';

const AGAIN_MS = 30000, RETRY_MS = 3000;

/* Names of all tenants, {names (null: not known yet), error, reload()}; asked for now and then, and soon again after an error. */
export function useTenants(wanted) {
	const { data, error, busy, reload } = useLoad((signal) => (wanted ? getUpTo('/api/v1/tenants', {}, Infinity, signal) : Promise.resolve(null)), ['tenants', wanted]);

	useEffect(() => {
		const timer = wanted && !busy && setInterval(() => document.visibilityState === 'visible' && reload(), error ? RETRY_MS : AGAIN_MS);
		return () => clearInterval(timer);
	}, [wanted, busy, error]);
	return { names: data && data.items.map((t) => t.name), error, reload };
}

function MakeDialog({ onClose }) {
	const [name, setName] = useState('');
	const [description, setDescription] = useState('');
	const [error, setError] = useState(null);
	const make = async (e) => {
		e.preventDefault();
		setError(null);
		try {
			await ask('PUT', tenantPath(name.trim()), { body: description ? { description } : {}, headers: { 'If-None-Match': '*' } });
			onClose();
		} catch (x) {
			setError(x);
		}
	};

	return html`<${Dialog} title="New tenant" onClose=${onClose}><form class="stack" onSubmit=${make}><${Fault} error=${error} />
		<label>Name<input type="text" class="mono" value=${name} required autocomplete="off" spellcheck=${false} onInput=${(e) => setName(e.target.value)} placeholder="for example acme" /></label>
		<label>Description<input type="text" value=${description} autocomplete="off" onInput=${(e) => setDescription(e.target.value)} /></label>
		<footer><button type="submit" class="primary">Make it</button><button type="button" onClick=${onClose}>Cancel</button></footer></form></${Dialog}>`;
}

/* With all that it has, if its name is typed: there is no undo of that. */
function DeleteDialog({ name, onClose }) {
	const { data, error } = useLoad((signal) => get(tenantPath(name), undefined, signal), [name]);
	const [typed, setTyped] = useState('');
	const [problem, setProblem] = useState(null);
	const objects = Object.values(data?.objects || {}).reduce((sum, n) => sum + n, 0);
	const remove = async (e) => {
		e.preventDefault();
		setProblem(null);
		try {
			await ask('DELETE', tenantPath(name), { query: { recursive: objects ? 'true' : undefined } });
			onClose();
		} catch (x) {
			setProblem(x);
		}
	};

	return html`<${Dialog} title=${`Delete tenant ${name}?`} onClose=${onClose}><form class="stack" onSubmit=${remove}><${Fault} error=${error || problem} />
		${!data && !error && html`<${Busy} />`}
		${data && html`<p>${objects ? html`It has <b class="num">${number(objects)}</b> ${objects === 1 ? 'object' : 'objects'}: all of it goes, and its machines lose their network.` : 'It has no objects.'} This cannot be undone.</p>
			<label>Its name, once more<input type="text" class="mono" value=${typed} autocomplete="off" spellcheck=${false} onInput=${(e) => setTyped(e.target.value)} /></label>`}
		<footer><button type="submit" class="danger" disabled=${!data || typed !== name}>Delete</button><button type="button" onClick=${onClose}>Keep it</button></footer></form></${Dialog}>`;
}

const COUNTED = ['ports', 'bridges', 'routers']; // by themselves; the others together

/* "8 ports, 2 bridges, 1 router, 3 others" */
function counted(objects) {
	const others = PLURALS.filter((p) => !COUNTED.includes(p)).reduce((sum, p) => sum + (objects[p] || 0), 0);

	return [...COUNTED.map((p) => [objects[p], KINDS[p].one, KINDS[p].many]), [others, 'other', 'others']].filter(([n]) => n > 0)
		.map(([n, one, many]) => `${number(n)} ${(n === 1 ? one : many).toLowerCase()}`).join(', ') || 'nothing';
}

function Row({ name, onDelete }) {
	const ref = useRef();
	const told = useInSight(ref, (signal) => get(tenantPath(name), undefined, signal), [name]);

	return html`<tr ref=${ref}><th scope="row"><a class="strong" href=${link(['t', name, 'topology'])}>${name}</a></th><td>${told?.description}</td><td class="counts">${told && counted(told.objects || {})}</td>
		<td class="pages"><a href=${link(['t', name, 'capacity'])}>Capacity</a> <a href=${link(['t', name, 'tokens'])}>Tokens</a></td>
		<td class="actions"><button type="button" class="danger-quiet small" aria-label=${`Delete ${name}`} onClick=${onDelete}>Delete</button></td></tr>`;
}

export function TenantsPage({ tenants }) {
	const { names, error, reload } = tenants;
	const [making, setMaking] = useState(false);
	const [deleting, setDeleting] = useState(null);
	const [text, setText] = useState('');
	const shown = (names || []).filter((n) => n.includes(text.trim()));

	return html`<section class="page" aria-labelledby="title"><header class="page-head"><h1 id="title">Tenants</h1><span class="count num">${names && number(names.length)}</span><span class="grow"></span>
		<input type="search" aria-label="Filter tenants" placeholder="Filter by name" value=${text} onInput=${(e) => setText(e.target.value)} />
		<button type="button" class="primary" onClick=${() => setMaking(true)}>New tenant</button></header>
		<${Fault} error=${error} onRetry=${reload} />
		${!names && !error && html`<${Busy} />`}
		${names && !names.length && html`<${Empty} title="No tenant yet"><p>A tenant is a network of its own, with its own people. Make one, and tokens for them.</p></${Empty}>`}
		${shown.length > 0 && html`<div class="table-wrap" tabindex="0" role="group" aria-label="Tenants"><table class="plain wide"><thead><tr><th scope="col">Name</th><th scope="col">Description</th><th scope="col">It has</th><th scope="col"><span class="hidden">Its pages</span></th><th scope="col"><span class="hidden">Delete</span></th></tr></thead>
		<tbody>${shown.map((n) => html`<${Row} key=${n} name=${n} onDelete=${() => setDeleting(n)} />`)}</tbody></table></div>`}
		${making && html`<${MakeDialog} onClose=${() => { setMaking(false); reload(); }} />`}
		${deleting && html`<${DeleteDialog} name=${deleting} onClose=${() => { setDeleting(null); reload(); }} />`}</section>`;
}
