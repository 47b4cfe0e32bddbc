// SPDX-License-Identifier: Apache-2.0
// What agents tell of ports: where they are, whether they are up, counters, rates, the last drops and events.  They tell while somebody asks.
import { html, useState, useEffect, useRef } from './lib.js';
import { get, list, tenantPath } from './api.js';
import { Badge, Time, Old, number, short } from './ui.js';
import { link } from './router.js';

const EVERY_MS = 2000, LATE_MS = 8000, POINTS = 60;
export const NO_AGENT = 'no agent'; // what the server says in place of a state when the host's lease is over

/* {ports: {name: {host, up, ...}}, hosts: {name: {age_ms}}, drops, events}: of all ports that are anywhere, or of one. */
export const liveOf = (tenant, signal, port) => get(tenantPath(tenant, 'live'), port && { port }, signal);

/* A line of values over time, in a box of its own; its numbers are said in words beside it. */
export function Spark({ values, label, unit }) {
	const top = Math.max(1, ...values);
	const x = (i) => (i * 120) / Math.max(1, POINTS - 1);
	const y = (v) => 27 - (26 * v) / top;
	const points = values.map((v, i) => `${x(i + POINTS - values.length).toFixed(1)},${y(v).toFixed(1)}`).join(' ');

	return html`<figure class="spark"><figcaption>${label}<b class="num">${values.length ? short(values[values.length - 1], unit) : '–'}</b></figcaption>
		<svg viewBox="0 0 120 28" preserveAspectRatio="none" role="img" aria-label=${`${label}: now ${values.length ? short(values[values.length - 1], unit) : 'not known'}, at most ${short(top, unit)}`}>
			<path d="M0 27.5H120" /><polyline points=${points} /></svg></figure>`;
}

/* What is counted, in the words of the machine behind the port: it sends what skep receives.  [counter, its rate, words, unit of the rate] */
const COUNTERS = [['rx_packets', 'rx_pps', 'Packets sent', ''], ['rx_bytes', 'rx_bps', 'Bytes sent', 'bit/s'], ['tx_packets', 'tx_pps', 'Packets received', ''], ['tx_bytes', 'tx_bps', 'Bytes received', 'bit/s'],
	['drops', 'drops_ps', 'Packets dropped', ''], ['upcalls', 'upcalls_ps', 'Asked of the agent', ''], ['conns', null, 'Connections', ''], ['conns_refused', null, 'Connections refused', '']];
const DRAWN = [['tx_bps', 'Received', 'bit/s'], ['rx_bps', 'Sent', 'bit/s'], ['drops_ps', 'Dropped', 'pkt/s']];

function Port({ tenant, name, live, rates, old }) {
	const told = live && live.rx_packets !== undefined;

	return html`<dl class="facts"><dt>State</dt><dd>${old ? html`<${Badge} tone="warn">not known</${Badge}>` : live?.up ? html`<${Badge} tone="good">up</${Badge}>` : live?.state === NO_AGENT ? html`<${Badge} tone="bad">no agent</${Badge}> <span class="dim">The agent of its host does not live: what the port carries is not known.</span>` : html`<${Badge} tone="plain">not up</${Badge}>`}</dd>
		${live?.host && html`<dt>Host</dt><dd><a href=${link(['t', tenant, 'topology'], { at: `hosts/${live.host}` })}>${live.host}</a></dd>`}
		${live?.interface && html`<dt>Interface</dt><dd class="mono">${live.interface}</dd>`}</dl>
		${told ? html`<div class="sparks ${old ? 'old' : ''}">${DRAWN.map(([rate, label, unit]) => html`<${Spark} key=${rate} values=${rates[rate] || []} label=${label} unit=${unit} />`)}</div>
			<table class="plain counters"><caption class="hidden">Counters of ${name}</caption><thead><tr><th scope="col">Since the agent began</th><th class="num" scope="col">Total</th><th class="num" scope="col">${old ? 'Then' : 'Now'}</th></tr></thead>
			<tbody>${COUNTERS.filter(([k]) => live[k] !== undefined).map(([k, rate, words, unit]) => html`<tr><th scope="row">${words}</th><td class="num">${number(Number(live[k]))}</td>
				<td class="num">${rate && live[rate] !== undefined ? short(live[rate], unit || 'pkt/s') : ''}</td></tr>`)}</tbody></table>` :
			live?.up && html`<p class="dim" role="status">Its host is asked for counters…</p>`}`;
}

