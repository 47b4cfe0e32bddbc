// SPDX-License-Identifier: Apache-2.0
// What is so now, as a person looks on: live traces, gateways; references among many objects; and what one is told when it is not known, not there, or not
// allowed.  Called by panel.mjs.
import { person, signIn, to, mapReady, shot, equal, truth, until, test, api, url } from './person.mjs';

const T = '/api/v1/tenants/t';
const onMap = (page) => page.evaluate(() => { const p = document.querySelector('.map')?.mapView?.path; return p && { tone: p.tone, nodes: [...p.nodes] }; });
const flows = (page) => page.getByRole('list', { name: 'Flows' });

export async function liveTraces(me, token, command) {
	await test('live: the flows of a port as its host has them, the way of one on the map', me, async (page) => {
		await to(page, '#/t/t/trace');
		await page.getByText('Live', { exact: true }).click();
		await page.getByText('Choose a port.').waitFor();
		await page.getByLabel('From port').fill('vm1');
		await page.keyboard.press('Escape');
		const flow = flows(page).getByRole('button', { name: /icmp.*to vm2/ }).first();
		await until(async () => {
			command('traffic');
			return flow.count();
		}, 'a flow to vm2', 30000);
		await flow.click();
		const path = await until(() => onMap(page), 'a way on the map', 20000);
		for (const id of ['ports/vm1', 'bridges/left', 'ports/vm2', 'hosts/h2'])
			truth(path.nodes.includes(id), `${id} is on the way ${path.nodes}`);
		equal(path.tone, 'good', 'its colour');
		await page.getByText(/as host h1 decides it/).waitFor();
		truth(/mode=live/.test(page.url()) && /flow=[0-9a-f]{16}/.test(page.url()), `the address has it all: ${page.url()}`);
		await shot(page, 'live');
		await page.reload();
		await until(async () => {
			command('traffic');
			return onMap(page);
		}, 'the way after a reload', 30000);
	});

	await test('live: a flow that is dropped, and the rule that decides; the rule goes, and it is seen', me, async (page) => {
		await api(token, 'PUT', `${T}/chains/watch-fw`, { name: 'watch-fw', rules: [{ name: 'no-ping', action: 'drop', proto: 'icmp', dst: '10.0.2.0/24' }] });
		await api(token, 'PATCH', `${T}/ports/vm1`, { in_chain: 'watch-fw' });
		await to(page, '#/t/t/trace?mode=live&from=vm1&proto=icmp');
		await page.reload();
		const flow = flows(page).getByRole('button', { name: /dropped.*no-ping/ }).first();
		await until(async () => {
			command('traffic');
			return flow.count();
		}, 'a dropped flow', 30000);
		await flow.click();
		await until(async () => (await onMap(page))?.tone === 'bad', 'a way that ends', 20000);
		truth(/no-ping/.test(await page.locator('.steps [aria-current=step]').textContent()), 'the rule is marked');
		await shot(page, 'live-dropped');
		await api(token, 'PATCH', `${T}/chains/watch-fw`, { rules: [] });
		await until(async () => {
			command('traffic');
			const tone = (await onMap(page))?.tone;
			return tone !== 'bad' && (tone === 'good' || await page.getByText('This flow is over').count());
		}, 'what is drawn follows', 30000);
		await api(token, 'PATCH', `${T}/ports/vm1`, { in_chain: null });
	});

	await test('live: a packet that was dropped lately: what if, and it says so', me, async (page) => {
		await to(page, '#/t/t/trace?mode=live&from=vm1');
		const dropped = page.getByRole('list', { name: 'Dropped packets' }).getByRole('button', { name: /icmp 10\.0\.1\.11 > 192\.0\.2\.1.*no route/ }).first();
		await until(async () => {
			command('traffic');
			if (!await dropped.isVisible())
				await page.getByText('Packets dropped lately').click();
			return dropped.isVisible();
		}, 'a dropped packet', 30000);
		await dropped.click();
		await page.getByText('What if:').waitFor();
		await until(async () => (await onMap(page))?.tone === 'bad', 'a way that ends');
		truth((await onMap(page)).nodes.includes('routers/r'), 'it ends at the router');
	});

	await test('live: what is asked for is told when it is none, and nothing is sent', me, async (page) => {
		await page.getByRole('textbox', { name: 'Address' }).fill('10.0.');
		await page.getByText('That is no address yet').waitFor();
		await page.getByRole('textbox', { name: 'Address' }).fill('10.0.2.0/24');
		await page.getByRole('textbox', { name: 'Port number' }).fill('99999');
		await page.getByText('A port number is 1 to 65535').waitFor();
		await page.getByRole('textbox', { name: 'Port number' }).fill('');
		await until(async () => !(await page.locator('.field-error').count()), 'nothing is wrong any more');
	});
}

