// SPDX-License-Identifier: Apache-2.0
// Pages about what carries the networks: hosts, the state DB, what a tenant may use, who may sign in.
import { html, useState, useRef, useLoad, usePolled } from './lib.js';
import { get, getUpTo, list, ask, post, tenantPath, seg } from './api.js';
import { KINDS, PLURALS, fieldLabel } from './kinds.js';
import { useInSight } from './insight.js';
import { link } from './router.js';
import { useChanges } from './live.js';
import { Fault, Old, Busy, Empty, Badge, Meter, Dialog, Time, Value, Copy, number, short } from './ui.js';

const Tenants = ({ names }) => html`<span class="values">${(names || []).slice(0, 20).map((t) => html`<a href=${link(['t', t, 'topology'])}>${t}</a>`)}${names?.length > 20 && html`<span class="more">+${number(names.length - 20)}</span>`}</span>`;

const COUNTED = 50; // tenants: of a host with more the ports are not counted

/* How many ports of each of these tenants are bound to a host: {TENANT: n} */
async function portsOn(host, tenants, signal) {
	const n = {};
	for (const t of tenants)
		n[t] = (await list(t, 'bindings', { filter: `host:${host}`, limit: 1, fields: 'name' }, signal)).total;
	return n;
}

function HostRow({ h }) {
	const ref = useRef();
	const tenants = h.tenants || [];
	const told = useInSight(ref, tenants.length <= COUNTED ? (signal) => portsOn(h.name, tenants, signal) : null, [h.name, tenants]);

	return html`<tr ref=${ref}><th scope="row"><a class="strong" href=${link(['hosts', h.name])}>${h.name}</a></th><td><${Badge} tone=${h.live ? 'good' : 'bad'}>${h.live ? 'alive' : 'not alive'}</${Badge}></td>
		<td class="num">${told && number(Object.values(told).reduce((sum, n) => sum + n, 0))}</td><td class="mono">${h.address || ''}</td><td class="mono dim">${h.version || ''}</td><td><${Tenants} names=${h.tenants} /></td></tr>`;
}

/* Tenants that have ports there, how many, and the way to them. */
function HostTenants({ name, tenants }) {
	const ref = useRef();
	const told = useInSight(ref, tenants.length <= COUNTED ? (signal) => portsOn(name, tenants, signal) : null, [name, tenants]);

	return html`<table class="plain" ref=${ref}><thead><tr><th scope="col">Tenant</th><th scope="col">Has here</th></tr></thead><tbody>${tenants.slice(0, 200).map((t) => html`<tr key=${t}><th scope="row"><a href=${link(['t', t, 'topology'], { at: `hosts/${name}` })}>${t}</a></th>
		<td><a href=${link(['t', t, 'ports'], { q: `host:${name}` })}>${told ? `${number(told[t])} ${told[t] === 1 ? 'port' : 'ports'}` : 'ports'}</a></td></tr>`)}</tbody></table>
		${tenants.length > 200 && html`<p class="dim">and ${number(tenants.length - 200)} more</p>`}`;
}

export function HostsPage() {
	const { data, at, error, reload } = usePolled((signal) => getUpTo('/api/v1/hosts', {}, Infinity, signal), ['hosts'], 5000);
	const [text, setText] = useState('');
	const items = (data?.items || []).filter((h) => h.name.includes(text.trim()));
	const dead = (data?.items || []).filter((h) => h.live === false).length;

	return html`<section class="page" aria-labelledby="title"><header class="page-head"><h1 id="title">Hosts</h1>
		<span class="count num">${data && number(data.total ?? data.items.length)}</span>${dead > 0 && html`<${Badge} tone="bad">${dead} not alive</${Badge}>`}<span class="grow"></span>
		<input type="search" aria-label="Filter hosts" placeholder="Filter by name" value=${text} onInput=${(e) => setText(e.target.value)} /></header>
		<${Old} error=${error} at=${at} onRetry=${reload} />
		${!data && !error && html`<${Busy} />`}
		${data && !data.items.length && html`<${Empty} title="No host has come yet"><p>A host is here as soon as its agent, skepd, has reached the state DB.</p></${Empty}>`}
		${items.length > 0 && html`<div class="table-wrap" tabindex="0" role="group" aria-label="Hosts"><table class="plain wide"><thead><tr><th scope="col">Host</th><th scope="col">State</th><th scope="col" class="num">Ports</th><th scope="col">Underlay address</th><th scope="col">Version</th><th scope="col">Tenants</th></tr></thead>
		<tbody>${items.map((h) => html`<${HostRow} key=${h.name} h=${h} />`)}</tbody></table></div>`}</section>`;
}

