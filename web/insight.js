// SPDX-License-Identifier: Apache-2.0
// What rows of a list tell beyond what the list itself has: asked for row by row, as they come into sight, a few at a time.
import { useState, useEffect } from './lib.js';

const AT_A_TIME = 4;
const waiting = [];
let running = 0;

function next() {
	while (running < AT_A_TIME && waiting.length) {
		const { load, signal, done } = waiting.shift();
		if (signal.aborted)
			continue;
		running++;
		load(signal).then(done, () => {}).finally(() => {
			running--;
			next();
		});
	}
}

/* What 'load(signal)' answers once the element of 'ref' has come into sight; null until then, and if it fails.  'load' null: nothing is asked for. */
export function useInSight(ref, load, deps) {
	const [answer, set] = useState({ deps: null, data: null });
	const key = JSON.stringify(deps);

	useEffect(() => {
		const abort = new AbortController();
		if (!load)
			return undefined;
		const watch = new IntersectionObserver((entries) => {
			if (!entries.some((e) => e.isIntersecting))
				return;
			watch.disconnect();
			waiting.push({ load, signal: abort.signal, done: (data) => !abort.signal.aborted && set({ deps: key, data }) });
			next();
		});
		watch.observe(ref.current);
		return () => {
			watch.disconnect();
			abort.abort();
		};
	}, [key, !load]);
	return answer.deps === key ? answer.data : null;
}
