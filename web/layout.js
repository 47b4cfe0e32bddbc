// SPDX-License-Identifier: Apache-2.0
// Where things are on the map, from above to below: uplinks, edge routers, the routers behind them, bridges with their ports, hosts.
// A pure function of the graph; the same graph gives the same picture.
export const DEVICE_W = 168, DEVICE_H = 44, PORT_W = 120, PORT_H = 30, GAP = 8, HOST_W = 168, HOST_H = 44;
const ROW_GAP = 56, COL_GAP = 40, PAD = 12, UPLINK_GAP = 40;

const order = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
const natural = new Intl.Collator('en', { numeric: true });

/* Devices, ports at the ends of links, and the ports of each bridge. */
function collect(g, pinned) {
	const devices = new Map(), links = [], uplinks = [], done = new Set();

	for (const r of g.routers.values())
		devices.set(`routers/${r.name}`, { id: `routers/${r.name}`, kind: 'routers', name: r.name, object: r, near: [], ports: [], w: DEVICE_W, h: DEVICE_H });
	for (const b of g.bridges.values())
		devices.set(`bridges/${b.name}`, { id: `bridges/${b.name}`, kind: 'bridges', name: b.name, object: b, near: [], ports: [], w: DEVICE_W, h: DEVICE_H, open: g.opened.has(b.name) });
	const deviceOf = (p) => devices.get(p.bridge ? `bridges/${p.bridge}` : `routers/${p.router}`);

	for (const p of g.ports.values()) {
		const d = deviceOf(p);
		if (!d)
			continue;
		const peer = p.peer && g.ports.get(p.peer);
		const other = peer && deviceOf(peer);
		if (other) {
			if (!done.has(p.name)) {
				done.add(p.name).add(peer.name);
				const link = { a: d, b: other, aPort: p.name, bPort: peer.name };
				links.push(link);
				d.near.push({ device: other, link });
				other.near.push({ device: d, link });
			}
		} else if (p.peer) {
			continue; // its other end is not known (yet)
		} else if (p.router) {
			uplinks.push({ id: `ports/${p.name}`, kind: 'ports', name: p.name, object: p, device: d, w: PORT_W, h: PORT_H });
		} else if (d.open || pinned.has(p.name)) {
			d.ports.push(p);
		}
	}
	return { devices, links, uplinks };
}

/* A tree over all devices: breadth first from the routers with uplinks, then from what is left. */
function tree(devices, uplinks) {
	const roots = [], seen = new Set();
	const all = [...devices.values()].sort((a, b) => natural.compare(a.name, b.name));
	const grow = (starts) => {
		let at = 0;
		const queue = starts.filter((d) => !seen.has(d.id));
		for (const d of queue) {
			seen.add(d.id);
			roots.push(d);
		}
		while (at < queue.length) {
			const d = queue[at++];
			d.children = [];
			const near = d.near.slice().sort((a, b) => (a.device.kind === b.device.kind ? natural.compare(a.device.name, b.device.name) : a.device.kind === 'routers' ? -1 : 1));
			for (const { device, link } of near) {
				if (seen.has(device.id))
					continue;
				seen.add(device.id);
				device.parent = d;
				link.tree = true;
				link.down = device;
				d.children.push(device);
				queue.push(device);
			}
		}
	};

	grow([...new Set(uplinks.map((u) => u.device))].sort(order));
	for (const d of all.filter((x) => x.kind === 'routers').sort((a, b) => b.near.length - a.near.length || natural.compare(a.name, b.name)))
		grow([d]);
	for (const d of all)
		grow([d]);
	return roots;
}

/* Rows of boxes {w, h}, as wide as is fit for all of them: sets dx, dy, row; answers {w, h, rows}. */
function shelves(boxes, least) {
	const area = boxes.reduce((sum, b) => sum + (b.w + COL_GAP) * (b.h + ROW_GAP), 0);
	const wide = Math.max(least, boxes.length > 6 ? 2 * Math.sqrt(area) : Infinity, ...boxes.map((b) => b.w));
	const rows = [];
	let x = 0, row = { boxes: [], h: 0 };

	for (const b of boxes) {
		if (row.boxes.length && x + b.w > wide) {
			rows.push(row);
			row = { boxes: [], h: 0 };
			x = 0;
		}
		b.dx = x;
		x += b.w + COL_GAP;
		row.w = x - COL_GAP;
		row.h = Math.max(row.h, b.h);
		row.boxes.push(b);
	}
	if (row.boxes.length)
		rows.push(row);
	const w = Math.max(least, ...rows.map((r) => r.w));
	let y = 0;
	for (const r of rows) {
		for (const b of r.boxes) {
			b.dy = y;
			b.dx += rows.length === 1 ? (w - r.w) / 2 : 0;
		}
		y += r.h + ROW_GAP;
	}
	return { w, h: Math.max(0, y - ROW_GAP), rows: rows.length };
}