function Facts({ object, skip = [] }) {
	return html`<dl class="facts">${Object.entries(object).filter(([k, v]) => !skip.includes(k) && v !== null && typeof v !== 'object').map(([k, v]) => html`<dt>${fieldLabel(k)}</dt><dd>${
		/bytes|memory/.test(k) && typeof v === 'number' ? html`<span class="num">${short(v, 'B')}</span>` : html`<${Value} value=${v} />`}</dd>`)}</dl>`;
}

export function HostPage({ name }) {
	const { data, at, error, reload } = usePolled((signal) => get(`/api/v1/hosts/${seg(name)}`, undefined, signal), [name], 5000);

	return html`<section class="page" aria-labelledby="title"><nav class="crumbs" aria-label="Where this is"><a href="#/hosts">Hosts</a></nav>
		<header class="page-head"><h1 id="title">${name}</h1>${data && html`<${Badge} tone=${data.live ? 'good' : 'bad'}>${data.live ? 'alive' : 'not alive'}</${Badge}>`}</header>
		<${Old} error=${error} at=${at} onRetry=${reload} />
		${data && html`<${Facts} object=${data} skip=${['name', 'host', 'live', 'rev']} />
			<section class="part" aria-label="Tenants"><h2>Tenants <span class="count num">${number((data.tenants || []).length)}</span></h2>
			${data.tenants?.length ? html`<${HostTenants} name=${name} tenants=${data.tenants} />` : html`<p class="dim">No tenant has a port here.</p>`}</section>`}</section>`;
}

export function StatusPage() {
	const { data, at, error, reload } = usePolled((signal) => get('/api/v1/status', undefined, signal), ['status'], 3000);
	const parts = Object.entries(data || {}).filter(([, v]) => v && typeof v === 'object' && !Array.isArray(v));
	const lists = Object.entries(data || {}).filter(([, v]) => Array.isArray(v) && v.length);

	return html`<section class="page" aria-labelledby="title"><header class="page-head"><h1 id="title">Health</h1><span class="dim">This server and the state DB, every three seconds.</span></header>
		<${Old} error=${error} at=${at} onRetry=${reload} />
		${!data && !error && html`<${Busy} />`}
		${data && html`<div class="cards-row"><section class="panel"><h2>Server</h2><${Facts} object=${data} /></section>
			${parts.map(([k, v]) => html`<section class="panel"><h2>${fieldLabel(k)}</h2><${Facts} object=${v} />${Object.entries(v).filter(([, x]) => Array.isArray(x) && x.length).map(([name, x]) => html`<h3>${fieldLabel(name)}</h3><${Value} value=${x} />`)}</section>`)}
			${lists.map(([k, v]) => html`<section class="panel"><h2>${fieldLabel(k)}</h2><${Value} value=${v} /></section>`)}</div>`}</section>`;
}

export function CapacityPage({ tenant, me }) {
	const { data, at, error, reload } = useLoad((signal) => get(tenantPath(tenant, 'quota'), undefined, signal), [tenant]);
	const [editing, setEditing] = useState(false);
	useChanges(() => reload());
	const q = data && { limits: data.objects || {}, used: data.used?.objects || {}, rate: data.requests_per_s };

	return html`<section class="page" aria-labelledby="title"><header class="page-head"><h1 id="title">Capacity</h1><span class="dim">What ${tenant} uses of what it may have.</span><span class="grow"></span>
		${me.role === 'operator' && me.writes && data && html`<button type="button" onClick=${() => setEditing(true)}>Change limits</button>`}</header>
		<${Old} error=${error} at=${at} onRetry=${reload} />
		${!data && !error && html`<${Busy} />`}
		${q && html`<div class="meters">${PLURALS.map((p) => html`<a class="meter-link" href=${link(['t', tenant, p])}><${Meter} label=${KINDS[p].many} used=${Number(q.used[p] ?? 0)} limit=${q.limits[p]} /></a>`)}
			${data.used?.bytes !== undefined && html`<${Meter} label="Size of all records (kB)" used=${Math.round(data.used.bytes / 1000)} limit=${data.bytes === undefined ? undefined : Math.round(data.bytes / 1000)} />`}
			${data.used?.tokens !== undefined && html`<${Meter} label="Tokens" used=${data.used.tokens} limit=${data.tokens} />`}</div>
			${q.rate > 0 && html`<p class="dim">At most <b class="num">${number(q.rate)}</b> requests a second.</p>`}`}
		${editing && html`<${QuotaDialog} tenant=${tenant} quota=${data} onClose=${() => { setEditing(false); reload(); }} />`}</section>`;
}

