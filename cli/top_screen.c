// SPDX-License-Identifier: Apache-2.0
/* The screen of 'skep top': head, busiest ports, busiest flows, drops, keys.  A function of what is to be seen and of the size. */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>

#include "cli/flow.h"
#include "util/json.h"

#define HEAD_WIDE   120 /* columns from which all bars stand in one line */
#define TABLES	    6	/* that are shown: the first ones */
#define FULL_YELLOW 0.7
#define FULL_RED    0.9

const char *const top_sorts[TOP_SORT_MAX] = { "bits", "packets", "drops", "upcalls" };

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void put_human(struct top_line *l, enum out_style style, int width, double n)
{
	char text[16];

	top_put(l, style, width, top_human(n, text));
}

/* A rate in a column: nothing is worth no attention. */
static void put_rate(struct top_line *l, enum out_style style, int width, double n)
{
	top_put(l, OUT_PLAIN, 0, " ");
	put_human(l, n > 0 ? style : OUT_DIM, width, n);
}

/* --- head --- */

/* "12.3k packets/s" with the number in bold; not known yet: "-". */
static void put_sum(struct top_line *l, const json_t *rates, const char *key, enum out_style style,
		    const char *unit)
{
	char text[16] = "-";

	if (rates)
		top_human(number(rates, key), text);
	top_put(l, style, 0, text);
	top_put(l, OUT_PLAIN, 0, unit);
}

static void head_name(struct top_line *l, const struct top_view *v)
{
	const char *host = json_str(v->now, "host"), *state = v->paused ? "paused" : v->clock;
	char age[32];
	int room;

	top_put(l, OUT_BOLD, 0, host ? host : "?");
	top_putf(l, OUT_PLAIN, "  up %s  ports %.0f of %.0f up, peers %.0f, flows %.0f, connections %.0f",
		 top_age((long long)number(v->now, "uptime_s"), age), number(v->now, "ports_up"),
		 number(v->now, "ports"), number(v->now, "peers"), number(v->now, "flows"),
		 number(v->now, "conns"));
	room = v->width - l->at - 2;
	if (state && room >= (int)strlen(state)) {
		top_put(l, OUT_PLAIN, room + 2 - (int)strlen(state), "");
		top_put(l, v->paused ? OUT_YELLOW : OUT_DIM, 0, state);
	}
	top_end(l);
}

static void head_rates(struct top_line *l, const struct top_view *v)
{
	const json_t *r = json_object_get(v->now, "rates");
	bool drops = number(r, "drops") > 0;

	top_put(l, OUT_PLAIN, 0, "sent ");
	put_sum(l, r, "rx_packets", OUT_BOLD, " packets/s ");
	put_sum(l, r, "rx_bytes", OUT_BOLD, " bit/s   received ");
	put_sum(l, r, "tx_packets", OUT_BOLD, " packets/s ");
	put_sum(l, r, "tx_bytes", OUT_BOLD, " bit/s");
	top_end(l);
	top_put(l, OUT_PLAIN, 0, "drops ");
	put_sum(l, r, "drops", drops ? OUT_RED : OUT_BOLD, "/s   upcalls ");
	put_sum(l, r, "upcalls", OUT_BOLD, "/s, simulated ");
	put_sum(l, r, "simulations", OUT_BOLD, "/s   to hosts ");
	put_sum(l, r, "to_hosts", OUT_BOLD, "/s, from ");
	put_sum(l, r, "from_hosts", OUT_BOLD, "/s");
	top_end(l);
}

static enum out_style full_style(double part)
{
	return part >= FULL_RED ? OUT_RED : part >= FULL_YELLOW ? OUT_YELLOW : OUT_GREEN;
}

/* "flows    ███░░░░  12%" for each table, in fields of equal width. */
static int head_tables(struct top_line *l, const struct top_view *v)
{
	int each = v->width >= HEAD_WIDE ? 6 : 3, field = v->width / each, lines = 0;
	const json_t *tables = json_object_get(v->now, "tables"), *t;
	size_t n = json_array_size(tables), i;

	if (n > TABLES)
		n = TABLES;
	json_array_foreach (tables, i, t) {
		double max = number(t, "max"), part = max > 0 ? number(t, "used") / max : 0;
		const char *name = json_str(t, "name");
		char percent[16];

		if (i >= n)
			break;
		snprintf(percent, sizeof(percent), "%.0f%%", part * 100);
		top_put(l, OUT_PLAIN, -9, name ? name : "?");
		top_put(l, OUT_PLAIN, 0, " ");
		top_bar(l, full_style(part), field - 17, part);
		top_put(l, part >= FULL_YELLOW ? full_style(part) : OUT_PLAIN, 5, percent);
		top_put(l, OUT_PLAIN, -2, "");
		if ((i + 1) % (size_t)each == 0 || i + 1 == n) {
			top_end(l);
			lines++;
		}
	}
	return lines;
}

