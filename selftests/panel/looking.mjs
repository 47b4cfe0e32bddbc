// SPDX-License-Identifier: Apache-2.0
// What a person sees of the network, and takes along: colours of ports as the map comes, what is under the pointer, what decided on the way drawn,
// command lines of what the panel shows and would send, and machines that run nowhere in the matrix.
import { execFileSync } from 'node:child_process';
import { to, mapReady, shot, equal, truth, until, test, api } from './person.mjs';

const T = '/api/v1/tenants/t';
const view = (page, fn) => page.evaluate(fn);

export async function colours(me) {
	await test('the map has the colours of ports as it comes, not seconds later', me, async (page) => {
		await to(page, '#/t/t/ports');
		await to(page, '#/t/t/topology');
		await mapReady(page);
		await until(() => view(page, () => {
			const { model } = document.querySelector('.map').mapView;
			return model.stateOf({ name: 'vm1' }) === 'up' && model.hosts.every((h) => h.object.live === true);
		}), 'vm1 is up', 3000);
	});
}

export async function hover(me) {
	await test('what is under the pointer is told there', me, async (page) => {
		await to(page, '#/t/t/topology');
		await mapReady(page);
		const at = await view(page, () => {
			const { model, at: { k, x, y } } = document.querySelector('.map').mapView, box = document.querySelector('.map').getBoundingClientRect(), r = model.rectOf('ports/vm1');
			return { x: box.left + (r.x + r.w / 2) * k + x, y: box.top + (r.y + r.h / 2) * k + y };
		});
		await page.mouse.move(at.x, at.y);
		await page.locator('.map-tip').getByText('10.0.1.11').waitFor();
		await shot(page, 'map-hover');
		await page.mouse.move(2, 2);
		await until(() => page.locator('.map-tip').isHidden(), 'it is gone again');
	});
}

/* Whether a way from a device to a port runs over another port. */
const crossed = () => {
	const { model } = document.querySelector('.map').mapView;
	const over = [];
	for (const d of model.devices.values())
		d.ports.forEach((p, i) => {
			for (const way of [model.wayTo(d, i), model.wayOut(d, i)])
				for (let n = 1; n < way.length; n++) {
					const [a, b] = [way[n - 1], way[n]];
					d.ports.forEach((q, j) => {
						const r = model.portRect(d, j);
						if (j !== i && Math.max(a.x, b.x) > r.x && Math.min(a.x, b.x) < r.x + r.w && Math.max(a.y, b.y) > r.y && Math.min(a.y, b.y) < r.y + r.h)
							over.push(`${p.name} over ${q.name}`);
					});
				}
		});
	return over;
};

export async function decided(me, token) {
	await test('the way on the map says what decided, where it did, and runs over no other port', me, async (page) => {
		equal((await api(token, 'POST', `${T}/security_groups`, { name: 'look-none', rules: [] })).status, 201, 'a group that lets nothing in');
		const before = (await api(token, 'GET', `${T}/ports/vm4`)).body.security_groups || [];
		await api(token, 'PATCH', `${T}/ports/vm4`, { security_groups: ['look-none'] });
		await to(page, '#/t/t/trace?mode=reach&from=vm1&to=vm4&proto=tcp/22');
		const note = await until(() => view(page, () => document.querySelector('.map')?.mapView?.path?.note), 'a note on the map');
		equal(note.at, 'ports/vm4', 'where');
		truth(/security group/.test(note.text), `'${note.text}' names what decided`);
		equal(await view(page, crossed), [], 'ways that run over ports');
		await shot(page, 'trace-decided');
		await api(token, 'PATCH', `${T}/ports/vm4`, { security_groups: before });
		equal((await api(token, 'DELETE', `${T}/security_groups/look-none`)).status, 204, 'it goes again');
	});
}

const run = (command, token) => JSON.parse(execFileSync('bash', ['-c', command], { env: { ...process.env, TOKEN: token }, stdio: ['ignore', 'pipe', 'ignore'] }).toString());

export async function commands(me, token) {
	await test('what is shown, and what a form would send, is taken along as a command line that works', me, async (page) => {
		await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
		const copied = async () => {
			await page.getByRole('button', { name: 'Copy as curl' }).click();
			await page.getByRole('button', { name: 'Copied' }).waitFor();
			return view(page, () => navigator.clipboard.readText());
		};
		await to(page, '#/t/t/ports/vm1');
		const shown = await copied();
		truth(!shown.includes(token), 'the token is not in it');
		equal(run(shown, token).name, 'vm1', 'what it answers');
		await page.getByRole('button', { name: 'Copy the id' }).click();
		await until(async () => await view(page, () => navigator.clipboard.readText()) === run(shown, token).id, 'the id is copied');
		equal(await page.getByRole('link', { name: 'API document' }).getAttribute('href'), '/openapi.json', 'the document');

		await to(page, '#/t/t/bridges?new=1');
		await page.getByLabel('Name').fill('look-made');
		await page.getByLabel('Add a field').selectOption('description');
		await page.getByLabel('Description').fill("it's \"quoted\" $HOME `x`");
		equal(run(await copied(), token).description, "it's \"quoted\" $HOME `x`", 'what was made');
		page.once('dialog', (d) => d.accept());
		await to(page, '#/t/t/bridges/look-made?edit=1');
		await page.getByLabel('Description').fill('other');
		truth(/-X PATCH/.test(await copied()) && /If-Match/.test(await view(page, () => navigator.clipboard.readText())), 'a change says what it is of');
		equal((await api(token, 'DELETE', `${T}/bridges/look-made`)).status, 204, 'it goes again');
	});
}

export async function notRunning(me, token) {
	await test('a machine that runs nowhere is that in the matrix, and is not a blank', me, async (page) => {
		equal((await api(token, 'POST', `${T}/ports`, { name: 'vm9-look', bridge: 'left', mac: '02:00:00:00:00:99', addresses: ['10.0.1.99'] })).status, 201, 'a port that is bound nowhere');
		await to(page, '#/t/t/policy?proto=icmp&q=vm');
		const cell = page.getByRole('gridcell', { name: 'vm1 to vm9-look: not running' });
		await cell.waitFor();
		equal(await cell.textContent(), '–', 'its sign');
		await shot(page, 'matrix-away');
		equal((await api(token, 'DELETE', `${T}/ports/vm9-look`)).status, 204, 'it goes again');
	});
}