function QuotaDialog({ tenant, quota, onClose }) {
	const [value, setValue] = useState(quota.objects || {});
	const [error, setError] = useState(null);
	const save = async (e) => {
		e.preventDefault();
		try {
			const objects = Object.fromEntries(Object.entries(value).filter(([, v]) => v !== '').map(([k, v]) => [k, Number(v)]));
			const { bytes, tokens, requests_per_s } = quota;
			await ask('PUT', tenantPath(tenant, 'quota'), { body: { objects, bytes, tokens, requests_per_s }, headers: { 'If-Match': `"${quota.rev}"` } });
			onClose();
		} catch (x) {
			setError(x);
		}
	};

	return html`<${Dialog} title=${`Limits of ${tenant}`} onClose=${onClose}><form onSubmit=${save}><${Fault} error=${error} />
		<div class="quota-fields">${PLURALS.map((p) => html`<label>${KINDS[p].many}<input type="number" min="0" class="num" value=${value[p] ?? ''} onInput=${(e) => setValue({ ...value, [p]: e.target.value })} /></label>`)}</div>
		<footer><button type="submit" class="primary">Save</button><button type="button" onClick=${onClose}>Cancel</button></footer></form></${Dialog}>`;
}

const LIVES = [['30 days', 2592000], ['1 day', 86400], ['90 days', 7776000], ['1 year', 31536000], ['for ever', 0]];

const TOKENS = 100;

/* An operator is told of all; a tenant's page is about that tenant's. */
const isOf = (tenant) => (t) => !tenant || t.tenant === tenant;

/* Of a tenant; of all, without one. */
export function TokensPage({ tenant, me }) {
	const [upTo, setUpTo] = useState(TOKENS);
	const { data, error, reload } = useLoad(async (signal) => {
		let page, cursor, items = [];
		do {
			page = await get('/api/v1/tokens', { limit: tenant ? 1000 : TOKENS, cursor }, signal);
			items = items.concat(page.items.filter(isOf(tenant)));
			cursor = page.next;
		} while (cursor && items.length < upTo);
		return { items: items.slice(0, upTo), next: cursor || items.length > upTo };
	}, [`tokens ${tenant || ''}`, upTo]);
	const [asking, setAsking] = useState(null);
	const [making, setMaking] = useState(false);
	const [problem, setProblem] = useState(null);
	const [revoked, setRevoked] = useState(0);
	const revoke = async (t) => {
		setProblem(null);
		setAsking(null);
		try {
			await ask('DELETE', `/api/v1/tokens/${seg(t.id)}`);
			reload();
			setRevoked(revoked + 1);
		} catch (e) {
			setProblem(e);
		}
	};

	return html`<section class="page" aria-labelledby="title"><header class="page-head"><h1 id="title">${tenant ? 'Tokens' : 'All tokens'}</h1><span class="dim">Who may use the API and this panel${tenant ? ` for ${tenant}` : ', of all tenants and of none'}.</span><span class="grow"></span>
		${me.writes && html`<button type="button" class="primary" onClick=${() => setMaking(true)}>New token</button>`}</header>
		<${Fault} error=${error || problem} onRetry=${error && reload} />
		${data && !data.items.length && html`<${Empty} title="No tokens"><p>A token lets a person or a program act for this tenant, for as long and as far as you say.</p></${Empty}>`}
		${data?.items.length > 0 && html`<div class="table-wrap" tabindex="0" role="group" aria-label="Tokens"><table class="plain wide"><thead><tr><th scope="col">Name</th><th scope="col">Role</th><th scope="col">Tenant</th><th scope="col">Expires</th><th scope="col">Last used</th><th scope="col"><span class="hidden">Revoke</span></th></tr></thead>
		<tbody>${data.items.map((t) => html`<tr><th scope="row">${t.name} <span class="mono dim small">${t.id}</span></th><td>${t.role}${t.read_only && html` <${Badge}>read only</${Badge}>`}</td><td>${t.tenant ? html`<a href=${link(['t', t.tenant, 'tokens'])}>${t.tenant}</a>` : html`<span class="dim">all</span>`}</td>
			<td>${t.expires ? html`<${Time} at=${t.expires} />` : html`<span class="dim">never</span>`}</td><td>${t.last_used ? html`<${Time} at=${t.last_used} />` : html`<span class="dim">–</span>`}</td>
			<td class="actions">${me.writes && html`<button type="button" class="danger-quiet small" onClick=${() => setAsking(t)} aria-label=${`Revoke ${t.name}`}>Revoke</button>`}</td></tr>`)}</tbody></table></div>`}
		${data?.next && html`<button type="button" onClick=${() => setUpTo(data.items.length + TOKENS)}>More tokens</button>`}
		${asking && html`<${Dialog} title=${`Revoke ${asking.name}?`} onClose=${() => setAsking(null)}><p>Who uses this token, or has signed in with it, is out at once. It cannot be given back; a new one can be made.</p>
			<footer><button type="button" class="danger" onClick=${() => revoke(asking)}>Revoke</button><button type="button" onClick=${() => setAsking(null)}>Keep it</button></footer></${Dialog}>`}
		<${Sessions} tenant=${tenant} me=${me} revoked=${revoked} />
		${making && html`<${NewToken} tenant=${tenant} me=${me} onClose=${() => { setMaking(false); reload(); }} />`}</section>`;
}

