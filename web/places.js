// SPDX-License-Identifier: Apache-2.0
// Where ports are now, and whether they are up: for the list of ports.  The server sorts and filters by what is configured; by what is now it is done here.
import { useState, useEffect, useMemo } from './lib.js';
import { get, listUpTo, tenantPath } from './api.js';
import { NO_AGENT } from './livepart.js';

const EVERY_MS = 5000, ASKED_CHARS = 3500, MOST = 50000;

export const STATES = ['up', 'down', NO_AGENT, 'not bound', 'linked', 'disabled'];
export const TONES = { up: 'good', down: 'bad', [NO_AGENT]: 'bad', disabled: 'warn' };

const placesOf = async (tenant, port, signal) => (await get(tenantPath(tenant, 'live'), { places: 'true', port }, signal)).ports;

/* 'place': what is told of it, if anything is. */
export function stateOf(port, place) {
	if (port.admin_up === false)
		return 'disabled';
	if (port.peer)
		return 'linked';
	return place?.state === NO_AGENT ? NO_AGENT : place?.up ? 'up' : place?.host ? 'down' : 'not bound';
}

/* As often as it is worth while the page is looked at: calls 'look(signal)'. */
function useAgain(look, deps) {
	useEffect(() => {
		const abort = new AbortController();
		let timer;
		const tick = async () => {
			if (document.visibilityState === 'visible')
				await look(abort.signal).catch(() => {});
			if (!abort.signal.aborted)
				timer = setTimeout(tick, EVERY_MS);
		};
		tick();
		return () => {
			abort.abort();
			clearTimeout(timer);
		};
	}, deps);
}

/* {NAME: place} of the ports of these names; null: it is not known. */
export function usePlaces(tenant, names) {
	const [known, set] = useState({});
	const asked = [];

	for (let n = 0, chars = 0; n < names.length && chars + names[n].length < ASKED_CHARS; n++) {
		asked.push(names[n]);
		chars += names[n].length + 1;
	}
	const key = asked.join(',');
	useAgain(async (signal) => {
		try {
			const places = key ? await placesOf(tenant, key, signal) : {};
			if (!signal.aborted)
				set((old) => ({ ...old, ...Object.fromEntries(asked.map((n) => [n, places[n] || {}])) }));
		} catch (e) {
			if (e.name !== 'AbortError')
				set({}); // what was true before is not told as what is
		}
	}, [tenant, key]);
	return known;
}

/* "state:down host:h1 web" -> {rest: "web", state: "down", host: "h1"} */
export function takePlace(text) {
	const asked = {};
	const rest = text.trim().split(/\s+/).filter((word) => {
		const m = /^(state|host):(.+)$/.exec(word);
		if (m)
			asked[m[1]] = m[2].replaceAll('_', ' ');
		return !m;
	}).join(' ');

	return { rest, ...asked };
}
const isPlaced = (asked) => asked.state !== undefined || asked.host !== undefined;

/* Ports that are in a state, or on a host: all that 'query' finds are read for it.  As usePages() of listpage.js; null, if nothing is asked for. */
export function usePlaced(tenant, query, asked) {
	const wanted = isPlaced(asked);
	const key = JSON.stringify([tenant, query]);
	const [state, set] = useState({ key: null, items: [], places: null, at: 0, error: null });
	const [age, setAge] = useState(0);

	useAgain(async (signal) => {
		if (!wanted)
			return;
		try {
			const [{ items }, places] = await Promise.all([listUpTo(tenant, 'ports', query, MOST, signal), placesOf(tenant, undefined, signal)]);
			set({ key, items, places, at: Date.now(), error: null });
		} catch (error) {
			if (error.name !== 'AbortError')
				set((s) => ({ ...s, error }));
		}
	}, [key, wanted, age]);
	const items = useMemo(() => state.items.filter((p) => (asked.state === undefined || stateOf(p, state.places[p.name]) === asked.state) && (asked.host === undefined || state.places[p.name]?.host === asked.host)),
		[state.items, state.places, asked.state, asked.host]);
	if (!wanted)
		return null;
	const known = state.key === key;
	const again = () => setAge((n) => n + 1);
	return { items: known ? items : [], total: known ? items.length : null, at: known ? state.at : 0, error: state.error, busy: !known && !state.error, pages: [], change: again, retry: again, tend: () => {} };
}
