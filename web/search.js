// SPDX-License-Identifier: Apache-2.0
// Search by name, address, MAC or id, over the kinds that have such.  The server looks; each kind is one small request.
import { list } from './api.js';
import { KINDS, PLURALS } from './kinds.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const MACISH = /^([0-9a-f]{1,2}:){2,5}[0-9a-f]{0,2}$/i;
const IPISH = /^(\d{1,3}\.){1,3}\d{0,3}(\/\d*)?$|^[0-9a-f:]*::?[0-9a-f:.]*(\/\d*)?$/i;

const BY_ADDRESS = [['ports', 'addresses'], ['floating_ips', 'address'], ['vips', 'address'], ['members', 'address'], ['subnets', 'prefix'], ['subnets', 'gateway'], ['routes', 'dst'],
	['routes', 'gateway'], ['nats', 'to']];
const BY_MAC = [['ports', 'mac']];

const note = (plural, o) => [o.bridge || o.router, ...(o.addresses || []), o.address, o.prefix, o.dst, o.mac].filter(Boolean).slice(0, 3).join('  ');

/* [{plural, name, note, object}], at most 'max'; 'plurals': only these. */
export async function search(tenant, text, signal, { plurals = PLURALS, max = 30, each = 5 } = {}) {
	const t = text.trim();
	if (!t)
		return [];
	const asked = (UUID.test(t) ? plurals.map((p) => [p, 'id']) : [
		...(MACISH.test(t) ? BY_MAC : []), ...(IPISH.test(t) ? BY_ADDRESS : []), ...(IPISH.test(t) && t.includes(':') ? [] : plurals.map((p) => [p, 'name'])),
	]).filter(([p]) => plurals.includes(p)).map(([p, field]) => list(tenant, p, { filter: field === 'id' ? `id:${t.toLowerCase()}` : `${field}:*${t}*`, limit: each }, signal).then((page) => page.items.map((o) => [p, o])));
	const found = (await Promise.allSettled(asked));
	// of a search that was answered in part nobody can say that there is nothing
	const down = found.find((f) => f.status === 'rejected' && (f.reason.name === 'AbortError' || f.reason.name === 'Unreachable' || [401, 403, 429].includes(f.reason.status) || f.reason.status >= 500));
	if (down)
		throw down.reason;
	const seen = new Set();
	const lower = t.toLowerCase();
	const rank = ([, o]) => (o.name === t ? 0 : o.name?.toLowerCase().startsWith(lower) ? 1 : 2);
	return found.flatMap((f) => (f.status === 'fulfilled' ? f.value : []))
		.filter(([p, o]) => !seen.has(`${p}/${o.name}`) && seen.add(`${p}/${o.name}`))
		.map((x, i) => [x, i]).sort((a, b) => rank(a[0]) - rank(b[0]) || a[1] - b[1]).slice(0, max)
		.map(([[p, o]]) => ({ plural: p, name: o.name, value: o.name, label: o.name, note: `${KINDS[p].one}  ${note(p, o)}`, object: o }));
}
