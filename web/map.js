// SPDX-License-Identifier: Apache-2.0
// The map as a part of pages: what is loaded, what is open, what is chosen; pointer, wheel, touch and keys.  mapview.js draws it.
import { html, useState, useEffect, useLayoutEffect, useRef, useMemo, useSize, useCallback, announce } from './lib.js';
import { loadGraph, openBridge, countPorts, countAll, pinPort, applyChanges } from './graph.js';
import { layout } from './layout.js';
import { MapView } from './mapview.js';
import { useChanges } from './live.js';
import { liveOf, NO_AGENT } from './livepart.js';
import { search } from './search.js';
import { KINDS } from './kinds.js';
import { Combo, Fault, Busy, Empty, number } from './ui.js';
import { pathOnMap } from './path.js';
import { tipOf, showTip } from './maptip.js';
import { servicesBy, servicesLine } from './services.js';

const movedKey = (tenant) => `skep-map:${tenant}`;
const readMoved = (tenant) => {
	try {
		return JSON.parse(localStorage.getItem(movedKey(tenant))) || {};
	} catch {
		return {};
	}
};

const kindOfId = (id) => id.slice(0, id.indexOf('/'));
const nameOfId = (id) => id.slice(id.indexOf('/') + 1);
const idLabel = (id) => `${kindOfId(id) === 'hosts' ? 'Host' : KINDS[kindOfId(id)].one} ${nameOfId(id)}`;

/* All that can be gone to by keys: [{id, x, y}] of their middles. */
function places(m) {
	const all = [];
	const add = (id, r) => all.push({ id, x: r.x + r.w / 2, y: r.y + r.h / 2 });

	for (const d of m.devices.values()) {
		add(d.id, d);
		d.ports.forEach((p, i) => add(`ports/${p.name}`, m.portRect(d, i)));
	}
	for (const n of [...m.uplinks, ...m.hosts])
		add(n.id, n);
	return all;
}

function nextTo(m, id, dx, dy) {
	const from = m.rectOf(id);
	let best = null, least = Infinity;
	if (!from)
		return null;
	const x = from.x + from.w / 2, y = from.y + from.h / 2;
	const device = m.devices.get(id);
	// up and down from a device is to what it hangs on, and what hangs on it
	const kin = device && dy && new Set(dy > 0 ? [...device.children.map((d) => d.id), ...device.ports.map((p) => `ports/${p.name}`)] :
		[device.parent?.id, ...m.uplinks.filter((u) => u.device === device).map((u) => u.id)].filter(Boolean));
	for (const p of places(m)) {
		if (kin?.size && !kin.has(p.id))
			continue;
		const along = (p.x - x) * dx + (p.y - y) * dy, across = Math.abs((p.x - x) * dy) + Math.abs((p.y - y) * dx);
		if (p.id === id || along < 4)
			continue;
		const far = along + 2.5 * across;
		if (far < least) {
			least = far;
			best = p.id;
		}
	}
	return best;
}

/* What is said of a host and its ports: true, false, or undefined: nothing. */
function hostLives(said, name) {
	const ports = Object.values(said.ports || {}).filter((p) => p.host === name);
	return ports.some((p) => p.state === NO_AGENT) ? false : ports.length || said.hosts?.[name] ? true : undefined;
}

const ASKED_MAX = 8, ASKED_CHARS = 3500;

/* Which ports are up.  Of a large network: those on the map, and one of each host. */
async function liveOnMap(g, m, signal) {
	if (g.whole)
		return liveOf(g.tenant, signal);
	const said = { ports: {}, hosts: {} };
	const names = new Set(new Map([...g.bindings].map(([name, b]) => [b.host, name])).values());
	for (const name of m.portHome.keys())
		if (g.bindings.has(name) || g.cutBindings)
			names.add(name);
	const left = [...names];
	for (let n = 0; n < ASKED_MAX && left.length; n++) {
		let text = left.shift();
		while (left.length && text.length + left[0].length < ASKED_CHARS)
			text += `,${left.shift()}`;
		const part = await liveOf(g.tenant, signal, text);
		Object.assign(said.ports, part.ports);
		Object.assign(said.hosts, part.hosts);
		said.telemetry_error ||= part.telemetry_error;
	}
	return said;
}

