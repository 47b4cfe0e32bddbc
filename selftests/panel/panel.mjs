// SPDX-License-Identifier: Apache-2.0
// The panel, as a person uses it.  panel.sh has made the network: tenant t, two hosts, machines vm1 and vm2 on bridge left, vm3 and vm4 on bridge right,
// router r; tenant big with 40 000 ports.  Arguments: the operator's token.
import { execFileSync } from 'node:child_process';
import { start, person, signIn, to, mapReady, shot, findings, equal, truth, until, test, finish, api, url } from './person.mjs';
import { colours, hover, decided, commands, notRunning } from './looking.mjs';
import { whatWasDone, whichIsDown, balancer, whose, nothingAllows, forms, inSight } from './asking.mjs';
import { liveTraces, gateways, references, rights, goneThings, everywhere } from './watching.mjs';

const token = process.argv[2];
const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp;';
const T = '/api/v1/tenants/t';
const command = (name) => execFileSync(process.env.PANEL_CONTROL, [name], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30000 }).toString();
const field = (page, name) => page.locator(`[data-field="${name}"]`);
const facts = (page) => page.locator('section[aria-label="Fields"]');

await start();
const me = await person();

// --- coming in ---

await test('a token that is none is refused, in words', me, async (page) => {
	page.expected.add('401');
	await page.goto(`${url}/#/t/t/ports/vm1`);
	await page.getByLabel('Token').fill('skep_0000000000000000_wrong');
	await page.keyboard.press('Enter');
	await page.getByRole('alert').getByText('This token is not valid').waitFor();
	equal((await page.getByRole('alert').textContent()).match(/not valid/g).length, 1, 'how often it is said');
	await shot(page, 'sign-in');
});

await test('one signs in by a token, and is where the link led', me, async (page) => {
	await page.getByLabel('Token').fill(token);
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: 'vm1' }).waitFor();
	equal(await page.evaluate(() => document.cookie), '', 'what scripts see of cookies');
	const [cookie] = (await page.context().cookies()).filter((c) => c.name === 'skep_session');
	equal([cookie.httpOnly, cookie.sameSite], [true, 'Strict'], 'the cookie');
	equal(await page.evaluate((t) => Object.values({ ...localStorage, ...sessionStorage }).some((v) => v.includes(t)), token), false, 'the token is kept by the page');
	page.expected.delete('401');
});

await test('the page may load and run nothing but its own files', me, async (page) => {
	const res = await page.request.get(`${url}/`);
	const csp = res.headers()['content-security-policy'] || '';
	truth(/default-src 'self'/.test(csp) && !/unsafe/.test(csp), `Content-Security-Policy '${csp}'`);
	page.expected.add('csp');
	await page.evaluate(() => {
		const s = document.createElement('script');
		s.textContent = 'document.title = "inline"';
		addEventListener('securitypolicyviolation', (e) => { globalThis.violated = e.violatedDirective; }, { once: true });
		document.head.append(s);
	});
	truth(/script-src/.test(await until(() => page.evaluate(() => globalThis.violated), 'a violation')), 'an inline script is refused');
	page.expected.delete('csp');
});

if (!await me.getByRole('button', { name: 'Sign out' }).count())
	await finish(); // nothing else can be looked at

// --- the map ---

await test('the map shows the network over its hosts', me, async (page) => {
	await to(page, '#/t/t/topology');
	await mapReady(page);
	const seen = await page.evaluate(() => {
		const m = document.querySelector('.map').mapView.model;
		return { devices: [...m.devices.keys()].sort(), hosts: m.hosts.map((h) => h.name), links: m.links.length, ports: [...m.portHome.keys()].sort() };
	});
	equal(seen, { devices: ['bridges/left', 'bridges/right', 'routers/r'], hosts: ['h1', 'h2'], links: 2, ports: ['vm1', 'vm2', 'vm3', 'vm4'] }, 'what is on the map');
	await page.getByText('1 router, 2 bridges, 8 ports').waitFor();
	// routers above bridges above hosts
	const y = await page.evaluate(() => ['routers/r', 'bridges/left', 'ports/vm1', 'hosts/h1'].map((id) => document.querySelector('.map').mapView.model.rectOf(id).y));
	equal(y, [...y].sort((a, b) => a - b), 'from above to below');
	await until(() => page.evaluate(() => { const m = document.querySelector('.map').mapView.model; return m.stateOf({ name: 'vm1' }) === 'up'; }), 'vm1 is shown as up');
	await shot(page, 'map');
});

