// SPDX-License-Identifier: Apache-2.0
// The network as the map shows it: devices, how they are linked, and the ports of those bridges that are open.  A tenant may have forty
// thousand ports: what is not in sight is counted by the server, not loaded.
import { list, listUpTo } from './api.js';
import { loadServices } from './services.js';
import { pluralOf } from './kinds.js';

export const OPEN_ALL = 1000; // with more ports than this, bridges begin closed
const DEVICES_MAX = 5000, LINKS_MAX = 10000, PORTS_MAX = 10000, BINDINGS_MAX = 5000;
const PORT_FIELDS = 'name,bridge,router,peer,addresses,mac,admin_up,vlan';

const byName = (items) => new Map(items.map((o) => [o.name, o]));

/* {tenant, routers, bridges, ports: Map of those that are known, opened: Set, counts: Map, bindings: Map, hosts: Map, total, whole} */
export async function loadGraph(tenant, signal) {
	const one = await list(tenant, 'ports', { limit: 1, fields: 'name' }, signal);
	const whole = one.total <= OPEN_ALL;
	const fields = { fields: PORT_FIELDS };
	const [routers, bridges, ports, linked, bindings, services] = await Promise.all([
		listUpTo(tenant, 'routers', { fields: 'name,admin_up' }, DEVICES_MAX, signal),
		listUpTo(tenant, 'bridges', { fields: 'name,admin_up,vlan_aware' }, DEVICES_MAX, signal),
		// all ports, or else those of routers, and those that are linked: what the skeleton is made of
		whole ? listUpTo(tenant, 'ports', fields, OPEN_ALL, signal) : listUpTo(tenant, 'ports', { ...fields, filter: 'router:*' }, LINKS_MAX, signal),
		whole ? { items: [] } : listUpTo(tenant, 'ports', { ...fields, filter: 'peer:*' }, LINKS_MAX, signal),
		listUpTo(tenant, 'bindings', { fields: 'name,port,host,interface' }, BINDINGS_MAX, signal),
		loadServices(tenant, signal),
	]);
	const g = {
		tenant, total: one.total, whole, routers: byName(routers.items), bridges: byName(bridges.items), ports: byName([...ports.items, ...linked.items]), opened: new Set(), counts: new Map(),
		bindings: new Map(bindings.items.map((b) => [b.port || b.name, b])), hosts: new Map(), services,
		recount: false, miscounted: new Set(), // is the total, are counts of bridges to be asked for anew?
		cutBindings: bindings.total > bindings.items.length,
		cut: routers.total > routers.items.length || bridges.total > bridges.items.length,
	};

	if (whole) {
		for (const b of g.bridges.keys())
			g.opened.add(b);
	}
	for (const b of g.bindings.values())
		if (!g.hosts.has(b.host))
			g.hosts.set(b.host, { name: b.host });
	return g;
}

/* Loads the ports of a bridge. */
export async function openBridge(g, name, signal, each) {
	const { items, total } = await listUpTo(g.tenant, 'ports', { fields: PORT_FIELDS, filter: `bridge:${name}` }, PORTS_MAX, signal, each);

	for (const p of items)
		g.ports.set(p.name, p);
	g.counts.set(name, total);
	g.opened.add(name);
}

/* How many ports a closed bridge has. */
export async function countPorts(g, name, signal) {
	if (!g.counts.has(name) || g.miscounted.delete(name)) {
		const { total } = await list(g.tenant, 'ports', { filter: `bridge:${name}`, limit: 1, fields: 'name' }, signal);
		g.counts.set(name, total);
	}
	return g.counts.get(name);
}

export async function countAll(g, signal) {
	g.recount = false;
	g.total = (await list(g.tenant, 'ports', { limit: 1, fields: 'name' }, signal)).total;
}

/* A port has come, changed or gone: of those that are not loaded nobody knows where they were. */
function miscount(g, old, object) {
	if (!g.whole && !old) {
		g.recount = true;
		for (const b of g.counts.keys())
			g.miscounted.add(b);
	}
	for (const b of [old?.bridge, object?.bridge])
		if (b && g.counts.has(b) && old?.bridge !== object?.bridge)
			g.miscounted.add(b);
	if (g.whole || old)
		g.total += !!object - !!old;
}

/* A port that is to be seen although its bridge is closed: selected, found, or on a path.  False: there is none. */
export async function pinPort(g, name, signal) {
	if (!g.ports.has(name)) {
		const { items } = await list(g.tenant, 'ports', { fields: PORT_FIELDS, filter: `name:${name}`, limit: 1 }, signal);
		if (!items.length)
			return false;
		g.ports.set(name, items[0]);
	}
	if (!g.whole && !g.bindings.has(name)) {
		const { items: [b] } = await list(g.tenant, 'bindings', { filter: `port:${name}`, limit: 1 }, signal);
		if (b) {
			g.bindings.set(name, b);
			if (!g.hosts.has(b.host))
				g.hosts.set(b.host, { name: b.host });
		}
	}
	return true;
}

/* Applies changes that the server told of.  False: too much at once, look anew. */
export function applyChanges(g, batch) {
	if (batch.reset || batch.events.length > 2000)
		return false;
	for (const { type, kind, name, object } of batch.events) {
		const map = { router: g.routers, bridge: g.bridges, bind: g.bindings, port: g.ports }[kind] || g.services[pluralOf(kind)]?.items;
		if (!map)
			continue;
		if (type === 'delete') {
			if (kind === 'port')
				miscount(g, map.get(name), null);
			map.delete(name);
			if (kind === 'bridge')
				g.opened.delete(name);
		} else {
			if (!object)
				return false;
			const fresh = !map.has(name);
			if (kind === 'bridge' && fresh && g.whole)
				g.opened.add(name);
			if (kind === 'port') {
				miscount(g, map.get(name), object);
				if (!g.whole && !object.router && !object.peer && !g.opened.has(object.bridge) && fresh)
					continue;
			}
			map.set(name, object);
			if (kind === 'bind' && !g.hosts.has(object.host))
				g.hosts.set(object.host, { name: object.host });
		}
	}
	return true;
}
