// SPDX-License-Identifier: Apache-2.0
// The frame around all pages: who is signed in, which tenant, where one is, and the keys that work everywhere.
import { html, render, Component, useState, useEffect, useRef, useSettled, useLoad, useId } from './lib.js';
import { session, identity, whenSignedOut, whenOther, signIn, signOut, get, tenantPath } from './api.js';
import { GROUPS, KINDS, PLURALS } from './kinds.js';
import { useRoute, link, objectLink, go } from './router.js';
import { followTenant, useLiveState, useChanges, heardAt } from './live.js';
import { search } from './search.js';
import { useTenants, TenantsPage } from './tenants.js';
import { Fault, Busy, Dialog, Sign, Empty, short } from './ui.js';

const pages = {
	topology: () => import('./topology.js').then((m) => m.TopologyPage),
	trace: () => import('./tracepage.js').then((m) => m.TracePage),
	policy: () => import('./policy.js').then((m) => m.PolicyPage),
	gateways: () => import('./gateways.js').then((m) => m.GatewaysPage),
	history: () => import('./history.js').then((m) => m.HistoryPage),
	capacity: () => import('./admin.js').then((m) => m.CapacityPage),
	tokens: () => import('./admin.js').then((m) => m.TokensPage),
	tenants: () => Promise.resolve(TenantsPage),
	hosts: () => import('./admin.js').then((m) => m.HostsPage),
	host: () => import('./admin.js').then((m) => m.HostPage),
	status: () => import('./admin.js').then((m) => m.StatusPage),
	list: () => import('./listpage.js').then((m) => m.ListPage),
	object: () => import('./objectpage.js').then((m) => m.ObjectPage),
	new: () => import('./objectpage.js').then((m) => m.NewPage),
};

const VIEWS = [['topology', 'Map', 'm'], ['trace', 'Path trace', 't'], ['gateways', 'Gateways', 'w'], ['policy', 'Policy matrix', 'p'], ['history', 'Change history', 'h'], ['capacity', 'Capacity', 'c'], ['tokens', 'Tokens', 'k']];
const SHARED = [['tenants', 'Tenants', 'a'], ['hosts', 'Hosts', 'o'], ['status', 'Health', 's'], ['tokens', 'All tokens']];

const mayView = (me, page) => page !== 'tokens' || me.role !== 'tenant-reader';
const mayWrite = (me, plural) => me.writes && (plural !== 'bindings' || me.role === 'operator');

/* What goes wrong while a page is drawn is told, and does not take the rest along. */
class Guard extends Component {
	componentDidCatch(error) {
		console.error(error);
		this.setState({ error, at: this.props.at });
	}

	render({ children, at }, { error, at: where }) {
		return error && where === at ? html`<section class="page"><${Fault} error=${{ title: 'This page has failed', message: String(error.message || error) }} /></section>` : children;
	}
}

function SignIn({ onDone, why }) {
	const [token, setToken] = useState('');
	const [error, setError] = useState(null);
	const [busy, setBusy] = useState(false);
	const field = useRef();

	useEffect(() => { field.current.focus(); document.title = 'Sign in - skep'; }, []);
	const submit = async (e) => {
		e.preventDefault();
		setBusy(true);
		setError(null);
		try {
			await signIn(token.trim());
			onDone();
		} catch (x) {
			setError(x.status === 401 ? { title: 'This token is not valid', message: 'It may have expired, or been revoked.' } : x);
			field.current.focus();
		}
		setBusy(false);
	};

	return html`<main class="signin"><form onSubmit=${submit}><h1><img src="icon.svg" alt="" width="36" height="36" />skep</h1>
		<p class="dim">${why || 'Networks that span all hosts.'}</p>
		<label for="token">Token</label>
		<input id="token" ref=${field} type="password" class="mono" value=${token} required autocomplete="current-password" spellcheck=${false} placeholder="skep_…" onInput=${(e) => setToken(e.target.value)} />
		<${Fault} error=${error} />
		<button type="submit" class="primary" disabled=${busy || !token}>${busy ? 'Signing in…' : 'Sign in'}</button>
		<p class="dim small">An operator makes tokens: <code>skep token create</code>. The browser keeps a session, not the token.</p></form></main>`;
}