/* The ports of a bridge: a grid below it. */
function grid(d) {
	const n = d.ports.length;

	d.ports.sort((a, b) => natural.compare(a.name, b.name));
	d.cols = n <= 4 ? Math.max(1, n) : Math.max(2, Math.ceil(Math.sqrt(n * 0.42)));
	d.rows = Math.ceil(n / d.cols);
	d.gridW = n ? d.cols * (PORT_W + GAP) - GAP : 0;
	d.gridH = n ? d.rows * (PORT_H + GAP) - GAP : 0;
}

function measure(d) {
	if (d.kind === 'bridges')
		grid(d);
	const own = { w: Math.max(DEVICE_W, d.gridW ? d.gridW + 2 * PAD : 0), h: DEVICE_H + (d.gridH ? d.gridH + 2 * PAD : 0) };
	const kids = d.children.map((c) => Object.assign(measure(c), { device: c }));
	const below = kids.length ? shelves(kids, own.w) : { w: own.w, h: 0 };

	d.block = own;
	d.kids = kids;
	d.kidsRows = below.rows || 0;
	return { w: Math.max(own.w, below.w), h: own.h + (below.h ? ROW_GAP + below.h : 0), belowW: below.w };
}

function place(d, box, x, y) {
	const middle = x + box.w / 2;

	d.blockX = middle - d.block.w / 2;
	d.x = middle - DEVICE_W / 2;
	d.y = y;
	d.gridX = middle - d.gridW / 2;
	d.gridY = y + DEVICE_H + PAD;
	for (const k of d.kids) {
		k.device.bus = y + d.block.h + 18;
		k.device.rail = d.kidsRows > 1 ? x - COL_GAP / 3 : null;
		place(k.device, k, x + (box.w - box.belowW) / 2 + k.dx, y + d.block.h + ROW_GAP + k.dy);
	}
}

/*
 * {devices: Map, links, uplinks, hosts, floor, bounds, portAt(name), portRect(device, i)}.  'moved': {id: {dx, dy}}, what a person has put elsewhere.
 */
