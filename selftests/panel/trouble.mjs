// SPDX-License-Identifier: Apache-2.0
// The panel when not all is well.  trouble.sh has made the network: tenant t as in panel.mjs; tenant long: 2600 ports of machines on bridges net0 and net1.
// Argument: the operator's token.  Those that end something for good come last.
import { execFileSync } from 'node:child_process';
import { start, person, signIn, to, mapReady, shot, equal, truth, until, test, finish, api, url } from './person.mjs';

const ROW = 32; // height of a row in lists
const token = process.argv[2];
const T = '/api/v1/tenants/t';
const command = (name) => execFileSync(process.env.PANEL_CONTROL, [name], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30000 }).toString();
const model = (page, fn, arg) => page.evaluate(`(${fn})(document.querySelector('.map').mapView.model, ${JSON.stringify(arg)})`);
const live = (page) => page.getByText('live', { exact: true }).waitFor();
const problem = (status, headers = {}) => ({ status, headers: { 'Content-Type': 'application/problem+json', ...headers }, body: JSON.stringify({ type: 'about:blank', title: 'Not now', status, detail: 'this is not the time' }) });
const stream = (body) => ({ status: 200, headers: { 'Content-Type': 'text/event-stream' }, body });
async function made(method, where, body) {
	const answer = await api(token, method, where, body);
	truth(answer.status < 300, `${method} ${where}: ${JSON.stringify(answer)}`);
	return answer.body;
}

await start();
const me = await person();
await signIn(me, token, '#/t/t/ports/vm1');

// --- what was missed ---

await test('what was deleted while the line was gone is told as deleted, and an error above what was there', me, async (page) => {
	await made('POST', `${T}/bridges`, { name: 'goes' });
	page.expected.add('404').add('503').add('cut');
	await page.route('**/t/events', (route) => route.abort('connectionrefused'));
	await page.reload();
	await to(page, '#/t/t/bridges/goes');
	await page.getByRole('heading', { name: 'goes' }).waitFor();
	await page.route('**/bridges/goes', (route) => route.fulfill(problem(503)));
	await page.route('**/t/events', (route) => route.fulfill(stream('event: reset\ndata: {}\n\n')));
	await page.getByRole('alert').getByText('this is not the time').first().waitFor();
	equal(await page.getByText('deleted', { exact: true }).count(), 0, 'told as deleted by a 503');
	await page.unroute('**/bridges/goes');
	await made('DELETE', `${T}/bridges/goes`);
	await page.locator('.page-head .badge', { hasText: 'deleted' }).waitFor();
	await page.getByRole('heading', { name: 'goes' }).waitFor();
	equal(await page.getByRole('link', { name: 'Edit' }).count(), 0, 'Edit is offered');
	await page.unrouteAll({ behavior: 'ignoreErrors' });
	await to(page, '#/t/t/ports');
	page.expected.clear();
	await page.reload();
});

await test('what changes while the map loads is on it', me, async (page) => {
	await to(page, '#/t/t/ports');
	await live(page);
	let old;
	await page.route('**/t/bridges?*', async (route) => {
		old = await route.fetch();
		const told = page.waitForResponse(/t\/quota/);
		await made('POST', `${T}/bridges`, { name: 'meanwhile' });
		await told; // the batch with it has come
		await route.fulfill({ response: old });
	}, { times: 1 });
	await to(page, '#/t/t/topology');
	await mapReady(page);
	truth(!(await old.text()).includes('meanwhile'), 'the answer is the one of before');
	await until(() => model(page, (m) => m.devices.has('bridges/meanwhile')), 'the new bridge is on the map');
	await made('DELETE', `${T}/bridges/meanwhile`);
	await until(() => model(page, (m) => !m.devices.has('bridges/meanwhile')), 'it goes');
});