/* Search over everything, and the pages by name. */
function Palette({ tenant, me, onClose }) {
	const [text, setText] = useState('');
	const [at, setAt] = useState(0);
	const settled = useSettled(text, 150);
	const id = useId('palette');
	const { data, error, busy } = useLoad((signal) => (settled.trim() && tenant ? search(tenant, settled, signal) : Promise.resolve([])), ['palette', settled]);
	const t = text.trim().toLowerCase();
	const places = [...(tenant ? VIEWS.filter(([page]) => mayView(me, page)).map(([page, name]) => ({ href: link(['t', tenant, page]), name, sign: page })) : []),
		...(tenant ? PLURALS.map((p) => ({ href: link(['t', tenant, p]), name: KINDS[p].many, sign: p })) : []),
		...(me.role === 'operator' ? SHARED.map(([page, name]) => ({ href: link([page]), name, sign: page })) : [])].filter((p) => p.name.toLowerCase().includes(t));
	const found = (settled === text ? data || [] : []).map((o) => ({ href: objectLink(tenant, o.plural, o.name), name: o.name, sign: o.plural, note: o.note }));
	const all = t ? [...found, ...places.slice(0, 5)] : places;
	const pick = (o) => {
		onClose();
		go(o.href);
	};
	const key = (e) => {
		if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
			e.preventDefault();
			setAt((at + (e.key === 'ArrowDown' ? 1 : -1) + all.length) % Math.max(1, all.length));
		} else if (e.key === 'Enter' && all[at]) {
			e.preventDefault();
			pick(all[at]);
		}
	};

	useEffect(() => setAt(0), [settled, data]);
	useEffect(() => { document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: 'nearest' }); }, [at]);
	return html`<${Dialog} title="Search" onClose=${onClose}><div class="palette">
		<input type="search" role="combobox" aria-expanded="true" aria-controls=${id} aria-activedescendant=${all[at] ? `${id}-${at}` : undefined} aria-label="Name, address, MAC or id" placeholder="Name, address, MAC, id" value=${text} autofocus
			spellcheck=${false} autocomplete="off" onInput=${(e) => setText(e.target.value)} onKeyDown=${key} />
		<${Fault} error=${error} />
		<ul id=${id} role="listbox" aria-label="Found">${all.map((o, i) => html`<li id=${`${id}-${i}`} key=${o.href} role="option" aria-selected=${i === at} class=${i === at ? 'at' : ''} onClick=${() => pick(o)} onMouseMove=${() => setAt(i)}>
			<${Sign} of=${o.sign} /><span>${o.name}</span>${o.note && html`<small>${o.note}</small>`}</li>`)}</ul>
		${t && !busy && !error && settled === text && !found.length && html`<p class="dim" role="status">No object matches.</p>`}</div></${Dialog}>`;
}

const KEYS = [['/', 'search'], ['g then m', 'map'], ['g then t', 'path trace'], ['g then w', 'gateways'], ['g then p', 'policy matrix'], ['g then h', 'change history'], ['g then c', 'capacity'], ['g then k', 'tokens'], ['g then o', 'hosts'], ['g then s', 'health'],
	['g then b, r, n', 'bridges, routers, ports'], ['e', 'edit the object shown'], ['d', 'dark or light'], ['?', 'this help']];
const ON_MAP = [['arrows', 'to the next thing'], ['Enter', 'choose it'], ['Space', 'open or close a bridge'], ['+ − 0', 'zoom; show all'], ['Shift + arrows', 'move a device (or Shift and drag)'], ['Esc', 'choose nothing']];

/* WCAG 2.1.4: keys of one letter can be turned off, for who speaks to the machine or hits keys by accident. */
const letters = () => localStorage.getItem('skep-letters') !== 'off';

function Letters() {
	const [on, set] = useState(letters());

	return html`<p><label class="check"><input type="checkbox" checked=${on} onChange=${(e) => { localStorage.setItem('skep-letters', e.target.checked ? 'on' : 'off'); set(e.target.checked); }} /> Keys of one letter work everywhere</label></p>`;
}