/* --- ports --- */

#define PORT_NUMBERS 42 /* columns that the rates take */

static void port_heading(struct top_line *l, const struct top_view *v, const int *name)
{
	static const struct {
		const char *text;
		int sort; /* by which it is what one sorts */
	} columns[] = { { "SENT/s", TOP_PACKETS }, { "bit/s", TOP_BITS },    { "RECV/s", TOP_PACKETS },
			{ "bit/s", TOP_BITS },	    { "DROP/s", TOP_DROPS }, { "MISS/s", TOP_UPCALLS } };

	top_put(l, OUT_BOLD, -name[0], "PORT");
	top_put(l, OUT_BOLD, -name[1], "TENANT");
	top_put(l, OUT_BOLD, -name[2], "INTERFACE");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		top_put(l, OUT_PLAIN, 0, " ");
		top_put(l, (int)v->sort == columns[i].sort ? OUT_GREEN : OUT_BOLD, 6, columns[i].text);
	}
	top_end(l);
}

static void put_name(struct top_line *l, int width, enum out_style style, const char *text)
{
	top_put(l, style, -(width - 1), text ? text : "-");
	top_put(l, OUT_PLAIN, 0, " ");
}

/* How wide the longest text of the first rows is, with a blank behind it; at least 'least', at most 'most'. */
static int widest(const json_t *list, const char *key, size_t rows, int least, int most)
{
	const json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		const char *text = json_str(o, key);
		int n = text && i < rows ? (int)strlen(text) + 1 : 0;

		if (n > least)
			least = n;
	}
	return least < most ? least : most;
}

static void show_ports(struct top_line *l, const struct top_view *v, size_t rows)
{
	const json_t *ports = json_object_get(v->now, "top_ports"), *p;
	int left = v->width - PORT_NUMBERS > 24 ? v->width - PORT_NUMBERS : 24, name[3];
	size_t i;

	name[1] = widest(ports, "tenant", rows, 8, left / 4 > 8 ? left / 4 : 8);
	name[2] = widest(ports, "interface", rows, 10, left / 3 > 10 ? left / 3 : 10);
	left -= name[1] + name[2];
	name[0] = widest(ports, "port", rows, left < 17 ? left : 17, left);
	port_heading(l, v, name);
	json_array_foreach (ports, i, p) {
		if (i >= rows)
			break;
		put_name(l, name[0], OUT_BOLD, json_str(p, "port"));
		put_name(l, name[1], OUT_PLAIN, json_str(p, "tenant"));
		put_name(l, name[2], OUT_PLAIN, json_str(p, "interface"));
		put_rate(l, OUT_PLAIN, 6, number(p, "rx_pps"));
		put_rate(l, OUT_PLAIN, 6, number(p, "rx_bps"));
		put_rate(l, OUT_PLAIN, 6, number(p, "tx_pps"));
		put_rate(l, OUT_PLAIN, 6, number(p, "tx_bps"));
		put_rate(l, OUT_RED, 6, number(p, "drops_ps"));
		put_rate(l, OUT_YELLOW, 6, number(p, "upcalls_ps"));
		top_end(l);
	}
}

/* --- flows --- */

static enum out_style flow_style(const json_t *f)
{
	const char *action = json_str(f, "action");

	if (action && !strcmp(action, "drop"))
		return OUT_RED;
	return action && !strcmp(action, "agent") ? OUT_YELLOW : OUT_PLAIN;
}

static int widest_packets(const json_t *flows, size_t rows, int most)
{
	int w = 8;
	const json_t *f;
	size_t i;

	json_array_foreach (flows, i, f)
		if (i < rows && (int)strlen(flow_packets(f)) + 1 > w)
			w = (int)strlen(flow_packets(f)) + 1;
	return w < most ? w : most;
}

