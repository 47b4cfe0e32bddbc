// SPDX-License-Identifier: Apache-2.0
#include "selftests/lib/bpfrun.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "bpf/skep.skel.h"
#include "util/addr.h"
#include "util/clock.h"

struct bpfrun {
	struct skep_bpf *skel;
	int noop; /* fd of a program that does nothing; -1 = not loaded yet */
	uint64_t drops[SKEP_DROP_MAX];
	bool keep_queue;
};

static int map_fd(struct bpfrun *r, const char *map)
{
	return bpf_object__find_map_fd_by_name(r->skel->obj, map);
}

int bpfrun_put(struct bpfrun *r, const char *map, const void *key, const void *value)
{
	return bpf_map_update_elem(map_fd(r, map), key, value, BPF_ANY) ? -errno : 0;
}

int bpfrun_get(struct bpfrun *r, const char *map, const void *key, void *value)
{
	return bpf_map_lookup_elem(map_fd(r, map), key, value) ? -errno : 0;
}

int bpfrun_del(struct bpfrun *r, const char *map, const void *key)
{
	return bpf_map_delete_elem(map_fd(r, map), key) ? -errno : 0;
}

/* Counter 'which' of the 'of' that each CPU has in 'map', summed. */
static uint64_t percpu_sum(struct bpfrun *r, const char *map, uint32_t which, uint32_t of)
{
	int n = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)(n > 0 ? n : 1) * of, sizeof(*values)), sum = 0;
	uint32_t zero = 0;

	if (values && bpfrun_get(r, map, &zero, values) == 0)
		for (int i = 0; i < n; i++)
			sum += values[(uint32_t)i * of + which];
	free(values);
	return sum;
}

