// SPDX-License-Identifier: Apache-2.0
// What an operator asks, and finds without opening one thing after the other: which port is down, what was done, what a balancer is made of, whose tokens these are.
import { person, signIn, to, mapReady, shot, equal, truth, until, test, api } from './person.mjs';

const T = '/api/v1/tenants/t';

export async function whatWasDone(me, token) {
	await test('the history says what was done, in short: made, changed, deleted, bound, unbound', me, async (page) => {
		const port = `${T}/ports/ask1`;
		const did = async (method, where, body, want) => equal((await api(token, method, where, body)).status, want, `${method} ${where}`);
		await did('POST', `${T}/ports`, { name: 'ask1', bridge: 'left', mac: '02:00:00:00:00:a1' }, 201);
		await did('PUT', port, { name: 'ask1', bridge: 'left', mac: '02:00:00:00:00:a2', description: 'db' }, 200);
		await did('PUT', `${T}/bindings/ask1`, { port: 'ask1', host: 'h1', interface: 'ask1' }, 201);
		await did('PUT', `${T}/bindings/ask1`, { port: 'ask1', host: 'h2', interface: 'ask1' }, 200);
		await did('DELETE', `${T}/bindings/ask1`, undefined, 204);
		await did('DELETE', port, undefined, 204);
		await to(page, '#/t/t/history');
		const lines = page.locator('.changes li .what');
		const said = async () => (await lines.allTextContents()).slice(0, 6).map((s) => s.replace(/\s+/g, ' ').trim());
		const want = ['deleted port/ask1', 'unbound port/ask1 from h2, ask1', 'moved port/ask1 Host: h1 → h2', 'bound port/ask1 on h1, ask1',
			'changed port/ask1 Description: db; MAC: 02:00:00:00:00:a1 → 02:00:00:00:00:a2', 'created port/ask1'];
		await until(async () => JSON.stringify(await said()) === JSON.stringify(want), 'line by line, as they are asked for').catch(() => {});
		equal(await said(), want, 'the newest six');
		await shot(page, 'history-short');
	});
}

export async function whichIsDown(me, token) {
	await test('the list of ports has state and host, and shows those that are down', me, async (page) => {
		equal((await api(token, 'POST', `${T}/ports`, { name: 'ask-off', bridge: 'left', mac: '02:00:00:00:00:a3' })).status, 201, 'a port');
		equal((await api(token, 'PUT', `${T}/bindings/ask-off`, { port: 'ask-off', host: 'h2', interface: 'nothere' })).status, 201, 'bound to what is not there');
		equal((await api(token, 'POST', `${T}/ports`, { name: 'ask-loose', bridge: 'left', mac: '02:00:00:00:00:a4' })).status, 201, 'a port that is nowhere');
		await to(page, '#/t/t/ports');
		const row = (name) => page.getByRole('table', { name: 'Ports' }).getByRole('row').filter({ has: page.locator('a.strong', { hasText: new RegExp(`^${name}$`) }) });
		const reads = (name, want) => until(async () => want.test((await row(name).textContent()).replace(/\s+/g, ' ')), `${name}: ${want}`);
		await reads('vm1', /up.*h1/);
		await reads('ask-off', /down.*h2/);
		await reads('ask-loose', /not bound/);
		await reads('r-left', /linked/);
		await shot(page, 'list-states');
		await page.getByRole('searchbox', { name: 'Filter ports' }).fill('ask');
		await page.getByRole('combobox', { name: 'State' }).selectOption('down');
		await page.getByText('1 found').waitFor();
		await row('ask-off').waitFor();
		truth(page.url().includes('state%3Adown'), `the address says what is shown: ${page.url()}`);
		await page.getByRole('searchbox', { name: 'Filter ports' }).fill('vm host:h1 state:up');
		await page.getByText('2 found').waitFor();
		for (const name of ['ask-off', 'ask-loose'])
			equal((await api(token, 'DELETE', `${T}/ports/${name}`)).status, 204, 'it goes again');
	});
	await test('tenants with what they have, hosts with their ports', me, async (page) => {
		await api(token, 'PUT', T, { description: 'the first of them' });
		await to(page, '#/tenants');
		const { objects } = (await api(token, 'GET', T)).body;
		await page.getByRole('row', { name: new RegExp(`^t the first of them ${objects.ports} ports, ${objects.bridges} bridges, `) }).waitFor();
		await shot(page, 'tenants');
		await to(page, '#/hosts');
		const { total } = (await api(token, 'GET', `${T}/bindings?filter=host:h1&limit=1`)).body;
		await page.getByRole('row', { name: new RegExp(`^h1 alive ${total} `) }).waitFor();
		await shot(page, 'hosts-ports');
		await page.getByRole('link', { name: 'h1', exact: true }).click();
		await page.getByRole('link', { name: `${total} ports` }).click();
		await page.getByText(`${total} found`).waitFor();
	});
}