await test('a change of one tenant does not reach what is shown of another', me, async (page) => {
	for (const tenant of ['two', 'three']) {
		await made('PUT', `/api/v1/tenants/${tenant}`, {});
		await made('POST', `/api/v1/tenants/${tenant}/bridges`, { name: 'p1000' });
	}
	await to(page, '#/t/two/bridges/p1000');
	await page.getByRole('heading', { name: 'p1000' }).waitFor();
	await live(page);
	await page.evaluate(() => { // batches are handed on when this test says so
		const real = globalThis.setTimeout;
		globalThis.held = [];
		globalThis.setTimeout = (fn, ms, ...rest) => (ms === 400 ? globalThis.held.push(fn) && -1 : real(fn, ms, ...rest));
	});
	await made('DELETE', '/api/v1/tenants/two/bridges/p1000');
	await until(() => page.evaluate(() => globalThis.held.length), 'the change has come');
	await page.evaluate(() => { location.hash = '#/t/three/bridges/p1000'; });
	await page.getByRole('link', { name: 'Show on map' }).and(page.locator('[href*="/three/"]')).waitFor();
	await page.evaluate(() => new Promise((done) => {
		globalThis.held.forEach((fn) => fn());
		requestAnimationFrame(() => requestAnimationFrame(done));
	}));
	equal(await page.getByText('deleted', { exact: true }).count(), 0, 'told as deleted');
	await page.reload();
});

await test('the policy matrix says what was asked, not what is being typed; and that the network has changed', me, async (page) => {
	const side = page.getByRole('complementary', { name: 'This pair' });
	await to(page, '#/t/t/policy?proto=tcp/443&q=vm');
	await side.getByText('tcp/443').waitFor();
	await page.getByLabel('Service').fill('tcp/23');
	await page.getByRole('combobox', { name: 'Service' }).press('Escape');
	equal(await side.getByText('tcp/443').count(), 1, 'tcp/443 beside the matrix');
	equal(await side.getByText('tcp/23').count(), 0, 'tcp/23, which was not asked');
	truth(/proto=tcp%2F443/.test(await side.getByRole('link', { name: 'See the path' }).getAttribute('href')), 'the path of what was asked');
	await live(page);
	await made('PATCH', `${T}/ports/vm1`, { description: 'changed under the matrix' });
	await page.getByText('The network has changed').waitFor();
	await page.getByRole('button', { name: 'Show again' }).click();
	await side.getByText('tcp/23').waitFor();
	equal(await page.getByText('The network has changed').count(), 0, 'told still');
});

await test('who names an object is told also when it is within a rule, however many there are', me, async (page) => {
	const group = (name, remote) => ({ method: 'POST', path: 'security_groups', body: { name, rules: [{ direction: 'ingress', ...(remote && { remote_group: remote }) }] } });
	await made('PUT', '/api/v1/tenants/groups', {});
	await made('POST', '/api/v1/tenants/groups/batch', { operations: [group('named'), ...Array.from({ length: 250 }, (x, i) => group(`g${i}`)), group('zz', 'named')] });
	await to(page, '#/t/groups/security_groups/named');
	const used = page.locator('section[aria-label="Used by"]');
	await used.getByRole('link', { name: 'zz' }).waitFor();
	await live(page);
	await made('DELETE', '/api/v1/tenants/groups/security_groups/zz');
	await used.getByText('Nothing names this security group.').waitFor();
});

await test('a list that the server refuses to go on with is asked for later, and goes on then', me, async (page) => {
	const asked = [];
	page.expected.add('503');
	await page.route('**/long/ports?*cursor=*', (route) => {
		asked.push(Date.now());
		return asked.length < 3 ? route.fulfill(problem(503, { 'Retry-After': '3' })) : route.continue();
	});
	await to(page, '#/t/long/ports?q=vm');
	await page.getByRole('link', { name: 'vm0', exact: true }).waitFor();
	await page.locator('.vtable').evaluate((el) => { el.scrollTop = el.scrollHeight; });
	await page.getByRole('alert').getByText('this is not the time').waitFor();
	await until(() => asked.length >= 3, 'asked again', 15000);
	truth(asked[1] - asked[0] > 2900 && asked[2] - asked[1] > 2900, `asked after ${asked.map((t) => t - asked[0])} ms`);
	await until(async () => !await page.getByRole('alert').count(), 'the error is gone');
	await until(() => page.evaluate((most) => document.querySelector('.vbody').clientHeight > most, 250 * ROW), 'more rows');
	await page.unrouteAll({ behavior: 'ignoreErrors' });
	page.expected.clear();
});

