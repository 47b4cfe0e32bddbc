// SPDX-License-Identifier: Apache-2.0
// For the tests beside it: requests over a UNIX socket, the OpenAPI document and its schemas, TAP.
'use strict';
const http = require('http');
const Ajv = require('ajv/dist/2020');
const addFormats = require('ajv-formats');

const socketPath = process.env.API_SOCKET;
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

// --- requests ---

// -> {status, headers, text, json}; 'body' is sent as it is when it is a Buffer, as JSON when it is anything else.
function call(method, path, body, headers = {}) {
	const raw = Buffer.isBuffer(body) ? body : body === undefined ? undefined : Buffer.from(JSON.stringify(body));
	const all = Object.assign({}, headers);

	if (raw && !('Content-Type' in all)) all['Content-Type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
	if (raw) all['Content-Length'] = raw.length;
	return new Promise((resolve, reject) => {
		const req = http.request({ socketPath, agent, method, path, headers: all, timeout: 30000 }, (res) => {
			const parts = [];
			const end = () => {
				const text = Buffer.concat(parts).toString();
				let json;

				try { json = JSON.parse(text); } catch { json = undefined; }
				resolve({ status: res.statusCode, headers: res.headers, text, json });
			};
			if (/event-stream/.test(res.headers['content-type'])) { // it never ends
				res.on('data', (d) => { parts.push(d); req.destroy(); end(); });
				res.on('error', () => {});
				setTimeout(() => { req.destroy(); end(); }, 500).unref();
				return;
			}
			res.on('data', (d) => parts.push(d));
			res.on('end', end);
			res.on('error', reject);
		});
		req.on('timeout', () => req.destroy(new Error('no answer in 30 s')));
		req.on('error', reject);
		req.end(raw);
	}).catch((e) => ({ status: 0, headers: {}, text: `${method} ${path}: ${e.message}`, json: undefined }));
}

// --- TAP ---

let n = 0, failed = 0;
function test(text, complaints) {
	n++;
	if (!complaints.length) {
		console.log(`ok ${n} - ${text}`);
		return;
	}
	failed++;
	console.log(`not ok ${n} - ${text}`);
	for (const c of complaints.slice(0, 12)) console.log(`# ${String(c).replace(/\s+/g, ' ').slice(0, 600)}`);
	if (complaints.length > 12) console.log(`# ... and ${complaints.length - 12} more`);
}
function finish() {
	console.log(`1..${n}`);
	agent.destroy();
	process.exitCode = failed ? 1 : 0;
}

// --- the document ---

class Document {
	constructor(doc) {
		this.doc = doc;
		this.ajv = new Ajv({ strict: false, allErrors: false, validateFormats: true });
		addFormats(this.ajv);
		this.ajv.addSchema(doc, 'doc');
		this.compiled = new Map();
		this.operations = [];
		for (const [path, item] of Object.entries(doc.paths))
			for (const [method, op] of Object.entries(item)) this.operations.push({ path, method: method.toUpperCase(), op });
	}
	static async fetch() {
		const r = await call('GET', '/openapi.json');

		if (r.status !== 200 || !r.json) throw new Error(`/openapi.json: ${r.status} ${r.text.slice(0, 200)}`);
		return new Document(r.json);
	}
	resolve(schema) {
		while (schema && schema.$ref) {
			const { $ref, ...rest } = schema;

			schema = Object.assign({}, $ref.slice(2).split('/').reduce((o, k) => o[k.replace(/~1/g, '/').replace(/~0/g, '~')], this.doc), rest);
		}
		return schema;
	}
	schema(name) { return this.doc.components.schemas[name]; }
	// Complaint, or '' when the value is of the schema.
	wrong(schema, value) {
		const key = JSON.stringify(schema);

		if (!this.compiled.has(key)) {
			const inDoc = JSON.parse(key, (k, v) => (k === '$ref' && v.startsWith('#') ? `doc${v}` : v));

			this.compiled.set(key, this.ajv.compile(inDoc));
		}
		const check = this.compiled.get(key);

		return check(value) ? '' : this.ajv.errorsText(check.errors, { dataVar: 'answer' });
	}
	// Is this answer one that the document allows?  '' or the complaint.
	answerWrong(op, r) {
		const type = (r.headers['content-type'] || '').split(';')[0];
		const said = this.resolve((op.responses || {})[String(r.status)]);

		if (!r.status) return r.text;
		if (!said) return `status ${r.status} is not in the document: ${r.text.slice(0, 200)}`;
		if (r.status === 304 || r.status === 204) return r.text ? `${r.status} with a body` : '';
		if (!said.content) return r.text.length ? `a body, where the document has none: ${r.text.slice(0, 200)}` : '';
		const content = said.content[type];
		if (!content) return `media type '${type}' is not in the document`;
		if (!/json/.test(type)) return '';
		if (r.json === undefined) return `not JSON: ${r.text.slice(0, 100)}`;
		const why = this.wrong(content.schema, r.json);
		return why ? `${why}: ${r.text.slice(0, 300)}` : '';
	}
	// A refusal as it should be: 4xx, a problem document; with 'field' (one, or several of which one will do), which names it.
	refusalWrong(op, r, field) {
		if (r.status < 400 || r.status > 499) return `status ${r.status}: ${r.text.slice(0, 200)}`;
		const why = this.answerWrong(op, r);
		if (why) return why;
		if (field === undefined) return '';
		const named = (r.json.errors || []).map((e) => e.field);
		return [].concat(field).some((f) => named.includes(f)) ? '' : `names ${JSON.stringify(named)}, not '${field}': ${r.json.detail}`;
	}
	kinds() { // {bridge: 'bridges', ..}, from the paths
		const all = {};

		for (const { path, method, op } of this.operations) {
			const m = path.match(/^\/api\/v1\/tenants\/\{tenant\}\/([a-z_]+)$/);
			const id = m && op.operationId && method === 'GET' && op.operationId.startsWith('list_') && m[1];

			if (!id || !path) continue;
			for (const name of Object.keys(this.doc.components.schemas))
				if (op.responses['200'].content['application/json'].schema.$ref === `#/components/schemas/${name}_list` && this.schema(`${name}_object`)) all[name] = id;
		}
		return all;
	}
	op(method, path) { return (this.doc.paths[path] || {})[method.toLowerCase()]; }
	// All examples together, as one document.
	exampleNetwork() {
		const doc = {};

		for (const [kind, plural] of Object.entries(this.kinds())) doc[plural] = this.schema(kind).examples || [];
		return doc;
	}
}

module.exports = { call, test, finish, Document };
