// SPDX-License-Identifier: Apache-2.0
// Who may talk to whom, and why: a cell for each pair of ports.  Of forty thousand cells only those in sight are in the document.
import { html, useState, useEffect, useRef, useSize, useLoad, announce } from './lib.js';
import { post, list, tenantPath } from './api.js';
import { setQuery, link, objectLink } from './router.js';
import { useChanges } from './live.js';
import { Combo, Fault, Busy, Empty, Badge, number } from './ui.js';
import { filters } from './listpage.js';

const CELL = 26, HEAD = 132, MOST = 200;
const SIGN = { allow: '●', deny: '×', away: '–', unknown: '?', self: '' };
const WORD = { allow: 'allowed', deny: 'not allowed', away: 'not running', unknown: 'not known', self: 'the same port' };
const TONE = { allow: 'good', deny: 'bad', away: 'plain', unknown: 'warn' };
// 'down': dropped not because of a rule, but because the machine is nowhere; a word that is new here is shown as what is not known
const verdictOf = (cell) => (cell.verdict === 'down' ? 'away' : WORD[cell.verdict] ? cell.verdict : 'unknown');

/* "rule 'no-telnet' of chain 'fw'" -> where to look. */
export function ruleLink(tenant, text) {
	const m = /(chain|security group|security_group|route|port|router|bridge) '([^']+)'\)?$/.exec(text || '');
	const plural = m && { chain: 'chains', 'security group': 'security_groups', security_group: 'security_groups', port: 'ports', router: 'routers', bridge: 'bridges' }[m[1]];
	return plural ? objectLink(tenant, plural, m[2]) : null;
}

/* "rule 'web' of chain 'fw'": what is no rule has not decided, it is where the packet ended. */
const ruleOf = (cell) => (/^rule /.test(cell.rule || '') ? cell.rule : null);
const NOTHING = new Set(['policy', 'security_group', undefined]); // reasons: for want of a rule

/* Why a pair may not talk, although no rule forbids it, and what would let it: as reachability says it. */
function Nothing({ tenant, cell, from, to, proto }) {
	const { data } = useLoad((signal) => post(tenantPath(tenant, 'reachability'), { from, to, proto }, { signal }), [`${tenant} ${from} ${to} ${proto}`]);
	const at = cell.at || cell.rule;

	return html`<p><b>${NOTHING.has(cell.reason) ? 'Nothing allows it' : 'It gets no further'}</b>${at && html` at ${ruleLink(tenant, at) ? html`<a href=${ruleLink(tenant, at)}>${at}</a>` : at}`}</p>
		<p>${(data?.reachable === false && data.text ? data.text : cell.text || '').replace(/^no: /, '')}</p>`;
}

