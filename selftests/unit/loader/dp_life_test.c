// SPDX-License-Identifier: Apache-2.0
/* The datapath layer over time: adoption by the next process, interfaces that come and go, removal.
 */
#include <stdio.h>
#include <sys/utsname.h>

#include "selftests/unit/loader/dp_rig.h"

static void count_port(void *arg, uint32_t key, uint32_t ifindex)
{
	*(uint32_t *)arg += key * 1000000 + ifindex;
}

static void adopts(void)
{
	struct dp_flow_key key;
	struct skep_flow flow, seen;
	struct virtio_net_hdr vnet;
	uint8_t frame[256], got[256];
	uint32_t len, ports = 0, want = 0, peer, again, set = 0;
	struct skep_ip far = ip_from_v4(inet_addr("192.0.2.9")),
		       stale = ip_from_v4(inet_addr("192.0.2.8"));
	struct skep_out outs[40] = { { .action = SKEP_ACT_LOCAL, .out = 1 } };
	struct err err = { 0 };

	assert_int_equal(dp_peer_add(t.dp, &stale, &peer, &err), 0);
	assert_int_equal(peer, 1);
	assert_int_equal(dp_peer_add(t.dp, &far, &peer, &err), 0);
	assert_int_equal(peer, 2);
	assert_int_equal(dp_set_put(t.dp, outs, 40, &set), 0);
	assert_int_equal(dp_flood_key(t.dp, 0x200, set), 0);
	len = udp_frame(frame, 0, 5555);
	key = key_of(frame, len, KEY1);
	flow = to_port(KEY2);
	dp_flow_put(t.dp, &key, &flow);
	dp_ports(t.dp, count_port, &want);
	dp_close(t.dp); /* flushes */
	t.dp = NULL;

	send_from(t.sock1, frame, len, NULL); /* nobody is there: goes on */
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);

	must_open();
	assert_true(dp_adopted(t.dp));
	dp_ports(t.dp, count_port, &ports);
	assert_int_equal(ports, want);
	assert_true(dp_flow_get(t.dp, &key, &seen));
	assert_int_equal(seen.packets, 1);
	send_from(t.sock1, frame, len, NULL);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);
	assert_int_equal(t.upcalls, 0);
	len = udp_frame(frame, 0, 5556); /* misses come to the new one */
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));

	assert_int_equal(dp_peer_add(t.dp, &far, &again, &err), 0);
	assert_int_equal(again, 2); /* flows quote it */
	dp_sweep(t.dp);
	assert_int_equal(dp_peer_add(t.dp, &stale, &again, &err),
			 0); /* was swept: a new one, in the lowest free place */
	assert_int_equal(again, 1);
	assert_int_equal(dp_port_attach(t.dp, 0x200, "p1", &err),
			 -EBUSY); /* the flood key is gone, the interface is not free */
	set = 0;
	assert_int_equal(dp_set_put(t.dp, outs, 40, &set), 0);
}

static void test_adopts(void **state)
{
	NEED_ROOT();
	adopts();
}

static void assert_hook(const char *want)
{
	json_t *status = dp_status(t.dp);

	assert_string_equal(json_string_value(json_object_get(status, "hook")), want);
	json_decref(status);
}

