// SPDX-License-Identifier: Apache-2.0
// What would happen to a packet: asked of the server's simulator, told step by step, drawn on the map; or what hosts make of real ones (livetrace.js).
import { html, useState, useEffect, useSettled, announce } from './lib.js';
import { post, get, tenantPath, seg } from './api.js';
import { Map_ } from './map.js';
import { decidingStep } from './path.js';
import { LiveTrace } from './livetrace.js';
import { useChanges } from './live.js';
import { setQuery, objectLink } from './router.js';
import { Combo, finder, Fault, Badge, Ref, verdictTone } from './ui.js';
import { search } from './search.js';

const bare = (address) => (address || '').split('/')[0];

/* The text of a packet, in the language that skep trace takes. */
export function packetText({ proto, src, dst, sport, dport }) {
	const at = (a, port) => (proto === 'tcp' || proto === 'udp' ? `${a}:${port}` : a);
	const wrap = (a) => (a.includes(':') && (proto === 'tcp' || proto === 'udp') ? `[${a}]` : a);

	return `${proto} ${at(wrap(src), sport || 40000)} > ${at(wrap(dst), dport)}${proto === 'tcp' ? ' syn' : ''}`;
}

const STEP_KIND = { port: 'ports', bridge: 'bridges', router: 'routers', chain: 'chains', security_group: 'security_groups', unicast: 'ports', output: 'ports', vip: 'vips', member: 'members', mirror: 'mirrors', qos: 'qos_policies' };

function Steps({ tenant, trace }) {
	const decided = decidingStep(trace);

	return html`<ol class="steps">${(trace.steps || []).map((s, i) => html`<li class=${`depth-${Math.min(4, s.depth)} ${i === decided ? `decided ${verdictTone(trace.verdict)}` : ''}`} aria-current=${i === decided ? 'step' : undefined}>
		<span class="what">${s.what.replaceAll('_', ' ')}</span> ${s.name && html`<${Ref} tenant=${tenant} plural=${STEP_KIND[s.what]} name=${s.name} /> `}<span class="text">${s.text}</span>
		${i === decided && html` <${Badge} tone=${verdictTone(trace.verdict)}>decided here</${Badge}>`}</li>`)}</ol>`;
}

const VERDICTS = { forward: 'The packet arrives', drop: 'The packet is dropped', consumed: 'The network itself takes the packet', need: 'Something must be found out first' };

/* 'told': what became of the packet has been said already. */
export function TraceResult({ tenant, trace, told }) {
	const tone = verdictTone(trace.verdict);
	const deciders = (trace.rules || []).map((r) => r.chain ? { plural: 'chains', name: r.chain, rule: r.rule } : { plural: 'security_groups', name: r.security_group, rule: r.rule });

	return html`<div class="trace-result" aria-label="Step by step" role="group">
		${!told && html`<p class=${`verdict ${tone}`}><strong>${VERDICTS[trace.verdict] || trace.verdict}</strong>
			${trace.reason && html`: ${trace.help || trace.reason}${trace.culprit && html` (${trace.culprit})`}`}</p>`}
		${!told && trace.hint && html`<p class="hint"><b>What would help:</b> ${trace.hint}</p>`}
		${deciders.length > 0 && html`<p class="dim">Rules that it met: ${deciders.map((d, i) => html`${i ? ', ' : ''}<a href=${`${objectLink(tenant, d.plural, d.name)}`}>${d.name}</a> › ${d.rule}`)}</p>`}
		<code class="mono packet">${trace.packet}</code>
		<${Steps} tenant=${tenant} trace=${trace} />
		${(trace.outputs || []).map((o) => html`<div class="output"><b>Leaves</b> by <${Ref} tenant=${tenant} plural="ports" name=${o.port} />${o.host && html` on host ${o.host}`}
			${o.rewrites?.length > 0 && html`<table class="plain"><caption>What was changed</caption><tbody>${o.rewrites.map((w) => html`<tr><td class="mono">${typeof w === 'string' ? w : JSON.stringify(w)}</td></tr>`)}</tbody></table>`}</div>`)}</div>`;
}

