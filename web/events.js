// SPDX-License-Identifier: Apache-2.0
// Changes of a tenant as they happen.  Server-sent events are read here and not by EventSource: that hides the server's pings, and
// without them a silent line cannot be told from a quiet network.
import { requestHeaders, tenantPath, signedOut, Problem } from './api.js';

const SILENCE_MS = 20000; // the server pings every 15 s
const RETRY_MS = [500, 1000, 2000, 5000], GONE_MS = 5000; // what is refused is asked for again: a tenant may be made, a role be given

/* Splits a stream of text into events: {id, event, data}; pings and comments give null. */
export function sseParser(emit) {
	let rest = '', id = '', event = '', data = [];

	const line = (text) => {
		if (text === '') {
			if (data.length)
				emit({ id, event: event || 'message', data: data.join('\n') });
			event = '';
			data = [];
		} else if (text[0] === ':') {
			emit(null);
		} else {
			const at = text.indexOf(':');
			const field = at < 0 ? text : text.slice(0, at);
			const value = at < 0 ? '' : text.slice(at + (text[at + 1] === ' ' ? 2 : 1));
			if (field === 'id')
				id = value;
			else if (field === 'event')
				event = value;
			else if (field === 'data')
				data.push(value);
		}
	};
	return (chunk) => {
		const lines = (rest + chunk).split('\n');
		rest = lines.pop();
		for (const text of lines)
			line(text.endsWith('\r') ? text.slice(0, -1) : text);
	};
}

/*
 * Follows a tenant until stop() is called.  'onEvent' gets {type: put|delete|reset, kind, name, rev, object}; 'onState' gets 'live',
 * and when something was heard last: 'connecting' (never connected yet), 'stale' (nothing was heard for too long, or the line is gone), 'denied' (one may not see it) or 'gone' (there is no such
 * tenant: it may come back).
 */
export function follow(tenant, onEvent, onState) {
	let stopped = false, lastId = '', tries = 0, wait, abort, silence, state, last = Date.now();

	const say = (s) => {
		if (s !== state && !stopped)
			onState(state = s, last);
	};
	const heard = () => {
		last = Date.now();
		clearTimeout(silence);
		silence = setTimeout(() => {
			say('stale');
			abort?.abort();
		}, SILENCE_MS);
		say('live');
	};
	const handle = (e) => {
		heard();
		if (!e)
			return;
		if (e.id)
			lastId = e.id;
		try {
			onEvent({ type: e.event, ...JSON.parse(e.data || '{}') });
		} catch {
			onEvent({ type: 'reset' });
		}
	};
	const connect = async () => {
		abort = new AbortController();
		try {
			const res = await fetch(tenantPath(tenant, 'events'), {
				headers: requestHeaders('GET', { Accept: 'text/event-stream', ...(lastId && { 'Last-Event-ID': lastId }) }),
				signal: abort.signal, credentials: 'same-origin', cache: 'no-store',
			});
			if (!res.ok)
				throw new Problem(res.status, {}, 0);
			// what happened between the views' first look and now would be missed, the first time and never again
			if (!lastId && tries)
				onEvent({ type: 'reset' });
			tries = 0;
			heard();
			const parse = sseParser(handle);
			const text = new TextDecoder();
			const reader = res.body.getReader();
			for (;;) {
				const { done, value } = await reader.read();
				if (done)
					break;
				parse(text.decode(value, { stream: true }));
			}
		} catch (e) {
			if (e.status === 401 && !stopped)
				signedOut();
			if (e.status === 401 || stopped)
				return;
			if (e.status === 403 || e.status === 404) {
				say(e.status === 403 ? 'denied' : 'gone');
				lastId = ''; // another one of its name would begin anew
				wait = setTimeout(connect, GONE_MS);
				tries = 1;
				return;
			}
		}
		clearTimeout(silence);
		if (stopped)
			return;
		if (state === 'live')
			say('stale');
		wait = setTimeout(connect, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
	};

	say('connecting');
	connect();
	return () => {
		stopped = true;
		clearTimeout(wait);
		clearTimeout(silence);
		abort?.abort();
	};
}
