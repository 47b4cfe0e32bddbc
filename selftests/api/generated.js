// SPDX-License-Identifier: Apache-2.0
// Requests made from the document's schemas, in the manner of schemathesis: bodies that are right, and each field wrong in each way that its schema
// forbids.  What is wrong is refused by a problem that names the field, nothing of it happens, and the server never fails.
// Needs the tenant $TENANT, and fills it.  SEED repeats a run.
'use strict';
const { call, test, finish, Document } = require('./lib.js');
const tenant = process.env.TENANT, base = `/api/v1/tenants/${tenant}`;

// --- random numbers, the same for the same seed ---

let state = BigInt(process.env.SEED || 1) * 0x9e3779b97f4a7c15n | 1n;
function below(n) {
	state ^= state >> 12n; state = (state ^ (state << 25n)) & 0xffffffffffffffffn; state ^= state >> 27n;
	return Number(((state * 0x2545f4914f6cdd1dn) >> 33n) & 0x7fffffffn) % n;
}
const pick = (list) => list[below(list.length)];

// --- right values ---

const samples = {
	name: ['a', 'n-1', 'A.b_c', 'x'.repeat(63)], uuid: ['0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'], interface: ['tap9', 'veth0.1', 'eth-ü'],
	mac: ['02:00:00:00:0a:01', '02:AA:bb:00:00:02'], mac_mask: ['02:00:00:00:00:00/ff:00:00:00:00:00', '02:00:00:00:00:09'],
	ip: ['10.0.1.77', 'fd00:1::77'], address: ['10.0.1.78', 'fd00:1::78'], prefix: ['10.9.0.0/16', 'fd09::/64', '10.0.1.7', '0.0.0.0/0'],
	ip_range: ['203.0.113.5', '203.0.113.5-203.0.113.9'], proto: ['tcp', 'udp', 'icmp', 47, '6'], ethertype: ['ipv4', 'ipv6', 'arp', 0x88cc, '0x9000'],
	l4_ports: [0, 65535, '80', '80-90'], rate: [1000, '10Mbit', '500kbit', '1Gbit'], bytes: [1514, '64kB', '1MB'],
	vlans: ['all', [10, '20-29']], tcp_flags: ['syn', 'syn,!ack'], device: ['bridge/web', 'router/gw'], hex: ['0a0B', '00'], revision: [0],
};
function right(doc, schema, names) {
	const kind = schema['x-skep-kind'], name = schema.$ref && schema.$ref.split('/').pop();

	if (kind && names[kind]) return pick(names[kind]);
	if (name && samples[name]) return pick(samples[name]);
	const s = doc.resolve(schema);
	if (s.anyOf) return right(doc, pick(s.anyOf), names);
	if ('const' in s) return s.const;
	if (s.enum) return pick(s.enum);
	switch (Array.isArray(s.type) ? s.type[0] : s.type) {
	case 'boolean': return below(2) === 1;
	case 'integer': return pick([s.minimum || 0, s.maximum === undefined ? 7 : s.maximum, (s.minimum || 0) + below(Math.min(1000, (s.maximum || 1000) - (s.minimum || 0) + 1))]);
	case 'string': return pick(['text', 'ä€😀 <b>&"\'', '', 'x'.repeat(Math.min(s.maxLength || 10, 1000))]);
	case 'array': {
		const all = [];
		for (let i = below(Math.min(s.maxItems || 3, 3) + 1); i > 0; i--) {
			const v = right(doc, s.items, names);
			if (!s.uniqueItems || !all.includes(v)) all.push(v);
		}
		return all;
	}
	case 'object': return rightObject(doc, s, names, 0.3);
	}
	return null;
}
function rightObject(doc, s, names, chance) {
	const o = {};

	for (const [key, sub] of Object.entries(s.properties))
		if ((s.required || []).includes(key) || below(100) < chance * 100) o[key] = right(doc, sub, names);
	return o;
}

// --- wrong values ---

const deep = (n) => { let v = 1; for (let i = 0; i < n; i++) v = [v]; return v; };
const words = ['', ' ', 'no such thing!', '../../etc/passwd', '<script>alert(1)</script>', '\u0007', '%00', 'null', '-1', "' OR 1=1", '\u202e', 'ÿ'.repeat(40), 'x'.repeat(64),
	'x'.repeat(1001), 'x'.repeat(70000), '999.1.1.1', '10.0.0.0/33', '10.0.0.1/8', '02:00:00:00:00', '99999', '90-80', '1'.repeat(400)];