uint64_t bpfrun_counter(struct bpfrun *r, enum skep_counter which)
{
	return percpu_sum(r, "skep_counters", which, SKEP_CNT_MAX);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

/* skepd seems alive for the whole of the test; no events. */
static int set_config(struct bpfrun *r)
{
	struct skep_config cfg = { .abi = SKEP_ABI, .upcall_ifindex = BPFRUN_TAP, .under_ifindex = BPFRUN_UNDER,
				   .tunnel_port = htons(SKEP_VXLAN_PORT), .agent_seen_ns = UINT64_MAX >> 1,
				   .hz = 250, .timeouts = SKEP_TIMEOUTS };
	struct skep_iface iface = { .key = BPFRUN_KEY, .lport = BPFRUN_LPORT };
	struct skep_lport lp = { .gen = 1, .key = BPFRUN_KEY, .conns_max = 1000, .replies_max = 1000 };
	const int stages[SKEP_STAGE_MAX] = { [SKEP_STAGE_MISS] = bpf_program__fd(r->skel->progs.skep_tc_miss),
					     [SKEP_STAGE_ACT] = bpf_program__fd(r->skel->progs.skep_tc_act),
					     [SKEP_STAGE_ARRIVE] = bpf_program__fd(r->skel->progs.skep_tc_arrive),
					     [SKEP_STAGE_ANSWER] = bpf_program__fd(r->skel->progs.skep_tc_answer) };
	uint32_t zero = 0, lo = 1, lport = BPFRUN_LPORT;
	int rc;

	ip_parse("10.9.0.1", &cfg.local);
	rc = bpfrun_put(r, "skep_config", &zero, &cfg);
	if (!rc)
		rc = bpfrun_put(r, "skep_ifaces", &lo, &iface);
	if (!rc)
		rc = bpfrun_put(r, "skep_lports", &lport, &lp);
	for (uint32_t i = 0; !rc && i < SKEP_STAGE_MAX; i++)
		rc = bpfrun_put(r, "skep_stages", &i, &stages[i]);
	return rc;
}

int bpfrun_slot(struct bpfrun *r)
{
	uint32_t slot = 1;
	struct skep_iface_at v = { .ifindex = 1, .lport = BPFRUN_LPORT };

	return bpfrun_put(r, "skep_iface_at", &slot, &v);
}

static int load(struct bpfrun *r, uint32_t flows, uint32_t conns)
{
	r->skel = skep_bpf__open();
	if (!r->skel)
		return -errno;
	if (flows)
		bpf_map__set_max_entries(r->skel->maps.skep_flows4, flows);
	if (conns)
		bpf_map__set_max_entries(r->skel->maps.skep_conns, conns);
	return skep_bpf__load(r->skel);
}

uint64_t bpfrun_memory(struct bpfrun *r, const char *map)
{
	unsigned long long bytes = 0;
	char line[128];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", map_fd(r, map));
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

struct bpfrun *bpfrun_open(struct err *err)
{
	return bpfrun_open_sized(0, 0, err);
}

struct bpfrun *bpfrun_open_sized(uint32_t flows, uint32_t conns, struct err *err)
{
	struct bpfrun *r = calloc(1, sizeof(*r));
	int rc;

	if (!r) {
		err_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	r->noop = -1;
	libbpf_set_print(quiet);
	rc = load(r, flows, conns);
	if (rc) {
		err_set(err, rc, "the BPF programs do not load: %s", strerror(-rc));
		skep_bpf__destroy(r->skel);
		free(r);
		return NULL;
	}
	rc = set_config(r);
	if (rc) {
		err_set(err, rc, "cannot fill the maps: %s", strerror(-rc));
		bpfrun_close(r);
		return NULL;
	}
	return r;
}

void bpfrun_close(struct bpfrun *r)
{
	if (!r)
		return;
	if (r->noop >= 0)
		close(r->noop);
	skep_bpf__destroy(r->skel);
	free(r);
}

static enum skep_drop new_drop(struct bpfrun *r)
{
	enum skep_drop found = SKEP_DROP_NONE;

	for (uint32_t i = 1; i < SKEP_DROP_MAX; i++) {
		uint64_t now = percpu_sum(r, "skep_drops", i, SKEP_DROP_MAX);

		if (now != r->drops[i])
			found = (enum skep_drop)i;
		r->drops[i] = now;
	}
	return found;
}

static int prog_fd(struct bpfrun *r, enum bpfrun_prog prog)
{
	const struct bpf_program *progs[BPFRUN_PROGS] = { r->skel->progs.skep_tc_port, r->skel->progs.skep_tc_under,
							  r->skel->progs.skep_xdp_under, r->skel->progs.skep_tc_inject,
							  r->skel->progs.skep_tc_tunnel, r->skel->progs.skep_clock,
							  r->skel->progs.skep_xdp_port };
	const struct bpf_insn nothing[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };

	if (prog < BPFRUN_PROGS)
		return bpf_program__fd(progs[prog]);
	if (r->noop < 0)
		r->noop = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "noop", "GPL", nothing, 2, NULL);
	return r->noop;
}

int bpfrun_time(struct bpfrun *r, enum bpfrun_prog prog, const uint8_t *frame, uint32_t len, uint32_t repeat, uint32_t *ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(prog_fd(r, prog), &opts))
		return -errno;
	*ns = opts.duration;
	return 0;
}

int bpfrun_map(struct bpfrun *r, const char *map)
{
	return map_fd(r, map);
}

int bpfrun_fd(struct bpfrun *r, enum bpfrun_prog prog)
{
	return prog_fd(r, prog);
}

uint32_t bpfrun_jiffies(struct bpfrun *r)
{
	uint8_t in[64] = { 0 }, out[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = sizeof(in), .data_out = out, .data_size_out = sizeof(out));
	uint64_t now = 0;

	if (!bpf_prog_test_run_opts(prog_fd(r, BPFRUN_CLOCK), &opts))
		memcpy(&now, out, sizeof(now));
	return (uint32_t)now;
}

static void empty_queue(struct bpfrun *r)
{
	struct skep_lport lp;

	for (uint32_t i = 0; i <= BPFRUN_LPORT; i++)
		if (!bpfrun_get(r, "skep_lports", &i, &lp) && lp.queued) {
			lp.queued = 0;
			(void)bpfrun_put(r, "skep_lports", &i, &lp);
		}
}

void bpfrun_queue(struct bpfrun *r, bool keep)
{
	r->keep_queue = keep;
	if (!keep)
		empty_queue(r);
}

int bpfrun_run(struct bpfrun *r, enum bpfrun_prog prog, const uint8_t *frame, uint32_t len, struct bpfrun_result *res)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = res->data,
		    .data_size_out = sizeof(res->data));

	if (bpf_prog_test_run_opts(prog_fd(r, prog), &opts))
		return -errno;
	res->action = (int)opts.retval;
	res->len = opts.data_size_out;
	res->drop = new_drop(r);
	if (!r->keep_queue)
		empty_queue(r);
	return 0;
}