export async function gateways(me, token, command) {
	await test('gateways: none yet; then which uplinks live, where, and what they share', me, async (page) => {
		await to(page, '#/t/t/gateways');
		await page.getByText('No uplink yet').waitFor();
		command('uplinks');
		await api(token, 'POST', `${T}/batch`, { operations: [
			{ method: 'PUT', path: 'port_groups/out', body: { stateful: true } }, { method: 'PUT', path: 'routers/edge', body: {} },
			...['h1', 'h2'].flatMap((h, i) => [
				{ method: 'PUT', path: `ports/up-${h}`, body: { router: 'edge', addresses: [`198.51.${100 + i}.2/24`], port_groups: ['out'] } },
				{ method: 'PUT', path: `routes/default-${h}`, body: { router: 'edge', dst: '0.0.0.0/0', port: `up-${h}`, gateway: `198.51.${100 + i}.1` } },
				{ method: 'PUT', path: `bindings/up-${h}`, body: { host: h, interface: `up-${h}` } }]),
		] }).then((a) => equal(a.status, 200, JSON.stringify(a.body)));
		const row = (h) => page.locator('tr', { has: page.getByRole('rowheader', { name: `up-${h}` }) });
		await row('h1').getByText('alive', { exact: true }).waitFor({ timeout: 20000 });
		await row('h2').getByText('alive', { exact: true }).waitFor({ timeout: 20000 });
		await page.getByText('2 of 2 alive').waitFor();
		truth(/default 0\.0\.0\.0\/0/.test(await row('h1').textContent()), 'its route');
		truth(/out.*with up-h2/.test(await row('h1').textContent()), `what it shares: ${await row('h1').textContent()}`);
		await row('h1').getByRole('link', { name: 'h1', exact: true }).waitFor();
		await shot(page, 'gateways');
		command('uplink-down');
		await row('h2').getByText('down', { exact: true }).waitFor({ timeout: 20000 });
		await page.getByText('1 of 2 alive').waitFor();
		await api(token, 'PATCH', `${T}/ports/up-h1`, { admin_up: false });
		await row('h1').getByText('disabled', { exact: true }).waitFor();
		await page.getByText('0 of 2 alive').waitFor();
		await shot(page, 'gateways-down');
	});
}

export async function references(me, token) {
	await test('references are found among many: in rules, and who names them', me, async (page) => {
		const many = Array.from({ length: 300 }, (x, i) => `many-${String(i).padStart(3, '0')}`);
		const made = await api(token, 'POST', `${T}/batch`, { operations: [
			...many.map((n) => ({ method: 'PUT', path: `security_groups/${n}`, body: { rules: [] } })),
			{ method: 'PUT', path: 'security_groups/zz-last', body: { rules: [{ name: 'in', direction: 'ingress', remote_group: 'many-287' }] } },
			...many.map((n) => ({ method: 'PUT', path: `address_groups/${n}`, body: { addresses: ['10.9.0.0/16'] } })),
		] });
		equal(made.status, 200, JSON.stringify(made.body).slice(0, 300));
		await to(page, '#/t/t/security_groups?new=1');
		await page.locator('[data-field="name"]').getByRole('textbox').fill('refers');
		await page.getByRole('button', { name: 'Add rule' }).click();
		const rule = page.locator('fieldset').first();
		await rule.getByLabel('Add a condition or field').selectOption('remote_group');
		await page.locator('[data-field="rules.0.remote_group"]').getByRole('combobox').fill('287');
		await page.getByRole('option', { name: 'many-287' }).click();
		equal(await page.locator('[data-field="rules.0.remote_group"]').getByRole('combobox').inputValue(), 'many-287', 'what is chosen');
		await to(page, '#/t/t/chains?new=1');
		await page.locator('[data-field="name"]').getByRole('textbox').fill('refers');
		await page.getByRole('button', { name: 'Add rule' }).click();
		await page.locator('fieldset').first().getByLabel('Add a condition or field').selectOption('src_group');
		await page.locator('[data-field="rules.0.src_group"]').getByRole('combobox').fill('299');
		await page.getByRole('option', { name: 'many-299' }).waitFor();
		await to(page, '#/t/t/security_groups/many-287');
		const users = page.getByRole('region', { name: 'Used by' });
		await users.getByRole('link', { name: 'zz-last' }).waitFor();
	});
}