const List = ({ title, none, rows }) => html`<section aria-label=${title}><h3>${title}</h3>${rows.length ? html`<ol class="events">${rows}</ol>` : html`<p class="dim">${none}</p>`}</section>`;

const EVENTS = { port_up: 'up', port_down: 'down', port_failed: 'failed', changed: 'changed', trouble: 'trouble', usable: 'usable again' };

/* Ports of a bridge or router, and how many of them are up. */
function DevicePorts({ tenant, plural, name }) {
	const [state, set] = useState(null);
	const field = plural === 'bridges' ? 'bridge' : 'router';

	useEffect(() => {
		let gone = false;
		list(tenant, 'ports', { filter: `${field}:${name}`, limit: 1, fields: 'name' }).then((p) => !gone && set(p.total), () => {});
		return () => { gone = true; };
	}, [tenant, plural, name]);
	return html`<section aria-label="Ports"><h2>Ports <span class="count num">${state !== null && number(state)}</span></h2>
		<p><a class="button" href=${link(['t', tenant, 'ports'], { q: `${field}:${name}` })}>Show its ports</a> <a class="button" href=${link(['t', tenant, 'topology'], { at: `${plural}/${name}` })}>See it on the map</a></p></section>`;
}

export function LivePart({ tenant, plural, object }) {
	const [now, setNow] = useState(null);
	const [error, setError] = useState(null);
	const [at, setAt] = useState(0); // when it was told
	const rates = useRef({});
	const name = object.name;

	useEffect(() => {
		if (plural !== 'ports')
			return undefined;
		const abort = new AbortController();
		let timer;
		rates.current = {};
		const tick = async () => {
			if (document.visibilityState === 'visible') {
				try {
					const all = await liveOf(tenant, AbortSignal.any([abort.signal, AbortSignal.timeout(LATE_MS)]), name);
					const port = all.ports?.[name] || null;
					for (const [k] of DRAWN)
						if (port?.[k] !== undefined)
							rates.current[k] = [...(rates.current[k] || []), Number(port[k])].slice(-POINTS);
					setNow({ port, drops: (all.drops || []).filter((d) => d.port === name).slice(0, 8), events: (all.events || []).filter((e) => !e.port || e.port === name).slice(0, 8), trouble: all.telemetry_error });
					setAt(Date.now());
					setError(null);
				} catch (e) {
					if (e.name !== 'AbortError')
						setError(e);
				}
			}
			if (!abort.signal.aborted)
				timer = setTimeout(tick, EVERY_MS);
		};
		tick();
		return () => {
			abort.abort();
			clearTimeout(timer);
		};
	}, [tenant, plural, name]);

	if (plural !== 'ports')
		return html`<${DevicePorts} tenant=${tenant} plural=${plural} name=${name} />`;
	if (object.peer)
		return null;
	return html`<section aria-label="Live"><h2>Now</h2>
		<${Old} error=${error} at=${at} what="What is below" />
		${(now || !error) && html`<${Port} tenant=${tenant} name=${name} live=${now?.port} rates=${rates.current} old=${!!error || !!now?.trouble} />`}
		${now?.trouble && html`<p class="warn-text">This may be old: ${now.trouble}</p>`}
		${now && html`<${List} title="Last drops" none="No packet of this port was dropped lately." rows=${now.drops.map((d) => html`<li><${Time} at=${d.at_ms} /> <b class="bad-text">${d.help || d.reason}</b>
			${d.culprit && html` <span>${d.culprit}</span>`}${d.packet && html`<br /><code class="mono">${d.packet}</code>`}</li>`)} />
		<${List} title="Last events" none="Nothing has happened to this port lately." rows=${now.events.map((e) => html`<li><${Time} at=${e.at_ms} /> ${EVENTS[e.event] || e.event}
			${e.host && html` <span class="dim">on ${e.host}</span>`}${e.text && html` <span>${e.text}</span>`}</li>`)} />`}</section>`;
}
