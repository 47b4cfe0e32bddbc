// SPDX-License-Identifier: Apache-2.0
// What bench/panel measures.  Arguments: the operator's token.
import { start, person, signIn, to, mapReady, url, close } from '../selftests/panel/person.mjs';

const token = process.argv[2];
const rounds = Number(process.env.ROUNDS || 5);
const median = (v) => [...v].sort((a, b) => a - b)[Math.floor(v.length / 2)];
const at = (v, p) => [...v].sort((a, b) => a - b)[Math.min(v.length - 1, Math.floor(v.length * p))];
const tell = (name, figures) => console.log(JSON.stringify({ bench: 'panel', name, ...Object.fromEntries(Object.entries(figures).map(([k, v]) => [k, Math.round(v * 10) / 10])) }));

await start();
const page = await person();
await signIn(page, token);

/* A page opened anew, nothing in the browser's cache: until something is painted, and until it can be used. */
async function opened(name, where, ready) {
	const paint = [], use = [], bytes = [];
	const session = await page.context().newCDPSession(page);
	await session.send('Network.enable');
	await session.send('Network.setCacheDisabled', { cacheDisabled: true });
	for (let i = 0; i < rounds; i++) {
		await page.goto('about:blank');
		await page.goto(`${url}/${where}`);
		await ready();
		use.push(await page.evaluate(() => performance.now()));
		paint.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
		bytes.push(await page.evaluate(() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((sum, r) => sum + r.transferSize, 0)));
	}
	tell(name, { first_paint_ms: median(paint), usable_ms: median(use), transferred_kb: median(bytes) / 1000 });
	await session.detach();
}

await opened('list_40000', '#/t/big/ports?q=vm', () => page.getByRole('link', { name: 'vm0', exact: true }).waitFor());
await opened('object_40000', '#/t/big/ports/vm12345', () => page.getByRole('heading', { name: 'vm12345' }).waitFor());
await opened('map_40000', '#/t/big/topology', () => mapReady(page));

await to(page, '#/t/wide/topology?at=bridges/net0');
await page.getByRole('button', { name: 'Show its ports' }).click();
await page.waitForFunction(() => document.querySelector('.map').mapView.model?.portHome.size === 5000);
for (const [name, zoom] of [['drag_5000', null], ['drag_names', 0.6]]) {
	const frames = [], paints = [];
	for (let i = 0; i < rounds; i++) {
		await page.evaluate((k) => {
			const { mapView } = document.querySelector('.map');
			mapView.fit();
			if (k)
				mapView.zoom(k / mapView.at.k);
			mapView.frames.length = 0;
			globalThis.times = [];
			let last = performance.now();
			globalThis.going = true;
			const tick = (t) => {
				globalThis.times.push(t - last);
				last = t;
				if (globalThis.going)
					requestAnimationFrame(tick);
			};
			requestAnimationFrame(tick);
		}, zoom);
		await page.mouse.move(600, 500);
		await page.mouse.down();
		for (let j = 0; j < 120; j++)
			await page.mouse.move(600 + 200 * Math.sin(j / 10), 500 + 120 * Math.cos(j / 10));
		await page.mouse.up();
		const got = await page.evaluate(() => {
			globalThis.going = false;
			return { times: globalThis.times.slice(1), paints: document.querySelector('.map').mapView.frames };
		});
		frames.push(...got.times);
		paints.push(...got.paints);
	}
	tell(name, { frame_ms_p50: at(frames, 0.5), frame_ms_p95: at(frames, 0.95), frame_ms_p99: at(frames, 0.99), drawing_ms_p50: at(paints, 0.5), drawing_ms_p99: at(paints, 0.99) });
}
await close();
