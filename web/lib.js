// SPDX-License-Identifier: Apache-2.0
// What every view needs of the two libraries (make puts them here, from what npm fetched), and small hooks of our own.
import { h, render, Fragment, Component } from './preact.js';
import { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback } from './hooks.js';
import htm from './htm.js';

export const html = htm.bind(h);
export { h, render, Fragment, Component, useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback };

/*
 * Loads by an async function whenever 'deps' change: {data, at (when it came), error, busy, reload}.  What was loaded stays while the next is on its
 * way, unless the first dependency (the subject) changed.  Of two loads under way the older one is aborted.
 */
export function useLoad(load, deps) {
	const [state, set] = useState({ data: null, at: 0, error: null, busy: true });
	const run = useRef({ n: 0, subject: undefined, abort: null });
	const go = useCallback(() => {
		const me = run.current;
		const n = ++me.n;
		const fresh = me.subject !== deps[0];

		me.subject = deps[0];
		me.abort?.abort();
		me.abort = new AbortController();
		set((s) => ({ data: fresh ? null : s.data, at: fresh ? 0 : s.at, error: fresh ? null : s.error, busy: true }));
		load(me.abort.signal).then(
			(data) => n === me.n && set({ data, at: Date.now(), error: null, busy: false }),
			(error) => n === me.n && error.name !== 'AbortError' &&
				set((s) => ({ ...s, error, busy: false })));
	}, deps);

	useEffect(() => {
		go();
		return () => {
			run.current.n++;
			run.current.abort?.abort();
		};
	}, deps);
	return { ...state, reload: go };
}

/* The same, and again every so often while the page is looked at. */
export function usePolled(load, deps, ms) {
	const state = useLoad(load, deps);

	// counted from the answer: one that takes longer than that would never be heard
	useEffect(() => {
		const timer = !state.busy && setInterval(() => document.visibilityState === 'visible' && state.reload(), ms);
		return () => clearInterval(timer);
	}, [...deps, state.busy]);
	return state;
}

/* 'value' as it was when it had not changed for 'ms'. */
export function useSettled(value, ms) {
	const [settled, set] = useState(value);

	useEffect(() => {
		const timer = setTimeout(() => set(value), ms);
		return () => clearTimeout(timer);
	}, [value, ms]);
	return settled;
}

/* Size of an element, as it changes. */
export function useSize(ref) {
	const [size, set] = useState({ width: 0, height: 0 });

	useLayoutEffect(() => {
		const el = ref.current;
		if (!el)
			return undefined;
		const look = () => set((s) => (s.width === el.clientWidth && s.height === el.clientHeight ? s :
			{ width: el.clientWidth, height: el.clientHeight }));
		const observer = new ResizeObserver(look);
		look();
		observer.observe(el);
		return () => observer.disconnect();
	}, []);
	return size;
}

let serial = 0;
export const useId = (prefix) => useMemo(() => `${prefix}-${++serial}`, []);

/* Said to screen readers, once. */
export function announce(text) {
	const el = document.getElementById('announcer');

	if (el)
		el.textContent = el.textContent === text ? `${text}\u00a0` : text;
}
