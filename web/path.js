// SPDX-License-Identifier: Apache-2.0
// The steps of a trace: which places of the map they lead over, and which of them decided.
const PLACES = { port: 'ports', bridge: 'bridges', router: 'routers', unicast: 'ports', flood: null };

/* {nodes: Set of ids, legs: [{from, to}], ends: {id: tone}, tone} for the map. */
export function pathOnMap(trace) {
	const nodes = new Set(), legs = [], ends = {};
	const bad = trace.verdict === 'drop', tone = bad ? 'bad' : trace.verdict === 'need' ? 'warn' : 'good';
	let before = null, first = null;

	for (const s of trace.steps || []) {
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
	return { nodes, legs, ends, tone };
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