const Help = ({ onClose }) => html`<${Dialog} title="Keys" onClose=${onClose} wide><${Letters} /><div class="columns even">${[['Everywhere', KEYS], ['On the map', ON_MAP]].map(([name, keys]) => html`<div><h3>${name}</h3>
	<dl class="keys">${keys.map(([k, what]) => html`<dt><kbd>${k}</kbd></dt><dd>${what}</dd>`)}</dl></div>`)}</div></${Dialog}>`;

function toggleTheme() {
	const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
	const theme = dark ? 'light' : 'dark';

	document.documentElement.dataset.theme = theme;
	localStorage.setItem('skep-theme', theme);
	dispatchEvent(new Event('skep-theme'));
}

function Live() {
	const state = useLiveState();
	const words = { live: ['live', 'Changes are shown as they happen'], connecting: ['connecting', 'Not connected yet'], stale: ['stale', 'Nothing has been heard from the server; what is shown may be old'],
		denied: ['not yours', 'One may not see this tenant'], gone: ['gone', 'There is no such tenant'] }[state];

	return html`<span class=${`line ${state}`} role="status" title=${words[1]}><i aria-hidden="true"></i>${words[0]}</span>`;
}

/* In words, and for all to see: what is below is not what is. */
const StaleBar = () => (useLiveState() === 'stale' ? html`<p class="stale-bar" role="status"><b>Not connected since ${new Date(heardAt()).toLocaleTimeString()}.</b> What is shown is from before, and may have changed. It is read anew as soon as the server answers.</p>` : null);

/* A tenant that is not there, or is another's, which is the same to who asks: instead of its pages. */
function TenantGuard({ tenant, me, children }) {
	const state = useLiveState();
	const other = me.tenant && me.tenant !== tenant;

	if (other || state === 'gone' || state === 'denied')
		return html`<section class="page"><${Empty} title=${`There is no tenant “${tenant}”`}><p>${other ? `Your token is for ${me.tenant}.` : `It was deleted, or was never made. ${me.role === 'operator' ? 'Should it be made again, it is shown here.' : ''}`}</p>
			${other && html`<p><a class="button" href=${link(['t', me.tenant, 'topology'])}>To ${me.tenant}</a></p>`}</${Empty}></section>`;
	return children;
}

const Denied = ({ title, me }) => html`<section class="page"><${Empty} title=${title}><p>Your token, ${me.name}, is a ${me.role}’s${me.read_only ? ' that may only look' : ''}. Operators make others.</p>
	<p><a class="button" href="#/">To the beginning</a></p></${Empty}></section>`;

/* How many there are of each kind, beside the links to them. */
function useCounts(tenant) {
	const [counts, set] = useState({});
	const look = () => tenant && get(tenantPath(tenant, 'quota')).then((q) => set(q.used?.objects || q.use?.objects || q.used || {}), () => set({}));

	useEffect(() => { set({}); look(); }, [tenant]);
	useChanges(() => look());
	return counts;
}

function Nav({ tenant, tenants, me, page, open }) {
	const counts = useCounts(tenant);
	const item = (href, sign, name, on, count) => html`<li><a href=${href} aria-current=${on ? 'page' : undefined}><${Sign} of=${sign} />${name}${count !== undefined && html`<span class="num">${short(count)}</span>`}</a></li>`;

	return html`<nav class=${`nav ${open ? 'open' : ''}`} aria-label="Pages"><a class="brand" href="#/"><img src="icon.svg" alt="" width="22" height="22" />skep</a>
		${tenants && tenants.length > 0 ? html`<label class="tenant"><span class="hidden">Tenant</span><select value=${tenant || ''} onChange=${(e) => go(link(['t', e.target.value, 'topology']))}>
			${!tenant && html`<option value="">choose a tenant</option>`}${tenants.map((t) => html`<option value=${t}>${t}</option>`)}</select></label>` : html`<p class="tenant">${tenant || ''}</p>`}
		${tenant && html`<ul>${VIEWS.filter(([p]) => mayView(me, p)).map(([p, name]) => item(link(['t', tenant, p]), p, name, page === p))}</ul>
			${GROUPS.map(([name, plurals]) => html`<h2>${name}</h2><ul>${plurals.map((p) => item(link(['t', tenant, p]), p, KINDS[p].many, page === p, counts[p]))}</ul>`)}`}
		${me.role === 'operator' && html`<h2>Platform</h2><ul>${SHARED.map(([p, name]) => item(link([p]), p, name, page === (p === 'tokens' ? 'all-tokens' : p)))}</ul>`}</nav>`;
}