export function TracePage({ tenant, query }) {
	const [mode, setMode] = useState(query.get('mode') || 'reach');
	const [from, setFrom] = useState(query.get('from') || '');
	const [to, setTo] = useState(query.get('to') || '');
	const [service, setService] = useState(query.get('proto') || 'tcp/443');
	const [packet, setPacket] = useState(query.get('packet') || '');
	const [answer, setAnswer] = useState(null);
	const [error, setError] = useState(null);
	const [busy, setBusy] = useState(false);
	const [way, setWay] = useState('forward');
	const [selected, setSelected] = useState(null);
	const [live, setLive] = useState(null); // the way that is shown in live mode
	const [since, setSince] = useState(false); // the network has changed since

	const run = async () => {
		setBusy(true);
		setError(null);
		setAnswer(null);
		setQuery({ address: '', number: '', flow: '', mode, from, to: mode === 'reach' ? to : '', proto: mode === 'reach' ? service : '', packet: mode === 'packet' ? packet : '' });
		setSince(false);
		try {
			if (mode === 'reach') {
				const a = await post(tenantPath(tenant, 'reachability'), { from, to, proto: service });
				setAnswer({ reach: a });
				setWay(a.forward?.verdict === 'forward' && a.reply && a.reply.verdict !== 'forward' ? 'reply' : 'forward');
				announce(a.text || '');
			} else {
				const trace = await post(tenantPath(tenant, 'trace'), { port: from, packet });
				setAnswer({ trace });
				announce(VERDICTS[trace.verdict] || trace.verdict);
			}
		} catch (e) {
			setError(e);
		}
		setBusy(false);
	};

	useChanges((b) => (b.reset || b.events.length) && setSince(true));
	useEffect(() => {
		if (mode !== 'live' && query.get('from') && (query.get('to') || query.get('packet')))
			run();
	}, []);
	// a packet to begin with, once one knows where it comes from
	useEffect(() => {
		const abort = new AbortController();
		if (mode === 'packet' && from && !packet)
			get(tenantPath(tenant, `ports/${seg(from)}`), undefined, abort.signal).then((p) => {
				const src = bare(p.addresses?.[0]);
				if (src)
					setPacket((old) => old || packetText({ proto: 'tcp', src, dst: src.includes(':') ? '2001:db8::1' : '192.0.2.1', dport: 443 }));
			}, () => {});
		return () => abort.abort();
	}, [mode, from]);

	const known = useSettled(from.trim(), 300); // people type
	const trace = mode === 'live' ? live : answer?.trace || answer?.reach?.[way] || null;
	const reach = answer?.reach;
	const ends = async (text, signal) => (await search(tenant, text, signal, { plurals: ['ports'], max: 12 }));
	const anyPort = finder(tenant, 'ports');
	const findEnd = (text, signal) => (text ? ends(text, signal) : anyPort(text, signal));

	return html`<section class="page fill trace" aria-labelledby="title">
		<header class="page-head"><h1 id="title">Path trace</h1><span class="dim">${mode === 'live' ? 'What happens to packets of a port, as its host decides.' : 'What would happen; nothing is sent.'}</span></header>
		<div class="trace-split"><div class="trace-side">
			<form class="stack" aria-label="Question" onSubmit=${(e) => { e.preventDefault(); if (mode !== 'live') run(); }}>
				<div class="tabs" role="radiogroup" aria-label="What to ask">${[['reach', 'Can it reach…'], ['packet', 'One packet'], ['live', 'Live']].map(([m, text]) => html`
					<label class=${mode === m ? 'on' : ''}><input type="radio" name="mode" checked=${mode === m} onChange=${() => { setMode(m); setAnswer(null); setError(null); setLive(null); }} />${text}</label>`)}</div>
				<label>From port<${Combo} value=${from} onInput=${setFrom} find=${findEnd} required placeholder="name, address or MAC of a port" /></label>
				${mode === 'reach' ? html`<label>To port or address<${Combo} value=${to} onInput=${setTo} find=${findEnd} required placeholder="db1 or 10.0.2.12" /></label>
					<label>Service<input type="text" class="mono" value=${service} required placeholder="tcp/443, udp/53, icmp" onInput=${(e) => setService(e.target.value)} /></label>` : mode === 'packet' && html`
					<label>Packet<input type="text" class="mono" value=${packet} required placeholder="tcp 10.0.1.11:4000 > 10.0.2.12:23 syn" onInput=${(e) => setPacket(e.target.value)} /></label>`}
				${mode !== 'live' && html`<button type="submit" class="primary" disabled=${busy || !from}>${busy ? 'Asking…' : 'Trace'}</button>`}</form>
			${mode === 'live' && html`<${LiveTrace} tenant=${tenant} port=${known} query=${query} onTrace=${setLive} Result=${TraceResult} />`}
			<${Fault} error=${error} />
			${mode !== 'live' && answer && since && html`<p class="warn-text" role="status">The network has changed since; ask again to know what is so now.</p>`}
			${reach && html`<p class=${`verdict big ${reach.reachable === true ? 'good' : reach.reachable === false ? 'bad' : 'warn'}`} role="status">
				<strong>${reach.reachable === true ? 'Yes' : reach.reachable === false ? 'No' : 'Not known'}</strong> ${String(reach.text || '').replace(/^(yes|no|unknown)[:,] /, '')}</p>
				${reach.reply && html`<div class="tabs" role="radiogroup" aria-label="Direction">${[['forward', 'Request'], ['reply', 'Answer']].map(([w, text]) => html`
					<label class=${way === w ? 'on' : ''}><input type="radio" name="way" checked=${way === w} onChange=${() => setWay(w)} />${text}</label>`)}</div>`}`}
			${mode !== 'live' && trace && html`<${TraceResult} tenant=${tenant} trace=${trace} told=${reach && trace.verdict !== 'forward'} />`}
			${mode !== 'live' && !answer && !error && !busy && html`<p class="dim">Choose where a packet enters and where it should go. The answer names the rule, route or port that decides, and the map shows the way.</p>`}
		</div>
		<${Map_} tenant=${tenant} trace=${trace} selected=${selected} onSelect=${setSelected} label="Map with the traced path" /></div></section>`;
}