/* tcx links are of kernel 6.6. */
static bool has_tcx(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname un;

	assert_int_equal(uname(&un), 0);
	assert_int_equal(sscanf(un.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 6);
}

static void expect_upcall(uint16_t sport)
{
	int before = t.upcalls;
	uint8_t frame[256];

	send_from(t.sock1, frame, udp_frame(frame, 0, sport), NULL);
	assert_true(WAIT(t.upcalls == before + 1));
}

static void test_adopts_clsact(void **state)
{
	NEED_ROOT();
	dp_close(t.dp);
	assert_int_equal(dp_remove(&t.config, NULL), 0);
	t.config.clsact = true;
	must_open();
	must_attach(KEY1, "p1");
	must_attach(KEY2, "p2");
	assert_hook("clsact");
	adopts();
	assert_int_equal(sh("tc qdisc show | grep -q clsact"), 0);

	/* the next process is told otherwise: the same ports, hooked the other way (if the kernel has it), and back */
	dp_close(t.dp);
	t.config.clsact = false;
	must_open();
	assert_hook(has_tcx() ? "tcx" : "clsact");
	assert_int_equal(sh("tc qdisc show | grep -q clsact"), has_tcx());
	expect_upcall(7001);
	dp_close(t.dp);
	t.config.clsact = true;
	must_open();
	assert_hook("clsact");
	expect_upcall(7002);
	dp_close(t.dp);
	assert_int_equal(dp_remove(&t.config, NULL), 0);
	assert_int_not_equal(sh("tc qdisc show | grep -q clsact"), 0);
	t.config.clsact = false;
	must_open();
}

static void test_interfaces_come_and_go(void **state)
{
	uint32_t ifindex, first;
	bool peer;

	NEED_ROOT();
	assert_true(WAIT(t.ifaces >= 4)); /* lo, u0, p1, p2 */
	assert_true(WAIT(t.unders >= 1));
	assert_true(t.under_up);
	assert_int_equal(t.under_mtu, 1600);
	make_port(3);
	assert_true(WAIT(!strcmp(t.iface, "p3") && t.iface_index && t.iface_up));
	first = t.iface_index;
	must_attach(0x103, "p3");
	must_attach(0x103, "p3"); /* again: nothing happens */
	assert_true(dp_port_output(t.dp, 0x103, &ifindex, &peer));
	assert_int_equal(ifindex, first);
	assert_int_equal(sh("ip link del p3"), 0);
	assert_true(WAIT(!strcmp(t.iface, "p3") && !t.iface_index && !t.iface_up));
	assert_false(dp_port_output(t.dp, 0x103, &ifindex, &peer));
	make_port(3);
	assert_true(WAIT(t.iface_index && t.iface_up));
	assert_int_not_equal(t.iface_index, first);
	must_attach(0x103, "p3");
	dp_port_detach(t.dp, 0x103);
	assert_int_equal(sh("ip link del p3"), 0);

	t.unders = 0;
	assert_int_equal(sh("ip link set u0 mtu 1700"), 0);
	assert_true(WAIT(t.under_mtu == 1700));
	assert_int_equal(sh("ip addr del 192.0.2.1/24 dev u0"), 0);
	assert_true(WAIT(!t.under_up));
	assert_int_equal(sh("ip addr add 192.0.2.1/24 dev u0; ip link set u0 mtu 1600"), 0);
	assert_true(WAIT(t.under_up && t.under_mtu == 1600));
}

static void test_underlay_comes_back(void **state)
{
	json_t *status;

	NEED_ROOT();
	assert_true(WAIT(t.unders >= 1 && t.under_up));
	assert_int_equal(sh("ip link del u0"), 0);
	assert_true(WAIT(!t.under_up));
	enter(t.vm_ns);
	assert_int_equal(
		sh("ip link add u1 type veth peer name u0 && ip link set u0 netns /proc/%d/fd/%d && ip link set u1 up",
		   getpid(), t.host_ns),
		0);
	enter(t.host_ns);
	assert_int_equal(sh("ip addr add 192.0.2.1/24 dev u0; ip link set u0 mtu 1600 up"), 0);
	assert_true(WAIT(t.under_up && t.under_mtu == 1600));
	status = dp_status(t.dp);
	assert_int_equal(json_array_size(json_object_get(status, "warnings")), 0);
	json_decref(status);
}

static void test_own_devices_come_back(void **state)
{
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	assert_int_equal(sh("ip link del skep-up && ip link del skep-vx"), 0);
	assert_true(WAIT(if_nametoindex("skep-up") && if_nametoindex("skep-vx")));
	len = udp_frame(frame, 0, 6666);
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
}

static bool has_pins(void)
{
	return sh("test -e %s/skep", t.bpffs) == 0; /* the kernel has files of its own beside it */
}

static void test_remove_leaves_nothing(void **state)
{
	struct err err = { 0 };

	NEED_ROOT();
	assert_int_equal(dp_remove(&t.config, &err), -EBUSY); /* not while a skepd has it */
	assert_non_null(strstr(err.text, "dp-test"));
	assert_true(has_pins());
	dp_close(t.dp);
	t.dp = NULL;
	assert_true(if_nametoindex("skep-up") && if_nametoindex("skep-vx"));
	assert_int_equal(dp_remove(&t.config, &err), 0);
	assert_false(has_pins());
	assert_int_equal(if_nametoindex("skep-up"), 0);
	assert_int_equal(if_nametoindex("skep-vx"), 0);
	assert_int_equal(sh("bpftool net show 2>/dev/null | grep -q skep_"), 1);
	assert_int_equal(dp_remove(&t.config, &err), 0); /* and again */
}

static void test_second_process_is_refused(void **state)
{
	struct err err = { 0 };

	NEED_ROOT();
	assert_null(dp_open(t.loop, &t.config, &ops, NULL, &err));
	assert_int_equal(err.code, -EBUSY);
	assert_true(if_nametoindex("skep-up") != 0);
}

static void test_xdp_native(void **state)
{
	struct err err = { 0 };
	json_t *status;

	NEED_ROOT();
	dp_close(t.dp);
	t.config.xdp = DP_XDP_ON;
	assert_int_equal(sh("ethtool -K u0 rxvlan on"), 0);
	t.dp = dp_open(t.loop, &t.config, &ops, NULL, &err); /* tags would not be seen */
	assert_null(t.dp);
	assert_non_null(strstr(err.text, "ethtool -K u0 rxvlan off"));
	assert_int_equal(sh("ethtool -K u0 rxvlan off"), 0);
	must_open();
	status = dp_status(t.dp);
	assert_string_equal(json_string_value(json_object_get(status, "xdp")), "native");
	json_decref(status);
	dp_close(t.dp);
	must_open(); /* adopted */
	dp_close(t.dp);
	t.config.xdp = DP_XDP_OFF;
	must_open(); /* and given back */
	assert_int_not_equal(sh("ip link show u0 | grep -q xdp"), 0);
	dp_close(t.dp);

	/* another instance holds the hook */
	{
		struct dp_config other = t.config;
		struct dp *dp2;

		other.instance = "dp-test2";
		other.device_prefix = "skq-";
		other.tunnel_port = 4790;
		other.xdp = DP_XDP_ON;
		dp2 = dp_open(t.loop, &other, &ops, NULL, &err);
		assert_non_null(dp2);
		t.config.xdp = DP_XDP_ON;
		t.dp = dp_open(t.loop, &t.config, &ops, NULL, &err);
		assert_null(t.dp);
		assert_non_null(strstr(err.text, "skep_xdp_under"));
		dp_close(dp2);
		assert_int_equal(dp_remove(&other, &err), 0);
	}
	t.config.xdp = DP_XDP_AUTO;
	must_open();
}

static bool xdp_on(const char *ifname)
{
	return sh("ip link show %s | grep -q prog/xdp", ifname) == 0;
}

static bool xdp_is(const char *want)
{
	json_t *status = dp_status(t.dp);
	bool is = !strcmp(json_string_value(json_object_get(status, "xdp")), want);

	json_decref(status);
	return is;
}

static bool is_warned(const char *text)
{
	json_t *status = dp_status(t.dp), *warning;
	bool found = false;
	size_t i;

	json_array_foreach (json_object_get(status, "warnings"), i, warning)
		found = found || strstr(json_string_value(warning), text);
	json_decref(status);
	return found;
}

/* A tag that comes beside the frame: XDP would take the frames of others for ours. */
static void test_xdp_that_goes_blind(void **state)
{
	NEED_ROOT();
	dp_close(t.dp);
	t.config.xdp = DP_XDP_ON;
	t.config.border_interfaces = "p1";
	assert_int_equal(sh("ethtool -K u0 rxvlan off; ethtool -K p1 rxvlan off"), 0);
	must_open();
	assert_true(xdp_is("native") && xdp_on("u0") && xdp_on("p1"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sh("ethtool -K u0 rxvlan on"), 0);
		assert_true(WAIT(xdp_is("off")));
		assert_false(xdp_on("u0"));
		assert_true(xdp_on("p1"));
		assert_true(is_warned("interface 'u0': XDP would not see VLAN tags (ethtool -K u0 rxvlan off), using TC alone"));
		assert_true(is_warned("XDP is not on the underlay interface"));

		assert_int_equal(sh("ethtool -K p1 rxvlan on"), 0);
		assert_true(WAIT(!xdp_on("p1")));
		assert_true(is_warned("interface 'p1': XDP would not see VLAN tags"));
		expect_upcall((uint16_t)(7000 + i)); /* TC has it */

		assert_int_equal(sh("ethtool -K p1 rxvlan off"), 0);
		assert_true(WAIT(xdp_on("p1")));
		assert_false(is_warned("VLAN tags (ethtool -K p1"));
		assert_int_equal(sh("ethtool -K u0 rxvlan off"), 0);
		assert_true(WAIT(xdp_is("native")));
		assert_true(xdp_on("u0"));
		assert_false(is_warned("VLAN tags") || is_warned("XDP is not on the underlay interface"));
	}

	/* one that begins blind */
	dp_port_detach(t.dp, KEY1);
	assert_int_equal(sh("ethtool -K p1 rxvlan on"), 0);
	must_attach(KEY1, "p1");
	assert_false(xdp_on("p1"));
	assert_int_equal(sh("ethtool -K p1 rxvlan off"), 0);
	assert_true(WAIT(xdp_on("p1")));
	t.config.border_interfaces = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_adopts),
		TEST(test_adopts_clsact),
		TEST(test_interfaces_come_and_go),
		TEST(test_underlay_comes_back),
		TEST(test_own_devices_come_back),
		TEST(test_remove_leaves_nothing),
		TEST(test_second_process_is_refused),
		TEST(test_xdp_native),
		TEST(test_xdp_that_goes_blind),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
