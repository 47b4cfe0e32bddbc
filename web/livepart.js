// SPDX-License-Identifier: Apache-2.0
// What agents tell of ports: where they are, whether they are up, counters, the last drops and events.  Counters may be beyond what a
// number of JavaScript holds exactly; rates are differences, and are shown rounded.
import { html, useState, useEffect, useRef } from './lib.js';
import { get, list, tenantPath } from './api.js';
import { Badge, Time, Fault, number, short, toDate } from './ui.js';
import { link } from './router.js';
import { fieldLabel } from './kinds.js';

const EVERY_MS = 2000, POINTS = 60;

/* {port: {host, up, ...}} of all ports that are anywhere. */
export const livePorts = async (tenant, signal, names) => (await get(tenantPath(tenant, 'live'), names && { port: names }, signal)).ports || {};

/* A line of values over time, in a box of its own; its numbers are said in words beside it. */
export function Spark({ values, label, unit }) {
	const top = Math.max(1, ...values);
	const x = (i) => (i * 120) / Math.max(1, POINTS - 1);
	const y = (v) => 27 - (26 * v) / top;
	const points = values.map((v, i) => `${x(i + POINTS - values.length).toFixed(1)},${y(v).toFixed(1)}`).join(' ');

	return html`<figure class="spark"><figcaption>${label}<b class="num">${values.length ? short(values[values.length - 1], unit) : '–'}</b></figcaption>
		<svg viewBox="0 0 120 28" preserveAspectRatio="none" role="img" aria-label=${`${label}: now ${values.length ? short(values[values.length - 1], unit) : 'not known'}, at most ${short(top, unit)}`}>
			<polyline points=${points} /></svg></figure>`;
}

/* Counters, flat, by the names that the agents use. */
function flat(o, prefix = '') {
	return Object.entries(o || {}).flatMap(([k, v]) => (v && typeof v === 'object' && !Array.isArray(v) ? flat(v, `${prefix}${k} `) : [[`${prefix}${k}`, v]]))
		.filter(([, v]) => (typeof v === 'number' || /^\d+$/.test(v)));
}

const rateOf = (now, before, key, seconds) => Math.max(0, (Number(now[key] || 0) - Number(before[key] || 0)) / seconds);

function Port({ tenant, name, live, rates }) {
	const c = Object.fromEntries(flat(live?.counters));
	const keys = Object.keys(c);

	return html`<dl class="facts"><dt>State</dt><dd>${live?.up ? html`<${Badge} tone="good">up</${Badge}>` : html`<${Badge} tone="plain">not up</${Badge}>`}</dd>
		${live?.host && html`<dt>Host</dt><dd><a href=${link(['t', tenant, 'topology'], { at: `hosts/${live.host}` })}>${live.host}</a></dd>`}
		${live?.interface && html`<dt>Interface</dt><dd class="mono">${live.interface}</dd>`}</dl>
		${keys.length > 0 ? html`<div class="sparks">${keys.filter((k) => rates[k]?.some((v) => v > 0)).slice(0, 6).map((k) => html`<${Spark} key=${k} values=${rates[k] || []} label=${`${fieldLabel(k)}/s`} unit=${/byte/.test(k) ? 'B' : ''} />`)}</div>
			<table class="plain counters"><caption class="hidden">Counters of ${name}</caption><thead><tr><th scope="col">Counter</th><th class="num" scope="col">Total</th><th class="num" scope="col">per second</th></tr></thead>
			<tbody>${keys.map((k) => html`<tr><th scope="row">${fieldLabel(k)}</th><td class="num">${number(Number(c[k]))}</td><td class="num">${rates[k]?.length ? short(rates[k][rates[k].length - 1]) : '–'}</td></tr>`)}</tbody></table>` :
			live && html`<p class="dim">${live.up ? 'No counters have come from this host yet.' : ''}</p>`}`;
}

const List = ({ title, none, rows }) => html`<section aria-label=${title}><h3>${title}</h3>${rows.length ? html`<ol class="events">${rows}</ol>` : html`<p class="dim">${none}</p>`}</section>`;

const when = (o) => o.at ?? o.time ?? o.time_s ?? o.ts;
const mineOf = (all, name) => (Array.isArray(all) ? all : Object.values(all || {}).flat()).filter((o) => !o.port || o.port === name)
	.sort((a, b) => (toDate(when(b)) || 0) - (toDate(when(a)) || 0)).slice(0, 8);

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
	const before = useRef(null), rates = useRef({});
	const name = object.name;

	useEffect(() => {
		if (plural !== 'ports')
			return undefined;
		const abort = new AbortController();
		let timer;
		before.current = null;
		rates.current = {};
		const tick = async () => {
			if (document.visibilityState === 'visible') {
				try {
					const all = await get(tenantPath(tenant, 'live'), { port: name }, abort.signal);
					const port = all.ports?.[name] || null;
					const c = Object.fromEntries(flat(port?.counters));
					const t = performance.now();
					if (before.current && Object.keys(c).some((k) => c[k] !== before.current.c[k] || t - before.current.t > 3 * EVERY_MS)) {
						for (const k of Object.keys(c))
							rates.current[k] = [...(rates.current[k] || []), rateOf(c, before.current.c, k, (t - before.current.t) / 1000)].slice(-POINTS);
						before.current = { c, t };
					}
					before.current ||= { c, t };
					setNow({ port, drops: mineOf(port?.drops ?? all.drops, name), events: mineOf(port?.events ?? all.events, name) });
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
		${error && !now ? html`<${Fault} error=${error} />` : html`<${Port} tenant=${tenant} name=${name} live=${now?.port} rates=${rates.current} />`}
		${now && html`<${List} title="Last drops" none="No packet of this port was dropped lately." rows=${now.drops.map((d) => html`<li><${Time} at=${when(d)} /> <b class="bad-text">${d.reason}</b>
			${d.culprit && html` <span>${d.culprit}</span>`}${d.packet && html`<br /><code class="mono">${d.packet}</code>`}${d.count > 1 && html` <span class="num dim">× ${number(d.count)}</span>`}</li>`)} />
		<${List} title="Last events" none="Nothing has happened to this port lately." rows=${now.events.map((d) => html`<li><${Time} at=${when(d)} /> ${d.what || d.event || d.text || ''} ${d.host && html`<span class="dim">${d.host}</span>`}${
			d.text && d.text !== (d.what || d.event || d.text) && html` <span>${d.text}</span>`}</li>`)} />`}</section>`;
}
