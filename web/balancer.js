// SPDX-License-Identifier: Apache-2.0
// The whole of a load balancer: its virtual addresses, the pools behind them, their members, and what health checks have found of these.
import { html, useLoad, usePolled } from './lib.js';
import { get, listUpTo, tenantPath } from './api.js';
import { useChanges } from './live.js';
import { link } from './router.js';
import { Fault, Old, Busy, Badge, Ref, number } from './ui.js';

const EVERY_MS = 2000, MOST = 1000, ASKED_CHARS = 12000;
const KINDS = ['vip', 'pool', 'member'];

/* {vips, pools: [{name, members, total}]} */
async function load(tenant, name, signal) {
	const { items: vips } = await listUpTo(tenant, 'vips', { filter: `load_balancer:${name}` }, MOST, signal);
	const names = [...new Set(vips.map((v) => v.pool))];
	const pools = await Promise.all(names.map(async (pool) => {
		const { items, total } = await listUpTo(tenant, 'members', { filter: `pool:${pool}` }, MOST, signal);
		return { name: pool, members: items, total };
	}));

	return { vips, pools };
}

function healthOf(tenant, members, signal) {
	const asked = [];

	for (let n = 0, chars = 0; n < members.length && chars + members[n].length < ASKED_CHARS; n++) {
		asked.push(members[n]);
		chars += members[n].length + 1;
	}
	return get(tenantPath(tenant, 'live'), { places: 'true', member: asked.join(',') }, signal).then((said) => ({ asked: new Set(asked), members: said.members || {} }));
}

/* As the load balancer goes by it: what is configured, then what was found. */
function Health({ member, said }) {
	if (member.state && member.state !== 'up')
		return html`<${Badge} tone="warn">${member.state}</${Badge}>`;
	if (member.weight === 0)
		return html`<${Badge} tone="warn">weight 0</${Badge}>`;
	if (!said || !said.asked.has(member.name))
		return html`<${Badge}>not known</${Badge}>`;
	const found = said.members[member.name];
	return found ? html`<${Badge} tone=${found.up ? 'good' : 'bad'}>${found.up ? 'healthy' : 'not healthy'}</${Badge}>` : html`<${Badge} title="No health check has said anything of it: it is taken for healthy">not checked</${Badge}>`;
}

const service = (v) => `${v.proto} ${v.address.includes(':') ? `[${v.address}]` : v.address}:${v.port || '*'}`;
const sticky = (v) => (v.affinity === 'source' ? html`<${Badge} title="A client keeps its member">sticky</${Badge}> <span class="dim">${number(v.affinity_timeout ?? 10800)} s</span>` : html`<span class="dim">no</span>`);

const Vips = ({ tenant, vips }) => html`<div class="table-wrap" tabindex="0" role="group" aria-label="Virtual addresses"><table class="plain wide"><thead><tr><th scope="col">Virtual address</th><th scope="col">Service</th><th scope="col">Pool</th><th scope="col">Sticky</th><th scope="col">If no member is left</th></tr></thead>
	<tbody>${vips.map((v) => html`<tr key=${v.name}><th scope="row"><${Ref} tenant=${tenant} plural="vips" name=${v.name} />${v.admin_up === false && html` <${Badge} tone="warn">disabled</${Badge}>`}</th><td class="mono">${service(v)}</td>
		<td><${Ref} tenant=${tenant} plural="pools" name=${v.pool} /></td><td>${sticky(v)}</td><td>${v.on_empty || 'drop'}</td></tr>`)}</tbody></table></div>`;

function Pool({ tenant, pool, said }) {
	const serving = pool.members.filter((m) => (m.state || 'up') === 'up' && m.weight !== 0 && said?.members[m.name]?.up !== false).length;

	return html`<section aria-label=${`Pool ${pool.name}`}><h3>Pool <${Ref} tenant=${tenant} plural="pools" name=${pool.name} /> ${said && html`<small class=${serving ? 'dim' : 'bad-text'}>${number(serving)} of ${number(pool.total)} take connections</small>`}</h3>
		${pool.members.length ? html`<div class="table-wrap" tabindex="0" role="group" aria-label=${`Members of ${pool.name}`}><table class="plain wide"><thead><tr><th scope="col">Member</th><th scope="col">Address</th><th scope="col" class="num">Port</th><th scope="col" class="num">Weight</th><th scope="col">Health</th></tr></thead>
		<tbody>${pool.members.map((m) => html`<tr key=${m.name}><th scope="row"><${Ref} tenant=${tenant} plural="members" name=${m.name} /></th><td class="mono">${m.address}</td><td class="num">${m.port || 'the packet’s'}</td><td class="num">${m.weight ?? 1}</td>
			<td><${Health} member=${m} said=${said} /></td></tr>`)}</tbody></table></div>` : html`<p class="bad-text">It has no members. <a href=${link(['t', tenant, 'members'], { new: '1' })}>Make one</a></p>`}
		${pool.total > pool.members.length && html`<p class="dim"><a href=${link(['t', tenant, 'members'], { q: `pool:${pool.name}` })}>all ${number(pool.total)}</a></p>`}</section>`;
}

export function Balancer({ tenant, name }) {
	const { data, error, reload } = useLoad((signal) => load(tenant, name, signal), [`${tenant}/${name}`]);
	const names = (data?.pools || []).flatMap((p) => p.members.map((m) => m.name));
	const health = usePolled((signal) => (names.length ? healthOf(tenant, names, signal) : Promise.resolve(null)), [names.join(',')], EVERY_MS);
	const said = health.error ? null : health.data; // what was true before is not told as what is

	useChanges((b) => (b.reset || KINDS.some((k) => b.kinds.has(k))) && reload());
	return html`<section aria-label="What it balances"><h2>Virtual addresses <span class="count num">${data && number(data.vips.length)}</span></h2>
		<${Fault} error=${error} onRetry=${reload} /><${Old} error=${health.error} at=${0} />
		${!data && !error && html`<${Busy} />`}
		${data && (data.vips.length ? html`<${Vips} tenant=${tenant} vips=${data.vips} />` : html`<p class="dim">It has none: nobody reaches it.</p>`)}
		${data?.pools.map((p) => html`<${Pool} key=${p.name} tenant=${tenant} pool=${p} said=${said} />`)}</section>`;
}
