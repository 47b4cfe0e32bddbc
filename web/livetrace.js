// SPDX-License-Identifier: Apache-2.0
// What hosts decide about a port's packets, as they do: the flows that the agent of the port's host has in its kernel, and the way of the one that is chosen.
// The agent simulates a packet with that flow's headers; where it cannot, this server does, without the connections that only the host knows.
import { html, useState, useEffect, useRef, announce } from './lib.js';
import { get, post, tenantPath } from './api.js';
import { addressBits } from './addr.js';
import { setQuery } from './router.js';
import { Badge, Fault, Time, number, short } from './ui.js';

const EVERY_MS = 2000, OLD_MS = 12000;
const PROTOS = [['', 'any'], ['tcp', 'TCP'], ['udp', 'UDP'], ['icmp', 'ICMP'], ['sctp', 'SCTP']];

/* What the kernel does with packets of a flow: [tone, words]. */
export function actionOf(flow) {
	if (flow.action === 'drop')
		return ['bad', 'dropped'];
	if (flow.action === 'agent')
		return ['warn', 'asked of the agent'];
	return flow.output?.length ? ['good', `to ${flow.output.slice(0, 2).map((o) => o.port).join(', ')}${flow.output.length > 2 ? ` +${flow.output.length - 2}` : ''}`] : ['plain', 'taken'];
}

/* What may be asked for: an address or a prefix; a port number. */
const isAddress = (text) => {
	const [ip, length] = text.split('/');
	const bits = addressBits(ip);

	return bits > 0 && (length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits));
};
const isNumber = (text) => /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65536;

/* Does the simulation say what the kernel does? */
const agrees = (flow, trace) => flow.action === 'agent' || (flow.action === 'drop') === (trace.verdict === 'drop');

function Flow({ flow, on, onChoose }) {
	const [tone, words] = actionOf(flow);

	return html`<li><button type="button" class="quiet flow ${on ? 'on' : ''}" aria-pressed=${on} onClick=${() => onChoose(flow)}>
		<code class="mono">${flow.packet}</code>${flow.match && html`<small class="dim">and all like it: <code class="mono">${flow.match}</code></small>`}
		<span class="flow-facts"><${Badge} tone=${tone}>${words}</${Badge}>${flow.reason && html`<span>${flow.culprit || flow.reason}</span>`}
			<span class="grow"></span><span class="num">${short(flow.pps, 'pkt/s')}</span><span class="num dim">${short(flow.bps, 'bit/s')}</span><span class="num dim">${number(flow.packets)} packets</span></span></button></li>`;
}

/*
 * 'port': whose packets.  'onTrace' gets the way of what is chosen, to be drawn; null when there is none (any more).
 */
