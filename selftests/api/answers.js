// SPDX-License-Identifier: Apache-2.0
// Live answers against the document: every GET of it, every documented operation exists, every other method is refused.  Needs the tenant
// $TENANT with the document's examples in it.
'use strict';
const { call, test, finish, Document } = require('./lib.js');
const tenant = process.env.TENANT;

// An object of the kind's list, for {name}; other parameters from what the lists above them answer.
async function fill(doc, path) {
	let p = path.replace('{tenant}', tenant);

	for (;;) {
		const m = p.match(/^(.*?)\/\{([a-z]+)\}/);
		if (!m) return p;
		const list = await call('GET', m[1]);
		const first = list.json && list.json.items && list.json.items[0];
		const key = first && (first[m[2]] || first.id || first.name);
		if (key === undefined) return null;
		p = p.replace(`{${m[2]}}`, encodeURIComponent(key));
	}
}

// Parameters that have to be given are names of objects: ?port=, the first of the ports.
async function needed(doc, op) {
	const q = [];

	for (const { name, required, in: place } of (op.parameters || []).map((x) => doc.resolve(x)))
		if (required && place === 'query') q.push(`${name}=${(await call('GET', `/api/v1/tenants/${tenant}/${name}s`)).json.items[0].name}`);
	return q.length ? `?${q.join('&')}` : '';
}

async function gets(doc) {
	for (const { path, method, op } of doc.operations) {
		if (method !== 'GET') continue;
		const at = await fill(doc, path);
		if (!at) {
			test(`GET ${path}: nothing there to ask for`, path === '/api/v1/hosts/{name}' ? [] : ['the list above it is empty']);
			continue;
		}
		const r = await call('GET', at + await needed(doc, op));
		const none = r.status === 404 && !path.includes('{') && op.responses['404']; // there may be none of it
		const why = r.status === 200 || r.status === 204 || none ? doc.answerWrong(op, r) : `status ${r.status}: ${r.text.slice(0, 300)}`;
		test(`GET ${path} answers as documented`, why ? [why] : []);
	}
}

// What a list, and each object in it, has been told by its ETag.
async function conditions(doc) {
	const bad = [];

	for (const plural of Object.values(doc.kinds())) {
		const base = `/api/v1/tenants/${tenant}/${plural}`;
		const list = await call('GET', base);

		for (const path of [base, `${base}/${list.json.items[0].name}`]) {
			const etag = (await call('GET', path)).headers.etag;
			if (!etag) { bad.push(`${path}: no ETag`); continue; }
			const again = await call('GET', path, undefined, { 'If-None-Match': etag });
			if (again.status !== 304 || again.text) bad.push(`${path}: ${again.status} with its own ETag`);
		}
	}
	test('lists and objects have ETags, and 304 follows from them', bad);
}

async function lists(doc) {
	const bad = [];

	for (const [kind, plural] of Object.entries(doc.kinds())) {
		const base = `/api/v1/tenants/${tenant}/${plural}`, all = (await call('GET', `${base}?sort=name`)).json;
		const names = [];
		let next = '', rounds = 0;

		do {
			const r = await call('GET', `${base}?sort=name&limit=1${next}`);
			if (r.status !== 200 || r.json.items.length > 1 || r.json.total !== all.total) { bad.push(`${plural}: page: ${r.text.slice(0, 200)}`); break; }
			names.push(...r.json.items.map((o) => o.name));
			next = r.json.next === null ? null : `&cursor=${encodeURIComponent(r.json.next)}`;
		} while (next !== null && rounds++ < 100);
		if (names.join() !== all.items.map((o) => o.name).join()) bad.push(`${plural}: by pages ${names}, at once ${all.items.map((o) => o.name)}`);
		const few = await call('GET', `${base}?fields=name,rev`);
		if (few.status !== 200 || few.json.items.some((o) => Object.keys(o).sort().join() !== 'name,rev')) bad.push(`${plural}: fields: ${few.text.slice(0, 200)}`);
		const one = await call('GET', `${base}?filter=name:${names[0]}`);
		if (one.status !== 200 || one.json.total !== 1 || one.json.items[0].name !== names[0]) bad.push(`${plural}: filter: ${one.text.slice(0, 200)}`);
		for (const q of ['limit=0', 'limit=1001', 'limit=x', 'limit=-1', 'limit=99999999999999999999', 'cursor=%ff', 'cursor=zzzz', 'sort=nosuch', 'filter=nosuch:1', 'filter=x',
			'fields=nosuch', 'nosuch=1', 'limit=1&limit=2']) {
			const why = doc.refusalWrong(doc.op('GET', `/api/v1/tenants/{tenant}/${plural}`), await call('GET', `${base}?${q}`));
			if (why) bad.push(`${plural}?${q}: ${why}`);
		}
		if (!doc.schema(`${kind}_list`)) bad.push(`${kind}: no schema`);
	}
	test('lists: pages, fields, filters; wrong parameters are refused', bad);
}

