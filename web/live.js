// SPDX-License-Identifier: Apache-2.0
// One stream of changes per tenant, shared by all views.  Changes are handed on in batches, so that an import of ten thousand ports
// makes a few looks at the server and not ten thousand.
import { follow } from './events.js';
import { kindOf, pluralOf } from './kinds.js';
import { useEffect, useRef, useState } from './lib.js';

const BATCH_MS = 400;

let tenant = null, stop = null, state = 'connecting', timer = null;
const empty = () => ({ kinds: new Set(), events: [], reset: false });
let batch = empty();
let heard = 0; // until when nothing was missed
const changed = new Set(), states = new Set();

function flush() {
	const b = batch;

	timer = null;
	batch = empty();
	for (const fn of [...changed])
		fn(b);
}

function onEvent(e) {
	if (e.type === 'reset') {
		batch.reset = true;
	} else {
		e.kind = kindOf(pluralOf(e.kind)); // the server says "ports"
		batch.kinds.add(e.kind);
		if (batch.events.length < 5000)
			batch.events.push(e);
		else
			batch.reset = true; // views look again, and need not be told of each
	}
	timer ||= setTimeout(flush, BATCH_MS);
}

export function followTenant(name) {
	if (name === tenant)
		return;
	stop?.();
	clearTimeout(timer); // what was told of another tenant is no business of what is shown now
	timer = null;
	batch = empty();
	tenant = name;
	state = 'connecting';
	for (const fn of [...states])
		fn(state);
	stop = name ? follow(name, onEvent, (s, at) => {
		heard = at;
		state = s;
		for (const fn of [...states])
			fn(s);
	}) : null;
}

/* Calls 'fn' with each batch {kinds, events, reset}. */
export function useChanges(fn) {
	const latest = useRef(fn);

	latest.current = fn;
	useEffect(() => {
		const call = (b) => latest.current(b);
		changed.add(call);
		return () => changed.delete(call);
	}, []);
}

/* While the line is not good: when it was last. */
export const heardAt = () => heard;

export function useLiveState() {
	const [s, set] = useState(state);

	useEffect(() => {
		set(state);
		states.add(set);
		return () => states.delete(set);
	}, []);
	return s;
}
