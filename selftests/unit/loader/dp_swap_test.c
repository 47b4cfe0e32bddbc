// SPDX-License-Identifier: Apache-2.0
/* One version of the datapath gives way to another: what is shared, what is private to a load, what is refused, and how it is replaced. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "selftests/unit/loader/dp_rig.h"

static const char *pin(const char *dir, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/skep/dp-test/%s/%s", t.bpffs, dir, name);
	return path;
}

static const char *layout(const char *sub)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "abi%d/%s", SKEP_ABI, sub);
	return dir;
}

static uint32_t map_id(const char *name)
{
	int fd = bpf_obj_get(pin(layout("maps"), name));
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

struct link {
	uint32_t id, prog;
};

/* What is on p1; without tcx (kernels before 6.6) there are no links: the filter's program. */
static struct link link_of(const char *dir)
{
	char name[16];
	int fd;
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	snprintf(name, sizeof(name), "%u-in", if_nametoindex("p1"));
	fd = bpf_obj_get(pin(dir, name));
	if (fd < 0)
		return (struct link){ 0 };
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return (struct link){ info.id, info.prog_id };
}

static void close_it(void)
{
	dp_close(t.dp);
	t.dp = NULL;
}

static void put_flow(uint16_t sport)
{
	uint8_t frame[256];
	struct dp_flow_key key = key_of(frame, udp_frame(frame, 0, sport), KEY1);
	struct skep_flow flow = to_port(KEY2);

	dp_flow_put(t.dp, &key, &flow);
}

static bool passes(uint16_t sport)
{
	uint8_t frame[256], got[256];
	struct virtio_net_hdr vnet;
	uint32_t len = udp_frame(frame, 0, sport);

	send_from(t.sock1, frame, len, NULL);
	return recv_at(t.sock2, got, sizeof(got), &vnet, 3000) == len;
}

static void refused(const char *part, const char *other)
{
	struct err err = { 0 };

	t.dp = dp_open(t.loop, &t.config, &ops, NULL, &err);
	assert_null(t.dp);
	if (!strstr(err.text, part) || !strstr(err.text, other))
		fail_msg("'%s' has no '%s' or no '%s'", err.text, part, other);
}

static int entries(const char *dir)
{
	DIR *d = opendir(pin(dir, ""));
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* The next process: links stay, programs and what they alone know are new, tables are shared, and nothing else is left behind. */
static void test_programs_are_swapped(void **state)
{
	uint32_t flows, stages, found;
	struct link before, after;
	int maps, progs;

	NEED_ROOT();
	put_flow(5555);
	before = link_of(layout("links"));
	flows = map_id("skep_flows4");
	stages = map_id("skep_stages");
	found = map_id("skep_found");
	maps = entries(layout("maps"));
	progs = entries(layout("progs"));
	close_it();
	assert_true(passes(5555));
	/* of a newer version, and of a process that died half way */
	assert_int_equal(sh("cd %s && for m in skep_future skep_stages-1; do bpftool map create $PWD/$m type array key 4 value 4 entries 8 name x; done",
			    pin(layout("maps"), "")), 0);
	assert_int_equal(sh("ln %s/skep_clock %s/skep_tc_future", pin(layout("progs"), ""), pin(layout("progs"), "")), 0);
	must_open();
	after = link_of(layout("links"));
	assert_int_equal(after.id, before.id);
	assert_true(!before.id || after.prog != before.prog);
	assert_int_equal(map_id("skep_flows4"), flows);
	assert_int_not_equal(map_id("skep_stages"), stages);
	assert_int_not_equal(map_id("skep_found"), found);
	assert_int_equal(entries(layout("maps")), maps);
	assert_int_equal(entries(layout("progs")), progs);
	assert_true(passes(5555));
	assert_int_equal(t.upcalls, 0);
}

static void test_another_size_is_kept(void **state)
{
	json_t *status;
	_free_ char *text = NULL;

	NEED_ROOT();
	put_flow(5555);
	close_it();
	t.config.flows_max = 1024;
	must_open();
	t.config.flows_max = 0;
	status = dp_status(t.dp);
	text = json_dumps(json_object_get(status, "warnings"), 0);
	json_decref(status);
	assert_non_null(strstr(text, "'skep_flows4' has 65536 entries, the configuration wants 1024"));
	assert_true(passes(5555));
	assert_int_equal(t.upcalls, 0);
}

/* Another version has another number of counters: what both have goes on. */
static void test_counters_are_taken_over(void **state)
{
	int cpus = libbpf_num_possible_cpus(), fd;
	_free_ uint64_t *values = calloc((size_t)cpus * 2, sizeof(*values));
	uint64_t drops[SKEP_DROP_MAX];
	uint32_t zero = 0;

	NEED_ROOT();
	put_flow(5555);
	close_it();
	for (int cpu = 0; cpu < cpus; cpu++)
		values[2 * cpu + SKEP_DROP_TRUNCATED] = 7;
	fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "other", 4, 2 * sizeof(*values), 1, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, values, BPF_ANY), 0);
	assert_int_equal(unlink(pin(layout("maps"), "skep_drops")), 0);
	assert_int_equal(bpf_obj_pin(fd, pin(layout("maps"), "skep_drops")), 0);
	close(fd);
	must_open();
	assert_true(dp_adopted(t.dp));
	dp_drops(t.dp, drops);
	assert_int_equal(drops[SKEP_DROP_TRUNCATED], 7 * cpus);
	assert_int_equal(drops[SKEP_DROP_BAD_HEADER], 0);
	assert_true(passes(5555));
	assert_int_equal(t.upcalls, 0);
}