const others = [true, 0, -1, 1.5, 1e300, 2 ** 40, [], {}, [null], [[]], { a: 1 }, deep(10), ['x', 'x']];

// Values that the schema forbids; the server may forbid more, never less.
function wrongValues(doc, schema, s) {
	const bad = [...words, ...others];

	if (s.type === 'integer') bad.push(s.minimum - 1, s.maximum + 1, '1', `${s.minimum}`);
	if (s.enum) bad.push(...s.enum.map((w) => w.toUpperCase()), `${s.enum[0]} `);
	if (s.type === 'array') bad.push({ 0: 1 }, 'x', [{}], [1, 2, 3], new Array(Math.min(s.maxItems || 256, 20000) + 1).fill('a').map((_, i) => `a${i}`));
	return bad.filter((v) => v !== undefined && !Number.isNaN(v) && doc.wrong(schema, v));
}
// [path, value, fields] for each field of an object, also within its lists; one of 'fields' is what the problem is to name.
function* wrongs(doc, s, value, path = []) {
	for (const [key, sub] of Object.entries(s.properties)) {
		const r = doc.resolve(sub), here = [...path, key];

		if (r.readOnly) continue; // not looked at

		// of a list of objects, what is wrong may be told of a field of one
		const inner = r.type === 'array' ? doc.resolve(r.items.anyOf ? r.items.anyOf[0] : r.items).properties : undefined;
		for (const v of wrongValues(doc, sub, r)) yield [here, v, inner && Array.isArray(v) ? [key, ...Object.keys(inner), ...v.filter((x) => x && typeof x === 'object').flatMap(Object.keys)] : [key]];
		if (r.type === 'array' && value && Array.isArray(value[key]) && value[key].length) {
			const item = doc.resolve(r.items.anyOf ? r.items.anyOf[0] : r.items), at = value[key].findIndex((x) => x && typeof x === 'object');
			if (item.properties && at >= 0) yield* wrongs(doc, item, value[key][at], [...here, at]);
			else for (const v of wrongValues(doc, r.items, item)) yield [[...here, 0], v, [key]];
		}
	}
}
function put(value, path, v) {
	const copy = JSON.parse(JSON.stringify(value));
	let at = copy;

	for (const key of path.slice(0, -1)) at = at[key];
	if (v === undefined) delete at[path[path.length - 1]];
	else at[path[path.length - 1]] = v;
	return copy;
}

// --- the tests ---

const show = (path, v) => `${path.join('.')} = ${String(JSON.stringify(v)).slice(0, 60)}`;
let requests = 0;
async function send(method, path, body, headers) { requests++; return call(method, path, body, headers); }
async function network() {
	const r = await send('GET', `${base}/topology`, undefined, { Accept: 'application/json' });
	return r.text;
}
async function unchanged(before, text) {
	const now = await network();
	test(text, now === before ? [] : [`before: ${before.slice(0, 300)}`, `now: ${now.slice(0, 300)}`]);
}

async function wrongFields(doc, kind, plural, example, key) {
	const s = doc.schema(kind), one = `/api/v1/tenants/{tenant}/${plural}/{name}`, many = `/api/v1/tenants/{tenant}/${plural}`;
	const at = `${base}/${plural}/${encodeURIComponent(example[key])}`, bad = { put: [], patch: [], post: [] };
	let n = 0;

	for (const [path, v, field] of wrongs(doc, s, example)) {
		let why = doc.refusalWrong(doc.op('PUT', one), await send('PUT', at, put(example, path, v)), field);
		if (why) bad.put.push(`${show(path, v)}: ${why}`);
		n++;
		if (path.length > 1) continue;
		why = doc.refusalWrong(doc.op('PATCH', one), await send('PATCH', at, { [path[0]]: v }), v && typeof v === 'object' && !Array.isArray(v) ? undefined : field);
		if (why) bad.patch.push(`${show(path, v)}: ${why}`);
		if (path[0] === key) continue;
		why = doc.refusalWrong(doc.op('POST', many), await send('POST', `${base}/${plural}`, put(put(example, [key], 'new'), path, v)), field);
		if (why) bad.post.push(`${show(path, v)}: ${why}`);
	}
	test(`${kind}: PUT refuses ${n} wrong values, and names the field`, bad.put);
	test(`${kind}: PATCH, too`, bad.patch);
	test(`${kind}: POST, too`, bad.post);
}