async function methods(doc) {
	const bad = [];

	for (const [path, item] of Object.entries(doc.doc.paths)) {
		const has = Object.keys(item).map((m) => m.toUpperCase());
		const at = path.replace('{tenant}', tenant).replace(/\{[a-z]+\}/g, 'nosuch');

		for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'NOSUCH']) {
			if (has.includes(method)) continue;
			const r = await call(method, at);
			const allow = (r.headers.allow || '').split(/, */).filter((m) => m !== 'HEAD' && m !== 'OPTIONS').sort().join();
			if (r.status !== 405 && !(method === 'NOSUCH' && r.status === 501)) bad.push(`${method} ${path}: ${r.status}, want 405`);
			else if (r.status === 405 && allow !== has.slice().sort().join()) bad.push(`${method} ${path}: Allow: ${r.headers.allow}, the document has ${has}`);
		}
	}
	test('other methods than the document has are refused, and Allow names those that it has', bad);
}

async function operations(doc) {
	const bad = [];

	for (const { path, method, op } of doc.operations) {
		if (op['x-skep-undocumented']) bad.push(`${method} ${path}: api/openapi.yaml says nothing about it`);
		const r = await call(method, path.replace('{tenant}', 'no.such').replace(/\{[a-z]+\}/g, 'nosuch'), method === 'GET' || method === 'DELETE' ? undefined : Buffer.from('['));
		if (r.status === 405 || (r.json && r.json.detail === 'there is nothing at this path')) bad.push(`${method} ${path}: ${r.status}`);
		else if (r.status >= 400) { const why = doc.refusalWrong(op, r); if (why && !(r.status === 503 && /readyz/.test(path))) bad.push(`${method} ${path}: ${why}`); }
	}
	test('every operation of the document exists, and is told about', bad);
	test('api/openapi.yaml tells of no others', (doc.doc['x-skep-unrouted'] || []).map((x) => `no route ${x}`));
}

function examples(doc) {
	const bad = [];

	for (const kind of Object.keys(doc.kinds())) {
		const list = doc.schema(kind).examples || [];
		if (!list.length) bad.push(`${kind}: no example`);
		list.forEach((e, i) => { const why = doc.wrong({ $ref: `#/components/schemas/${kind}` }, e); if (why) bad.push(`${kind} ${i + 1}: ${why}`); });
	}
	test('each kind has examples, and they are of its schema', bad);
	test('there are schemas of all 18 kinds', Object.keys(doc.kinds()).length === 18 ? [] : [Object.keys(doc.kinds()).join()]);
}

(async () => {
	const doc = await Document.fetch();

	const { token } = (await call('POST', '/api/v1/tokens', { name: 'test', role: 'tenant-reader', tenant })).json;
	await call('POST', '/api/v1/session', { token });
	examples(doc);
	await operations(doc);
	await methods(doc);
	await gets(doc);
	await conditions(doc);
	await lists(doc);
	finish();
})().catch((e) => { test('the test itself', [e.stack]); finish(); });