/* A map of another layout, and no number that says so: refused; what runs goes on, until it is told to give way. */
static void test_another_shape_is_refused(void **state)
{
	struct link before, after;
	struct err err = { 0 };

	NEED_ROOT();
	put_flow(5555);
	before = link_of(layout("links"));
	close_it();
	assert_int_equal(
		sh("cd %s && rm skep_remotes && bpftool map create $PWD/skep_remotes type hash key 4 value 4 entries 8 name skep_remotes",
		   pin(layout("maps"), "")), 0);
	refused("'skep_remotes'", "skepd --replace");
	after = link_of(layout("links"));
	assert_true(after.id == before.id && after.prog == before.prog);
	assert_true(passes(5555));
	assert_int_equal(dp_replace(&t.config, &err), 0);
	must_open();
	assert_false(dp_adopted(t.dp));
}

/* Of another ABI: refused, until 'skepd --replace'; then each port has its old program until it is attached, and never none. */
static void test_another_abi_is_replaced(void **state)
{
	struct link before, after;
	struct err err = { 0 };
	char text[64];

	NEED_ROOT();
	put_flow(5555);
	before = link_of(layout("links"));
	close_it();
	snprintf(text, sizeof(text), "this one is 'abi%d'", SKEP_ABI);
	assert_int_equal(sh("mv %s/abi%d %s/abi0", pin("", ""), SKEP_ABI, pin("", "")), 0);
	refused("'abi0'", text);
	refused("skepd --replace", "goes on");
	after = link_of("abi0/links");
	assert_true(after.id == before.id && after.prog == before.prog);
	assert_true(passes(5555));

	assert_int_equal(dp_replace(&t.config, &err), 0);
	assert_int_equal(dp_replace(&t.config, &err), 0); /* again: nothing to do */
	assert_true(passes(5555));
	must_open();
	assert_false(dp_adopted(t.dp));
	if (before.id)
		assert_true(passes(5555)); /* p1 has its old program yet; kernels before 6.6 have filters, of which nobody knows */
	must_attach(KEY1, "p1");
	must_attach(KEY2, "p2");
	after = link_of(layout("links"));
	assert_int_equal(after.id, before.id);
	assert_true(!before.id || after.prog != before.prog);
	put_flow(5555);
	assert_int_equal(dp_flows_flush(t.dp), 0);
	assert_true(passes(5555));
	assert_int_equal(entries(""), 2);
	dp_sweep(t.dp);
	assert_int_equal(entries(""), 1);
	assert_true(passes(5555));
}

/* A process died while it replaced another ABI: the next one goes on with that. */
static void test_a_replacement_is_continued(void **state)
{
	struct link before, after;

	NEED_ROOT();
	before = link_of(layout("links"));
	close_it();
	assert_int_equal(sh("mv %s/abi%d %s/replaced-1", pin("", ""), SKEP_ABI, pin("", "")), 0);
	must_open();
	must_attach(KEY2, "p2");
	close_it();
	must_open();
	assert_true(dp_adopted(t.dp));
	must_attach(KEY1, "p1");
	after = link_of(layout("links"));
	assert_int_equal(after.id, before.id);
	put_flow(5555);
	assert_int_equal(dp_flows_flush(t.dp), 0);
	assert_true(passes(5555));
	assert_int_equal(dp_replace(&t.config, NULL), -EBUSY); /* not under a living process */
	close_it();
	assert_int_equal(dp_remove(&t.config, NULL), 0); /* all of it */
	assert_int_equal(entries(""), 0);
	assert_int_equal(sh("bpftool net show 2>/dev/null | grep -q skep_"), 1);
	must_open();
}

/* --- programs of others on our interfaces --- */

#define TCX_INGRESS 46
#define BEFORE	    (1U << 3) /* BPF_F_BEFORE, BPF_F_AFTER of kernel 6.6 */
#define AFTER	    (1U << 4)

