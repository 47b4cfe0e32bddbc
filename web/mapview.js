// SPDX-License-Identifier: Apache-2.0
// Draws the map on a canvas: thousands of boxes are a few paths, not thousands of elements.  What has the focus is an element of its own on
// top, so that keyboards and screen readers have something to hold (topology.js).
import { DEVICE_W, DEVICE_H, PORT_W, PORT_H, GAP } from './layout.js';

const TEXT = { device: 13, port: 12, small: 11 };
const MIN = 0.02, MAX = 3;

export class MapView {
	constructor(canvas, { onMove }) {
		this.canvas = canvas;
		this.ctx = canvas.getContext('2d', { alpha: false });
		this.at = { x: 0, y: 0, k: 1 }; // screen = world * k + (x, y)
		this.onMove = onMove;
		this.model = null;
		this.path = null;
		this.inset = { top: 56, right: 0, bottom: 0 }; // what lies over the map: tools, what is told of what is chosen
		this.widths = new Map();
		this.frames = [];
		this.readColours();
	}

	readColours() {
		const style = getComputedStyle(document.documentElement);
		this.c = Object.fromEntries(['map', 'surface', 'raised', 'ink', 'dim', 'line', 'strong-line', 'accent', 'good', 'bad', 'warn', 'good-bed', 'bad-bed', 'warn-bed', 'accent-bed']
			.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
		this.font = style.getPropertyValue('--sans').trim() || 'sans-serif';
		this.widths.clear();
		this.draw();
	}

	resize(width, height) {
		const ratio = Math.min(2, devicePixelRatio || 1);

		this.width = width;
		this.height = height;
		this.ratio = ratio;
		this.canvas.width = Math.max(1, Math.round(width * ratio));
		this.canvas.height = Math.max(1, Math.round(height * ratio));
		this.draw();
	}

	setModel(model) {
		this.model = model;
		this.draw();
	}

	/* What is drawn over the network: {nodes: Set of ids, links: Set, ends: {id: tone}, tone} */
	setPath(path) {
		this.path = path;
		this.draw();
	}

	setMarks({ selected, focus, hover, related }) {
		Object.assign(this, { selected, focus, hover, related });
		this.draw();
	}

	fit(box = this.model?.bounds, most = 1.1) {
		if (!box || !this.width)
			return;
		const w = box.x1 - box.x0 || 1, h = box.y1 - box.y0 || 1;
		const { width, height, top } = this.free();
		const k = Math.max(MIN, Math.min(most, (width - 48) / w, (height - 32) / h));
		this.move({ k, x: (width - w * k) / 2 - box.x0 * k, y: top + (height - h * k) / 2 - box.y0 * k });
	}

	/* The part of the canvas that nothing lies over; all of it, if that would be next to nothing. */
	free() {
		const { top, right, bottom } = this.inset;
		const tall = this.height - top - bottom > 120;
		return { width: this.width - right > 200 ? this.width - right : this.width, height: tall ? this.height - top - bottom : this.height, top: tall ? top : 0 };
	}

	move(at) {
		this.at = at;
		this.draw();
		this.onMove?.(at);
	}

	pan(dx, dy) {
		this.move({ ...this.at, x: this.at.x + dx, y: this.at.y + dy });
	}

	zoom(by, x = this.width / 2, y = this.height / 2) {
		const k = Math.max(MIN, Math.min(MAX, this.at.k * by));
		const f = k / this.at.k;
		this.move({ k, x: x - (x - this.at.x) * f, y: y - (y - this.at.y) * f });
	}

	/* Brings a box into sight, moving no more than that takes; with 'near' also near enough to be read. */
	show(box, near) {
		if (!box || !this.width)
			return;
		const { width, height, top } = this.free();
		const k = near && this.at.k < 0.55 ? 0.9 : this.at.k;
		const cx = box.x + box.w / 2, cy = box.y + box.h / 2;
		const within = (at, half, from, to) => (to - from < 2 * half ? (from + to) / 2 : Math.max(from + half, Math.min(to - half, at)));
		const x = within(cx * this.at.k + this.at.x, (box.w * k) / 2, 40, width - 40), y = within(cy * this.at.k + this.at.y, (box.h * k) / 2, top + 8, top + height - 24);
		const at = { k, x: x - cx * k, y: y - cy * k };
		if (k !== this.at.k || Math.abs(at.x - this.at.x) > 0.5 || Math.abs(at.y - this.at.y) > 0.5)
			this.move(at);
	}

	toWorld(x, y) {
		return { x: (x - this.at.x) / this.at.k, y: (y - this.at.y) / this.at.k };
	}

	/* The id of what is at a place of the screen; null: nothing. */
	hit(sx, sy) {
		const m = this.model;
		if (!m)
			return null;
		const { x, y } = this.toWorld(sx, sy);
		const inside = (b, slack = 0) => x >= b.x - slack && y >= b.y - slack && x <= b.x + b.w + slack && y <= b.y + b.h + slack;
		for (const l of m.links)
			for (const [p, name] of [[l.from, l.upPort], [l.to, l.lowPort]])
				if (Math.abs(p.x - x) < 8 && Math.abs(p.y - y) < 8)
					return `ports/${name}`;
		for (const n of [...m.hosts, ...m.uplinks])
			if (inside(n))
				return n.id;
		for (const d of m.devices.values()) {
			if (inside({ x: d.x, y: d.y, w: DEVICE_W, h: DEVICE_H }))
				return d.id;
			if (d.ports.length && x >= d.gridX && y >= d.gridY && x <= d.gridX + d.gridW && y <= d.gridY + d.gridH) {
				const col = Math.floor((x - d.gridX) / (PORT_W + GAP)), row = Math.floor((y - d.gridY) / (PORT_H + GAP));
				const i = row * d.cols + col;
				if (d.ports[i] && inside(m.portRect(d, i)))
					return `ports/${d.ports[i].name}`;
			}
		}
		return null;
	}

	draw() {
		this.pending ||= requestAnimationFrame(() => {
			const began = performance.now();
			this.pending = 0;
			this.paint();
			this.frames.push(performance.now() - began);
			if (this.frames.length > 600)
				this.frames.shift();
		});
	}

	stop() {
		cancelAnimationFrame(this.pending);
	}

	/* Text cut to a width, both in units of the world at the present font. */
	cut(text, width, font) {
		const key = `${font}|${text}`;
		let w = this.widths.get(key);
		if (w === undefined) {
			if (this.widths.size > 30000)
				this.widths.clear();
			this.widths.set(key, w = this.ctx.measureText(text).width);
		}
		if (w <= width)
			return text;
		const n = Math.floor((text.length * width) / w) - 1;
		return n > 1 ? `${text.slice(0, n)}…` : '';
	}

	label(text, x, y, width, size, colour, align = 'left') {
		const { ctx } = this;
		const font = `${size}px ${this.font}`;
		if (this.lastFont !== font)
			ctx.font = this.lastFont = font;
		if (this.lastAlign !== align)
			ctx.textAlign = this.lastAlign = align;
		ctx.fillStyle = colour;
		ctx.fillText(this.cut(text, width, font), x, y);
	}

	paint() {
		const { ctx, c, model: m, ratio } = this;
		const { x, y, k } = this.at;

		if (!this.width)
			return;
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		ctx.fillStyle = c.map;
		ctx.fillRect(0, 0, this.canvas.width, this.canvas.height);
		if (!m)
			return;
		ctx.setTransform(ratio * k, 0, 0, ratio * k, ratio * x, ratio * y);
		ctx.textBaseline = 'middle';
		this.lastFont = this.lastAlign = null;
		const a = this.toWorld(0, 0), b = this.toWorld(this.width, this.height);
		this.seen = { x0: a.x, y0: a.y, x1: b.x, y1: b.y };
		const faint = !!this.path;

		this.paintFloor();
		this.paintLinks(faint);
		this.paintHostLinks(faint);
		if (this.path)
			this.paintPlaces();
		for (const d of m.devices.values())
			if (this.inSight(d.blockX, d.y, d.block.w, d.block.h) || d.moved)
				this.paintPorts(d, faint);
		for (const u of m.uplinks)
			if (this.inSight(u.x, u.y, u.w, u.h))
				this.paintUplink(u, faint);
		for (const d of m.devices.values())
			if (this.inSight(d.x, d.y, DEVICE_W, DEVICE_H))
				this.paintDevice(d, faint);
		for (const h of m.hosts)
			if (this.inSight(h.x, h.y, h.w, h.h))
				this.paintHost(h, faint);
		if (k > 0.3)
			this.paintPegs();
		if (this.path) {
			this.paintPath();
			this.paintNote();
		}
		this.paintMarks();
	}

	inSight(x, y, w, h) {
		const s = this.seen;
		return x < s.x1 && y < s.y1 && x + w > s.x0 && y + h > s.y0;
	}

	trace(l) {
		const { ctx } = this;
		ctx.moveTo(l.from.x, l.from.y);
		if (l.points) {
			for (let i = 1; i < l.points.length; i++)
				ctx.lineTo(l.points[i].x, l.points[i].y);
		} else {
			const bend = Math.max(30, Math.abs(l.to.y - l.from.y) / 2);
			ctx.bezierCurveTo(l.from.x, l.from.y + bend, l.to.x, l.to.y - bend, l.to.x, l.to.y);
		}
	}

	/* What carries the network stands on a floor of its own. */
	paintFloor() {
		const { ctx, c, model: m } = this;
		if (!m.hosts.length)
			return;
		const f = m.floor;
		ctx.fillStyle = c.line;
		ctx.globalAlpha = 0.45;
		ctx.beginPath();
		ctx.roundRect(f.x, f.y, f.w, f.h, 10);
		ctx.fill();
		ctx.globalAlpha = 1;
		if (this.at.k > 0.4)
			this.label('HOSTS', f.x + 12, f.y + 12, 80, 10, c.dim);
	}

	paintLinks(faint) {
		const { ctx, c, model: m } = this;
		ctx.lineWidth = Math.max(1.25, 0.9 / this.at.k);
		ctx.strokeStyle = faint ? c.line : c['strong-line'];
		ctx.beginPath();
		for (const l of m.links)
			this.trace(l);
		for (const u of m.uplinks) {
			ctx.moveTo(u.x + u.w / 2, u.y + u.h);
			ctx.lineTo(u.device.x + DEVICE_W / 2, u.device.y);
		}
		ctx.stroke();
	}

	/* From bridges to the hosts where their ports are: one line for each pair, thicker for more ports. */
	paintHostLinks(faint) {
		const { ctx, c, model: m } = this;
		if (faint)
			return;
		ctx.strokeStyle = c.line;
		for (const l of m.hostLinks || []) {
			const y0 = l.device.y + l.device.block.h, y1 = l.host.y;
			const x0 = l.device.blockX + l.device.block.w / 2, x1 = l.host.x + l.host.w / 2;
			ctx.lineWidth = Math.min(6, 1 + Math.log2(l.n));
			ctx.beginPath();
			ctx.moveTo(x0, y0);
			ctx.bezierCurveTo(x0, (y0 + y1) / 2, x1, (y0 + y1) / 2, x1, y1);
			ctx.stroke();
		}
	}

	paintPorts(d, faint) {
		const { ctx, c, seen } = this;
		const { k } = this.at;

		if (d.ports.length) {
			ctx.fillStyle = c.surface;
			ctx.strokeStyle = c.line;
			ctx.lineWidth = Math.max(1, 0.7 / k);
			ctx.beginPath();
			const w = Math.max(d.gridW + 24, DEVICE_W);
			ctx.roundRect(d.gridX + d.gridW / 2 - w / 2, d.y + DEVICE_H / 2, w, d.gridH + 24 + DEVICE_H / 2, 6);
			ctx.fill();
			ctx.stroke();
		}
		const r0 = Math.max(0, Math.floor((seen.y0 - d.gridY) / (PORT_H + GAP))), r1 = Math.min(d.rows, Math.ceil((seen.y1 - d.gridY) / (PORT_H + GAP)));
		const c0 = Math.max(0, Math.floor((seen.x0 - d.gridX) / (PORT_W + GAP))), c1 = Math.min(d.cols, Math.ceil((seen.x1 - d.gridX) / (PORT_W + GAP)));
		if (!d.ports.length || r0 >= r1 || c0 >= c1)
			return;
		const live = this.model.stateOf;
		const groups = { up: [], lost: [], placed: [], loose: [], off: [] };
		for (let r = r0; r < r1; r++)
			for (let col = c0; col < c1; col++) {
				const i = r * d.cols + col;
				if (i < d.ports.length)
					groups[live(d.ports[i])].push(i);
			}
		const box = (i) => ctx.rect(d.gridX + (i % d.cols) * (PORT_W + GAP), d.gridY + Math.floor(i / d.cols) * (PORT_H + GAP), PORT_W, PORT_H);
		const text = k >= 0.55;
		const tones = { up: [c['good-bed'], c.good], lost: [c['bad-bed'], c.bad], placed: [c.raised, c['strong-line']], loose: [c.map, c['strong-line']], off: [c.map, c.line] };
		for (const [state, list] of Object.entries(groups)) {
			if (!list.length)
				continue;
			const [bed, line] = faint ? [c.map, c.line] : tones[state];
			ctx.beginPath();
			for (const i of list)
				box(i);
			// from afar a box is a dot of colour: thousands of outlines, let alone dashed ones, would cost more than they tell
			const far = k < 0.35;
			ctx.fillStyle = !far ? bed : state === 'up' || state === 'lost' || state === 'placed' ? line : c.line;
			ctx.fill();
			if (!far) {
				ctx.strokeStyle = line;
				ctx.lineWidth = 1;
				ctx.setLineDash(state === 'loose' && text ? [3, 3] : []);
				ctx.stroke();
			}
		}
		ctx.setLineDash([]);
		if (!text)
			return;
		for (const [state, list] of Object.entries(groups))
			for (const i of list) {
				const px = d.gridX + (i % d.cols) * (PORT_W + GAP), py = d.gridY + Math.floor(i / d.cols) * (PORT_H + GAP);
				const p = d.ports[i];
				const two = k >= 0.9 && p.addresses?.length;
				this.label(p.name, px + 8, py + PORT_H / 2 - (two ? 5.5 : 0), PORT_W - 16, TEXT.port, faint || state === 'off' ? c.dim : c.ink);
				if (two)
					this.label(p.addresses[0], px + 8, py + PORT_H / 2 + 7.5, PORT_W - 16, 10, c.dim);
			}
	}

	/* Size of text that is never smaller than can be read, as long as there is room. */
	readable(size, room) {
		return Math.min(Math.max(size, 10.5 / this.at.k), room);
	}

	paintDevice(d, faint) {
		const { ctx, c } = this;
		const router = d.kind === 'routers';
		const off = d.object.admin_up === false;
		const on = this.path?.nodes.has(d.id);
		const dull = faint && !on;

		ctx.beginPath();
		ctx.roundRect(d.x, d.y, DEVICE_W, DEVICE_H, router ? DEVICE_H / 2 : 6);
		ctx.fillStyle = dull ? c.map : router ? c['accent-bed'] : c.raised;
		ctx.fill();
		ctx.strokeStyle = dull ? c.line : off ? c.dim : router ? c.accent : c.ink;
		ctx.lineWidth = Math.max(1.25, 0.8 / this.at.k);
		ctx.setLineDash(off ? [5, 4] : []);
		ctx.stroke();
		ctx.setLineDash([]);
		if (this.at.k < 0.1)
			return;
		if (d.services && this.at.k <= 0.55) { // too far to read: that there is something
			ctx.beginPath();
			ctx.arc(d.x + DEVICE_W - 14, d.y + 9, Math.min(9, 3.5 / this.at.k), 0, 2 * Math.PI);
			ctx.fillStyle = dull ? c.line : c.accent;
			ctx.fill();
		}
		const closed = d.kind === 'bridges' && !d.open;
		const size = this.readable(TEXT.device, 30);
		const two = this.at.k > 0.55 && (!router || d.services);
		const tone = dull ? c.dim : c.ink;
		this.label(d.name, d.x + DEVICE_W / 2, d.y + DEVICE_H / 2 - (two ? 7 : 0), DEVICE_W - 24, size, tone, 'center');
		if (two && router) {
			this.label(d.services, d.x + DEVICE_W / 2, d.y + DEVICE_H / 2 + 9, DEVICE_W - 20, 10, c.dim, 'center');
		} else if (two) {
			const n = d.open ? d.ports.length : typeof d.count === 'number' ? Math.max(0, d.count - d.near.length) : undefined; // without those of links
			const note = n === undefined ? 'bridge' : `${n.toLocaleString('en').replaceAll(',', ' ')} ${n === 1 ? 'port' : 'ports'}${closed && n ? '  ▸' : ''}`;
			this.label(note, d.x + DEVICE_W / 2, d.y + DEVICE_H / 2 + 9, DEVICE_W - 24, TEXT.small, c.dim, 'center');
		}
	}

	paintUplink(u, faint) {
		const { ctx, c } = this;
		ctx.beginPath();
		ctx.moveTo(u.x + 8, u.y);
		ctx.lineTo(u.x + u.w - 8, u.y);
		ctx.lineTo(u.x + u.w, u.y + u.h);
		ctx.lineTo(u.x, u.y + u.h);
		ctx.closePath();
		ctx.fillStyle = faint ? c.map : c.surface;
		ctx.fill();
		ctx.strokeStyle = faint ? c.line : this.model.stateOf(u.object) === 'up' ? c.good : c['strong-line'];
		ctx.lineWidth = Math.max(1.25, 0.8 / this.at.k);
		ctx.stroke();
		if (this.at.k > 0.3)
			this.label(`↑ ${u.name}`, u.x + u.w / 2, u.y + u.h / 2, u.w - 20, TEXT.port, faint ? c.dim : c.ink, 'center');
	}

	paintHost(h, faint) {
		const { ctx, c } = this;
		const on = this.path?.nodes.has(h.id);
		const dead = h.object.live === false;
		ctx.fillStyle = faint && !on ? c.map : c.raised;
		ctx.fillRect(h.x, h.y, h.w, h.h);
		ctx.strokeStyle = dead ? c.bad : faint && !on ? c.line : c['strong-line'];
		ctx.lineWidth = Math.max(1.25, 0.8 / this.at.k);
		ctx.strokeRect(h.x, h.y, h.w, h.h);
		ctx.fillStyle = dead ? c.bad : h.object.live ? c.good : c.dim;
		ctx.fillRect(h.x, h.y, 5, h.h);
		if (this.at.k > 0.1)
			this.label(h.name, h.x + h.w / 2, h.y + h.h / 2 - (this.at.k > 0.55 ? 7 : 0), h.w - 24, this.readable(TEXT.device, 28), faint && !on ? c.dim : c.ink, 'center');
		if (this.at.k > 0.55)
			this.label(dead ? 'host: not alive' : 'host', h.x + h.w / 2, h.y + h.h / 2 + 9, h.w - 24, TEXT.small, dead ? c.bad : c.dim, 'center');
	}

	paintPegs() {
		const { ctx, c, model: m } = this;
		ctx.fillStyle = c.map;
		ctx.strokeStyle = c['strong-line'];
		ctx.lineWidth = 1.25;
		ctx.beginPath();
		for (const l of m.links)
			for (const p of [l.from, l.to])
				if (this.inSight(p.x - 5, p.y - 5, 10, 10)) {
					ctx.moveTo(p.x + 4, p.y);
					ctx.arc(p.x, p.y, 4, 0, 2 * Math.PI);
				}
		ctx.fill();
		ctx.stroke();
	}

	paintPath() {
		const { ctx, c, path, model: m } = this;
		const tone = c[path.tone] || c.accent;

		ctx.strokeStyle = tone;
		ctx.lineJoin = ctx.lineCap = 'round';
		ctx.lineWidth = Math.max(3.5, 2.5 / this.at.k);
		ctx.beginPath();
		for (const leg of path.legs) {
			if (leg.link) {
				this.trace(leg.link);
				continue;
			}
			const a = m.rectOf(leg.from), b = m.rectOf(leg.to);
			if (!a || !b || (a.peg && b.kind) || (b.peg && a.kind))
				continue; // a port at the end of a link lies on its device
			if (leg.to.startsWith('hosts/'))
				continue; // where it runs is no hop of the network: paintPlaces()
			const inner = this.innerWay(leg.from, leg.to) || this.innerWay(leg.to, leg.from);
			if (inner) {
				this.polyline(inner);
				continue;
			}
			const ax = a.x + a.w / 2, bx = b.x + b.w / 2;
			const down = a.y < b.y;
			const ay = down ? a.y + a.h : a.y, by = down ? b.y : b.y + b.h;
			ctx.moveTo(ax, ay);
			ctx.bezierCurveTo(ax, (ay + by) / 2, bx, (ay + by) / 2, bx, by);
		}
		ctx.stroke();
		for (const id of path.nodes) {
			const r = m.rectOf(id);
			if (!r || r.peg)
				continue;
			const { w, h } = r;
			const end = path.ends[id];
			ctx.lineWidth = Math.max(end ? 3 : 2, (end ? 2.5 : 1.5) / this.at.k);
			ctx.strokeStyle = end ? c[end] : tone;
			ctx.beginPath();
			ctx.roundRect(r.x, r.y, w, h, r.kind === 'routers' ? h / 2 : 4);
			if (id.startsWith('ports/')) {
				ctx.fillStyle = end ? c[`${end}-bed`] : c.raised;
				ctx.fill();
				ctx.stroke();
				if (this.at.k > 0.3)
					this.label(id.slice(6), r.x + 8, r.y + h / 2, w - 16, this.readable(TEXT.port, 20), c.ink);
			} else {
				ctx.stroke();
			}
		}
	}

	polyline(points) {
		points.forEach((p, i) => (i ? this.ctx.lineTo(p.x, p.y) : this.ctx.moveTo(p.x, p.y)));
	}

	/* From a bridge to one of its ports. */
	innerWay(device, port) {
		const home = port.startsWith('ports/') && this.model.portHome.get(port.slice(6));
		return home && home.device.id === device ? this.model.wayTo(home.device, home.i) : null;
	}

	/* From ports to the hosts that they are on: under everything, dashed, for it is not a hop. */
	paintPlaces() {
		const { ctx, c, path } = this;
		ctx.strokeStyle = c[path.tone] || c.accent;
		ctx.lineWidth = Math.max(1.5, 1.2 / this.at.k);
		ctx.setLineDash([6, 5]);
		ctx.beginPath();
		for (const leg of path.legs)
			if (leg.to.startsWith('hosts/'))
				this.placeOf(leg.from, leg.to);
		ctx.stroke();
		ctx.setLineDash([]);
	}

	placeOf(from, to) {
		const a = this.model.rectOf(from), b = this.model.rectOf(to);
		if (!a || !b)
			return;
		const home = from.startsWith('ports/') && this.model.portHome.get(from.slice(6));
		const way = home ? this.model.wayOut(home.device, home.i) : [{ x: a.x + a.w / 2, y: a.y + a.h }];
		const { x, y } = way[way.length - 1], bx = b.x + b.w / 2;
		this.polyline(way);
		this.ctx.bezierCurveTo(x, (y + b.y) / 2, bx, (y + b.y) / 2, bx, b.y);
	}

	/* What decided, beside where it did; as large as it can be read. */
	paintNote() {
		const { ctx, c, path } = this;
		const r = path.note && this.model.rectOf(path.note.at);
		if (!r)
			return;
		const k = Math.max(this.at.k, 0.001), size = 12 / k, pad = 7 / k, h = 22 / k;
		ctx.font = this.lastFont = `600 ${size}px ${this.font}`;
		ctx.textAlign = this.lastAlign = 'left';
		const text = this.cut(path.note.text, Math.min(420, this.free().width - 40) / k, ctx.font);
		const w = ctx.measureText(text).width + 2 * pad;
		const edge = (this.free().width - this.at.x) / k;
		const x = Math.max(this.seen.x0 + pad, Math.min(r.x + r.w / 2 - w / 2, edge - w - pad)), y = r.y + r.h + 5 / k;
		ctx.beginPath();
		ctx.roundRect(x, y, w, h, 5 / k);
		ctx.fillStyle = c[path.tone] || c.accent;
		ctx.fill();
		ctx.fillStyle = c.surface;
		ctx.fillText(text, x + pad, y + h / 2);
	}

	outline(id, pad) {
		const r = id && this.model.rectOf(id);
		if (!r)
			return null;
		return { x: r.x - pad, y: r.y - pad, w: r.w + 2 * pad, h: r.h + 2 * pad };
	}

	paintMarks() {
		const { ctx, c } = this;
		const pad = Math.max(3, 2 / this.at.k);
		const mark = (id, colour, width) => {
			const o = this.outline(id, pad);
			if (!o)
				return;
			ctx.strokeStyle = colour;
			ctx.lineWidth = Math.max(width, width / this.at.k);
			ctx.beginPath();
			ctx.roundRect(o.x, o.y, o.w, o.h, 8);
			ctx.stroke();
		};
		if (this.related && !this.path) {
			ctx.strokeStyle = c.accent;
			ctx.lineWidth = Math.max(2, 1.5 / this.at.k);
			ctx.beginPath();
			for (const [from, to] of this.related)
				this.placeOf(from, to);
			ctx.stroke();
		}
		if (this.hover && this.hover !== this.selected)
			mark(this.hover, c.dim, 1.5);
		if (this.selected)
			mark(this.selected, c.accent, 2.5);
	}
}