for (const [what, text] of [['name', 'vm3'], ['address', '10.0.2.13'], ['MAC', '02:00:00:00:00:03'], ['IPv6 address', 'fd00:2::13'], ['id', null]])
	await test(`the map finds a port by its ${what}`, me, async (page) => {
		const wanted = text || (await api(token, 'GET', `${T}/ports/vm3`)).body.id;
		const search = page.getByRole('combobox', { name: /Find on the map/ });
		await search.fill(wanted);
		await page.getByRole('option', { name: /vm3/ }).first().waitFor();
		await search.press('ArrowDown');
		await search.press('Enter');
		const side = page.getByRole('complementary', { name: 'What is chosen' });
		await side.getByRole('heading', { name: 'vm3' }).waitFor();
		truth(page.url().includes('at=ports%2Fvm3'), `the address says so: ${page.url()}`);
		await side.getByRole('button', { name: 'Close' }).click();
	});

await test('a port is chosen with the mouse, its neighbours by buttons', me, async (page) => {
	const at = await page.evaluate(() => {
		const { mapView } = document.querySelector('.map');
		mapView.fit();
		const r = mapView.model.rectOf('ports/vm2'), box = document.querySelector('.map').getBoundingClientRect();
		return { x: box.x + (r.x + r.w / 2) * mapView.at.k + mapView.at.x, y: box.y + (r.y + r.h / 2) * mapView.at.k + mapView.at.y };
	});
	await page.mouse.click(at.x, at.y);
	const side = page.getByRole('complementary', { name: 'What is chosen' });
	await side.getByRole('heading', { name: 'vm2' }).waitFor();
	await side.getByRole('button', { name: 'left' }).click();
	await side.getByRole('heading', { name: 'left' }).waitFor();
	await side.getByRole('button', { name: 'r', exact: true }).click();
	await side.getByRole('heading', { name: 'r', exact: true }).waitFor();
	await shot(page, 'map-chosen');
	await page.goBack();
	await page.goForward();
});

await test('the map by keys: walk, choose, zoom, close', me, async (page) => {
	await to(page, '#/t/t/topology');
	await mapReady(page);
	const map = page.getByRole('application', { name: 'Map of the network' });
	await map.focus();
	const said = () => page.locator('#map-ring').getAttribute('aria-label');
	await page.keyboard.press('ArrowDown');
	equal(await said(), 'Router r', 'the first');
	await page.keyboard.press('ArrowDown');
	truth(/^Bridge (left|right)$/.test(await said()), `below it: ${await said()}`);
	await page.keyboard.press('ArrowDown');
	truth(/^Port vm\d$/.test(await said()), `below that: ${await said()}`);
	await page.keyboard.press('Enter');
	await page.getByRole('complementary', { name: 'What is chosen' }).waitFor();
	const zoom = () => page.evaluate(() => document.querySelector('.map').mapView.at.k);
	const k = await zoom();
	await page.keyboard.press('+');
	truth(await zoom() > k, 'plus zooms in');
	await page.keyboard.press('-');
	await page.keyboard.press('-');
	truth(await zoom() < k, 'minus zooms out');
	await page.keyboard.press('Escape');
	equal(await page.getByRole('complementary', { name: 'What is chosen' }).count(), 0, 'closed');
	await page.keyboard.press('ArrowUp');
	const before = await page.evaluate(() => document.querySelector('.map').mapView.model.devices.get('routers/r').x);
	await page.keyboard.press('Shift+ArrowRight');
	await until(() => page.evaluate((x) => document.querySelector('.map').mapView.model.devices.get('routers/r').x !== x, before), 'a device is moved').catch(async () => { truth(/Router/.test(await said()), `what has the focus: ${await said()}`); });
	const tidy = page.getByRole('button', { name: 'Tidy up' });
	if (await tidy.count())
		await tidy.click();
});

// --- lists and objects ---

await test('a list: filtered, sorted, gone through by keys', me, async (page) => {
	await to(page, '#/t/t/ports');
	const table = page.getByRole('table', { name: 'Ports' });
	await table.getByRole('link', { name: 'vm4' }).waitFor();
	equal(await table.getAttribute('aria-rowcount'), '9', 'rows');
	await shot(page, 'list');
	await page.getByRole('searchbox', { name: 'Filter ports' }).fill('vm');
	await page.getByText('4 found').waitFor();
	await page.getByRole('searchbox', { name: 'Filter ports' }).fill('bridge:left vm');
	await page.getByText('2 found').waitFor();
	await page.getByRole('searchbox', { name: 'Filter ports' }).fill('mac:02:00:00:00:00:03');
	await page.getByText('1 found').waitFor();
	truth(page.url().includes('q=mac'), 'the address says what is shown');
	await page.getByRole('searchbox', { name: 'Filter ports' }).fill('vm');
	await page.getByText('4 found').waitFor();
	await table.getByRole('button', { name: 'Name' }).click();
	await until(async () => (await table.locator('[data-row="0"] a').first().textContent()) === 'vm4', 'sorted the other way');
	await table.locator('[data-row="0"] a').first().focus();
	await page.keyboard.press('ArrowDown');
	await until(() => page.evaluate(() => document.activeElement.textContent === 'vm3'), 'the next row has the focus');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: 'vm3' }).waitFor();
});

