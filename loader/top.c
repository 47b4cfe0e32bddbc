// SPDX-License-Identifier: Apache-2.0
/* The counting behind top.h. */
#include "loader/agent.h"

#include <string.h>

#include "util/clock.h"
#include "util/log.h"

#define SAMPLE_NS    (150 * NSEC_PER_MSEC) /* who asks again within it is told the same */
#define RATES_GAP_NS (500 * NSEC_PER_MSEC) /* over less than this a rate says nothing */

static uint64_t per_second(uint64_t n, uint64_t ns)
{
	return ns ? (uint64_t)((double)n * NSEC_PER_SEC / (double)ns) : 0;
}

static const struct {
	const char *name, *rate;
} loads[LOAD_MAX] = {
	[LOAD_RX_PACKETS] = { "rx_packets", "rx_pps" },
	[LOAD_RX_BYTES] = { "rx_bytes", "rx_bps" },
	[LOAD_TX_PACKETS] = { "tx_packets", "tx_pps" },
	[LOAD_TX_BYTES] = { "tx_bytes", "tx_bps" },
	[LOAD_DROPS] = { "drops", "drops_ps" },
	[LOAD_UPCALLS] = { "upcalls", "upcalls_ps" },
};

const char *top_load_name(enum load_what what, bool rate)
{
	return rate ? loads[what].rate : loads[what].name;
}

unsigned int top_load_unit(enum load_what what)
{
	return what == LOAD_RX_BYTES || what == LOAD_TX_BYTES ? 8 : 1;
}

/* --- ports --- */

/* What walks saw came during the time before them.  It is told over as long a time behind them, so that rates over shorter times are smooth. */
static uint64_t walked(const struct agent *a, const struct port_load *l, enum load_walked what,
		       uint64_t now_ns)
{
	uint64_t since = now_ns - a->walk_at_ns, gap = a->top.walk_gap_ns;

	if (l->walk != a->walk || since >= gap)
		return l->walked[what];
	return l->before[what] + (uint64_t)((double)(l->walked[what] - l->before[what]) *
					    (double)since / (double)gap);
}

static void on_port(void *arg, uint32_t key, const struct dp_port_stats *s)
{
	struct agent *a = arg;
	struct lport *p = ports_find(a, key);
	struct port_load *l = p ? &p->load : NULL;
	uint64_t now_ns = clock_mono_ns(), own[LOAD_MAX] = { 0 };
	const uint64_t of_link[LOAD_MAX] = {
		[LOAD_RX_PACKETS] = s->rx_packets, [LOAD_RX_BYTES] = s->rx_bytes, [LOAD_TX_PACKETS] = s->tx_packets,
		[LOAD_TX_BYTES] = s->tx_bytes,	   [LOAD_DROPS] = s->drops,	  [LOAD_UPCALLS] = s->upcalls,
	};

	if (!l)
		return;
	if (!l->named && a->metrics.named < a->config->metrics_ports) {
		l->named = true;
		a->metrics.named++;
	}
	own[LOAD_TX_PACKETS] = walked(a, l, LOAD_PACKETS, now_ns);
	own[LOAD_TX_BYTES] = walked(a, l, LOAD_BYTES, now_ns);
	own[LOAD_DROPS] = l->dropped + walked(a, l, LOAD_DROPPED, now_ns);
	for (int i = 0; i < LOAD_MAX; i++) {
		/* smaller than before: another interface, which began at 0 */
		uint64_t more = of_link[i] < l->of_link[i] ? of_link[i] : of_link[i] - l->of_link[i], had = l->count[i] - l->of_link[i];

		more += own[i] > had ? own[i] - had : 0;
		l->rate[i] = l->at_ns ? per_second(more, now_ns - l->at_ns) : 0;
		l->carried[i] += l->at_ns ? more : 0;
		a->top.total[i] += l->at_ns ? more : 0;
		a->top.others[i] += l->at_ns && !l->named ? more : 0;
		l->of_link[i] = of_link[i];
		l->count[i] = of_link[i] + own[i];
	}
	l->at_ns = now_ns;
}