export function layout(g, pinned = new Set(), moved = {}) {
	const { devices, links, uplinks } = collect(g, pinned);
	const roots = tree(devices, uplinks);
	const boxes = roots.map((d) => Object.assign(measure(d), { device: d }));
	const top = uplinks.length ? PORT_H + UPLINK_GAP : 0;
	const whole = shelves(boxes, 0);
	const portHome = new Map();

	for (const b of boxes)
		place(b.device, b, b.dx, b.dy + top);
	const above = new Map();
	for (const u of uplinks.sort(order))
		above.set(u.device, [...(above.get(u.device) || []), u]);
	for (const [d, list] of above) {
		const w = list.length * (PORT_W + GAP) - GAP;
		list.forEach((u, i) => {
			u.x = d.x + DEVICE_W / 2 - w / 2 + i * (PORT_W + GAP);
			u.y = d.y - UPLINK_GAP - PORT_H;
		});
	}
	const shift = (d, dx, dy) => {
		d.x += dx; d.y += dy; d.blockX += dx; d.gridX += dx; d.gridY += dy;
		for (const u of above.get(d) || []) {
			u.x += dx;
			u.y += dy;
		}
	};
	for (const d of devices.values()) {
		const m = moved[d.id];
		if (m) {
			shift(d, m.dx, m.dy);
			d.moved = true;
		}
		d.ports.forEach((p, i) => portHome.set(p.name, { device: d, i }));
	}
	const bounds = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
	const grow = (x, y, w, h) => {
		bounds.x0 = Math.min(bounds.x0, x); bounds.y0 = Math.min(bounds.y0, y);
		bounds.x1 = Math.max(bounds.x1, x + w); bounds.y1 = Math.max(bounds.y1, y + h);
	};
	for (const d of devices.values())
		grow(d.blockX, d.y, d.block.w, d.block.h);
	for (const u of uplinks)
		grow(u.x, u.y, u.w, u.h);
	if (!devices.size)
		Object.assign(bounds, { x0: 0, y0: 0, x1: whole.w || 400, y1: whole.h || 200 });

	// where each end of a link meets its device: side by side, in the order of the other ends
	const ends = new Map();
	for (const l of links) {
		const [up, down] = l.down === l.a || (!l.down && l.a.y > l.b.y) ? [l.b, l.a] : [l.a, l.b];
		l.up = up;
		l.low = down;
		l.upPort = up === l.a ? l.aPort : l.bPort;
		l.lowPort = up === l.a ? l.bPort : l.aPort;
		for (const [d, side] of [[up, 'bottom'], [down, 'top']])
			ends.set(`${d.id} ${side}`, [...(ends.get(`${d.id} ${side}`) || []), l]);
	}
	for (const [key, list] of ends) {
		const bottom = key.endsWith('bottom');
		list.sort((p, q) => (bottom ? p.low.x - q.low.x : p.up.x - q.up.x));
		list.forEach((l, i) => {
			const d = bottom ? l.up : l.low;
			const x = d.x + (DEVICE_W * (i + 1)) / (list.length + 1);
			if (bottom)
				l.from = { x, y: d.y + DEVICE_H };
			else
				l.to = { x, y: d.y };
		});
	}
	lanes(links);
	for (const l of links)
		l.points = l.tree && !l.up.moved && !l.low.moved ? elbow(l) : null;

	const hosts = [...g.hosts.values()].sort((a, b) => natural.compare(a.name, b.name)).map((h) => ({ id: `hosts/${h.name}`, kind: 'hosts', name: h.name, object: h, w: HOST_W, h: HOST_H }));
	const per = Math.max(1, Math.min(hosts.length, Math.floor((bounds.x1 - bounds.x0 + COL_GAP) / (HOST_W + COL_GAP)) || 1));
	const per2 = Math.max(per, Math.min(hosts.length, 4));
	const y = bounds.y1 + 1.6 * ROW_GAP;
	const middle = (bounds.x0 + bounds.x1) / 2;
	hosts.forEach((h, i) => {
		const inRow = Math.min(per2, hosts.length - Math.floor(i / per2) * per2);
		h.x = middle - (inRow * (HOST_W + COL_GAP) - COL_GAP) / 2 + (i % per2) * (HOST_W + COL_GAP);
		h.y = y + Math.floor(i / per2) * (HOST_H + 24);
	});
	const floor = hosts.length ? { x: Math.min(...hosts.map((h) => h.x)) - 20, y: y - 24, w: 0, h: 0 } : null;
	if (floor) {
		floor.w = Math.max(...hosts.map((h) => h.x + h.w)) + 20 - floor.x;
		floor.h = Math.max(...hosts.map((h) => h.y + h.h)) + 16 - floor.y;
		grow(floor.x, floor.y, floor.w, floor.h);
	}

	const ports = new Map(uplinks.map((u) => [u.name, u]));
	const linkOf = new Map(links.flatMap((l) => [[l.aPort, l], [l.bPort, l]]));
	/* From below a device to the top of one of its ports: between the others, never over them. */
	const wayTo = (d, i) => {
		const r = portRect(d, i), x = d.x + DEVICE_W / 2, first = d.y + DEVICE_H + PAD / 2, side = r.x - GAP / 2, above = r.y - GAP / 2;
		if (i < d.cols)
			return [{ x, y: d.y + DEVICE_H }, { x, y: first }, { x: r.x + PORT_W / 2, y: first }, { x: r.x + PORT_W / 2, y: r.y }];
		return [{ x, y: d.y + DEVICE_H }, { x, y: first }, { x: side, y: first }, { x: side, y: above }, { x: r.x + PORT_W / 2, y: above }, { x: r.x + PORT_W / 2, y: r.y }];
	};
	/* From a port down to where its bridge's block ends. */
	const wayOut = (d, i) => {
		const r = portRect(d, i), side = r.x + PORT_W + GAP / 2;
		return [{ x: r.x + PORT_W, y: r.y + PORT_H / 2 }, { x: side, y: r.y + PORT_H / 2 }, { x: side, y: d.y + d.block.h }];
	};
	const portRect = (d, i) => ({ x: d.gridX + (i % d.cols) * (PORT_W + GAP), y: d.gridY + Math.floor(i / d.cols) * (PORT_H + GAP), w: PORT_W, h: PORT_H });
	return {
		devices, links, uplinks, hosts, floor, bounds, portRect, wayTo, wayOut, linkOf, portHome,
		/* The box of a node by its id ("ports/web1"); null: it is not on the map. */
		rectOf(id) {
			const [kind, name] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)];
			if (kind === 'hosts')
				return hosts.find((h) => h.name === name) || null;
			if (kind !== 'ports')
				return devices.get(id) || null;
			if (ports.has(name))
				return ports.get(name);
			const home = portHome.get(name);
			if (home)
				return portRect(home.device, home.i);
			const l = linkOf.get(name);
			const p = l && (l.upPort === name ? l.from : l.to);
			return p ? { x: p.x - 7, y: p.y - 7, w: 14, h: 14, peg: true } : null;
		},
	};
}

const LANE = 5, LANES_MOST = 6;

/* Links of one device to the row below it cross at heights of their own, so that each can be followed. */
function lanes(links) {
	const of = new Map();

	for (const l of links)
		if (l.tree && (l.low.rail === null || l.low.rail === undefined))
			of.set(l.up, [...(of.get(l.up) || []), l]);
	for (const list of of.values()) {
		const left = list.filter((l) => l.to.x < l.from.x).sort((p, q) => q.to.x - p.to.x), right = list.filter((l) => l.to.x > l.from.x).sort((p, q) => p.to.x - q.to.x);
		for (const side of [left, right])
			if (side.length <= LANES_MOST)
				side.forEach((l, i) => { l.lane = i * LANE; }); // the outermost the highest
	}
}

/* Down, across, down; to rows below the first by a rail beside them. */
function elbow(l) {
	const { from, to, low } = l;
	const bus = to.y - 18 - (l.lane || 0);

	if (low.rail !== null && low.rail !== undefined && low.bus < bus - 1)
		return [from, { x: from.x, y: low.bus }, { x: low.rail, y: low.bus }, { x: low.rail, y: bus }, { x: to.x, y: bus }, to];
	return [from, { x: from.x, y: bus }, { x: to.x, y: bus }, to];
}