await test('an empty list says what such things are for', me, async (page) => {
	await to(page, '#/t/t/mirrors');
	await page.getByText('No mirrors yet').waitFor();
	await page.getByRole('link', { name: 'Make the first one' }).waitFor();
});

await test('an object: fields, what names it, where it is now', me, async (page) => {
	await to(page, '#/t/t/ports/vm1');
	await facts(page).getByText('02:00:00:00:00:01').waitFor();
	await facts(page).getByRole('link', { name: 'left' }).waitFor();
	await page.getByRole('region', { name: 'Used by' }).getByRole('link', { name: 'vm1' }).waitFor();
	const now = page.getByRole('region', { name: 'Live' });
	await now.getByText('up', { exact: true }).waitFor();
	await now.getByText('h1').first().waitFor();
	await to(page, '#/t/t/bridges/left');
	await page.getByRole('region', { name: 'Used by' }).getByRole('link', { name: 'vm2' }).waitFor();
});

await test('live counters, drops and events of a port', me, async (page) => {
	await to(page, '#/t/t/ports/vm1');
	const now = page.getByRole('region', { name: 'Live' });
	command('traffic');
	const counters = now.getByRole('table');
	await until(async () => /[1-9]/.test(await counters.textContent()), 'counters', 20000);
	await until(async () => {
		command('traffic');
		return (await page.locator('.spark').count()) > 0;
	}, 'rates are drawn', 20000);
	await now.getByRole('region', { name: 'Last drops' }).or(now.locator('section[aria-label="Last drops"]')).first().waitFor();
	await shot(page, 'object');
});

await test('what is not there is told so', me, async (page) => {
	page.expected.add('404');
	await to(page, '#/t/t/ports/nobody');
	await page.getByText('There is no port “nobody”').waitFor();
	await to(page, '#/no/such/page');
	await page.getByText('There is no such page').waitFor();
	page.expected.delete('404');
});

// --- changing ---

await test('a bridge is made by its form', me, async (page) => {
	await to(page, '#/t/t/bridges');
	await page.reload(); // the word that goes with the cookie is asked for again, and kept nowhere
	equal(await page.evaluate(() => Object.keys(localStorage).concat(Object.keys(sessionStorage)).filter((k) => !/^skep-(theme|map:)/.test(k))), [], 'kept by the page');
	await page.getByRole('link', { name: 'New bridge' }).click();
	await field(page, 'name').getByRole('textbox').fill('panel-net');
	await page.getByLabel('Add a field').selectOption('description');
	await field(page, 'description').getByRole('textbox').fill(hostile);
	await page.getByRole('button', { name: 'Create' }).click();
	await page.getByRole('heading', { name: 'panel-net' }).waitFor();
	equal((await api(token, 'GET', `${T}/bridges/panel-net`)).body.description, hostile, 'as it was written');
});

await test('what people write is shown as text, wherever', me, async (page) => {
	await page.getByText(hostile).first().waitFor();
	await to(page, '#/t/t/bridges');
	await page.getByText(hostile.slice(0, 30)).first().waitFor();
	equal(await page.locator('img[src="x"]').count(), 0, 'elements made of it');
	truth(!/^[12]$/.test(await page.title()), 'nothing of it has run');
});

await test('what is wrong is told at the field, with what is allowed; a check writes nothing', me, async (page) => {
	page.expected.add('422').add('400');
	await to(page, '#/t/t/ports?new=1');
	await field(page, 'name').getByRole('textbox').fill('panel-vm');
	await field(page, 'bridge').getByRole('combobox').fill('panel');
	await page.getByRole('option', { name: 'panel-net' }).click();
	await field(page, 'mac').getByRole('textbox').fill('zz:00');
	await page.getByRole('button', { name: 'Create' }).click();
	await field(page, 'mac').locator('.field-error').getByText(/zz:00|MAC|octets/).first().waitFor();
	equal(await field(page, 'mac').getByRole('textbox').getAttribute('aria-invalid'), 'true', 'marked');
	equal(await page.evaluate(() => document.activeElement.getAttribute('aria-invalid')), 'true', 'it has the focus');
	await shot(page, 'form-error');
	await field(page, 'mac').getByRole('textbox').fill('02:00:00:00:77:01');
	await field(page, 'addresses').getByRole('textbox').fill('10.7.0.5\nfd00:7::5');
	await page.getByRole('button', { name: 'Check only' }).click();
	await page.getByText('Valid; nothing was written.', { exact: true }).waitFor();
	page.expected.add('404');
	equal((await api(token, 'GET', `${T}/ports/panel-vm`)).status, 404, 'nothing is there');
	await page.getByRole('button', { name: 'Create' }).click();
	await page.getByRole('heading', { name: 'panel-vm' }).waitFor();
	equal((await api(token, 'GET', `${T}/ports/panel-vm`)).body.addresses, ['10.7.0.5', 'fd00:7::5'], 'addresses');
	page.expected.clear();
});