static void topped(struct agent *a)
{
	control_topped(a->control);
	telemetry_topped(a);
	metrics_server_topped(a->metrics_server);
}

static void on_ports(void *arg, int rc)
{
	struct agent *a = arg;

	if (rc)
		log_warn("cannot read the counters of interfaces: %s", strerror(-rc));
	a->top.asked = false;
	a->top.at_ns = clock_mono_ns();
	topped(a);
}

void top_ask(struct agent *a)
{
	int rc;

	if (a->top.asked)
		return;
	if (a->top.at_ns && clock_mono_ns() - a->top.at_ns < SAMPLE_NS) {
		topped(a);
		return;
	}
	a->top.asked = true;
	rc = dp_port_stats(a->dp, on_port, on_ports, a);
	if (rc)
		on_ports(a, rc);
}

/* --- flows --- */

uint64_t top_walk(struct agent *a, uint64_t now_ns)
{
	uint64_t gap = now_ns - a->top.rates_at_ns;

	a->top.walk_gap_ns = now_ns - a->walk_at_ns;
	if (gap < RATES_GAP_NS)
		return 0;
	a->top.rates_at_ns = now_ns;
	return gap;
}

void top_flow(struct index_flow *f, const struct skep_flow *now, uint64_t gap_ns)
{
	struct flow_load *l = &f->load;

	if (!gap_ns)
		return;
	l->pps = now->packets < l->packets ? 0 : per_second(now->packets - l->packets, gap_ns);
	l->bps = now->bytes < l->bytes ? 0 : per_second(8 * (now->bytes - l->bytes), gap_ns);
	l->packets = now->packets;
	l->bytes = now->bytes;
}

void top_flow_adopted(struct index_flow *f, const struct skep_flow *now)
{
	f->load.packets = now->packets;
	f->load.bytes = now->bytes;
}

static void add(struct agent *a, struct lport *p, enum load_walked what, uint64_t n)
{
	struct port_load *l = &p->load;

	if (l->walk != a->walk) {
		memcpy(l->before, l->walked, sizeof(l->before));
		l->walk = a->walk;
	}
	l->walked[what] += n;
}

void top_carried(struct index_flow *f, uint64_t packets, uint64_t bytes)
{
	struct agent *a = f->scope ? ((const struct tenant *)f->scope)->agent : NULL;
	const struct skep_flow *v = &f->verdict;
	struct lport *p;

	if (!a)
		return;
	if (v->action == SKEP_ACT_DROP) {
		p = ports_find(a, index_in_key(f));
		if (p)
			add(a, p, LOAD_DROPPED, packets);
	} else if (v->action == SKEP_ACT_LOCAL && (v->flags & SKEP_F_PEER)) {
		p = ports_find(a, dp_port_key(a->dp, v->out));
		if (!p)
			return;
		add(a, p, LOAD_PACKETS, packets);
		add(a, p, LOAD_BYTES, bytes);
	}
}

/* --- drops --- */

void top_drop_note(struct top_drop *d, uint64_t time_ns, uint32_t key, const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		   const struct skep_ip *remote)
{
	d->time_ns = time_ns;
	d->key = key;
	d->len = len;
	d->have = have < sizeof(d->head) ? have : sizeof(d->head);
	memcpy(d->head, data, d->have);
	d->remote = remote ? *remote : (struct skep_ip){ 0 };
	snprintf(d->culprit, sizeof(d->culprit), "%s", culprit ? culprit : "");
}

void top_dropped(struct agent *a, enum skep_drop reason, uint64_t time_ns, uint32_t key,
		 const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		 const struct skep_ip *remote)
{
	struct lport *p;

	if ((unsigned int)reason >= SKEP_DROP_MAX)
		return;
	top_drop_note(&a->top.drops[reason], time_ns, key, culprit, data, have, len, remote);
	if (!a->telemetry.wished)
		return;
	p = ports_find(a, key);
	if (p)
		telemetry_dropped(p->tenant, reason, time_ns, key, culprit, data, have, len, remote);
}
