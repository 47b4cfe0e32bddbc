// SPDX-License-Identifier: Apache-2.0
// The REST API: one function that asks, errors as problem documents, and lists by page.  The session is a cookie that scripts cannot
// read; what belongs to it here is the CSRF word, which other origins can neither read nor guess.
let csrf = '', who = '';

export class Problem extends Error {
	constructor(status, body, retryAfter) {
		super(body.detail || body.title || `the server answered ${status}`);
		this.name = 'Problem';
		this.status = status;
		this.type = String(body.type || '');
		this.title = body.title || '';
		this.errors = Array.isArray(body.errors) ? body.errors : [];
		this.instance = body.instance || '';
		this.retryAfter = retryAfter;
	}
}

/* The server was not reached at all. */
export class Unreachable extends Error {
	constructor() {
		super('The server does not answer.');
		this.name = 'Unreachable';
	}
}

let onSignedOut = () => {}, onOther = () => {};
export const whenSignedOut = (fn) => { onSignedOut = fn; };
/* Calls 'fn' when somebody has signed in or out in another tab: they share the cookie. */
export const whenOther = (fn) => { onOther = fn; };
export const signedOut = () => onSignedOut();
const tabs = new BroadcastChannel('skep-session');
tabs.onmessage = () => onOther();

export const seg = (text) => encodeURIComponent(text);
export const tenantPath = (tenant, rest = '') => `/api/v1/tenants/${seg(tenant)}${rest && '/'}${rest}`;

function withQuery(path, query) {
	const q = new URLSearchParams();

	for (const [key, value] of Object.entries(query || {}))
		for (const v of Array.isArray(value) ? value : [value])
			if (v !== undefined && v !== null && v !== '')
				q.append(key, v);
	const text = q.toString();
	return text ? `${path}?${text}` : path;
}

async function problemOf(res) {
	let body = {};

	try {
		body = await res.json();
	} catch {
		body = { title: res.statusText };
	}
	return new Problem(res.status, body && typeof body === 'object' ? body : {}, Number(res.headers.get('Retry-After')) || 0);
}

export function requestHeaders(method, extra) {
	const headers = { Accept: 'application/json', ...extra };

	if (method !== 'GET' && csrf)
		headers['X-CSRF-Token'] = csrf;
	return headers;
}

/* The cookie is of another session than the CSRF word.  True: of the same person, and the word is known now. */
async function sameAgain() {
	const before = who;

	await session().catch(() => { who = ''; });
	if (who !== before)
		onOther();
	return who === before;
}

/* Asks; answers {status, body, headers}.  Throws a Problem, Unreachable, or AbortError. */
export async function ask(method, path, options = {}) {
	try {
		return await askOnce(method, path, options);
	} catch (e) {
		if (e.status !== 403 || !e.message.includes('X-CSRF-Token') || !await sameAgain())
			throw e;
		return askOnce(method, path, options);
	}
}

async function askOnce(method, path, { query, body, headers, signal, cache = 'no-store' }) {
	const sent = requestHeaders(method, headers);
	let res;

	if (body !== undefined)
		sent['Content-Type'] ||= method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
	try {
		res = await fetch(withQuery(path, query), {
			method, headers: sent, signal, credentials: 'same-origin', cache,
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch (e) {
		throw e.name === 'AbortError' ? e : new Unreachable();
	}
	if (!res.ok) {
		const problem = await problemOf(res);
		if (res.status === 401 && path !== '/api/v1/session')
			onSignedOut();
		throw problem;
	}
	const text = res.status === 204 ? '' : await res.text();
	return { status: res.status, body: text ? JSON.parse(text) : null, headers: res.headers };
}

export const get = async (path, query, signal) => (await ask('GET', path, { query, signal })).body;
export const post = async (path, body, options) => (await ask('POST', path, { body, ...options })).body;

export async function signIn(token) {
	const answer = await post('/api/v1/session', { token });

	csrf = answer?.csrf || '';
	tabs.postMessage('in');
}

export async function signOut() {
	await ask('DELETE', '/api/v1/session').catch(() => {});
	csrf = '';
	tabs.postMessage('out');
	onSignedOut();
}

export const identity = (me) => (me ? JSON.stringify([me.name, me.role, me.tenant]) : '');

/* Who is signed in, by the cookie that the browser has kept: {name, role, tenant, expires}. */
export async function session() {
	const me = await get('/api/v1/session');

	csrf = me.csrf || '';
	who = identity(me);
	return me;
}

/* One page of a kind's objects: {items, next, total}; by name, if nothing else is asked for. */
export const list = (tenant, plural, query, signal) => get(tenantPath(tenant, plural), query, signal);

/* Up to 'max' of a list, page by page: {items, total}.  'each' is called with what there is after every page. */
export async function getUpTo(path, query, max, signal, each) {
	const items = [];
	let cursor, total = 0;

	do {
		const page = await get(path, { ...query, limit: Math.min(1000, max - items.length), cursor }, signal);
		items.push(...page.items);
		total = page.total;
		cursor = page.next;
		each?.({ items, total });
	} while (cursor && items.length < max);
	return { items, total };
}
export const listUpTo = (tenant, plural, query, max, signal, each) => getUpTo(tenantPath(tenant, plural), query, max, signal, each);

let document31;
/* The OpenAPI document; read once, and again only if it has changed. */
export function openapi() {
	document31 ||= ask('GET', '/openapi.json', { cache: 'no-cache' }).then((answer) => answer.body).catch((e) => {
		document31 = undefined;
		throw e;
	});
	return document31;
}