export async function balancer(me, token, command) {
	const batch = (operations) => api(token, 'POST', `${T}/batch`, { operations });
	const all = [['load_balancers/ask-lb', { router: 'r' }], ['pools/ask-pool', {}], ['pools/ask-spare', {}], ['members/ask-m1', { pool: 'ask-pool', address: '10.0.2.13', port: 80 }],
		['members/ask-m2', { pool: 'ask-pool', address: '10.0.2.14', port: 80, state: 'draining' }],
		['vips/ask-vip', { load_balancer: 'ask-lb', address: '198.51.100.9', proto: 'tcp', port: 443, pool: 'ask-pool', affinity: 'source' }],
		['floating_ips/ask-fip', { router: 'r', address: '198.51.100.7', fixed: '10.0.1.11', port: 'vm1' }], ['nats/ask-nat', { router: 'r', type: 'snat', src: '10.0.1.0/24', to: '198.51.100.8' }]];
	await test('a load balancer is one page: virtual addresses, pools, members and how they fare', me, async (page) => {
		const made = await batch(all.map(([path, body]) => ({ method: 'PUT', path, body: { name: path.split('/')[1], ...body } })));
		equal(made.status, 200, `made: ${JSON.stringify(made.body)}`);
		await to(page, '#/t/t/load_balancers/ask-lb');
		const whole = page.getByRole('region', { name: 'What it balances' });
		await whole.getByRole('link', { name: 'ask-vip' }).waitFor();
		await whole.getByText('198.51.100.9').waitFor();
		await whole.getByText('sticky', { exact: true }).waitFor();
		await whole.getByRole('link', { name: 'ask-pool' }).first().waitFor();
		await whole.getByRole('row', { name: /ask-m1.*10\.0\.2\.13.*not checked/ }).waitFor();
		await whole.getByRole('row', { name: /ask-m2.*draining/ }).waitFor();
		command('member-down');
		await whole.getByRole('row', { name: /ask-m1.*not healthy/ }).waitFor();
		command('member-up');
		await whole.getByRole('row', { name: /ask-m1.*[^t] healthy/ }).waitFor();
		equal(await whole.getByRole('link', { name: 'ask-spare' }).count(), 0, 'a pool of no concern');
		await shot(page, 'balancer');
	});
	await test('what a router does to packets is marked on the map, told when pointed at, and led to', me, async (page) => {
		await to(page, '#/t/t/topology');
		await mapReady(page);
		equal(await page.evaluate(() => document.querySelector('.map').mapView.model.devices.get('routers/r').services), '1 floating IP · 1 NAT · 1 LB', 'its mark');
		const at = await page.evaluate(() => {
			const { model, at: { k, x, y } } = document.querySelector('.map').mapView, box = document.querySelector('.map').getBoundingClientRect(), r = model.rectOf('routers/r');
			return { x: box.left + (r.x + r.w / 2) * k + x, y: box.top + (r.y + r.h / 2) * k + y };
		});
		await page.mouse.move(at.x, at.y);
		await page.locator('.map-tip').getByText('Floating IP 198.51.100.7').waitFor();
		await shot(page, 'map-services');
		await page.mouse.click(at.x, at.y);
		const side = page.getByRole('complementary', { name: 'What is chosen' });
		for (const name of ['ask-fip', 'ask-nat', 'ask-lb'])
			await side.getByRole('link', { name }).waitFor();
		equal((await api(token, 'DELETE', `${T}/nats/ask-nat`)).status, 204, 'the rule goes');
		await until(() => page.evaluate(() => document.querySelector('.map').mapView.model.devices.get('routers/r').services === '1 floating IP · 1 LB'), 'it is seen at once');
		await side.getByRole('link', { name: 'ask-lb' }).click();
		await page.getByRole('heading', { name: 'ask-lb' }).waitFor();
		const gone = await batch(all.filter(([path]) => path !== 'nats/ask-nat').reverse().map(([path]) => ({ method: 'DELETE', path })));
		equal(gone.status, 200, `gone: ${JSON.stringify(gone.body)}`);
	});
}