export async function rights(me, token) {
	const reader = (await api(token, 'POST', '/api/v1/tokens', { name: 'looks-on', role: 'tenant-reader', tenant: 't' })).body.token;
	const page = await person();

	await test('who may only look is told so on every page that is not theirs', page, async () => {
		await signIn(page, reader);
		await mapReady(page);
		for (const [where, says] of [['#/hosts', 'Hosts are for operators'], ['#/hosts/h1', 'Hosts are for operators'], ['#/status', 'Health is for operators'], ['#/t/t/tokens', 'Tokens are for those who may change the tenant'],
			['#/t/t/ports?new=1', 'You may look, not change'], ['#/t/t/ports/vm1?edit=1', 'You may look, not change']]) {
			await to(page, where);
			await page.getByRole('heading', { name: says }).waitFor();
		}
		await shot(page, 'not-allowed');
		for (const [where, heading] of [['#/t/t/gateways', 'Gateways'], ['#/t/t/trace?mode=live&from=vm1', 'Path trace'], ['#/t/t/history', 'Change history'], ['#/t/t/capacity', 'Capacity'], ['#/t/t/policy', 'Policy matrix'], ['#/t/t/topology', 'Network map of t']]) {
			await to(page, where);
			await page.getByRole('heading', { name: heading, exact: true }).waitFor();
			await until(async () => !(await page.locator('.busy').count()), `${where} is loaded`);
			equal(await page.getByRole('alert').allTextContents(), [], `what ${where} says is wrong`);
		}
	});
	await test("another tenant's pages say whose they are", page, async () => {
		page.expected.add('403').add('404');
		await to(page, '#/t/big/ports');
		await page.getByRole('heading', { name: 'There is no tenant “big”' }).waitFor();
		await page.getByRole('link', { name: 'To t', exact: true }).click();
		await mapReady(page);
		page.expected.clear();
	});
	await page.context().close();
}