await test('a long list stays where it is when something in it changes', me, async (page) => {
	const box = page.locator('.vtable');
	const at = () => box.evaluate((el) => ({ top: el.scrollTop, height: el.querySelector('.vbody').clientHeight }));
	await to(page, '#/t/long/ports?q=vm');
	await page.reload();
	await page.getByRole('link', { name: 'vm0', exact: true }).waitFor();
	await live(page);
	await until(async () => (await box.evaluate((el) => { el.scrollTop = el.scrollHeight; return el.querySelector('.vbody').clientHeight; })) === 2600 * ROW, 'all rows', 30000);
	await page.locator('.vbody [data-row="2599"]').waitFor(); // rows follow the scrolling a moment later
	const name = await page.locator('.vbody [role=row] a.strong').first().textContent();
	const before = await at();
	let asked = 0;
	page.on('request', (r) => { asked += /long\/ports\?/.test(r.url()); });
	await made('PATCH', `/api/v1/tenants/long/ports/${name}`, { addresses: ['10.77.7.7'] });
	await page.getByText('10.77.7.7').waitFor();
	equal(await at(), before, 'where it is');
	truth(asked >= 1 && asked <= 2, `${asked} requests`);
	// one that goes: the rest stays
	const other = await page.locator('.vbody [role=row] a.strong').nth(1).textContent();
	await made('DELETE', `/api/v1/tenants/long/ports/${other}`);
	await until(async () => !await page.getByRole('link', { name: other, exact: true }).count(), 'it goes');
	await until(async () => (await at()).height === 2599 * ROW, 'a row less');
	// and what was not in sight is read again when it is
	await made('PATCH', '/api/v1/tenants/long/ports/vm0', { addresses: ['10.77.7.8'] });
	await box.evaluate((el) => { el.scrollTop = 0; });
	await page.getByText('10.77.7.8').waitFor();
	page.removeAllListeners('request');
});

await test('the state DB hangs: pages that ask again and again say so, and go on when it is back', me, async (page) => {
	page.expected.add('503');
	await to(page, '#/t/t/ports');
	command('db-pause');
	try {
		await to(page, '#/hosts');
		await page.getByRole('alert').waitFor({ timeout: 20000 });
		await shot(page, 'db-hangs');
	} finally {
		command('db-resume');
	}
	await page.getByRole('row', { name: /h1.*alive/ }).waitFor({ timeout: 20000 });
	await until(async () => !await page.getByRole('alert').count(), 'no error any more');
	page.expected.clear();
});

await test('a search that is answered in part only says so', me, async (page) => {
	page.expected.add('503').add('429');
	for (const status of [503, 429]) {
		await page.route('**/t/bridges?*', (route) => route.fulfill(problem(status)));
		await to(page, '#/t/t/ports');
		await page.getByRole('button', { name: 'Search' }).click();
		await page.getByRole('combobox', { name: /Name, address/ }).fill('nothing-like-it');
		await page.getByRole('dialog').getByText('this is not the time').waitFor();
		equal(await page.getByText('No object matches.').count(), 0, 'that there is none');
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.getByRole('button', { name: 'Close' }).click();
	}
	page.expected.clear();
});

await test('the map counts ports of closed bridges as they come, move and go', me, async (page) => {
	const L = '/api/v1/tenants/long';
	const count = (name) => model(page, (m, n) => m.devices.get(`bridges/${n}`).count, name);
	const total = async () => (await api(token, 'GET', `${L}/ports?limit=1`)).body.total;
	const sees = async (name, n) => {
		await until(async () => await count(name) === n, `${name} has ${n}`);
		await page.getByText(`${(await total()).toLocaleString('en').replace(',', '\u2009')} ports`).waitFor();
	};
	const real = async (name) => (await api(token, 'GET', `${L}/ports?filter=bridge:${name}&limit=1`)).body.total;
	await to(page, '#/t/long/topology');
	await mapReady(page);
	await live(page);
	const [a, b] = [await real('net0'), await real('net1')];
	await sees('net0', a);
	await sees('net1', b);
	await made('DELETE', `${L}/ports/vm100`);
	await sees('net0', a - 1);
	await made('PATCH', `${L}/ports/vm101`, { bridge: 'net1', addresses: [] });
	await sees('net1', b + 1);
	await sees('net0', a - 2);
	await made('POST', `${L}/ports`, { name: 'fresh', bridge: 'net0' });
	await sees('net0', a - 1);
});