export async function whose(me, token) {
	await test("a tenant's page of tokens has its tokens only; the operators' page has all", me, async (page) => {
		equal((await api(token, 'PUT', '/api/v1/tenants/ask-bolt', {})).status, 201, 'another tenant');
		for (const tenant of ['t', 'ask-bolt'])
			equal((await api(token, 'POST', '/api/v1/tokens', { name: `ask-of-${tenant}`, role: 'tenant-reader', tenant })).status, 201, 'a token');
		const row = (name) => page.getByRole('group', { name: 'Tokens' }).getByRole('row', { name: new RegExp(name) });
		await to(page, '#/t/ask-bolt/tokens');
		await row('ask-of-ask-bolt').waitFor();
		equal([await row('ask-of-t').count(), await row('panel-test').count()], [0, 0], "others' tokens");
		await shot(page, 'tokens-tenant');
		await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'All tokens' }).click();
		for (const name of ['ask-of-ask-bolt', 'ask-of-t', 'panel-test'])
			await row(name).waitFor();
		await shot(page, 'tokens-all');
		const { items } = (await api(token, 'GET', '/api/v1/tokens?limit=1000')).body;
		for (const t of items.filter((x) => x.name === 'ask-of-t'))
			await api(token, 'DELETE', `/api/v1/tokens/${t.id}`);
	});
	await test('who is of one tenant and asks for another is told there is none, under the own menu', await person(), async (page) => {
		const admin = (await api(token, 'POST', '/api/v1/tokens', { name: 'ask-admin', role: 'tenant-admin', tenant: 'ask-bolt' })).body;
		await signIn(page, admin.token);
		page.expected.add('403').add('404');
		await to(page, '#/t/big/ports');
		await page.getByRole('heading', { name: 'There is no tenant “big”' }).waitFor();
		const pages = page.getByRole('navigation', { name: 'Pages' });
		equal(await pages.locator('.tenant').textContent(), 'ask-bolt', 'whose pages the menu has');
		truth((await pages.getByRole('link', { name: /^Ports/ }).getAttribute('href')).startsWith('#/t/ask-bolt/'), 'where it leads');
		await shot(page, 'no-tenant');
		await page.context().close();
		equal((await api(token, 'DELETE', '/api/v1/tenants/ask-bolt?recursive=true')).status, 204, 'it goes again');
	});
}