export async function goneThings(me, token, command) {
	await test('a tenant that is deleted under one’s eyes, and one that never was', me, async (page) => {
		page.expected.add('404').add('cut');
		await api(token, 'PUT', '/api/v1/tenants/brief', {});
		await api(token, 'PUT', '/api/v1/tenants/brief/bridges/only', {});
		await to(page, '#/t/brief/bridges');
		await page.getByRole('link', { name: 'only' }).waitFor();
		await page.getByText('live', { exact: true }).waitFor();
		equal((await api(token, 'DELETE', '/api/v1/tenants/brief?recursive=true')).status, 204, 'deleted');
		await page.getByRole('heading', { name: 'There is no tenant “brief”' }).waitFor({ timeout: 15000 });
		equal(await page.getByRole('link', { name: 'only' }).count(), 0, 'what it had is shown still');
		await shot(page, 'tenant-gone');
		await api(token, 'PUT', '/api/v1/tenants/brief', {});
		await api(token, 'PUT', '/api/v1/tenants/brief/bridges/again', {});
		await page.getByRole('link', { name: 'again' }).waitFor({ timeout: 20000 });
		await to(page, '#/t/never/ports');
		await page.getByRole('heading', { name: 'There is no tenant “never”' }).waitFor();
		await api(token, 'DELETE', '/api/v1/tenants/brief?recursive=true');
		page.expected.clear();
	});

	await test('an object that is deleted while one looks is not shown as if it were there', me, async (page) => {
		page.expected.add('404');
		await api(token, 'PUT', `${T}/bridges/short-lived`, {});
		await to(page, '#/t/t/bridges/short-lived');
		await page.getByRole('heading', { name: 'short-lived' }).waitFor();
		await api(token, 'DELETE', `${T}/bridges/short-lived`);
		await page.getByText('deleted', { exact: true }).or(page.getByText('There is no bridge')).first().waitFor();
		await until(async () => (await page.getByRole('link', { name: 'Edit' }).count()) === 0, 'nothing to edit');
		page.expected.clear();
	});

	await test('the state DB is away: it is said, on every page; nothing old is shown as new; then all goes on', me, async (page) => {
		page.expected.add('503').add('cut').add('504');
		await to(page, '#/t/t/ports/vm1');
		await page.getByRole('region', { name: 'Live' }).getByText('up', { exact: true }).waitFor();
		command('db-pause');
		try {
			await page.getByText(/Not connected since/).waitFor({ timeout: 30000 });
			await page.getByRole('region', { name: 'Live' }).getByText('not known', { exact: true }).waitFor({ timeout: 15000 });
			await shot(page, 'db-away');
			for (const where of ['#/t/t/gateways', '#/t/t/ports', '#/t/t/topology', '#/t/t/capacity', '#/t/t/history', '#/hosts', '#/t/t/trace?mode=live&from=vm1']) {
				await to(page, where);
				await page.getByRole('alert').getByText(/state DB (does not answer|is unavailable)/).first().waitFor({ timeout: 30000 });
			}
			await to(page, '#/status');
			await page.getByRole('heading', { name: 'Health' }).waitFor();
			await to(page, '#/t/t/ports');
		} finally {
			command('db-resume');
		}
		await page.getByText('live', { exact: true }).waitFor({ timeout: 30000 });
		await page.getByRole('link', { name: 'vm4' }).waitFor();
		equal(await page.getByRole('alert').count(), 0, 'what is still said to be wrong');
		page.expected.clear();
	});

	await test('the line is lost on the map: colours do not stay, and come back', me, async (page) => {
		page.expected.add('cut').add('401').add('503');
		await to(page, '#/t/t/topology');
		await mapReady(page);
		const state = (name) => page.evaluate((n) => document.querySelector('.map').mapView.model.stateOf({ name: n }), name);
		await until(async () => (await state('vm1')) === 'up', 'vm1 is up', 20000);
		command('stop');
		try {
			await page.getByText('It is not known which ports are up.').waitFor({ timeout: 20000 });
			equal(await state('vm1'), 'placed', 'vm1 is shown');
			await page.getByText(/Not connected since/).waitFor();
			await shot(page, 'map-stale');
		} finally {
			command('start');
		}
		await until(async () => (await state('vm1')) === 'up', 'vm1 is up again', 30000);
		await until(async () => !(await page.getByText(/Not connected since/).count()), 'nothing is said any more');
		page.expected.clear();
	});
}

/* No page is wider than the window, in either theme; pictures of all for those who want to look. */
export async function everywhere(token, pages) {
	for (const [width, dark] of [[390, false], [390, true], [1280, false], [1280, true]]) {
		const page = await person({ width, height: width < 600 ? 780 : 800, dark });

		await test(`every page fits a window ${width} wide, ${dark ? 'dark' : 'light'}`, page, async () => {
			const wider = [];
			await signIn(page, token);
			for (const [i, where] of pages.entries()) {
				await page.goto(`${url}/${where}`); // the menu is folded in a narrow window
				await until(() => page.evaluate(() => document.querySelector('main h1') && !document.querySelector('.busy') && !document.querySelector('[aria-busy=true]')), `${where} is loaded`);
				await shot(page, `all-${width}-${dark ? 'dark' : 'light'}-${String(i).padStart(2, '0')}`);
				const [have, room] = await page.evaluate(() => [Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth), innerWidth]);
				if (have > room)
					wider.push(`${where}: ${have}`);
			}
			equal(wider, [], 'pages that are wider');
		});
		await page.context().close();
	}
}