/* Who is signed in to the panel; who sees this page may end each of those. */
function Sessions({ tenant, me, revoked }) {
	const { data: all, error, reload } = usePolled((signal) => get('/api/v1/sessions', { limit: 1000 }, signal), ['sessions', revoked], 5000);
	const items = all?.items.filter(isOf(tenant));
	const [problem, setProblem] = useState(null);
	const end = async (s) => {
		setProblem(null);
		try {
			await ask('DELETE', `/api/v1/sessions/${seg(s.id)}`);
			reload();
		} catch (e) {
			setProblem(e);
		}
	};

	return html`<h2>Sessions <span class="count num">${all && number(tenant ? items.length : all.total)}</span></h2><p class="dim">Who is signed in to this panel.</p><${Fault} error=${error || problem} onRetry=${error && reload} />
		${items?.length > 0 && html`<div class="table-wrap" tabindex="0" role="group" aria-label="Sessions"><table class="plain wide"><thead><tr><th scope="col">Name</th><th scope="col">Role</th><th scope="col">From</th><th scope="col">Begun</th><th scope="col">Last used</th><th scope="col">Ends</th><th scope="col"><span class="hidden">End</span></th></tr></thead>
		<tbody>${items.map((s) => html`<tr><th scope="row">${s.name} <span class="mono dim small">${s.id}</span></th><td>${s.role}</td><td title=${s.user_agent || ''}><span class="mono">${s.address || ''}</span></td><td><${Time} at=${s.created} /></td>
			<td>${s.last_used ? html`<${Time} at=${s.last_used} />` : html`<span class="dim">–</span>`}</td><td><${Time} at=${s.expires} /></td>
			<td>${me.writes && html`<button type="button" class="danger-quiet small" onClick=${() => end(s)} aria-label=${`End the session of ${s.name}`}>End</button>`}</td></tr>`)}</tbody></table></div>`}`;
}

function NewToken({ tenant, me, onClose }) {
	const [name, setName] = useState('');
	const [role, setRole] = useState(tenant ? 'tenant-reader' : 'operator');
	const [life, setLife] = useState(String(LIVES[0][1]));
	const [made, setMade] = useState(null);
	const [error, setError] = useState(null);
	const make = async (e) => {
		e.preventDefault();
		setError(null);
		try {
			const body = { name, role };
			if (role.startsWith('tenant-'))
				body.tenant = tenant;
			if (Number(life))
				body.expires_s = Number(life);
			setMade(await post('/api/v1/tokens', body));
		} catch (x) {
			setError(x);
		}
	};
	const secret = made?.token;

	return html`<${Dialog} title=${made ? `Token ${made.name || name}` : 'New token'} keep=${!!made} onClose=${onClose}>${made ? html`<p>This is shown once. Keep it where passwords are kept.</p><p><code class="mono secret" tabindex="0">${secret}</code> <${Copy} text=${secret} /></p>
		<footer><button type="button" class="primary" onClick=${onClose}>Done</button></footer>` : html`<form class="stack" onSubmit=${make}><${Fault} error=${error} />
		<label>Name<input type="text" value=${name} required autocomplete="off" onInput=${(e) => setName(e.target.value)} placeholder="for example ci" /></label>
		<label>Role<select value=${role} onChange=${(e) => setRole(e.target.value)}>${tenant && html`<option value="tenant-reader">tenant-reader: looks only</option><option value="tenant-admin">tenant-admin: changes ${tenant}</option>`}${me.role === 'operator' && html`<option value="operator">operator: everything</option><option value="monitor">monitor: metrics and hosts, for Prometheus</option>`}</select></label>
		<label>Valid for<select value=${life} onChange=${(e) => setLife(e.target.value)}>${LIVES.map(([text, s]) => html`<option value=${s}>${text}</option>`)}</select></label>
		<footer><button type="submit" class="primary">Make it</button><button type="button" onClick=${onClose}>Cancel</button></footer></form>`}</${Dialog}>`;
}