export function LiveTrace({ tenant, port, query, onTrace, Result }) {
	const [proto, setProto] = useState(query.get('proto') || '');
	const [address, setAddress] = useState(query.get('address') || '');
	const [portNumber, setNumber] = useState(query.get('number') || '');
	const [chosen, setChosen] = useState(query.get('flow') ? { flow: query.get('flow') } : null); // {flow: id} or {packet: text}
	const [now, setNow] = useState(null); // what was said last: {answer, trace, by}
	const [error, setError] = useState(null);
	const last = useRef(null); // the chosen flow as it was when it was there
	const listed = useRef(null); // the last list for what is asked; another flow is chosen without another list
	const wrongAddress = address.trim() !== '' && !isAddress(address.trim()), wrongNumber = portNumber.trim() !== '' && !isNumber(portNumber.trim());
	const asked = { proto: PROTOS.some(([p]) => p === proto) ? proto : '', address: wrongAddress ? '' : address.trim(), number: wrongNumber ? '' : portNumber.trim() };
	const filter = JSON.stringify([port, asked]);
	const key = JSON.stringify([filter, chosen]);

	useEffect(() => { setQuery({ mode: 'live', from: port, to: '', packet: '', ...asked, flow: chosen?.flow }); }, [key]);
	useEffect(() => {
		const abort = new AbortController();
		let timer, waiting = true;
		const whatIf = async (packet) => (await post(tenantPath(tenant, 'trace'), { port, packet }, { signal: abort.signal }));
		const look = async () => {
			const answer = await get(tenantPath(tenant, 'live/flows'), { port, ...asked, flow: chosen?.flow }, abort.signal);
			let trace = answer.trace, by = 'agent', cannot = '';
			const fresh = answer.age_ms !== null && answer.age_ms < OLD_MS;
			if (chosen?.packet || (answer.flow && !trace && fresh)) {
				by = 'server';
				trace = await whatIf(chosen.packet || answer.flow.packet).catch((e) => {
					if (e.status !== 422)
						throw e;
					cannot = e.message; // its text does not say enough
					return null;
				});
			}
			if (answer.flow)
				last.current = answer.flow;
			if (answer.flows)
				listed.current = { filter, flows: answer.flows };
			waiting = answer.host && !answer.flows;
			setNow({ answer, fresh, trace: fresh || by === 'server' ? trace : null, by, cannot, key });
			onTrace(fresh || by === 'server' ? trace : null);
			setError(null);
		};
		const tick = async () => {
			if (document.visibilityState === 'visible') {
				try {
					await look();
				} catch (e) {
					if (e.name !== 'AbortError') {
						setError(e);
						onTrace(null); // what is drawn is what is so
					}
				}
			}
			if (!abort.signal.aborted)
				timer = setTimeout(tick, waiting ? EVERY_MS / 4 : EVERY_MS);
		};
		if (!chosen)
			onTrace(null);
		if (port)
			timer = setTimeout(tick, now ? 250 : 0); // people type
		return () => {
			abort.abort();
			clearTimeout(timer);
		};
	}, [tenant, key]);
	useEffect(() => {
		last.current = null;
		setNow(null);
	}, [tenant, port]);

	const a = now?.answer;
	const mine = now?.key === key; // what was said is of what is chosen now
	const choose = (c, words) => {
		setChosen(c);
		last.current = null;
		announce(words);
	};
	const flow = mine && a?.flow;
	const flows = a?.flows || (listed.current?.filter === filter && a?.host ? listed.current.flows : null);
	const over = mine && now.fresh && a.flows && chosen?.flow && !a.flow;

	return html`<div class="live-trace"><div class="flow-filter">
			<label>Protocol<select value=${proto} onChange=${(e) => setProto(e.target.value)}>${PROTOS.map(([v, text]) => html`<option value=${v}>${text}</option>`)}</select></label>
			<label>Address<input type="text" class="mono" value=${address} placeholder="10.0.2.0/24" aria-invalid=${wrongAddress ? 'true' : undefined} spellcheck=${false} onInput=${(e) => setAddress(e.target.value)} /></label>
			<label>Port number<input type="text" class="mono" inputmode="numeric" value=${portNumber} placeholder="443" aria-invalid=${wrongNumber ? 'true' : undefined} onInput=${(e) => setNumber(e.target.value)} /></label></div>
		${(wrongAddress || wrongNumber) && html`<p class="field-error" role="status">${wrongAddress ? 'That is no address yet: 10.0.0.1, 10.0.0.0/24 or fd00::1.' : 'A port number is 1 to 65535.'}</p>`}
		<${Fault} error=${error && { ...error, name: error.name, title: error.title, message: `${error.message}${now ? ' What is listed is from before.' : ''}` }} />
		${!port && html`<p class="dim">Choose a port. Its host then tells which flows of packets from there it has in its kernel, and what becomes of them.</p>`}
		${port && !a && !error && html`<p class="dim" role="status">Asking…</p>`}
		${a && html`<p class="dim" role="status">${!a.host ? html`<b class="warn-text">${port} is not up anywhere</b>, so nothing of it is decided.` : a.flows === null ? `The host ${a.host} is asked…` :
			html`As <b>${a.host}</b> had it <b class="num">${Math.round(a.age_ms / 1000)} s</b> ago: ${number(a.total)} ${a.total === 1 ? 'flow' : 'flows'}${a.total > a.flows.length ? `, the busiest ${a.flows.length} are shown` : ''}${a.more ? '; older ones were not looked at' : ''}.`}
			${a.telemetry_error && html` <span class="warn-text">This may be old: ${a.telemetry_error}</span>`}${a.flows && !now.fresh && html` <span class="warn-text">The host has said nothing since.</span>`}</p>
		${flows?.length > 0 && html`<ul class="flows" aria-label="Flows" aria-busy=${!mine || !a.flows}>${flows.map((f) => html`<${Flow} key=${f.id} flow=${f} on=${chosen?.flow === f.id} onChoose=${() => choose({ flow: f.id }, `Flow ${f.packet}`)} />`)}</ul>`}
		${flows?.length === 0 && html`<p class="dim">No such packet has come from ${port} lately.</p>`}
		${a.drops?.length > 0 && html`<details open=${!flows?.length}><summary>Packets dropped lately <span class="count num">${a.drops.length}</span></summary><ul class="flows" aria-label="Dropped packets">${a.drops.slice(0, 12).map((d) => html`<li><button type="button" class="quiet flow ${chosen?.packet === d.packet ? 'on' : ''}"
			aria-pressed=${chosen?.packet === d.packet} onClick=${() => choose({ packet: d.packet }, `Packet ${d.packet}`)}><code class="mono">${d.packet}</code>
			<span class="flow-facts"><${Badge} tone="bad">${d.help || d.reason}</${Badge}><span>${d.culprit}</span><span class="grow"></span><${Time} at=${d.at_ms} /></span></button></li>`)}</ul></details>`}`}
		${chosen && over && html`<p class="verdict warn" role="status"><strong>This flow is over.</strong> ${a.host} has it no more: no such packet came for a while, or the network has changed. ${last.current && html` It was: <code class="mono">${last.current.packet}</code>, ${actionOf(last.current)[1]}.`}</p>`}
		${mine && now.cannot && html`<p class="dim" role="status">This packet cannot be simulated from what is told of it: ${now.cannot}</p>`}
		${mine && now.trace && !error && html`<p class="dim small">${now.by === 'agent' ? html`A packet with this flow's headers, as host ${a.host} decides it, with the connections it knows; anew every two seconds.` :
				html`<b>What if:</b> this server has simulated the packet, without the connections that only hosts know.`}</p>
			${flow && !agrees(flow, now.trace) && html`<p class="verdict warn" role="status">The kernel does otherwise right now (${actionOf(flow)[1]}): the flow is about to be replaced.</p>`}
			<${Result} tenant=${tenant} trace=${now.trace} />`}</div>`;
}
