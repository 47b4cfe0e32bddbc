// SPDX-License-Identifier: Apache-2.0
// What is under the pointer on the map, in a few lines.  Who has no pointer has the same in what is told beside the map.
import { KINDS } from './kinds.js';
import { servicesTip } from './services.js';

const STATES = { up: 'up', lost: 'no agent', placed: 'bound, not up', loose: 'not bound', off: 'disabled' };

/* Lines of text; null: it is not there. */
export function tipOf(id, g, stateOf) {
	const kind = id.slice(0, id.indexOf('/')), name = id.slice(id.indexOf('/') + 1);
	const o = { ports: g.ports, bridges: g.bridges, routers: g.routers, hosts: g.hosts }[kind]?.get(name);
	if (!o)
		return null;
	const on = kind === 'ports' && g.bindings.get(name);
	return [name, kind === 'hosts' ? `Host${o.live === false ? ', not alive' : ''}` : kind === 'ports' ? (o.peer ? `Port, linked to ${o.peer}` : `Port, ${STATES[stateOf(o)]}${on ? ` on ${on.host}` : ''}`) : `${KINDS[kind].one}${o.admin_up === false ? ', disabled' : ''}`,
		...(o.addresses || []).slice(0, 4), o.mac, o.description?.slice(0, 120), ...(kind === 'routers' ? servicesTip(g.servicesOf?.get(name)) : [])].filter(Boolean);
}

/* Beside the pointer, and within the map; no lines: hides it. */
export function showTip(el, lines, at) {
	if (!el)
		return;
	el.hidden = !lines;
	if (!lines)
		return;
	el.replaceChildren(...lines.map((text, i) => Object.assign(document.createElement(i ? 'span' : 'b'), { textContent: text })));
	const room = el.parentElement;
	const x = Math.max(4, Math.min(at.x + 14, room.clientWidth - el.offsetWidth - 4)), y = at.y + 18 + el.offsetHeight > room.clientHeight ? at.y - el.offsetHeight - 10 : at.y + 18;
	el.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}