function Grid({ matrix, at, onAt }) {
	const box = useRef();
	const size = useSize(box);
	const [scroll, setScroll] = useState({ x: 0, y: 0 });
	const n = matrix.ports.length;
	const r0 = Math.max(0, Math.floor(scroll.y / CELL) - 4), r1 = Math.min(n, Math.ceil((scroll.y + size.height) / CELL) + 4);
	const c0 = Math.max(0, Math.floor(scroll.x / CELL) - 4), c1 = Math.min(n, Math.ceil((scroll.x + size.width) / CELL) + 4);
	const range = (a, b) => Array.from({ length: Math.max(0, b - a) }, (x, i) => a + i);
	const say = (r, c) => `${matrix.ports[r]} to ${matrix.ports[c]}: ${WORD[verdictOf(matrix.cells[r][c])]}`;
	const go = (r, c) => {
		r = Math.max(0, Math.min(n - 1, r));
		c = Math.max(0, Math.min(n - 1, c));
		onAt([r, c]);
		announce(say(r, c));
		const el = box.current;
		el.scrollTop = Math.max(Math.min(el.scrollTop, r * CELL), (r + 1) * CELL + HEAD - el.clientHeight);
		el.scrollLeft = Math.max(Math.min(el.scrollLeft, c * CELL), (c + 1) * CELL + HEAD - el.clientWidth);
		requestAnimationFrame(() => box.current?.querySelector(`[data-cell="${r},${c}"]`)?.focus());
	};
	const key = (e) => {
		const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0] }[e.key];
		if (step) {
			e.preventDefault();
			go(at[0] + step[0], at[1] + step[1]);
		} else if (e.key === 'Home' || e.key === 'End') {
			e.preventDefault();
			go(at[0], e.key === 'Home' ? 0 : n - 1);
		}
	};

	return html`<div class="matrix" ref=${box} role="grid" aria-label="Who may talk to whom" aria-rowcount=${n + 1} aria-colcount=${n + 1}
		onScroll=${(e) => setScroll({ x: e.target.scrollLeft, y: e.target.scrollTop })} onKeyDown=${key}>
		<div class="matrix-room" style=${{ width: `${HEAD + n * CELL}px`, height: `${HEAD + n * CELL}px` }} role="presentation">
		<div class="matrix-top" role="row" aria-rowindex="1"><span class="matrix-corner" role="columnheader" aria-colindex="1">from ↓ to →</span>${range(c0, c1).map((c) => html`<span key=${c} role="columnheader" aria-colindex=${c + 2} class=${c === at[1] ? 'on' : ''}
			style=${{ left: `${HEAD + c * CELL}px` }}><span>${matrix.ports[c]}</span></span>`)}</div>
		${range(r0, r1).map((r) => html`<div class="matrix-row" role="row" key=${r} aria-rowindex=${r + 2} style=${{ top: `${HEAD + r * CELL}px` }}>
			<span role="rowheader" aria-colindex="1" class=${r === at[0] ? 'on' : ''}>${matrix.ports[r]}</span>
			${range(c0, c1).map((c) => {
				const v = verdictOf(matrix.cells[r][c]);
				const on = r === at[0] && c === at[1];
				return html`<span role="gridcell" key=${c} aria-colindex=${c + 2} data-cell=${`${r},${c}`} class=${`cell ${v}${on ? ' on' : ''}`} tabindex=${on ? 0 : -1} aria-selected=${on}
					aria-label=${say(r, c)} title=${say(r, c)} style=${{ left: `${HEAD + c * CELL}px` }} onClick=${() => go(r, c)}>${SIGN[v]}</span>`;
			})}</div>`)}</div></div>`;
}

/* Exterior ports of bridges that a filter finds: those are whom the matrix is about. */
async function portsOf(tenant, text, signal) {
	const items = [];
	let cursor, total = 0;
	do {
		const page = await list(tenant, 'ports', { filter: filters(text), fields: 'name,bridge,router,peer', limit: 1000, cursor }, signal);
		items.push(...page.items.filter((p) => p.bridge && !p.peer));
		total = page.total;
		cursor = page.next;
	} while (cursor && items.length <= MOST);
	return { names: items.slice(0, MOST).map((p) => p.name), more: items.length > MOST || !!cursor, total };
}