async function wrongShapes(doc, kind, plural, example, key) {
	const s = doc.schema(kind), op = doc.op('PUT', `/api/v1/tenants/{tenant}/${plural}/{name}`), at = `${base}/${plural}/${example[key]}`, bad = [];
	const sure = async (text, body, field, headers) => {
		const why = doc.refusalWrong(op, await send('PUT', at, body, headers), field);
		if (why) bad.push(`${text}: ${why}`);
	};
	const text = JSON.stringify(example);

	for (const f of s.required || []) if (f !== key) await sure(`without ${f}`, put(example, [f], undefined), f);
	await sure('an unknown field', { ...example, nosuch: 1 }, 'nosuch');
	await sure('an unknown field with an odd name', { ...example, 'a\u0000"<b>': 1 });
	for (const v of ['null', 'true', '1', '"x"', '[]', '[{}]', '', ' ', '{', '{"a"', '{"a":}', `${text},`, `${text}${text}`, `{"name":"a","name":"b"}`, '{"name":NaN}', '{"name":1e999}', '{"name":-}',
		'{"name":123456789012345678901234567890}', '{"name":"\\ud800"}', '{"name":"\\u0000"}', "{'name':'a'}", '{"name":"a"} x', '/* */{}', '\ufeff{}']) await sure(v || 'nothing', Buffer.from(v));
	for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x80]])
		await sure(`UTF-8 ${bytes}`, Buffer.concat([Buffer.from('{"description":"'), Buffer.from(bytes), Buffer.from('"}')]));
	for (const n of [20, 1000, 100000]) {
		await sure(`${n} arrays deep`, Buffer.from(`{"name":${'['.repeat(n)}${']'.repeat(n)}}`));
		await sure(`${n} objects deep`, Buffer.from(`${'{"a":'.repeat(n)}1${'}'.repeat(n)}`));
	}
	await sure('20 000 fields', Buffer.from(`{${Array.from({ length: 20000 }, (_, i) => `"f${i}":1`).join()}}`));
	await sure('a name of 5 MB', { ...example, description: 'x'.repeat(5e6) });
	for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx'])
		await sure(type, Buffer.from(text), undefined, { 'Content-Type': type });
	test(`${kind}: what is no such object is refused`, bad);
}

async function rightBodies(doc, kind, plural, example, key, names) {
	const s = doc.schema(kind), op = doc.op('PUT', `/api/v1/tenants/{tenant}/${plural}/{name}`), bad = [], at = `${base}/${plural}/`;
	let accepted = 0, refused = 0;

	for (let i = 0; i < 60; i++) {
		const own = key !== 'name' || i % 4 === 0, name = own ? example[key] : `gen-${i}`; // in place of the example, or beside it
		const body = { ...(i % 2 ? rightObject(doc, s, names, 0.15) : { ...example, ...rightObject(doc, { ...s, required: [] }, names, 0.12) }), [key]: name };
		delete body.id;
		const schemaSays = doc.wrong({ $ref: `#/components/schemas/${kind}` }, body);
		if (schemaSays) { bad.push(`the generator: ${schemaSays}: ${JSON.stringify(body)}`); continue; }
		const r = await send('PUT', at + name, body), why = doc.answerWrong(op, r);
		if (why) bad.push(`${JSON.stringify(body).slice(0, 200)}: ${why}`);
		else if (r.status < 300) accepted++;
		else refused++;
		if (r.status < 300 && !own) {
			const again = await send('PUT', at + name, body);
			if (again.status !== 200) bad.push(`the same again: ${again.status} ${again.text.slice(0, 200)}`);
			const gone = await send('DELETE', at + name);
			if (gone.status !== 204 && gone.status !== 200) bad.push(`DELETE ${name}: ${gone.status} ${gone.text.slice(0, 200)}`);
		}
		if (![200, 201, 409, 422].includes(r.status)) bad.push(`status ${r.status}: ${r.text.slice(0, 200)}`);
	}
	if (!accepted) bad.push('none was accepted');
	test(`${kind}: bodies made from the schema (${accepted} accepted, ${refused} refused as not going together)`, bad);
	const back = await send('PUT', at + encodeURIComponent(example[key]), example);
	test(`${kind}: the example again`, [200, 201].includes(back.status) ? [] : [back.text]);
}