static int foreign_prog(const char *name)
{
	const struct bpf_insn next[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1 }, { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", next, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* On p1's tcx hook, in front of all that is there, or behind. */
static int foreign_tcx(const char *name, uint32_t where)
{
	struct { /* union bpf_attr, BPF_LINK_CREATE */
		__u32 prog_fd, target_ifindex, attach_type, flags;
		__u32 relative_fd, pad;
		__u64 expected_revision;
		__u64 more[2];
	} attr = { .prog_fd = (__u32)foreign_prog(name), .target_ifindex = if_nametoindex("p1"), .attach_type = TCX_INGRESS, .flags = where };
	int fd = (int)syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	close((int)attr.prog_fd);
	return fd;
}

static const char *prog_name(uint32_t id, char name[static BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	return name;
}

/* p1's tcx programs in order, then its filters: "before skep_tc_port after / foreign ".  (bpftool shows tcx from 7.3 on only.) */
static void assert_on_p1(const char *want)
{
	uint32_t progs[8] = { 0 };
	struct { /* union bpf_attr, BPF_PROG_QUERY, as of kernel 6.6 */
		__u32 ifindex, attach_type, query_flags, attach_flags;
		__aligned_u64 prog_ids;
		__u32 count, pad;
		__aligned_u64 more[4];
	} query = { .ifindex = if_nametoindex("p1"), .attach_type = TCX_INGRESS, .prog_ids = (uintptr_t)progs, .count = 8 };
	char now[256] = "", name[BPF_OBJ_NAME_LEN];
	size_t n = 0;
	FILE *f = popen("tc filter show dev p1 ingress | grep -o 'foreign\\|skep_tc_port' | uniq | tr '\\n' ' '", "r");

	assert_non_null(f);
	if (syscall(__NR_bpf, BPF_PROG_QUERY, &query, sizeof(query)))
		query.count = 0;
	for (uint32_t i = 0; i < query.count; i++)
		n += (size_t)snprintf(now + n, sizeof(now) - n, "%s ", prog_name(progs[i], name));
	n += (size_t)snprintf(now + n, sizeof(now) - n, "/ ");
	now[n + fread(now + n, 1, sizeof(now) - n - 1, f)] = '\0';
	pclose(f);
	assert_string_equal(now, want);
}

/* Start, exit, a second start, removal: 'with' ours, 'without' it. */
static void foreign_programs_stay(const char *with, const char *without)
{
	assert_on_p1(with);
	close_it();
	assert_on_p1(with);
	must_open();
	assert_on_p1(with);
	dp_port_detach(t.dp, KEY1);
	assert_on_p1(without);
	must_attach(KEY1, "p1");
	close_it();
	assert_int_equal(dp_remove(&t.config, NULL), 0);
	assert_on_p1(without);
}

static void add_filter(void)
{
	int fd = foreign_prog("foreign");

	assert_int_equal(sh("mkdir -p %s/foreign", t.bpffs), 0);
	assert_int_equal(bpf_obj_pin(fd, pin("../../foreign", "foreign")), 0);
	close(fd);
	assert_int_equal(sh("tc qdisc add dev p1 clsact; tc filter add dev p1 ingress prio 7 bpf da object-pinned %s && rm %s",
			    pin("../../foreign", "foreign"), pin("../../foreign", "foreign")), 0);
}

static void test_foreign_programs_stay(void **state)
{
	int before, after;

	NEED_ROOT();
	add_filter();
	before = foreign_tcx("before", BEFORE);
	if (before < 0) { /* a kernel before 6.6: ours is a filter too, at 50 */
		foreign_programs_stay("/ foreign skep_tc_port ", "/ foreign ");
	} else {
		after = foreign_tcx("after", AFTER);
		assert_true(after >= 0);
		assert_on_p1("before skep_tc_port after / foreign ");
		close_it();
		must_open();
		assert_on_p1("before skep_tc_port after / foreign "); /* an update keeps its place */
		assert_true((put_flow(5555), dp_flows_flush(t.dp), passes(5555)));
		dp_port_detach(t.dp, KEY1);
		assert_on_p1("before after / foreign ");
		must_attach(KEY1, "p1"); /* a new link is the last one */
		foreign_programs_stay("before after skep_tc_port / foreign ", "before after / foreign ");
		close(after);
		close(before);
	}
	must_open();
	must_attach(KEY1, "p1");
	close_it();
	assert_int_equal(dp_remove(&t.config, NULL), 0);
	assert_on_p1("/ foreign ");
	t.config.clsact = true;
	must_open();
	must_attach(KEY1, "p1");
	must_attach(KEY2, "p2");
	foreign_programs_stay("/ foreign skep_tc_port ", "/ foreign ");
	assert_int_equal(sh("tc qdisc show dev p1 | grep -q clsact && tc qdisc del dev p1 clsact"), 0);
	t.config.clsact = false;
	must_open();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_programs_are_swapped),
		TEST(test_another_size_is_kept),
		TEST(test_counters_are_taken_over),
		TEST(test_another_shape_is_refused),
		TEST(test_another_abi_is_replaced),
		TEST(test_a_replacement_is_continued),
		TEST(test_foreign_programs_stay),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
