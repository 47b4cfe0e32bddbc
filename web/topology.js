// SPDX-License-Identifier: Apache-2.0
// The map of a tenant, with what is chosen on it told beside it.
import { html } from './lib.js';
import { Map_ } from './map.js';
import { KINDS } from './kinds.js';
import { setQuery, objectLink, link } from './router.js';
import { servicesList } from './services.js';
import { Sign, Badge, number } from './ui.js';

/* Everything that is linked to what is chosen, as buttons: the map in words. */
function neighbours(id, graph, m) {
	const [kind, name] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)];
	const found = [];

	if (kind === 'hosts')
		return [...graph.bindings.values()].filter((b) => b.host === name).map((b) => `ports/${b.port || b.name}`);
	if (kind === 'ports') {
		const p = graph.ports.get(name);
		if (p)
			found.push(p.bridge ? `bridges/${p.bridge}` : `routers/${p.router}`);
		if (p?.peer)
			found.push(`ports/${p.peer}`);
		const b = graph.bindings.get(name);
		if (b)
			found.push(`hosts/${b.host}`);
		return found;
	}
	const d = m?.devices.get(id);
	for (const { device } of d?.near || [])
		found.push(device.id);
	for (const u of m?.uplinks || [])
		if (u.device === d)
			found.push(u.id);
	for (const p of (d?.ports || []))
		found.push(`ports/${p.name}`);
	return [...new Set(found)];
}

const STATES = { up: ['good', 'up'], lost: ['bad', 'no agent'], placed: ['plain', 'not up'] };

function Side({ tenant, id, graph, model, onSelect, toggle, me, stateOf }) {
	const [kind, name] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)];
	const o = { routers: graph.routers, bridges: graph.bridges, ports: graph.ports, hosts: graph.hosts }[kind]?.get(name);
	const near = o ? neighbours(id, graph, model) : [];
	const services = kind === 'routers' ? servicesList(graph.servicesOf?.get(name)) : [];
	const binding = kind === 'ports' && graph.bindings.get(name);
	const open = graph.opened.has(name);
	const [tone, word] = (kind === 'ports' && o && STATES[stateOf(o)]) || (kind === 'hosts' && o?.live === false ? ['bad', 'no agent'] : []);

	return html`<aside class="side" aria-label="What is chosen">
		<header><h2>${KINDS[kind] && html`<${Sign} of=${kind} />`}<span class="name">${name}</span></h2><button type="button" class="quiet icon" aria-label="Close" onClick=${() => onSelect(null)}>✕</button></header>
		<p class="dim">${kind === 'hosts' ? 'Host' : KINDS[kind].one}${o?.admin_up === false && html` <${Badge} tone="warn">disabled</${Badge}>`}${word && html` <${Badge} tone=${tone}>${word}</${Badge}>`}</p>
		${!o && html`<p>It is not there (any more).</p>`}
		${o && html`<dl class="facts">${o.addresses?.length > 0 && html`<dt>Addresses</dt><dd class="mono">${o.addresses.join(' ')}</dd>`}
			${o.mac && html`<dt>MAC</dt><dd class="mono">${o.mac}</dd>`}${o.vlan && html`<dt>VLAN</dt><dd class="num">${o.vlan}</dd>`}
			${binding && html`<dt>Interface</dt><dd class="mono">${binding.interface}</dd>`}
			${kind === 'hosts' && o.address && html`<dt>Address</dt><dd class="mono">${o.address}</dd>`}</dl>
		<div class="button-row">${kind !== 'hosts' ? html`<a class="button" href=${objectLink(tenant, kind, name)}>Open</a>` : me.role === 'operator' && html`<a class="button" href=${link(['hosts', name])}>Open</a>`}
			${kind === 'bridges' && html`<button type="button" aria-expanded=${open} onClick=${() => toggle(name)}>${open ? 'Hide its ports' : 'Show its ports'}</button>`}
			${kind === 'ports' && o.bridge && !o.peer && html`<a class="button" href=${link(['t', tenant, 'trace'], { from: name })}>Trace from here</a>`}</div>
		${services.length > 0 && html`<h3>Does to packets</h3><ul class="near">${services.slice(0, 40).map((x) => html`<li><a class="ref" href=${objectLink(tenant, x.plural, x.name)}><${Sign} of=${x.plural} />${x.name}</a> <small class="dim">${x.label}</small></li>`)}</ul>
			${services.length > 40 && html`<p class="dim">and ${number(services.length - 40)} more</p>`}`}
		<h3>Linked to</h3>
		${near.length ? html`<ul class="near">${near.slice(0, 60).map((n) => html`<li><button type="button" class="quiet" onClick=${() => onSelect(n)}>
			${KINDS[n.split('/')[0]] ? html`<${Sign} of=${n.split('/')[0]} />` : html`<${Sign} of="hosts" />`}${n.slice(n.indexOf('/') + 1)}</button></li>`)}</ul>
			${near.length > 60 && html`<p class="dim">and ${number(near.length - 60)} more</p>`}` : html`<p class="dim">Nothing.</p>`}`}</aside>`;
}

export function TopologyPage({ tenant, query, me }) {
	const selected = query.get('at');
	const select = (id) => setQuery({ at: id });
	const valid = selected && /^(ports|bridges|routers|hosts)\/.+/.test(selected) ? selected : null;

	return html`<section class="page fill topology" aria-labelledby="title"><h1 id="title" class="hidden">Network map of ${tenant}</h1>
		<${Map_} tenant=${tenant} selected=${valid} onSelect=${select}
			panel=${({ graph, model, toggle, stateOf }) => valid && html`<${Side} tenant=${tenant} me=${me} id=${valid} graph=${graph} model=${model} toggle=${toggle} stateOf=${stateOf} onSelect=${select} />`} /></section>`;
}