static void show_flows(struct top_line *l, const struct top_view *v, size_t rows)
{
	const json_t *flows = json_object_get(v->now, "top_flows"), *f;
	const char *host = json_str(v->now, "host");
	int tenant = widest(flows, "tenant", rows, 8, v->width / 8 > 8 ? v->width / 8 : 8);
	int room = (v->width - 15 - tenant) * 7 / 10;
	int packet = widest_packets(flows, rows, room > 8 ? room : 8);
	size_t i;

	top_put(l, v->sort != TOP_BITS ? OUT_GREEN : OUT_BOLD, 6, "PKT/s");
	top_put(l, OUT_PLAIN, 0, " ");
	top_put(l, v->sort == TOP_BITS ? OUT_GREEN : OUT_BOLD, 6, "bit/s");
	top_put(l, OUT_PLAIN, 0, "  ");
	top_put(l, OUT_BOLD, -tenant, "TENANT");
	top_put(l, OUT_BOLD, -packet, "FLOW");
	top_put(l, OUT_BOLD, 0, "TO");
	top_end(l);
	json_array_foreach (flows, i, f) {
		char to[512];

		if (i >= rows)
			break;
		flow_outcome(f, host, to, sizeof(to));
		put_human(l, number(f, "pps") > 0 ? OUT_PLAIN : OUT_DIM, 6, number(f, "pps"));
		put_rate(l, OUT_PLAIN, 6, number(f, "bps"));
		top_put(l, OUT_PLAIN, 0, "  ");
		put_name(l, tenant, OUT_PLAIN, json_str(f, "tenant"));
		put_name(l, packet, OUT_PLAIN, flow_packets(f));
		top_put(l, flow_style(f), 0, to);
		top_end(l);
	}
}

/* --- drops --- */

/* "rule 'no-telnet' of chain 'fw' (vm1: tcp 10.0.0.1:4000 > ..)": who was to blame last. */
static void last_text(const json_t *drop, char *buf, size_t size)
{
	const json_t *last = json_object_get(drop, "last");
	const char *culprit = json_str(last, "culprit"), *port = json_str(last, "port");
	const char *packet = json_str(last, "packet"), *help = json_str(drop, "help");
	bool named = port && *port, shown = packet && *packet;

	snprintf(buf, size, "%s%s%s%s%s%s", culprit && *culprit ? culprit : help ? help : "",
		 named || shown ? " (" : "", named ? port : "", named && shown ? ": " : "",
		 shown ? packet : "", named || shown ? ")" : "");
}

static void show_drops(struct top_line *l, const struct top_view *v, size_t rows)
{
	const json_t *d;
	size_t i;

	top_put(l, v->sort == TOP_DROPS ? OUT_GREEN : OUT_BOLD, 6, "DROP/s");
	top_put(l, OUT_BOLD, 7, "TOTAL");
	top_put(l, OUT_BOLD, 0, "  ");
	top_put(l, OUT_BOLD, -16, "REASON");
	top_put(l, OUT_BOLD, 0, "LAST");
	top_end(l);
	json_array_foreach (json_object_get(v->now, "drops"), i, d) {
		double pps = number(d, "pps");
		char last[512];

		if (i >= rows)
			break;
		last_text(d, last, sizeof(last));
		put_human(l, pps > 0 ? OUT_RED : OUT_DIM, 6, pps);
		put_human(l, OUT_PLAIN, 7, number(d, "packets"));
		top_put(l, OUT_PLAIN, 0, "  ");
		put_name(l, 16, OUT_PLAIN, json_str(d, "reason"));
		top_put(l, OUT_PLAIN, 0, last);
		top_end(l);
	}
}

/* --- the screen --- */

#define PARTS	   3
#define PART_LEAST 3  /* lines of a part: a blank one, the heading and a row */
#define HEAD_FULL  18 /* lines of the screen from which there is room for the tables */

static const struct {
	const char *list;
	void (*show)(struct top_line *l, const struct top_view *v, size_t rows);
} parts[PARTS] = {
	{ "top_ports", show_ports },
	{ "top_flows", show_flows },
	{ "drops", show_drops },
};