await test('the map of a large network has all its hosts, and says which live', me, async (page) => {
	const bind = (n, host) => ({ method: 'PUT', path: `bindings/vm${n}`, body: { host, interface: `i${n}` } });
	await made('POST', '/api/v1/tenants/long/batch', { operations: [...Array.from({ length: 250 }, (x, i) => bind(1000 + i, 'h8')), bind(999, 'h9')] });
	await to(page, '#/t/long/topology?at=ports/vm1001');
	await page.reload();
	await mapReady(page);
	equal(await model(page, (m) => m.hosts.map((h) => h.name).sort()), ['h8', 'h9'], 'hosts');
	await until(() => model(page, (m) => m.hosts.every((h) => h.object.live === false) && m.stateOf({ name: 'vm1001' }) === 'lost'), 'no agent lives there', 15000);
});

// --- what is done, and not by accident ---

await test('all tokens are listed, and none is revoked by a slip', me, async (page) => {
	await to(page, '#/t/t/ports');
	for (let i = 0; i < 105; i++)
		await made('POST', '/api/v1/tokens', { name: `many-${i}`, role: 'tenant-reader', tenant: 't' });
	await to(page, '#/t/t/tokens');
	const rows = page.getByRole('row', { name: /many-/ });
	await rows.first().waitFor();
	while (await page.getByRole('button', { name: 'More tokens' }).count()) {
		const n = await rows.count();
		await page.getByRole('button', { name: 'More tokens' }).click();
		await until(async () => await rows.count() > n, 'more of them');
	}
	equal(await rows.count(), 105, 'tokens');
	await page.getByRole('button', { name: 'Revoke many-7', exact: true }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
	equal(await page.getByRole('row', { name: /^many-7 / }).count(), 1, 'it is kept');
	await page.getByRole('button', { name: 'Revoke many-7', exact: true }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await until(async () => await rows.count() === 104, 'it is gone, and the others are not');
});

await test('a limit of none at all is a limit', me, async (page) => {
	await made('PUT', '/api/v1/tenants/nothing', {});
	const quota = (await api(token, 'GET', '/api/v1/tenants/nothing/quota')).body;
	await made('PUT', '/api/v1/tenants/nothing/quota', { objects: { ...quota.objects, mirrors: 0 } });
	await to(page, '#/t/nothing/capacity');
	await page.getByRole('img', { name: 'Mirrors: 100 percent used' }).waitFor();
	equal(await page.getByRole('img', { name: 'Mirrors: no limit' }).count(), 0, 'no limit');
});

// --- two in one browser ---

await test('who signs in or out in another tab does so in this one', await person(), async (page) => {
	const { token: reader } = await made('POST', '/api/v1/tokens', { name: 'other-one', role: 'tenant-reader', tenant: 't' });
	await signIn(page, token, '#/t/t/bridges');
	const other = await page.context().newPage();
	const same = async (name) => {
		await other.goto(`${url}/#/t/t/ports`);
		await until(() => other.getByRole('button', { name: 'Sign out' }).count(), 'signed in there');
		await page.locator('.who', { hasText: name }).waitFor();
	};
	await same('panel-test');
	page.expected.add('401').add('403');
	await other.getByRole('button', { name: 'Sign out' }).click();
	await page.getByRole('button', { name: 'Sign in' }).waitFor();
	await other.getByLabel('Token').fill(reader);
	await other.getByRole('button', { name: 'Sign in' }).click();
	await same('other-one');
	equal(await page.getByRole('link', { name: 'New bridge' }).count(), 0, 'what an operator may');
	// the same person again, and nobody tells: the CSRF word of before is of no use, and a new one is got
	await other.getByRole('button', { name: 'Sign out' }).click();
	await page.getByRole('button', { name: 'Sign in' }).waitFor();
	await signIn(page, token, '#/t/t/bridges?new=1');
	await page.request.post(`${url}/api/v1/session`, { data: { token } });
	await page.getByRole('textbox', { name: /^Name/ }).fill('two-tabs');
	await page.getByRole('button', { name: 'Create' }).click();
	await page.getByRole('heading', { name: 'two-tabs' }).waitFor();
	await page.context().close();
});

await test('who may only look is not led to forms, nor to tokens, by keys', await person(), async (page) => {
	const { token: reader } = await made('POST', '/api/v1/tokens', { name: 'only-looks', role: 'tenant-reader', tenant: 't' });
	await signIn(page, reader, '#/t/t/ports/vm1');
	await page.getByRole('heading', { name: 'vm1' }).waitFor();
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press('e');
	await page.keyboard.type('gk');
	await page.keyboard.press('/');
	await page.getByRole('combobox', { name: /Name, address/ }).fill('token');
	equal(await page.getByRole('option').count(), 0, 'pages that are found');
	equal(await page.evaluate(() => location.hash), '#/t/t/ports/vm1', 'where one is');
	await page.context().close();
});

await test('a history that was unfolded stays so when something changes', me, async (page) => {
	await made('PUT', '/api/v1/tenants/busy', {});
	for (let i = 0; i < 60; i++)
		await made('PUT', `/api/v1/tenants/busy/bridges/b${i}`, {});
	await to(page, '#/t/busy/history');
	const rows = page.locator('.changes li');
	await until(async () => await rows.count() === 50, 'the first page');
	await live(page);
	await page.getByRole('button', { name: 'Older changes' }).click();
	await until(async () => await rows.count() >= 60, 'the second page');
	const n = await rows.count();
	await made('PUT', '/api/v1/tenants/busy/bridges/new-one', {});
	await page.getByText('new-one').waitFor();
	equal(await rows.count(), n + 1, 'changes');
	equal(await rows.filter({ hasText: 'b0' }).count(), 1, 'the first change');
});

await test('a stream that is refused is asked for again; one whose session is over leads to the door', await person(), async (page) => {
	await signIn(page, token, '#/t/t/ports');
	await live(page);
	page.expected.add('404').add('403').add('401');
	const refused = [404, 403];
	await page.route('**/t/events', (route) => (refused.length ? route.fulfill(problem(refused.shift())) : route.continue()));
	await page.reload();
	await page.getByText('gone', { exact: true }).waitFor();
	await page.getByText('live', { exact: true }).waitFor({ timeout: 30000 });
	await page.route('**/t/events', (route) => route.fulfill(problem(401)));
	await page.reload();
	await page.getByRole('button', { name: 'Sign in' }).waitFor();
	await page.context().close();
});

await test('who cannot take in what another has written is told why', me, async (page) => {
	await made('PUT', `${T}/bridges/shared`, { description: 'one' });
	await to(page, '#/t/t/bridges/shared?edit=1');
	const text = page.getByRole('textbox', { name: 'Description' });
	await text.fill('mine');
	await made('PATCH', `${T}/bridges/shared`, { description: 'theirs' });
	page.expected.add('412').add('503');
	await page.getByRole('button', { name: 'Save' }).click();
	await page.getByText('Somebody else has changed this object').waitFor();
	await page.route('**/bridges/shared', (route) => (route.request().method() === 'GET' ? route.fulfill(problem(503)) : route.continue()));
	await page.getByRole('button', { name: 'Take in their change' }).click();
	await page.getByRole('alert').getByText('this is not the time').waitFor();
	await page.unrouteAll({ behavior: 'ignoreErrors' });
	await page.getByRole('button', { name: 'Take in their change' }).click();
	await page.getByRole('button', { name: 'Save' }).click();
	await page.getByRole('heading', { name: 'shared', exact: true }).waitFor();
	page.expected.clear();
});

// --- tenants ---

await test('tenants: asked for until they are told; made and deleted by an operator', me, async (page) => {
	const choose = page.getByRole('combobox', { name: 'Tenant' });
	page.expected.add('503').add('404'); // a deleted one may be asked about once more
	await page.route(/\/api\/v1\/tenants\?/, (route) => route.fulfill(problem(503)), { times: 1 });
	await to(page, '#/t/t/ports');
	await page.reload();
	await choose.waitFor();
	await page.getByRole('link', { name: 'Tenants' }).click();
	await page.getByRole('button', { name: 'New tenant' }).click();
	await page.getByRole('dialog').getByLabel('Name').fill('by-hand');
	await page.getByRole('button', { name: 'Make it' }).click();
	await page.getByRole('row', { name: /by-hand/ }).waitFor();
	await choose.selectOption('by-hand');
	await page.getByText('This network is empty').waitFor();
	await made('PUT', '/api/v1/tenants/by-hand/bridges/b', {});
	await to(page, '#/tenants');
	const dialog = page.getByRole('dialog');
	await page.getByRole('button', { name: 'Delete by-hand' }).click();
	await dialog.getByText('1 object').waitFor();
	equal(await dialog.getByRole('button', { name: 'Delete' }).isDisabled(), true, 'Delete, before the name is typed');
	await dialog.getByLabel('Its name').fill('by-hand');
	await dialog.getByRole('button', { name: 'Delete' }).click();
	await until(async () => !await page.getByRole('row', { name: /by-hand/ }).count(), 'it is gone');
	await until(async () => !await choose.locator('option', { hasText: 'by-hand' }).count(), 'from the choice, too');
	await shot(page, 'tenants');
	page.expected.clear();
});

await test('a new token stays on the screen until one says that one has it', me, async (page) => {
	await to(page, '#/t/t/tokens');
	await page.getByRole('button', { name: 'New token' }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Name').fill('dragged');
	await dialog.getByRole('button', { name: 'Make it' }).click();
	const box = await page.locator('.secret').boundingBox();
	await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
	await page.mouse.down();
	await page.mouse.move(5, 5, { steps: 5 });
	await page.mouse.up();
	equal(await page.locator('.secret').count(), 1, 'a selection that ends beside it: still there');
	await page.mouse.click(5, 5);
	equal(await page.locator('.secret').count(), 1, 'a click beside it: still there');
	await page.keyboard.press('Escape');
	equal(await page.locator('.secret').count(), 1, 'Escape: still there');
	await dialog.getByRole('button', { name: 'Done' }).click();
	await until(async () => !await dialog.count(), 'it closes');
	await page.getByRole('button', { name: 'New token' }).click(); // nothing was made: a click beside it closes
	await dialog.getByLabel('Name').waitFor();
	await page.mouse.click(5, 5);
	await until(async () => !await dialog.count(), 'it closes');
});

await test('keys of one letter can be turned off', me, async (page) => {
	await to(page, '#/t/t/ports');
	await page.getByRole('heading', { name: 'Ports', exact: true }).waitFor();
	const body = () => page.evaluate(() => document.activeElement.blur());
	await page.getByRole('button', { name: 'Keys' }).click();
	await page.getByLabel('Keys of one letter').uncheck();
	await page.getByRole('button', { name: 'Close' }).click();
	await body();
	await page.keyboard.type('?/gb');
	equal(await page.getByRole('dialog').count(), 0, 'dialogs');
	equal(await page.getByRole('heading', { name: 'Ports', exact: true }).count(), 1, 'the page');
	await page.reload();
	await page.getByRole('heading', { name: 'Ports', exact: true }).waitFor();
	await body();
	await page.keyboard.press('?');
	equal(await page.getByRole('dialog').count(), 0, 'dialogs after a reload');
	await page.getByRole('button', { name: 'Keys' }).click();
	await page.getByLabel('Keys of one letter').check();
	await page.getByRole('button', { name: 'Close' }).click();
	await body();
	await page.keyboard.press('?');
	await page.getByRole('dialog').waitFor();
	await page.keyboard.press('Escape');
});

// --- the host's agent is killed: from here on h2 is dead ---

await test('an agent was killed: its ports are not up, on their page and on the map', me, async (page) => {
	const state = page.locator('section[aria-label="Live"] dl .badge').first();
	await to(page, '#/t/t/ports/vm2');
	await until(async () => await state.textContent() === 'up', 'vm2 is up');
	command('kill-agent');
	await until(async () => await state.textContent() === 'no agent', 'vm2 is not up any more', 20000);
	await page.getByText('The agent of its host does not live').waitFor();
	await to(page, '#/t/t/topology?at=ports/vm2');
	await mapReady(page);
	await until(() => model(page, (m) => m.stateOf({ name: 'vm2' }) === 'lost' && m.stateOf({ name: 'vm1' }) === 'up' && m.hosts.find((h) => h.name === 'h2').object.live === false), 'the map shows it');
	await page.getByRole('complementary', { name: 'What is chosen' }).getByText('no agent').waitFor();
	await shot(page, 'no-agent');
});

await finish();
