// SPDX-License-Identifier: Apache-2.0
// Floating IPs, NAT rules and load balancers on the map: what a router does to packets besides routing, as a line in its box.
import { listUpTo } from './api.js';

const MOST = 2000; // of a kind

/* In the order in which they are told: [kind, fields, words of one, of many, what one is called by]. */
const KINDS = [
	['floating_ips', 'name,router,address', 'floating IP', 'floating IPs', (o) => `Floating IP ${o.address}`],
	['nats', 'name,router,type,to', 'NAT', 'NAT', (o) => `NAT ${o.type}${o.to ? ` to ${o.to}` : ''}`],
	['load_balancers', 'name,router', 'LB', 'LBs', (o) => `Load balancer ${o.name}`],
];
const TOLD = 3; // of a kind, under the pointer

/* {plural: {items: Map by name, total}} */
export async function loadServices(tenant, signal) {
	const all = await Promise.all(KINDS.map(([plural, fields]) => listUpTo(tenant, plural, { fields, sort: 'name' }, MOST, signal)));
	return Object.fromEntries(KINDS.map(([plural], i) => [plural, { items: new Map(all[i].items.map((o) => [o.name, o])), cut: all[i].total > all[i].items.length }]));
}

/* Of each router: {NAME: {plural: [objects]}} */
export function servicesBy(services) {
	const routers = new Map();

	for (const [plural] of KINDS)
		for (const o of services[plural].items.values()) {
			const of = routers.get(o.router) || Object.fromEntries(KINDS.map(([p]) => [p, []]));
			of[plural].push(o);
			routers.set(o.router, of);
		}
	return routers;
}

/* "2 floating IPs · 1 NAT · 1 LB"; with a + where not all were loaded. */
export const servicesLine = (services, of) => (of ? KINDS.filter(([p]) => of[p].length).map(([p, , one, many]) => `${of[p].length}${services[p].cut ? '+' : ''} ${of[p].length === 1 ? one : many}`).join(' · ') : '');

/* Lines for who points at the router. */
export const servicesTip = (of) => (of ? KINDS.flatMap(([p, , , many, say]) => [...of[p].slice(0, TOLD).map(say), ...(of[p].length > TOLD ? [`… and ${of[p].length - TOLD} more ${many}`] : [])]) : []);

/* [{plural, name, label}] for links. */
export const servicesList = (of) => (of ? KINDS.flatMap(([plural, , , , say]) => of[plural].map((o) => ({ plural, name: o.name, label: plural === 'load_balancers' ? '' : say(o) }))) : []);