/* Shares the lines: drops have a quarter, ports and flows half of the rest each; who needs less leaves it to the others. */
static void share(int lines, const size_t *want, size_t *rows)
{
	size_t left = lines > 0 ? (size_t)lines : 0, most[PARTS];

	most[2] = left / 4 ? left / 4 : left / 3;
	rows[2] = want[2] < most[2] ? want[2] : most[2];
	left -= rows[2];
	most[0] = (left + 1) / 2;
	rows[0] = want[0] < most[0] ? want[0] : most[0];
	rows[1] = want[1] < left - rows[0] ? want[1] : left - rows[0];
	left -= rows[0] + rows[1];
	for (int i = 0; i < PARTS; i++) {
		size_t more = want[i] - rows[i] < left ? want[i] - rows[i] : left;

		rows[i] += more;
		left -= more;
	}
}

static int show_parts(struct top_line *l, const struct top_view *v, int lines)
{
	size_t want[PARTS] = { 0 }, rows[PARTS];
	bool shown[PARTS];
	int used = 0, least = 0;

	for (int i = 0; i < PARTS; i++) {
		want[i] = json_array_size(json_object_get(v->now, parts[i].list));
		shown[i] = v->part != TOP_ALL ? (int)v->part == i + 1 :
			   v->height && lines < least + PART_LEAST ? false :
								     want[i] || i < 2;
		if (!shown[i])
			want[i] = 0;
		used += shown[i] ? 2 : 0;
		least += shown[i] ? PART_LEAST : 0;
	}
	if (v->height)
		share(lines - used, want, rows);
	else
		memcpy(rows, want, sizeof(rows));
	for (int i = 0; i < PARTS; i++) {
		if (!shown[i])
			continue;
		top_end(l);
		parts[i].show(l, v, rows[i]);
		used += (int)rows[i];
	}
	return used;
}

static void put_key(struct top_line *l, const char *key, const char *what, const char *value)
{
	if (l->at)
		top_put(l, OUT_PLAIN, -2, "");
	top_put(l, OUT_BOLD, 0, key);
	top_putf(l, OUT_PLAIN, " %s", what);
	if (value)
		top_putf(l, OUT_GREEN, " %s", value);
}

static void show_keys(struct top_line *l, const struct top_view *v)
{
	static const char *const names[TOP_PART_MAX] = { "all", "ports", "flows", "drops" };
	char every[32];

	if (v->trouble) {
		top_put(l, OUT_RED, 0, v->trouble);
		return;
	}
	snprintf(every, sizeof(every), "%g s", v->interval_s);
	put_key(l, "q", "quit", NULL);
	put_key(l, "s", "sort", top_sorts[v->sort]);
	put_key(l, "t", "tenant", v->tenant ? v->tenant : "all");
	put_key(l, "v", "view", names[v->part]);
	put_key(l, "p", "pause", NULL);
	put_key(l, "+ -", "every", every);
	put_key(l, "h", "help", NULL);
}

static int show_help(struct top_line *l)
{
	static const char *const lines[] = {
		"",
		"sent, SENT/s     packets that the port's machine sent; bit/s of their frames",
		"received, RECV/s packets that it was sent",
		"DROP/s           of the port's packets dropped: by flows, by skepd, over its rates",
		"MISS/s, upcalls  packets without a flow, sent up to skepd",
		"bars             how full tables are; a full table of flows forgets the oldest",
		"LAST             the last dropped packet that was seen, and who is to blame",
		"",
		"q  quit             s  sort by bits, packets, drops or upcalls",
		"t  tenant: the next one; T: the one before; a: all",
		"v  all, ports only, flows only, drops only",
		"p  pause            +  more often      -  less often      space  now",
		"h  back",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		top_put(l, OUT_PLAIN, 0, lines[i]);
		top_end(l);
	}
	return (int)ARRAY_SIZE(lines);
}

char *top_screen(const struct top_view *view)
{
	struct top_line l = { .width = view->width, .utf8 = view->utf8 };
	char *text = NULL;
	size_t size = 0;
	int lines;

	l.f = open_memstream(&text, &size);
	if (!l.f)
		return NULL;
	head_name(&l, view);
	head_rates(&l, view);
	lines = 3;
	if (!view->height || view->height >= HEAD_FULL)
		lines += head_tables(&l, view);
	lines += view->help ? show_help(&l) : show_parts(&l, view, view->height - lines - 1);
	if (view->height) {
		for (; lines < view->height - 1; lines++)
			top_end(&l);
		show_keys(&l, view);
		top_end(&l);
	}
	if (fclose(l.f)) {
		free(text);
		return NULL;
	}
	return text;
}