await test('rules of a chain: made, moved, told at the rule when wrong', me, async (page) => {
	page.expected.add('422').add('400');
	await to(page, '#/t/t/chains?new=1');
	await field(page, 'name').getByRole('textbox').fill('panel-fw');
	await page.getByRole('button', { name: 'Add rule' }).click();
	await field(page, 'rules.0.action').getByRole('combobox').selectOption('drop');
	await field(page, 'rules.0').or(page.locator('fieldset').first()).first().getByLabel('Add a condition or field').selectOption('dst_ports');
	await field(page, 'rules.0.dst_ports').getByRole('textbox').fill('23');
	await page.getByRole('button', { name: 'Create' }).click();
	await page.locator('[role=alert], .field-error').getByText(/proto/).first().waitFor(); // ports of no protocol
	await page.locator('fieldset').first().getByLabel('Add a condition or field').selectOption('proto');
	await field(page, 'rules.0.proto').getByRole('textbox').fill('tcp');
	await page.locator('fieldset').first().getByLabel('Add a condition or field').selectOption('name');
	await field(page, 'rules.0.name').getByRole('textbox').fill('no-telnet');
	await page.getByRole('button', { name: 'Add rule' }).click();
	await field(page, 'rules.1.action').getByRole('combobox').selectOption('accept');
	await page.getByRole('button', { name: 'Move rule 2 up' }).click();
	await shot(page, 'form-rules');
	await page.getByRole('button', { name: 'Create' }).click();
	await page.getByRole('heading', { name: 'panel-fw' }).waitFor();
	const { rules } = (await api(token, 'GET', `${T}/chains/panel-fw`)).body;
	equal(rules.map((r) => r.action), ['accept', 'drop'], 'in the order of the form');
	equal([rules[1].name, String(rules[1].dst_ports), rules[1].proto], ['no-telnet', '23', 'tcp'], 'the rule');
	page.expected.clear();
});

await test('two people change one object: the second is told, and loses nothing', me, async (page) => {
	page.expected.add('412');
	await to(page, '#/t/t/ports/panel-vm?edit=1');
	await page.getByLabel('Add a field').selectOption('description');
	await field(page, 'description').getByRole('textbox').fill('mine');
	equal((await api(token, 'PATCH', `${T}/ports/panel-vm`, { addresses: ['10.7.0.6'] })).status, 200, 'another writes');
	await page.getByRole('button', { name: 'Save' }).click();
	await page.getByText('Somebody else has changed this object').waitFor();
	await page.getByRole('button', { name: 'Take in their change' }).click();
	await until(async () => (await field(page, 'addresses').getByRole('textbox').inputValue()) === '10.7.0.6', 'their change is in the form');
	equal(await field(page, 'description').getByRole('textbox').inputValue(), 'mine', 'and mine');
	await page.getByRole('button', { name: 'Save' }).click();
	await page.getByRole('link', { name: 'Edit' }).waitFor();
	const { body } = await api(token, 'GET', `${T}/ports/panel-vm`);
	equal([body.description, body.addresses], ['mine', ['10.7.0.6']], 'both');
	page.expected.clear();
});

