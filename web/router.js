// SPDX-License-Identifier: Apache-2.0
// Deep links.  They are behind the '#', so that the server needs no rule for them: #/t/TENANT/ports/web1?edit
import { useEffect, useState } from './lib.js';

export function parse(hash) {
	const text = hash.replace(/^#\/?/, '');
	const at = text.indexOf('?');
	const path = at < 0 ? text : text.slice(0, at);
	const segments = path.split('/').filter(Boolean).map((s) => {
		try {
			return decodeURIComponent(s);
		} catch {
			return s;
		}
	});

	return { segments, query: new URLSearchParams(at < 0 ? '' : text.slice(at + 1)) };
}

export function link(segments, query) {
	const q = new URLSearchParams();

	for (const [key, value] of Object.entries(query || {}))
		if (value !== undefined && value !== null && value !== '')
			q.set(key, value);
	const text = q.toString();
	return `#/${segments.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

export const objectLink = (tenant, plural, name, query) => link(['t', tenant, plural, name], query);

export function go(href, replace) {
	if (replace) {
		history.replaceState(null, '', href);
		dispatchEvent(new HashChangeEvent('hashchange'));
	} else {
		location.hash = href;
	}
}

/* Changes the query of the present page without a new entry of the browser's history. */
export function setQuery(changes) {
	const { segments, query } = parse(location.hash);

	for (const [key, value] of Object.entries(changes))
		if (value === undefined || value === null || value === '')
			query.delete(key);
		else
			query.set(key, value);
	const href = link(segments, Object.fromEntries(query));
	if (href !== location.hash)
		go(href, true);
}

/* {segments, query, visit}: 'visit' is another one when somebody went there, by a link or by the browser's buttons, and not when a page has noted its own state. */
export function useRoute() {
	const [route, set] = useState(() => ({ ...parse(location.hash), visit: 0 }));

	useEffect(() => {
		const look = (e) => set((old) => ({ ...parse(location.hash), visit: old.visit + (e.isTrusted ? 1 : 0) }));
		addEventListener('hashchange', look);
		return () => removeEventListener('hashchange', look);
	}, []);
	return route;
}