export function PolicyPage({ tenant, query }) {
	const [text, setText] = useState(query.get('q') || '');
	const [proto, setProto] = useState(query.get('proto') || 'tcp/443');
	const [state, set] = useState({ busy: true });
	const [at, setAt] = useState([0, 1]);
	const [changed, setChanged] = useState(false);
	const abort = useRef(new AbortController());

	const run = async () => {
		abort.current.abort();
		const mine = abort.current = new AbortController();
		set({ busy: true });
		setChanged(false);
		setQuery({ q: text, proto });
		try {
			const { names, more } = await portsOf(tenant, text, mine.signal);
			const matrix = names.length ? await post(tenantPath(tenant, 'policy_matrix'), { ports: names, proto }, { signal: mine.signal }) : { ports: [], cells: [] };
			const cells = matrix.cells.flat();
			set({ matrix, asked: proto, more, allowed: cells.filter((c) => c.verdict === 'allow').length, pairs: cells.filter((c) => c.verdict !== 'self').length });
			setAt(names.length > 1 ? [0, 1] : [0, 0]);
		} catch (error) {
			if (error.name !== 'AbortError')
				set({ error });
		}
	};

	useEffect(() => {
		run();
		return () => abort.current.abort();
	}, [tenant]);
	useChanges((b) => state.matrix && (b.reset || b.kinds.size) && setChanged(true));
	const m = state.matrix;
	const cell = m?.cells[at[0]]?.[at[1]];
	const from = m?.ports[at[0]], to = m?.ports[at[1]];

	return html`<section class="page fill policy" aria-labelledby="title">
		<header class="page-head"><h1 id="title">Policy matrix</h1><span class="dim">Who may talk to whom, both ways there and back.</span></header>
		<form class="inline" onSubmit=${(e) => { e.preventDefault(); run(); }}>
			<label>Service<${Combo} value=${proto} onInput=${setProto} required
				find=${async (t) => ['tcp/22', 'tcp/80', 'tcp/443', 'tcp/5432', 'udp/53', 'icmp'].filter((v) => !t || v.startsWith(t)).map((value) => ({ value }))} /></label>
			<label>Ports<input type="search" value=${text} placeholder="all, or: part of a name, bridge:web, security_groups:db" onInput=${(e) => setText(e.target.value)} /></label>
			<button type="submit" class="primary" disabled=${state.busy}>Show</button>
			${m && html`<span class="dim" role="status">${number(m.ports.length)} ports, <b class="num">${number(state.allowed)}</b> of ${number(state.pairs)} pairs may talk${state.more ? html`; <b>only the first ${MOST} ports are shown</b>, narrow it down` : ''}</span>`}</form>
		${changed && m && html`<p class="warn-text" role="status">The network has changed since. <button type="button" class="small" onClick=${run}>Show again</button></p>`}
		<${Fault} error=${state.error} onRetry=${run} />
		${state.busy && html`<${Busy} label="Asking for each pair" />`}
		${m && !m.ports.length && html`<${Empty} title="No machine’s ports here"><p>The matrix is about ports of bridges that machines are behind. ${text ? 'The filter finds none.' : 'This network has none yet.'}</p></${Empty}>`}
		${m && m.ports.length > 0 && html`<div class="policy-split"><${Grid} matrix=${m} at=${at} onAt=${setAt} />
			<aside class="side" aria-label="This pair">${cell && (cell.verdict === 'self' ? html`<p class="dim">${from} is the same port.</p>` : html`
				<h2><a href=${objectLink(tenant, 'ports', from)}>${from}</a> <span aria-label="to">→</span> <a href=${objectLink(tenant, 'ports', to)}>${to}</a></h2>
				<p><${Badge} tone=${TONE[verdictOf(cell)]}>${WORD[verdictOf(cell)]}</${Badge}> <span class="mono">${state.asked}</span></p>
				${ruleOf(cell) && html`<p><b>Decided by</b> ${ruleLink(tenant, cell.rule) ? html`<a href=${ruleLink(tenant, cell.rule)}>${cell.rule}</a>` : cell.rule}</p>`}
				${cell.at && cell.verdict !== 'deny' && html`<p><b>Ends at</b> ${ruleLink(tenant, cell.at) ? html`<a href=${ruleLink(tenant, cell.at)}>${cell.at}</a>` : cell.at}</p>`}
				${cell.verdict === 'deny' && !ruleOf(cell) ? html`<${Nothing} tenant=${tenant} cell=${cell} from=${from} to=${to} proto=${state.asked} />` : cell.text && html`<p>${cell.text}</p>`}
				<p class="button-row"><a class="button" href=${link(['t', tenant, 'trace'], { from, to, proto: state.asked })}>See the path</a>
				<button type="button" onClick=${() => setAt([at[1], at[0]])}>The other way</button></p>`)}
				<p class="legend">${['allow', 'deny', 'away', 'unknown'].map((v) => html`<span><span class=${`cell ${v}`} aria-hidden="true">${SIGN[v]}</span> ${WORD[v]}</span>`)}</p></aside></div>`}</section>`;
}
