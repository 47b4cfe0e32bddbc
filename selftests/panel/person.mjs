// SPDX-License-Identifier: Apache-2.0
// A person at the panel: headless Chromium, TAP on standard output, screenshots.  Sourced by panel.mjs and bench/panel.mjs.
//   PANEL_URL   where skep-api serves it          PANEL_NPM   node_modules with playwright-core and axe-core
//   PANEL_SHOTS directory for screenshots         CHROMIUM    program
//   PANEL_TEST  regular expression: only tests of such names (by hand; those before them may be needed)
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const require = createRequire(path.join(process.env.PANEL_NPM, 'x.js'));
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const url = process.env.PANEL_URL;
const shots = process.env.PANEL_SHOTS;
let n = 0, failed = 0, browser;
const problems = []; // what the console of any page said that it should not

export const start = async () => {
	browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
};

/* A page of its own, with cookies of its own.  Answers of 4xx that a test provokes are told by Chromium as errors: 'expected' are their statuses. */
export async function person({ dark = false, width = 1360, height = 860, inspect = false } = {}) {
	const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', bypassCSP: inspect, locale: 'en-GB' });
	const page = await context.newPage();

	page.expected = new Set();
	page.foreign = [];
	page.setDefaultTimeout(Number(process.env.PANEL_TIMEOUT || 10000));
	page.on('pageerror', (e) => problems.push(`${page.url()}: ${e.message}`));
	page.on('console', (m) => {
		const status = /status of (\d+)/.exec(m.text())?.[1];
		const cut = /ERR_(CONNECTION|INCOMPLETE|EMPTY|ABORTED|NETWORK)/.test(m.text()) && page.expected.has('cut');
		const csp = m.text().includes('Content Security Policy') && page.expected.has('csp');
		if (!csp && ['error', 'warning'].includes(m.type()) && !(status && page.expected.has(status)) && !cut)
			problems.push(`${page.url()}: ${m.text()} ${m.location()?.url || ''}`);
	});
	page.on('request', (r) => {
		if (!r.url().startsWith(url) && !r.url().startsWith('data:'))
			page.foreign.push(r.url());
	});
	if (inspect)
		await page.addInitScript(axe);
	return page;
}

export async function signIn(page, token, where = '') {
	page.expected.add('401');
	await page.goto(`${url}/${where}`);
	await page.getByLabel('Token').fill(token);
	await page.getByRole('button', { name: 'Sign in' }).click();
	await page.getByRole('button', { name: 'Sign out' }).waitFor();
	page.expected.delete('401');
}

/* Goes to an address behind the '#'. */
export async function to(page, where) {
	await page.goto(`${url}/${where}`);
	await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

export const mapReady = (page) => page.waitForFunction(() => document.querySelector('.map')?.dataset.ready !== undefined);
export const shot = (page, name) => page.screenshot({ path: path.join(shots, `${name}.png`) });

/* What axe finds: an empty list is what is wanted. */
export const findings = (page) => page.evaluate(async () => (await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
	.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((x) => x.target.join(' ')).join(', ')}`));

export function equal(got, want, what = 'value') {
	const a = JSON.stringify(got), b = JSON.stringify(want);
	if (a !== b)
		throw new Error(`${what}: ${a} (want ${b})`);
}

export function truth(got, what) {
	if (!got)
		throw new Error(`${what}: ${got}`);
}

/* Looks again until 'fn' gives something true; throws what it last said. */
export async function until(fn, what, ms = 10000) {
	const end = Date.now() + ms;
	for (;;) {
		let got, error;
		try {
			got = await fn();
		} catch (e) {
			error = e;
		}
		if (got)
			return got;
		if (Date.now() > end)
			throw error || new Error(`${what}: still ${JSON.stringify(got)} after ${ms} ms`);
		await new Promise((done) => { setTimeout(done, 50); }); // pause between looks
	}
}

export async function test(name, page, fn) {
	if (process.env.PANEL_TEST && !new RegExp(process.env.PANEL_TEST).test(name))
		return;
	n++;
	const before = problems.length;
	try {
		await fn(page);
		if (page?.foreign.length)
			throw new Error(`asked others than the server: ${page.foreign.splice(0).join(' ')}`);
		if (problems.length > before)
			throw new Error(`the console says: ${problems.slice(before).join('; ')}`);
		console.log(`ok ${n} - ${name}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${n} - ${name}`);
		console.log(String(e.stack || e).split('\n').slice(0, 14).map((l) => `# ${l}`).join('\n'));
		if (page)
			await page.screenshot({ path: path.join(shots, `failed-${n}.png`) }).catch(() => {});
	}
}

export const close = () => browser.close();

export async function finish() {
	await browser?.close();
	console.log(`1..${n}`);
	process.exit(failed || !n ? 1 : 0);
}

/* The REST API, for what others than the person at the panel do. */
export async function api(token, method, where, body, headers = {}) {
	const res = await fetch(`${url}${where}`, { method, headers: { Authorization: `Bearer ${token}`, ...(body !== undefined && { 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }), ...headers },
		body: body === undefined ? undefined : JSON.stringify(body) });
	const text = await res.text();
	return { status: res.status, body: text ? JSON.parse(text) : null };
}