/* Of very many bindings not all are loaded: what is told of ports says where they are.  True: something is new. */
function placeBy(g, ports) {
	let found = false;

	for (const [name, p] of Object.entries(ports))
		if (g.cutBindings && p.host && !g.bindings.has(name)) {
			g.bindings.set(name, { name, port: name, host: p.host });
			if (!g.hosts.has(p.host))
				g.hosts.set(p.host, { name: p.host });
			found = true;
		}
	return found;
}

/* One line of ports' places for each bridge and host. */
function hostLinksOf(m, g) {
	const pairs = new Map();
	const hosts = new Map(m.hosts.map((h) => [h.name, h]));

	for (const d of m.devices.values())
		for (const p of d.ports) {
			const host = hosts.get(g.bindings.get(p.name)?.host);
			if (!host)
				continue;
			const key = `${d.id} ${host.name}`;
			const l = pairs.get(key) || { device: d, host, n: 0 };
			l.n++;
			pairs.set(key, l);
		}
	return [...pairs.values()];
}

/*
 * 'selected' is an id ("ports/web1"), 'onSelect' is called with one, or null.  'trace' is an answer of the server to be drawn.
 * 'children' are shown beside the map, and get {graph, model, select, toggle} by 'panel'.
 */
export function Map_({ tenant, selected, onSelect, trace, panel, label }) {
	const graph = useRef(null), view = useRef(null), model = useRef(null), canvas = useRef(), box = useRef(), ring = useRef(), tip = useRef(), fitted = useRef(false);
	const moved = useRef(readMoved(tenant)), pinned = useRef(new Set()), live = useRef({}), counting = useRef(new Set());
	const loading = useRef(0), missed = useRef([]); // loads under way; changes that came meanwhile
	const want = useRef(null); // what is to be brought into sight as soon as it is on the map
	const [version, bump] = useState(0);
	const [laid, setLaid] = useState(-1);
	const [error, setError] = useState(null);
	const [busy, setBusy] = useState('Loading the network');
	const [unknown, setUnknown] = useState(false); // which ports are up
	const [focus, setFocus] = useState(null);
	const [text, setText] = useState('');
	const [, setStates] = useState(''); // which ports are up: what is told beside the map is of it
	const size = useSize(box);
	const again = useCallback(() => bump((v) => v + 1), []);
	const abort = useRef(new AbortController());

	const look = useCallback(async (keepOpen) => {
		abort.current.abort();
		abort.current = new AbortController();
		const { signal } = abort.current;
		let whole = true;
		const opened = keepOpen && graph.current?.tenant === tenant ? [...graph.current.opened] : [];
		loading.current++;
		missed.current = [];
		try {
			const g = await loadGraph(tenant, signal);
			for (const b of opened)
				if (g.bridges.has(b) && !g.opened.has(b))
					await openBridge(g, b, signal);
			for (const p of pinned.current)
				await pinPort(g, p, signal);
			graph.current = g;
			setError(null);
			setBusy('');
			again();
			whole = missed.current.every((b) => applyChanges(g, b));
		} catch (e) {
			if (e.name !== 'AbortError') {
				setError(e);
				setBusy('');
			}
		}
		loading.current--;
		if (!whole && !signal.aborted)
			look(true);
	}, [tenant]);

	useEffect(() => {
		graph.current = null;
		fitted.current = false;
		moved.current = readMoved(tenant);
		pinned.current = new Set();
		setBusy('Loading the network');
		look(false);
		return () => abort.current.abort();
	}, [tenant]);

	useChanges((b) => {
		if (loading.current)
			missed.current.push(b); // what is being loaded may be of before
		if (graph.current && applyChanges(graph.current, b))
			again();
		else if (!loading.current)
			look(true);
	});

	/* null: it is not known. */
	const showLive = (said) => {
		live.current = said?.ports || {};
		if (placeBy(graph.current, live.current))
			again();
		for (const [name, h] of graph.current.hosts)
			h.live = said ? hostLives(said, name) : undefined;
		setUnknown(!said);
		setStates(JSON.stringify(Object.entries(live.current).map(([name, p]) => [name, p.up, p.state])));
		view.current?.draw();
	};

	// where ports are up: asked for now and then while the map is looked at
	useEffect(() => {
		let timer, gone = false;
		const tick = async () => {
			const ready = graph.current && model.current; // at first the layout is about to come
			if (ready && document.visibilityState === 'visible') {
				try {
					const said = await liveOnMap(graph.current, model.current, abort.current.signal);
					showLive(said.telemetry_error ? null : said);
				} catch (e) {
					if (e.name !== 'AbortError')
						showLive(null); // colours of before would tell what is so no more
				}
			}
			if (!gone)
				timer = setTimeout(tick, ready ? 5000 : 50);
		};
		if (!busy)
			tick();
		return () => {
			gone = true;
			clearTimeout(timer);
		};
	}, [tenant, busy]);

	useLayoutEffect(() => {
		view.current = new MapView(canvas.current, { onMove: () => { placeRing(); showTip(tip.current, null); } });
		box.current.mapView = view.current; // for measurements
		const theme = () => view.current.readColours();
		const media = matchMedia('(prefers-color-scheme: dark)');
		media.addEventListener('change', theme);
		addEventListener('skep-theme', theme);
		return () => {
			view.current.stop();
			media.removeEventListener('change', theme);
			removeEventListener('skep-theme', theme);
		};
	}, []);

	// what is told of what is chosen lies over the map: on narrow windows below, else on the right
	useLayoutEffect(() => {
		const beside = !!(panel && selected);
		Object.assign(view.current.inset, { right: beside && size.width > 600 ? 316 : 0, bottom: beside && size.width && size.width <= 600 ? size.height * 0.45 : 0 });
	}, [!!panel, !!selected, size.width, size.height]);
	useEffect(() => {
		if (size.width) {
			view.current.resize(size.width, size.height);
			if (model.current && !fitted.current) {
				view.current.fit();
				fitted.current = true;
			}
		}
	}, [size.width, size.height]);

	const stateOf = (p) => (p.admin_up === false ? 'off' : live.current[p.name]?.up ? 'up' : live.current[p.name]?.state === NO_AGENT ? 'lost' : graph.current.bindings.has(p.name) ? 'placed' : 'loose');

	// the layout anew, when the network or what is open has changed
	useEffect(() => {
		const g = graph.current;
		if (!g)
			return;
		const m = layout(g, pinned.current, moved.current);
		for (const d of m.devices.values())
			d.count = g.counts.get(d.name);
		g.servicesOf = servicesBy(g.services);
		for (const [name, of] of g.servicesOf)
			if (m.devices.has(`routers/${name}`))
				m.devices.get(`routers/${name}`).services = servicesLine(g.services, of);
		m.hostLinks = hostLinksOf(m, g);
		m.stateOf = stateOf;
		model.current = m;
		view.current.setModel(m);
		if (!fitted.current && size.width) {
			view.current.fit();
			fitted.current = true;
		}
		const { id, block } = want.current || {};
		const d = block && m.devices.get(block);
		if (d)
			view.current.fit({ x0: d.blockX, y0: d.y, x1: d.blockX + d.block.w, y1: d.y + d.block.h }, 1);
		else if (id && size.width)
			view.current.show(m.rectOf(id), true);
		if (d || (id && m.rectOf(id)))
			want.current = null;
		placeRing();
		setLaid(version); // what is told beside the map is of this layout
	}, [version, size.width > 0]);

	// closed bridges in sight are counted, a few at a time
	useEffect(() => {
		const timer = setInterval(() => {
			const g = graph.current, m = model.current, v = view.current;
			if (g?.recount && !counting.current.has('')) {
				counting.current.add('');
				countAll(g, abort.current.signal).then(again, () => {}).finally(() => counting.current.delete(''));
			}
			if (!g || !m || g.whole || v.at.k < 0.3 || !v.seen)
				return;
			for (const d of m.devices.values()) {
				if (counting.current.size >= 4)
					break;
				if (d.kind !== 'bridges' || (d.count !== undefined && !g.miscounted.has(d.name)) || counting.current.has(d.name) || !v.inSight(d.x, d.y, d.w, d.h))
					continue;
				counting.current.add(d.name);
				const told = (n) => { // meanwhile there may be another layout
					const now = model.current.devices.get(d.id);
					if (now)
						now.count = n;
					v.draw();
				};
				countPorts(g, d.name, abort.current.signal).then(told, () => told(null)).finally(() => counting.current.delete(d.name));
			}
		}, 150);
		return () => clearInterval(timer);
	}, []);

	const pin = async (name) => {
		const g = graph.current;
		if (!g || model.current?.rectOf(`ports/${name}`))
			return;
		pinned.current.add(name);
		if (await pinPort(g, name, abort.current.signal))
			again();
	};

	// what is chosen is brought to the map, and into sight
	useEffect(() => {
		let gone = false;
		const show = async () => {
			if (!selected || !graph.current)
				return;
			want.current = { id: selected };
			if (kindOfId(selected) === 'ports')
				await pin(nameOfId(selected)).catch(() => {});
			if (!gone)
				again();
		};
		setFocus(selected || null);
		show();
		return () => { gone = true; };
	}, [selected, version > 0]);

	const same = trace ? JSON.stringify([trace.verdict, trace.steps, trace.outputs]) : ''; // a way that is told again is not drawn again
	const path = useMemo(() => trace && pathOnMap(trace), [same]);
	useEffect(() => {
		const draw = async () => {
			if (!path) {
				view.current.setPath(null);
				return;
			}
			if (!graph.current)
				return;
			for (const id of path.nodes)
				if (kindOfId(id) === 'ports')
					await pin(nameOfId(id)).catch(() => {});
			requestAnimationFrame(() => {
				const m = model.current;
				if (!m)
					return;
				for (const leg of path.legs)
					leg.link = kindOfId(leg.from) === 'ports' && kindOfId(leg.to) === 'ports' ? m.linkOf.get(nameOfId(leg.from)) : null;
				view.current.setPath(path);
				const rects = [...path.nodes].map((id) => m.rectOf(id)).filter(Boolean);
				if (rects.length)
					view.current.fit({ x0: Math.min(...rects.map((r) => r.x)), y0: Math.min(...rects.map((r) => r.y)),
						x1: Math.max(...rects.map((r) => r.x + r.w)), y1: Math.max(...rects.map((r) => r.y + r.h)) }, 1);
			});
		};
		draw();
	}, [path, version > 0]);
	useEffect(() => {
		if (path && model.current) {
			for (const leg of path.legs)
				leg.link = kindOfId(leg.from) === 'ports' && kindOfId(leg.to) === 'ports' ? model.current.linkOf.get(nameOfId(leg.from)) : null;
			view.current.draw();
		}
	}, [version]);

	const related = useMemo(() => {
		const g = graph.current;
		if (!selected || !g)
			return null;
		const name = nameOfId(selected);
		if (kindOfId(selected) === 'ports' && g.bindings.has(name))
			return [[selected, `hosts/${g.bindings.get(name).host}`]];
		if (kindOfId(selected) === 'hosts')
			return [...g.bindings.values()].filter((b) => b.host === name).slice(0, 500).map((b) => [`ports/${b.port || b.name}`, selected]);
		return null;
	}, [selected, version]);

	useEffect(() => view.current.setMarks({ selected, focus, hover: view.current.hover, related }), [selected, focus, related]);

	function placeRing() {
		const v = view.current, m = model.current, el = ring.current;
		const r = m && el?.dataset.id ? m.rectOf(el.dataset.id) : null;
		if (!el)
			return;
		el.hidden = !r;
		if (!r)
			return;
		const { k, x, y } = v.at;
		el.style.transform = `translate(${r.x * k + x - 4}px, ${r.y * k + y - 4}px)`;
		el.style.width = `${r.w * k + 8}px`;
		el.style.height = `${r.h * k + 8}px`;
	}
	useLayoutEffect(placeRing, [focus, version]);

	const toggle = async (name) => {
		const g = graph.current;
		if (g.opened.has(name)) {
			g.opened.delete(name);
			again();
			announce(`Bridge ${name} closed`);
			return;
		}
		setBusy(`Loading the ports of ${name}`);
		try {
			await openBridge(g, name, abort.current.signal);
			want.current = { block: `bridges/${name}` };
			again();
			announce(`Bridge ${name} open, ${g.counts.get(name)} ports`);
		} catch (e) {
			if (e.name !== 'AbortError')
				setError(e);
		}
		setBusy('');
	};

	// --- pointers ---

	const pointers = useRef(new Map()), drag = useRef(null);
	const where = (e) => {
		const r = canvas.current.getBoundingClientRect();
		return { x: e.clientX - r.left, y: e.clientY - r.top };
	};
	const down = (e) => {
		if (e.button)
			return;
		const p = where(e);
		box.current.setPointerCapture(e.pointerId);
		pointers.current.set(e.pointerId, p);
		const id = view.current.hit(p.x, p.y);
		const device = id && model.current.devices.get(id);
		drag.current = { start: p, last: p, id, device: e.shiftKey ? device : null, moved: false };
	};
	const moveDevice = (d, dx, dy) => {
		const old = moved.current[d.id] || { dx: 0, dy: 0 };
		moved.current = { ...moved.current, [d.id]: { dx: old.dx + dx, dy: old.dy + dy } };
		again();
	};
	const move = (e) => {
		const p = where(e);
		const v = view.current;
		if (!drag.current) {
			const id = v.hit(p.x, p.y);
			if (id !== v.hover) {
				v.hover = id;
				box.current.classList.toggle('over', !!id);
				showTip(tip.current, id && tipOf(id, graph.current, stateOf), p);
				v.draw();
			}
			return;
		}
		const old = pointers.current.get(e.pointerId);
		if (!old)
			return;
		if (pointers.current.size === 2) {
			const [other] = [...pointers.current].filter(([n]) => n !== e.pointerId).map(([, q]) => q);
			const before = Math.hypot(old.x - other.x, old.y - other.y), now = Math.hypot(p.x - other.x, p.y - other.y);
			v.zoom(now / (before || 1), (p.x + other.x) / 2, (p.y + other.y) / 2);
			drag.current.moved = true;
		} else {
			if (Math.hypot(p.x - drag.current.start.x, p.y - drag.current.start.y) > 4)
				drag.current.moved = true;
			if (drag.current.moved) {
				if (drag.current.device)
					moveDevice(drag.current.device, (p.x - drag.current.last.x) / v.at.k, (p.y - drag.current.last.y) / v.at.k);
				else
					v.pan(p.x - drag.current.last.x, p.y - drag.current.last.y);
			}
		}
		drag.current.last = p;
		pointers.current.set(e.pointerId, p);
	};
	const saveMoved = () => localStorage.setItem(movedKey(tenant), JSON.stringify(moved.current));
	const up = (e) => {
		pointers.current.delete(e.pointerId);
		if (pointers.current.size)
			return;
		if (drag.current && !drag.current.moved)
			onSelect(drag.current.id);
		if (drag.current?.device && drag.current.moved)
			saveMoved();
		drag.current = null;
	};
	const wheel = (e) => {
		const p = where(e);
		e.preventDefault();
		view.current.zoom(Math.exp(-Math.max(-300, Math.min(300, e.deltaY * (e.deltaMode ? 30 : 1))) / 400), p.x, p.y);
	};
	useEffect(() => {
		const el = box.current;
		el.addEventListener('wheel', wheel, { passive: false });
		return () => el.removeEventListener('wheel', wheel);
	}, []);

	// --- keys ---

	const goTo = (id) => {
		if (!id)
			return;
		setFocus(id);
		view.current.show(model.current.rectOf(id));
		announce(idLabel(id) + (kindOfId(id) === 'bridges' && graph.current.counts.has(nameOfId(id)) ? `, ${graph.current.counts.get(nameOfId(id))} ports` : ''));
	};
	const key = (e) => {
		const m = model.current, v = view.current;
		const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
		if (!m || e.target !== box.current || e.ctrlKey || e.metaKey || e.altKey)
			return;
		let done = true;
		if (arrow && e.shiftKey && m.devices.has(focus)) {
			moveDevice(m.devices.get(focus), 24 * arrow[0], 24 * arrow[1]);
			saveMoved();
		} else if (arrow) {
			goTo(focus && m.rectOf(focus) ? nextTo(m, focus, ...arrow) : (m.uplinks[0] || [...m.devices.values()][0])?.id);
		} else if (e.key === 'Enter' && focus) {
			onSelect(focus);
		} else if (e.key === ' ' && focus && kindOfId(focus) === 'bridges') {
			toggle(nameOfId(focus));
		} else if (e.key === '+' || e.key === '=') {
			v.zoom(1.25);
		} else if (e.key === '-') {
			v.zoom(0.8);
		} else if (e.key === '0') {
			v.fit();
		} else if (e.key === 'Escape' && (selected || focus)) {
			setFocus(null);
			onSelect(null);
		} else {
			done = false;
		}
		if (done)
			e.preventDefault();
	};

	const g = graph.current;
	const nothing = g && !g.routers.size && !g.bridges.size;
	const openCount = g ? [...g.opened].reduce((n, b) => n + (model.current?.devices.get(`bridges/${b}`)?.ports.length || 0), 0) : 0;

	return html`<div class="map-frame">
		<div class="map-tools">
			<${Combo} value=${text} onInput=${setText} label="Find on the map: name, address, MAC or id" placeholder="Find: name, address, MAC, id"
				find=${(t, signal) => search(tenant, t, signal, { plurals: ['ports', 'bridges', 'routers'], max: 12 })}
				onPick=${(o) => { setText(''); onSelect(`${o.plural}/${o.name}`); }} />
			<span class="button-row"><button type="button" class="icon" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => view.current.zoom(1.3)}>+</button>
			<button type="button" class="icon" aria-label="Zoom out" title="Zoom out (−)" onClick=${() => view.current.zoom(1 / 1.3)}>−</button>
			<button type="button" title="Show all of it (0)" onClick=${() => view.current.fit()}>Fit</button></span>
			${Object.keys(moved.current).length > 0 && html`<button type="button" onClick=${() => { moved.current = {}; saveMoved(); again(); }}>Tidy up</button>`}
		</div>
		<div class="map ${drag.current ? 'dragging' : ''}" ref=${box} tabindex="0" role="application" aria-label=${label || 'Map of the network'} aria-describedby="map-help"
			aria-activedescendant=${focus ? 'map-ring' : undefined} data-ready=${g && !busy && laid === version ? version : undefined}
			onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${up} onPointerLeave=${() => showTip(tip.current, null)} onKeyDown=${key}
			onDblClick=${(e) => { const p = where(e); const id = view.current.hit(p.x, p.y); if (id && kindOfId(id) === 'bridges') toggle(nameOfId(id)); }}>
			<canvas ref=${canvas} aria-hidden="true"></canvas>
			<div class="map-tip" ref=${tip} aria-hidden="true" hidden></div>
			<div class="ring" id="map-ring" ref=${ring} data-id=${focus || ''} role="img" aria-label=${focus ? idLabel(focus) : 'nothing'} hidden></div>
			<p id="map-help" class="hidden">Arrow keys go from one thing to the next, Enter chooses it, Space opens or closes a bridge, plus and minus zoom, 0 shows all, Shift with arrows moves a device.</p>
			${busy && html`<div class="map-over"><${Busy} label=${busy} /></div>`}
			${error && html`<div class="map-over"><${Fault} error=${error} onRetry=${() => look(true)} /></div>`}
			${nothing && !busy && html`<div class="map-over"><${Empty} title="This network is empty"><p>Begin with a bridge, and ports for your machines; a router connects bridges.</p>
				<p><a class="button primary" href=${`#/t/${encodeURIComponent(tenant)}/bridges?new=1`}>Make a bridge</a></p></${Empty}></div>`}
		</div>
		${g && html`<p class="map-foot"><span>${number(g.routers.size)} ${g.routers.size === 1 ? 'router' : 'routers'}, ${number(g.bridges.size)} ${g.bridges.size === 1 ? 'bridge' : 'bridges'}, ${number(g.total)} ports${g.whole ? '' : `, ${number(openCount)} of them shown`}</span>
			<span class="legend"><i class="key up"></i>up <i class="key placed"></i>bound <i class="key lost"></i>no agent <i class="key loose"></i>not bound</span>
			${g.cutBindings && html`<span class="warn-text">Where ports are is loaded of ${number(g.bindings.size)} only, and of those that are opened.</span>`}
			${unknown && html`<span class="warn-text">It is not known which ports are up.</span>`}
			${g.cut && html`<span class="warn-text">Not all devices are shown.</span>`}</p>`}
		${panel && g && panel({ graph: g, model: model.current, toggle, version, stateOf })}</div>`;
}