export async function nothingAllows(me, token) {
	await test('what no rule allows is told as that in the matrix, with what would', me, async (page) => {
		equal((await api(token, 'POST', `${T}/security_groups`, { name: 'ask-none', rules: [] })).status, 201, 'a group that lets nothing in');
		const before = (await api(token, 'GET', `${T}/ports/vm4`)).body.security_groups || [];
		await api(token, 'PATCH', `${T}/ports/vm4`, { security_groups: ['ask-none'] });
		await to(page, '#/t/t/policy?proto=tcp/22&q=vm');
		await page.getByRole('gridcell', { name: 'vm3 to vm4:' }).click();
		const pair = page.getByRole('complementary', { name: 'This pair' });
		await pair.getByText('Nothing allows it').waitFor();
		await pair.getByText(/add an? .*rule/).waitFor();
		equal(await pair.getByText('Decided by').count(), 0, 'a rule that is none');
		equal(await pair.getByText(/^no:/).count(), 0, 'what the sign has said');
		await shot(page, 'matrix-nothing');
		await api(token, 'PATCH', `${T}/ports/vm4`, { security_groups: before });
		equal((await api(token, 'DELETE', `${T}/security_groups/ask-none`)).status, 204, 'it goes again');
	});
}

export async function forms(me, token) {
	await test('a form speaks as its labels do, and has no arrows where the order is none', me, async (page) => {
		equal((await api(token, 'POST', `${T}/security_groups`, { name: 'ask-sg', rules: [{ name: 'web', direction: 'ingress', proto: 'tcp', dst_ports: 443 }, { name: 'dns', direction: 'ingress', proto: 'udp' }] })).status, 201, 'a group');
		page.once('dialog', (d) => d.accept());
		await to(page, '#/t/t/security_groups/ask-sg?edit=1');
		await page.getByText('ingress, Protocol: tcp, Destination ports: 443').waitFor();
		equal(await page.getByRole('button', { name: /^Move rule/ }).count(), 0, 'arrows');
		await shot(page, 'form-group');
		await to(page, '#/t/t/ports/vm1?edit=1');
		await page.locator('[data-field="admin_up"] .help').getByText('No: nothing passes', { exact: true }).waitFor();
		equal((await api(token, 'DELETE', `${T}/security_groups/ask-sg`)).status, 204, 'it goes again');
	});
}

export async function inSight(me, token) {
	await test('what is chosen on the map stays where it is, if one can see it there', me, async (page) => {
		await to(page, '#/t/t/topology');
		await mapReady(page);
		const at = () => page.evaluate(() => ({ ...document.querySelector('.map').mapView.at }));
		const place = await page.evaluate(() => {
			const { model, at: { k, x, y } } = document.querySelector('.map').mapView, box = document.querySelector('.map').getBoundingClientRect(), r = model.rectOf('ports/vm1');
			return { x: box.left + (r.x + r.w / 2) * k + x, y: box.top + (r.y + r.h / 2) * k + y };
		});
		const before = await at();
		await page.mouse.click(place.x, place.y);
		await page.getByRole('complementary', { name: 'What is chosen' }).getByRole('heading', { name: 'vm1' }).waitFor();
		equal(await at(), before, 'what is in sight');
		// behind what is told beside the map: no further than out of there
		await page.evaluate(() => { const v = document.querySelector('.map').mapView, r = v.model.rectOf('ports/vm4'); v.pan(v.width - 60 - (r.x + r.w / 2) * v.at.k - v.at.x, 0); });
		const far = await at();
		await page.evaluate(() => { const v = document.querySelector('.map').mapView; v.show(v.model.rectOf('ports/vm4'), true); });
		const now = await at();
		equal([now.k, Math.round(now.y)], [far.k, Math.round(far.y)], 'only along');
		truth(far.x - now.x > 0 && far.x - now.x < 420, `moved by ${far.x - now.x}`);
	});
	const phone = await person({ width: 390, height: 800 });
	await test('on a phone the fields of a list are in sight', phone, async (page) => {
		await signIn(page, token, '#/t/t/ports');
		const row = page.locator('[data-row]').filter({ has: page.locator('a.strong', { hasText: /^vm1$/ }) });
		for (const text of ['up', 'h1', '10.0.1.11'])
			await until(async () => {
				const box = await row.getByText(text, { exact: true }).first().boundingBox();
				return box && box.x >= 0 && box.x + box.width <= 390;
			}, `${text} is in sight`);
		await shot(page, 'phone-list');
		await page.context().close();
	});
}
