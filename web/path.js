// SPDX-License-Identifier: Apache-2.0
// The steps of a trace: which places of the map they lead over, and which of them decided.
const PLACES = { port: 'ports', bridge: 'bridges', router: 'routers', unicast: 'ports', flood: null };

/* {nodes: Set of ids, legs: [{from, to}], ends: {id: tone}, tone, note: {at, text} or null: what decided, and where} for the map. */
export function pathOnMap(trace) {
	const nodes = new Set(), legs = [], ends = {};
	const bad = trace.verdict === 'drop', tone = bad ? 'bad' : trace.verdict === 'need' ? 'warn' : 'good';
	const decided = decidingStep(trace);
	let before = null, first = null, at = null;

	for (const [i, s] of (trace.steps || []).entries()) {
		if (i === decided)
			at = before; // until a step of a place is met below
		const plural = PLACES[s.what];
		if (!plural || !s.name || (s.what === 'unicast'))
			continue;
		const id = `${plural}/${s.name}`;
		if (id === before)
			continue;
		nodes.add(id);
		if (before)
			legs.push({ from: before, to: id });
		first ||= id;
		before = id;
		if (i === decided)
			at = id;
	}
	for (const o of trace.outputs || []) {
		const id = `ports/${o.port}`;
		if (before && before !== id && !nodes.has(id))
			legs.push({ from: before, to: id });
		nodes.add(id);
		ends[id] = 'good';
		if (o.host) {
			nodes.add(`hosts/${o.host}`);
			legs.push({ from: id, to: `hosts/${o.host}` });
		}
	}
	if (first)
		ends[first] = 'accent';
	if (before && tone !== 'good')
		ends[before] = tone;
	else if (before && !(trace.outputs || []).length)
		ends[before] = tone;
	if (bad)
		at = before;
	return { nodes, legs, ends, tone, note: noteOf(trace, decided, at) };
}

/* In few words: the rule, route or port that decided. */
function noteOf(trace, decided, at) {
	const s = trace.steps?.[decided];
	if (!at || !s)
		return null;
	const text = trace.verdict === 'drop' ? [trace.help || trace.reason, trace.culprit] : [`${s.what.replaceAll('_', ' ')}${s.name ? ` ${s.name}` : ''}`, s.text.replace(/^match: /, '').replace(/ \(.*\)$/, '')];
	return { at, text: text.filter(Boolean).join(': ') };
}

const judges = (s) => (s.what === 'rule' && s.text.startsWith('match')) || (s.what === 'security_group' && /rule/.test(s.text));

/* The index of the step that decided: the last rule or group that spoke, if a drop came right of it; else the drop. -1: none. */
export function decidingStep(trace) {
	const steps = trace.steps || [];
	const drop = steps.findIndex((s) => s.what === 'drop');

	if (drop > 0)
		return judges(steps[drop - 1]) || steps[drop - 1].what === 'route' ? drop - 1 : drop;
	if (drop === 0)
		return 0;
	return steps.findLastIndex(judges);
}
