// SPDX-License-Identifier: Apache-2.0
// Gateways: the ports by which routers reach the outside.  Where each is, whether it is alive, which routes lead over it, with which others it shares
// connections, what it carries and drops.
import { html, useLoad, usePolled } from './lib.js';
import { get, getUpTo, list, listUpTo, tenantPath } from './api.js';
import { useChanges } from './live.js';
import { link } from './router.js';
import { Fault, Busy, Empty, Badge, Ref, Sign, Time, Old, number, short } from './ui.js';

const UPLINKS_MAX = 100, ASKED = 40, EVERY_MS = 2000;
const KINDS_SHOWN = new Set(['port', 'router', 'route', 'port_group', 'bind']);

/* Ports of routers that are linked to nothing of ours, and what belongs to them. */
async function loadUplinks(tenant, signal) {
	const found = await listUpTo(tenant, 'ports', { filter: ['router:*', 'peer:null'], fields: 'name,router,addresses,admin_up,port_groups' }, UPLINKS_MAX, signal);
	const routers = [...new Set(found.items.map((p) => p.router))].sort();
	const [groups, ...routes] = await Promise.all([
		found.items.length ? list(tenant, 'port_groups', { filter: 'stateful:true', fields: 'name', limit: 1000 }, signal) : { items: [] },
		...routers.map((r) => list(tenant, 'routes', { filter: `router:${r}`, fields: 'name,dst,type,port,gateway,weight,router', limit: 1000 }, signal)),
	]);
	const bindings = new Map();
	for (let i = 0; i < found.items.length; i += ASKED) {
		const some = await Promise.all(found.items.slice(i, i + ASKED).map((p) => list(tenant, 'bindings', { filter: `port:${p.name}`, limit: 1 }, signal)));
		for (const b of some.flatMap((page) => page.items))
			bindings.set(b.port, b);
	}
	return { uplinks: found.items, total: found.total, routers, stateful: new Set(groups.items.map((g) => g.name)), routes: new Map(routers.map((r, i) => [r, routes[i].items])), bindings };
}

async function loadLive(tenant, names, signal) {
	const parts = [];

	for (let i = 0; i < names.length; i += ASKED)
		parts.push(await get(tenantPath(tenant, 'live'), { port: names.slice(i, i + ASKED).join(',') }, signal));
	return {
		ports: Object.assign({}, ...parts.map((p) => p.ports)), hosts: Object.assign({}, ...parts.map((p) => p.hosts)),
		drops: parts.flatMap((p) => p.drops || []), trouble: parts.find((p) => p.telemetry_error)?.telemetry_error,
	};
}

/* [tone, word, why]: whether packets can go in and out there. */
export function lifeOf(port, binding, live, deadHosts) {
	const host = live?.host || binding?.host;

	if (port.admin_up === false)
		return ['warn', 'disabled', 'somebody has turned it off'];
	if (!binding && !live)
		return ['plain', 'not bound', 'it is on no host'];
	if (host && deadHosts.has(host))
		return ['bad', 'host is gone', `the agent of ${host} does not live`];
	if (live?.up)
		return ['good', 'alive', `up on ${host}`];
	return ['bad', 'down', live?.error || (live?.state === 'waiting' ? 'its interface is not there' : 'its host has not taken it up')];
}

function Routes({ tenant, routes }) {
	const shown = routes.slice(0, 4);

	if (!routes.length)
		return html`<span class="none">none</span>`;
	return html`<span class="values">${shown.map((r) => html`<span><a class="ref mono" href=${link(['t', tenant, 'routes', r.name])} title=${`route ${r.name}${r.gateway ? ` by ${r.gateway}` : ''}`}>${/\/0$/.test(r.dst) ? `default ${r.dst}` : r.dst}</a></span>`)}
		${routes.length > shown.length && html`<a class="more" href=${link(['t', tenant, 'routes'], { q: `port:${routes[0].port}` })}>+${number(routes.length - shown.length)}</a>`}</span>`;
}

/* Stateful port groups that the uplink is in, and who else of the page is in them. */
function Shares({ tenant, port, all, stateful }) {
	const groups = (port.port_groups || []).filter((g) => stateful.has(g));

	return groups.length ? html`<span class="values">${groups.map((g) => {
		const others = all.filter((p) => p !== port && p.port_groups?.includes(g)).map((p) => p.name);
		return html`<span><${Ref} tenant=${tenant} plural="port_groups" name=${g} />${others.length ? html` <span class="dim">with ${others.slice(0, 3).join(', ')}${others.length > 3 ? ' …' : ''}</span>` : html` <span class="dim">alone</span>`}</span>`;
	})}</span>` : html`<span class="none">–</span>`;
}

const rate = (live, key, unit) => (live?.[key] === undefined ? html`<span class="none">–</span>` : short(live[key], unit));