await test('what is in use is not deleted, and why; then it is', me, async (page) => {
	page.expected.add('409');
	await to(page, '#/t/t/bridges/panel-net');
	await page.getByRole('button', { name: 'Delete' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByRole('button', { name: 'Delete' }).click();
	await dialog.getByRole('alert').getByText(/panel-vm/).first().waitFor();
	await dialog.getByRole('button', { name: 'Keep it' }).click();
	await to(page, '#/t/t/ports/panel-vm');
	await page.getByRole('button', { name: 'Delete' }).click();
	await dialog.getByRole('button', { name: 'Delete' }).click();
	await page.getByRole('heading', { name: 'Ports' }).waitFor();
	page.expected.clear();
});

// --- as it happens ---

await test('what others change is seen at once, in lists, on objects and on the map', me, async (page) => {
	await to(page, '#/t/t/bridges');
	await page.getByText('live', { exact: true }).waitFor();
	await api(token, 'POST', `${T}/bridges`, { name: 'outside' });
	await page.getByRole('link', { name: 'outside' }).waitFor();
	await page.getByRole('link', { name: 'outside' }).click();
	await page.getByRole('heading', { name: 'outside' }).waitFor();
	await api(token, 'PATCH', `${T}/bridges/outside`, { description: 'seen at once' });
	await page.getByText('seen at once', { exact: true }).waitFor();
	await to(page, '#/t/t/topology');
	await mapReady(page);
	await api(token, 'DELETE', `${T}/bridges/outside`);
	await until(() => page.evaluate(() => !document.querySelector('.map').mapView.model.devices.has('bridges/outside')), 'it goes from the map');
});

// --- what would happen ---

await test('the path of a packet, on the map and step by step', me, async (page) => {
	await to(page, '#/t/t/trace');
	await page.getByLabel('From port').fill('vm1');
	await page.getByLabel('To port or address').fill('vm4');
	await page.getByLabel('Service').fill('tcp/22');
	await page.keyboard.press('Escape');
	await page.getByRole('button', { name: 'Trace', exact: true }).click();
	await page.getByText('Yes', { exact: true }).waitFor();
	const path = await until(() => page.evaluate(() => { const p = document.querySelector('.map').mapView.path; return p && [...p.nodes]; }), 'a path on the map');
	for (const id of ['ports/vm1', 'bridges/left', 'routers/r', 'bridges/right', 'ports/vm4', 'hosts/h2'])
		truth(path.includes(id), `${id} is on the path ${path}`);
	await page.locator('label', { hasText: /^Answer$/ }).click();
	await until(() => page.evaluate(() => [...document.querySelector('.map').mapView.path.nodes][0] === 'ports/vm4'), 'the answer begins at vm4');
	await shot(page, 'trace-yes');
});

await test('the rule that decides is named, and what would help', me, async (page) => {
	await api(token, 'PUT', `${T}/security_groups/closed`, { name: 'closed', rules: [{ name: 'web', direction: 'ingress', proto: 'tcp', dst_ports: 80 }] });
	await api(token, 'PATCH', `${T}/ports/vm4`, { security_groups: ['closed'] });
	await api(token, 'PATCH', `${T}/ports/vm3`, { out_chain: 'panel-fw' });
	await page.getByRole('button', { name: 'Trace', exact: true }).click();
	await page.getByText('No', { exact: true }).waitFor();
	await page.getByText(/add an ingress rule for tcp\/22/).first().waitFor();
	const decided = page.locator('.steps [aria-current=step]');
	truth(/closed/.test(await decided.textContent()), `decided: ${await decided.textContent()}`);
	equal(await page.evaluate(() => document.querySelector('.map').mapView.path.tone), 'bad', 'its colour');
	await shot(page, 'trace-no');
	await api(token, 'PATCH', `${T}/chains/panel-fw`, { rules: [{ name: 'no-telnet', action: 'drop', proto: 'tcp', dst_ports: 23 }] });
	await page.getByText('One packet').click();
	await page.getByRole('textbox', { name: 'Packet' }).fill('tcp 10.0.1.11:4000 > 10.0.2.13:23 syn');
	await page.getByRole('button', { name: 'Trace', exact: true }).click();
	await page.locator('.verdict', { hasText: 'The packet is dropped' }).waitFor();
	truth(/no-telnet/.test(await decided.textContent()), `decided: ${await decided.textContent()}`);
	await page.reload(); // the link has it all
	await page.locator('.verdict', { hasText: 'The packet is dropped' }).waitFor();
	await shot(page, 'trace-packet');
});

await test('a packet that cannot be read is told so', me, async (page) => {
	page.expected.add('422').add('400');
	await page.getByRole('textbox', { name: 'Packet' }).fill('nonsense');
	await page.getByRole('button', { name: 'Trace', exact: true }).click();
	await page.getByRole('alert').getByText(/nonsense/).first().waitFor();
	page.expected.clear();
});

await liveTraces(me, token, command);

await test('the policy matrix: who may talk to whom, and why not', me, async (page) => {
	await to(page, '#/t/t/policy?proto=tcp/22&q=vm');
	const cell = (a, b) => page.getByRole('gridcell', { name: `${a} to ${b}:` });
	await cell('vm1', 'vm2').waitFor();
	truth(/: allowed/.test(await cell('vm1', 'vm2').getAttribute('aria-label')), 'vm1 to vm2');
	truth(/not allowed/.test(await cell('vm1', 'vm4').getAttribute('aria-label')), 'vm1 to vm4');
	await cell('vm1', 'vm3').click();
	await page.keyboard.press('ArrowRight');
	await page.getByRole('complementary', { name: 'This pair' }).getByText(/security group/).first().waitFor();
	await shot(page, 'policy');
	await page.getByRole('link', { name: 'See the path' }).click();
	await page.getByText('No', { exact: true }).waitFor();
});

// --- what was done ---

await test('the history: who, what, before and after; undone', me, async (page) => {
	await to(page, '#/t/t/history?object=port/vm4');
	await page.locator('.changes button').first().click();
	const dialog = page.getByRole('dialog');
	await dialog.getByText('security_groups').waitFor();
	await shot(page, 'history-entry');
	await dialog.getByRole('button', { name: 'Undo…' }).click();
	await dialog.getByText('Undoing this would').waitFor();
	await dialog.getByRole('button', { name: 'Undo it' }).click();
	await until(async () => !(await api(token, 'GET', `${T}/ports/vm4`)).body.security_groups?.length, 'the group is gone from the port');
	await to(page, '#/t/t/history');
	await page.getByText('undone').first().waitFor();
	await shot(page, 'history');
});

await test('what was changed since is not undone, and why', me, async (page) => {
	page.expected.add('409');
	await api(token, 'PATCH', `${T}/ports/vm2`, { description: 'one' });
	await api(token, 'PATCH', `${T}/ports/vm2`, { description: 'two' });
	await to(page, '#/t/t/history?object=port/vm2');
	await page.locator('.changes button').nth(1).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Undo…' }).click();
	await page.getByRole('dialog').getByRole('alert').waitFor();
	await page.keyboard.press('Escape');
	page.expected.clear();
});

await references(me, token);

// --- the platform ---

await gateways(me, token, command);

await test('hosts, health, capacity', me, async (page) => {
	await to(page, '#/hosts');
	await page.getByRole('row', { name: /h1.*alive.*10\.250\.0\.1/ }).waitFor();
	await shot(page, 'hosts');
	await page.getByRole('link', { name: 'h2' }).click();
	await page.getByRole('heading', { name: 'h2' }).waitFor();
	await to(page, '#/status');
	await page.getByText(/connected/i).first().waitFor();
	await shot(page, 'health');
	await to(page, '#/t/t/capacity');
	await page.getByRole('img', { name: /Ports: \d+ percent used/ }).waitFor();
	await page.getByRole('button', { name: 'Change limits' }).click();
	await page.getByRole('dialog').getByLabel('Mirrors').fill('1');
	await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
	await until(async () => (await api(token, 'GET', `${T}/quota`)).body.objects.mirrors === 1, 'the limit is written');
	await shot(page, 'capacity');
});

let reader;
await test('a token is made, shown once, and revoked', me, async (page) => {
	await to(page, '#/t/t/tokens');
	await page.getByRole('button', { name: 'New token' }).click();
	await page.getByRole('dialog').getByLabel('Name').fill('looker');
	await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
	reader = await page.locator('.secret').textContent();
	truth(/^skep_/.test(reader), 'a token');
	await page.getByRole('button', { name: 'Done' }).click();
	await page.getByRole('row', { name: /looker.*tenant-reader/ }).waitFor();
	equal(await page.getByText(reader).count(), 0, 'shown again');
});

const looker = await person();
await test('who may only look is offered nothing else', looker, async (page) => {
	await signIn(page, reader);
	await mapReady(page);
	await to(page, '#/t/t/ports');
	await page.getByRole('link', { name: 'vm4' }).waitFor();
	equal(await page.getByRole('link', { name: /New port/ }).count(), 0, 'New');
	await to(page, '#/t/t/ports/vm1');
	await page.getByRole('heading', { name: 'vm1' }).waitFor();
	equal(await page.getByRole('link', { name: 'Edit' }).count() + await page.getByRole('button', { name: 'Delete' }).count(), 0, 'Edit, Delete');
	equal(await page.getByRole('link', { name: 'Hosts' }).count(), 0, 'Hosts');
});

await test('a revoked token ends its session', looker, async (page) => {
	await to(me, '#/t/t/tokens');
	await me.getByRole('button', { name: 'End the session of looker' }).waitFor();
	await me.getByRole('button', { name: 'Revoke looker' }).click();
	await me.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await until(async () => !(await me.getByText('looker').count()), 'it is gone');
	page.expected.add('401');
	await page.goto(`${url}/#/t/t/bridges`);
	await page.getByRole('button', { name: 'Sign in' }).waitFor();
	await page.context().close();
});

await rights(me, token);

// --- what one sees, and takes along ---

await colours(me);
await hover(me);
await decided(me, token);
await commands(me, token);
await notRunning(me, token);

// --- what an operator asks ---

await whatWasDone(me, token);
await whichIsDown(me, token);
await balancer(me, token, command);
await whose(me, token);
await nothingAllows(me, token);
await forms(me, token);
await inSight(me, token);

// --- keys, themes, everybody ---

await test('keys lead everywhere', me, async (page) => {
	await to(page, '#/t/t/ports');
	await page.getByRole('link', { name: 'vm4' }).waitFor();
	for (const [keys, heading] of [['gb', 'Bridges'], ['gt', 'Path trace'], ['gw', 'Gateways'], ['gp', 'Policy matrix'], ['gh', 'Change history'], ['gc', 'Capacity'], ['go', 'Hosts']]) {
		await page.evaluate(() => document.activeElement.blur());
		await page.keyboard.type(keys);
		await page.getByRole('heading', { name: heading, exact: true }).waitFor();
		if (keys === 'go')
			await to(page, '#/t/t/ports');
	}
	await page.getByRole('heading', { name: 'Ports', exact: true }).waitFor();
	await page.keyboard.press('/');
	await page.getByRole('combobox', { name: /Name, address/ }).fill('10.0.1.12');
	await page.getByRole('option', { name: /vm2/ }).waitFor();
	await shot(page, 'search');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { name: 'vm2' }).waitFor();
	await page.keyboard.press('e');
	await page.getByRole('heading', { name: 'Edit vm2' }).waitFor();
	await to(page, '#/t/t/ports');
	await page.keyboard.press('?');
	await page.getByRole('dialog', { name: 'Keys' }).waitFor();
	await page.keyboard.press('Escape');
	equal(await page.getByRole('dialog').count(), 0, 'dialogs left open');
});

await test('all of it can be reached by Tab, from the skip link on', me, async (page) => {
	await to(page, '#/t/t/ports/vm1');
	await page.getByRole('heading', { name: 'vm1' }).waitFor();
	await page.reload();
	await page.getByRole('heading', { name: 'vm1' }).waitFor();
	await page.keyboard.press('Tab');
	truth((await page.evaluate(() => document.activeElement.textContent)).includes('To the content'), 'the first is the skip link');
	const seen = new Set();
	for (let i = 0; i < 70; i++) {
		await page.keyboard.press('Tab');
		seen.add(await page.evaluate(() => (document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || '').trim().slice(0, 30)));
	}
	for (const name of ['Show on map', 'Trace from here', 'Edit', 'Delete'])
		truth(seen.has(name), `${name} is reached`);
});

await test('dark or light stays as one chose', me, async (page) => {
	const bed = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const light = await bed();
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press('d');
	const dark = await bed();
	truth(light !== dark, 'the colours differ');
	await page.reload();
	await page.getByRole('heading', { name: 'vm1' }).waitFor();
	equal(await bed(), dark, 'after a reload');
	await to(page, '#/t/t/topology');
	await mapReady(page);
	await shot(page, 'map-dark');
	await to(page, '#/t/t/ports/vm1');
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press('d');
});

const PAGES = ['#/t/t/topology?at=ports/vm1', '#/t/t/ports', '#/t/t/mirrors', '#/t/t/ports/vm1', '#/t/t/ports/vm1?edit=1', '#/t/t/chains/panel-fw', '#/t/t/chains/panel-fw?edit=1',
	'#/t/t/trace?mode=reach&from=vm1&to=vm4&proto=tcp/22', '#/t/t/trace?mode=live&from=vm1', '#/t/t/gateways', '#/t/t/policy?proto=tcp/22&q=vm', '#/t/t/history', '#/t/t/capacity', '#/t/t/tokens', '#/hosts', '#/hosts/h1', '#/status', '#/tenants', '#/tokens'];
for (const dark of [false, true]) {
	const page = await person({ dark, inspect: true });
	await test(`axe has nothing to say about any page, ${dark ? 'dark' : 'light'}`, page, async () => {
		const said = [];
		page.expected.add('401');
		await page.goto(`${url}/`);
		await page.getByLabel('Token').waitFor();
		said.push(...(await findings(page)).map((f) => `sign in: ${f}`));
		await signIn(page, token);
		for (const where of PAGES) {
			await to(page, where);
			await until(() => page.evaluate(() => document.querySelector('main h1') && !document.querySelector('.busy') && !document.querySelector('[aria-busy=true]')), `${where} is loaded`);
			said.push(...(await findings(page)).map((f) => `${where}: ${f}`));
		}
		await page.keyboard.press('?');
		await page.getByRole('dialog').waitFor();
		said.push(...(await findings(page)).map((f) => `keys: ${f}`));
		equal(said, [], 'findings');
	});
	await page.context().close();
}

await everywhere(token, PAGES);

for (const width of [420, 900]) {
	const page = await person({ width, height: 800 });
	await test(`it fits a window ${width} wide`, page, async () => {
		await signIn(page, token, '#/t/t/ports/vm1');
		await page.getByRole('heading', { name: 'vm1' }).waitFor();
		truth(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is beside the window');
		await page.getByRole('button', { name: 'Menu' }).click();
		await page.getByRole('link', { name: 'Path trace' }).click();
		await page.getByRole('heading', { name: 'Path trace' }).waitFor();
		await shot(page, `width-${width}`);
	});
	await page.context().close();
}

// --- forty thousand ports ---

await test('40 000 ports: painted within a second, and nothing loads them all', me, async (page) => {
	await to(page, '#/t/big/ports?q=vm');
	await page.reload();
	await page.getByRole('link', { name: 'vm0', exact: true }).waitFor();
	const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
	truth(paint < 1000, `first paint after ${paint} ms`);
	const bytes = await page.evaluate(() => performance.getEntriesByType('resource').reduce((sum, r) => sum + r.transferSize, 0));
	truth(bytes < 600000, `${bytes} bytes were transferred`);
	truth(await page.locator('.vbody [role=row]').count() < 80, 'rows in the document');
	await page.locator('.vtable').evaluate((el) => { el.scrollTop = el.scrollHeight; });
	await until(() => page.evaluate(() => Number(document.querySelector('.vbody [role=row]').dataset.row) > 100), 'more rows came');
});

await test('40 000 ports on the map: bridges are closed, open when asked, what is found is shown', me, async (page) => {
	await to(page, '#/t/big/topology');
	await mapReady(page);
	const bytes = await page.evaluate(() => performance.getEntriesByType('resource').reduce((sum, r) => sum + r.transferSize, 0));
	truth(bytes < 2000000, `${bytes} bytes were transferred`);
	equal(await page.evaluate(() => document.querySelector('.map').mapView.model.portHome.size), 0, 'ports of machines on the map');
	await shot(page, 'map-big');
	await page.getByRole('combobox', { name: /Find on the map/ }).fill('vm12345');
	await page.getByRole('option', { name: /vm12345/ }).click();
	await until(() => page.evaluate(() => document.querySelector('.map').mapView.model.portHome.has('vm12345')), 'it is on the map');
	const side = page.getByRole('complementary', { name: 'What is chosen' });
	await side.getByRole('button', { name: /^net/ }).click();
	await side.getByRole('button', { name: 'Show its ports' }).click();
	await until(() => page.evaluate(() => document.querySelector('.map').mapView.model.portHome.size === 400), 'all of its ports');
	await until(() => page.evaluate(() => {
		const { at, model, width, height } = document.querySelector('.map').mapView;
		const d = [...model.devices.values()].find((x) => x.ports.length === 400);
		return d.blockX * at.k + at.x >= 0 && (d.blockX + d.block.w) * at.k + at.x <= width && (d.y + d.block.h) * at.k + at.y <= height;
	}), 'all of them are in sight');
	await shot(page, 'map-big-open');
});

// --- when the server is gone ---

await test('a server that is silent is told of, and one that is gone; then all goes on', me, async (page) => {
	page.expected.add('cut').add('401').add('503');
	await to(page, '#/t/t/bridges');
	await page.getByText('live', { exact: true }).waitFor();
	command('pause');
	await until(() => page.getByText('stale', { exact: true }).count(), 'stale', 30000);
	await shot(page, 'stale');
	command('resume');
	await until(() => page.getByText('live', { exact: true }).count(), 'live again', 20000);
	command('stop');
	await until(() => page.getByText('stale', { exact: true }).count(), 'stale', 10000);
	command('start');
	await until(() => page.getByText('live', { exact: true }).count(), 'live again', 20000);
	await api(token, 'POST', `${T}/bridges`, { name: 'afterwards' });
	await page.getByRole('link', { name: 'afterwards' }).waitFor();
});

await goneThings(me, token, command);

await test('one signs out, and is out', me, async (page) => {
	page.expected.add('401');
	await page.getByRole('button', { name: 'Sign out' }).click();
	await page.getByRole('button', { name: 'Sign in' }).waitFor();
	await page.reload();
	await page.getByRole('button', { name: 'Sign in' }).waitFor();
	equal((await page.context().cookies()).filter((c) => c.name === 'skep_session').length, 0, 'cookies left');
});

await finish();