/* Which page an address means: [loader's name, props, what the title says]. */
function resolve(route, me) {
	const [first, tenant, third, name] = route.segments;
	const { query } = route;

	const denied = (title) => ['denied', { title, me }, 'Not allowed'];

	const shared = SHARED.find(([p]) => p === first);
	if (shared && me.role !== 'operator')
		return denied(`${shared[1]} ${first === 'status' ? 'is' : 'are'} for operators`);
	if (first === 'tokens')
		return ['tokens', { me }, 'All tokens', 'all-tokens'];
	if (first === 'hosts')
		return tenant ? ['host', { name: tenant }, `Host ${tenant}`, 'hosts'] : ['hosts', {}, 'Hosts', 'hosts'];
	if (first === 'tenants')
		return ['tenants', {}, 'Tenants', 'tenants'];
	if (first === 'status')
		return ['status', {}, 'Health', 'status'];
	if (first === 't' && tenant) {
		const props = { tenant, me, query };
		const view = VIEWS.find(([p]) => p === (third || 'topology'));
		if (view && view[0] === 'tokens' && me.role === 'tenant-reader')
			return denied('Tokens are for those who may change the tenant');
		if (view)
			return [view[0], props, view[1], view[0]];
		if (KINDS[third] && !me.writes && (query.has('edit') || query.has('new')))
			return denied('You may look, not change');
		if (KINDS[third] && name)
			return ['object', { ...props, plural: third, name }, `${KINDS[third].one} ${name}`, third];
		if (KINDS[third])
			return query.has('new') ? ['new', { ...props, plural: third }, `New ${KINDS[third].one.toLowerCase()}`, third] : ['list', { ...props, plural: third }, KINDS[third].many, third];
	}
	return [null, {}, 'Not found'];
}

function Page({ kind, props }) {
	const [Loaded, set] = useState({ denied: Denied });

	useEffect(() => {
		if (kind && !Loaded[kind])
			pages[kind]().then((component) => set((l) => ({ ...l, [kind]: component })), (error) => set((l) => ({ ...l, [kind]: () => html`<section class="page"><${Fault} error=${error} /></section>` })));
	}, [kind]);
	if (!kind)
		return html`<section class="page"><${Empty} title="There is no such page"><p>The address may be mistyped.</p><p><a class="button" href="#/">To the beginning</a></p></${Empty}></section>`;
	const C = Loaded[kind];
	return C ? html`<${C} ...${props} />` : html`<section class="page"><${Busy} /></section>`;
}

const BY_VISIT = new Set(['trace', 'policy', 'list']); // that take what is asked from the address when they begin

const typing = (el) => el?.closest?.('input, textarea, select, dialog, [contenteditable]');