function Router({ tenant, name, ports, data, live, dead, me }) {
	const routes = data.routes.get(name) || [];
	const lives = ports.map((p) => lifeOf(p, data.bindings.get(p.name), live?.ports?.[p.name], dead));
	const alive = lives.filter(([, word]) => word === 'alive').length;

	return html`<section class="gateway" aria-label=${`Router ${name}`}><h2><${Sign} of="routers" /> <${Ref} tenant=${tenant} plural="routers" name=${name} />
		${live && html`<${Badge} tone=${alive === ports.length ? 'good' : alive ? 'warn' : 'bad'}>${alive} of ${ports.length} alive</${Badge}>`}
		<a class="small" href=${link(['t', tenant, 'topology'], { at: `routers/${name}` })}>on the map</a></h2>
		<div class="table-wrap" tabindex="0" role="group" aria-label=${`Uplinks of ${name}`}><table class="plain wide"><thead><tr><th scope="col">Uplink</th><th scope="col">State</th><th scope="col">Host</th><th scope="col">Interface</th><th scope="col">Addresses</th>
			<th scope="col">Routes over it</th><th scope="col">Shares connections</th><th scope="col" class="num">In</th><th scope="col" class="num">Out</th><th scope="col" class="num">Dropped</th></tr></thead>
		<tbody>${ports.map((p, i) => {
			const b = data.bindings.get(p.name), l = live?.ports?.[p.name], host = l?.host || b?.host;
			const [tone, word, why] = lives[i];
			return html`<tr><th scope="row"><a class="strong" href=${link(['t', tenant, 'ports', p.name])}>${p.name}</a></th>
				<td>${live ? html`<${Badge} tone=${tone} title=${why}>${word}</${Badge}>${tone === 'bad' && html`<br /><small class="dim">${why}</small>`}` : html`<span class="dim">not known</span>`}</td>
				<td>${host ? (me.role === 'operator' ? html`<a href=${link(['hosts', host])}>${host}</a>` : host) : html`<span class="none">–</span>`}</td><td class="mono">${l?.interface || b?.interface || ''}</td>
				<td class="mono">${(p.addresses || []).map((a) => html`<div>${a}</div>`)}</td><td><${Routes} tenant=${tenant} routes=${routes.filter((r) => r.port === p.name)} /></td>
				<td><${Shares} tenant=${tenant} port=${p} all=${data.uplinks} stateful=${data.stateful} /></td>
				<td class="num">${rate(l, 'rx_bps', 'bit/s')}<br /><small class="dim">${rate(l, 'rx_packets')}</small></td><td class="num">${rate(l, 'tx_bps', 'bit/s')}<br /><small class="dim">${rate(l, 'tx_packets')}</small></td>
				<td class="num">${rate(l, 'drops_ps', 'pkt/s')}<br /><small class="dim">${rate(l, 'drops')}</small></td></tr>`;
		})}</tbody></table></div></section>`;
}

export function GatewaysPage({ tenant, me }) {
	const { data, at, error, reload } = useLoad((signal) => loadUplinks(tenant, signal), [tenant]);
	const names = (data?.uplinks || []).map((p) => p.name).join(',');
	const live = usePolled((signal) => (names ? loadLive(tenant, names.split(','), signal) : Promise.resolve(null)), [`${tenant} ${names}`], EVERY_MS);
	// who lives is known to operators; others see it by what hosts say
	const hosts = usePolled((signal) => (me.role === 'operator' ? getUpTo('/api/v1/hosts', { fields: 'name,live' }, Infinity, signal) : Promise.resolve(null)), [me.role], 5000);
	const dead = new Set((!hosts.error && hosts.data?.items || []).filter((h) => !h.live).map((h) => h.name));
	const now = live.error ? null : live.data; // what was true before is not told as what is

	useChanges((b) => (b.reset || [...b.kinds].some((k) => KINDS_SHOWN.has(k))) && reload());
	return html`<section class="page wide" aria-labelledby="title"><header class="page-head"><h1 id="title"><${Sign} of="gateways" />Gateways</h1>
		<span class="count num">${data && number(data.total)}</span><span class="dim">By which ${tenant} reaches the outside.</span></header>
		<${Old} error=${error} at=${at} onRetry=${reload} />${!error && html`<${Old} error=${live.error} at=${live.at} what="State and traffic" onRetry=${live.reload} />`}
		${now?.trouble && html`<p class="warn-text" role="status">State and traffic may be old: ${now.trouble}</p>`}
		${!data && !error && html`<${Busy} />`}
		${data && !data.uplinks.length && html`<${Empty} title="No uplink yet" action=${me.writes && html`<a class="button primary" href=${link(['t', tenant, 'ports'], { new: '1' })}>Make a port</a>`}>
			<p>An uplink is a port of a router that is bound to an interface of a host and linked to no other port. Routes lead over it to the outside.</p></${Empty}>`}
		${data?.routers.map((r) => html`<${Router} key=${r} tenant=${tenant} name=${r} ports=${data.uplinks.filter((p) => p.router === r)} data=${data} live=${now} dead=${dead} me=${me} />`)}
		${data && data.total > data.uplinks.length && html`<p class="dim">${number(data.total - data.uplinks.length)} more uplinks are not shown; <a href=${link(['t', tenant, 'ports'], { q: 'router:* peer:null' })}>all of them</a>.</p>`}
		${now && data?.uplinks.length > 0 && html`<section aria-label="Last drops"><h3>Last drops</h3>${now.drops.length ? html`<ol class="events">${now.drops.slice(0, 12).map((d) => html`<li><${Time} at=${d.at_ms} /> <${Ref} tenant=${tenant} plural="ports" name=${d.port} />${' '}
			<b class="bad-text">${d.help || d.reason}</b>${d.culprit && html` <span>${d.culprit}</span>`}${d.packet && html`<br /><code class="mono">${d.packet}</code>`}</li>`)}</ol>` : html`<p class="dim">No packet that came by an uplink was dropped lately.</p>`}</section>`}</section>`;
}