async function questions(doc) {
	for (const name of ['trace', 'reachability', 'policy_matrix']) {
		const op = doc.op('POST', `/api/v1/tenants/{tenant}/${name}`), s = doc.resolve(op.requestBody.content['application/json'].schema), bad = [];
		let n = 0;

		for (const example of s.examples) {
			const why = doc.answerWrong(op, await send('POST', `${base}/${name}`, example));
			if (why) bad.push(why);
			for (const [path, v, field] of wrongs(doc, s, example)) {
				const body = put(example, path, v);
				if (path[0] === 'hex') delete body.packet; // one of the two
				const no = doc.refusalWrong(op, await send('POST', `${base}/${name}`, body), field);
				n++;
				if (no) bad.push(`${show(path, v)}: ${no}`);
			}
			for (const f of s.required) { const no = doc.refusalWrong(op, await send('POST', `${base}/${name}`, put(example, [f], undefined)), f); if (no) bad.push(`without ${f}: ${no}`); }
			for (const body of ['', '[]', '{', 'null', '"x"']) { const no = doc.refusalWrong(op, await send('POST', `${base}/${name}`, Buffer.from(body))); if (no) bad.push(`${body}: ${no}`); }
		}
		test(`${name}: the examples are answered, ${n} wrong values are refused`, bad);
	}
}

async function paths(doc) {
	const bad = [], names = ['', '.', '..', '%2e%2e', '%00', 'a%00b', '%', '%zz', 'a%2fb', '%2f', '%ff', 'a'.repeat(64), 'a'.repeat(8000), "'", '%0d%0aX:1', '*', '{name}', '-a', '~root', '%F0%9F%98%80'];

	for (const plural of Object.values(doc.kinds()))
		for (const name of names)
			for (const method of ['GET', 'DELETE', 'PUT', 'PATCH']) {
				const r = await send(method, `${base}/${plural}/${name}`, method === 'PUT' || method === 'PATCH' ? {} : undefined);
				if (r.status < 400 || r.status > 499) if (!(method === 'GET' && name === '' && r.status === 200)) bad.push(`${method} ${plural}/${name.slice(0, 20)}: ${r.status}`);
			}
	for (const t of names) {
		const r = await send('GET', `/api/v1/tenants/${t}/ports`);
		if (r.status < 400 || r.status > 499) bad.push(`tenant ${t.slice(0, 20)}: ${r.status}`);
	}
	test('names that are none in paths are refused', bad);
}

(async () => {
	const doc = await Document.fetch(), kinds = doc.kinds(), names = {};
	const made = await send('PUT', `${base}/topology`, { tenant, ...doc.exampleNetwork() });

	test('the examples together are accepted as a document', made.status < 300 ? [] : [made.text]);
	for (const [kind, plural] of Object.entries(kinds)) names[plural] = doc.schema(kind).examples.map((e) => e.name || e.port);
	const before = await network();

	for (const [kind, plural] of Object.entries(kinds)) {
		const example = doc.schema(kind).examples[0], key = 'name' in example ? 'name' : 'port';

		await wrongFields(doc, kind, plural, example, key);
		await wrongShapes(doc, kind, plural, example, key);
		await unchanged(before, `${kind}: nothing of it happened`);
	}
	await questions(doc);
	await paths(doc);
	await unchanged(before, 'and nothing of these');
	for (const [kind, plural] of Object.entries(kinds)) {
		const example = doc.schema(kind).examples[0];
		await rightBodies(doc, kind, plural, example, 'name' in example ? 'name' : 'port', names);
	}
	const health = await call('GET', '/readyz');
	test(`the server lives (${requests} requests)`, health.status === 200 ? [] : [health.text]);
	finish();
})().catch((e) => { test('the test itself', [e.stack]); finish(); });