function Shell({ me }) {
	const route = useRoute();
	const all = useTenants(me.role === 'operator' && !me.tenant);
	const tenants = all.names;
	const [dialog, setDialog] = useState(null);
	const [nav, setNav] = useState(false);
	const [, tenantInPath] = route.segments;
	const [kind, props, title, page] = resolve(route, me);
	const last = useRef(me.tenant || null); // pages that are of no tenant keep the one that one comes from
	if (tenants && !tenants.includes(last.current))
		last.current = null; // it was deleted
	const mine = !me.tenant || tenantInPath === me.tenant; // who is of one tenant has its menu, whatever the address says
	const tenant = last.current = route.segments[0] === 't' && mine ? tenantInPath : last.current;
	const main = useRef();
	const first = useRef(true);
	const where = route.segments.join('/');
	const prefix = useRef(0);

	useEffect(() => {
		if (!route.segments.length) {
			if (me.tenant)
				go(link(['t', me.tenant, 'topology']), true);
			else if (tenants)
				go(tenants.length ? link(['t', tenants[0], 'topology']) : link(['tenants']), true);
		}
	}, [where, tenants]);
	useEffect(() => { followTenant(tenant); }, [tenant, me]);
	useEffect(() => {
		document.title = `${title}${tenant ? ` - ${tenant}` : ''} - skep`;
		setNav(false);
		if (!first.current)
			main.current?.focus({ preventScroll: true });
		first.current = false;
	}, [where]);
	useEffect(() => {
		const key = (e) => {
			if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || !letters())
				return;
			const to = Date.now() - prefix.current < 1500 && tenant !== undefined && { m: 'topology', t: 'trace', w: 'gateways', p: 'policy', h: 'history', c: 'capacity', k: 'tokens', b: 'bridges', r: 'routers', n: 'ports', o: 'hosts', s: 'status' }[e.key];
			prefix.current = 0;
			if (to && (to === 'hosts' || to === 'status') && me.role === 'operator')
				go(link([to]));
			else if (to && tenant && to !== 'hosts' && to !== 'status' && mayView(me, to))
				go(link(['t', tenant, to]));
			else if (e.key === 'g')
				prefix.current = Date.now();
			else if (e.key === '/')
				setDialog('search');
			else if (e.key === '?')
				setDialog('help');
			else if (e.key === 'd')
				toggleTheme();
			else if (e.key === 'e' && kind === 'object' && !props.query.has('edit') && mayWrite(me, props.plural))
				go(link(route.segments, { edit: '1' }));
			else
				return;
			e.preventDefault();
		};
		addEventListener('keydown', key);
		return () => removeEventListener('keydown', key);
	});

	const shown = html`<${Page} kind=${kind} props=${kind === 'tenants' ? { tenants: all } : props} key=${`${kind} ${props.tenant} ${props.plural} ${BY_VISIT.has(kind) ? route.visit : ''}`} />`;

	return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); main.current.focus(); }}>To the content</a>
		<${Nav} tenant=${tenant} tenants=${tenants} me=${me} page=${page} open=${nav} />
		<header class="top"><button type="button" class="menu icon" aria-label="Menu" aria-expanded=${nav} onClick=${() => setNav(!nav)}>☰</button>
			<button type="button" class="search-button" onClick=${() => setDialog('search')}><span>Search</span><kbd>/</kbd></button><span class="grow"></span>
			${tenant && html`<${Live} />`}
			<button type="button" class="quiet" aria-label="Dark or light" title="Dark or light (d)" onClick=${toggleTheme}>◐</button>
			<button type="button" class="quiet" aria-label="Keys" title="Keys (?)" onClick=${() => setDialog('help')}>?</button>
			<span class="who" title=${me.tenant ? `of ${me.tenant}` : 'of all tenants'}>${me.name} <span class="dim">${me.role}</span></span>
			<button type="button" class="quiet" onClick=${signOut}>Sign out</button></header>
		<main id="main" ref=${main} tabindex="-1">${tenant && html`<${StaleBar} />`}<${Guard} at=${location.hash}>${!route.segments.length ? html`<${Busy} />` : route.segments[0] === 't' ? html`<${TenantGuard} tenant=${tenantInPath} me=${me}>${shown}</${TenantGuard}>` : shown}</${Guard}></main>
		${dialog === 'search' && html`<${Palette} tenant=${tenant} me=${me} onClose=${() => setDialog(null)} />`}
		${dialog === 'help' && html`<${Help} onClose=${() => setDialog(null)} />`}`;
}

function App() {
	const [me, setMe] = useState(undefined); // undefined: not known yet; null: signed out
	const [error, setError] = useState(null);
	const [why, setWhy] = useState('');
	const look = () => {
		setError(null);
		session().then((m) => { setMe({ ...m, writes: m.role !== 'tenant-reader' && !m.read_only }); performance.mark('skep-ready'); }, (e) => (e.status === 401 ? setMe(null) : setError(e)));
	};

	useEffect(() => {
		look();
		whenOther(() => {
			followTenant(null); // a stream is of who has begun it
			look();
		});
		whenSignedOut(() => {
			followTenant(null);
			setMe((old) => {
				if (old)
					setWhy('You were signed out.');
				return null;
			});
		});
	}, []);
	if (error)
		return html`<main class="signin"><${Fault} error=${error} onRetry=${look} /></main>`;
	if (me === undefined)
		return html`<div class="boot"><span class="word">skep</span></div>`;
	return me ? html`<div class="shell"><${Shell} me=${me} key=${identity(me)} /></div>` : html`<${SignIn} why=${why} onDone=${look} />`;
}

const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App} />`, root);
