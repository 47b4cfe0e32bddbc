// SPDX-License-Identifier: Apache-2.0
/*
 * The datapath layer against the real kernel and the real BPF programs, as root, in namespaces of its own: this process is the host
 * (underlay veth "u0", ports "p1" and "p2"), the ports' other ends "e1" and "e2" are machines in a second namespace, driven through
 * packet sockets.  The bpffs is a private mount.
 */
#include "loader/dp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define KEY1	   0x101
#define KEY2	   0x102
#define DEADLINE_NS (5 * NSEC_PER_SEC)
#define SUPER_PAYLOAD 42000
#define MSS	   1400

static const struct skep_mac mac1 = {{0x02, 0, 0, 0, 0, 1}}, mac2 = {{0x02, 0, 0, 0, 0, 2}};

static struct {
	bool ready;
	int host_ns, vm_ns;
	int sock1, sock2; /* packet sockets on e1 and e2, with vnet headers */
	char bpffs[64];
	struct dp_config config;
	struct loop *loop;
	struct dp *dp;

	/* what came up, newest last */
	int upcalls, batches;
	uint32_t key;
	enum skep_upcall_why why;
	uint8_t data[PKT_MAX];
	struct dp_frame frame;
	const struct skep_flow *answer; /* inject with this */
	int events;
	struct skep_event event;
	char iface[IFNAMSIZ];
	uint32_t iface_index;
	bool iface_up;
	int ifaces;
	int unders;
	bool under_up;
	uint32_t under_mtu;
} t;

/* --- rig --- */

static int sh(const char *fmt, ...)
{
	char cmd[1024];
	va_list args;
	int rc;

	va_start(args, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, args);
	va_end(args);
	rc = system(cmd);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1, fd;

	enter(t.vm_ns);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	addr.sll_ifindex = (int)if_nametoindex(ifname);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	enter(t.host_ns);
	return fd;
}

static void make_port(int n)
{
	assert_int_equal(sh("ip link add p%d type veth peer name e%d address 02:00:00:00:00:0%d", n, n, n), 0);
	assert_int_equal(sh("ip link set e%d netns /proc/%d/fd/%d && ip link set p%d up", n, getpid(), t.vm_ns, n), 0);
	enter(t.vm_ns);
	assert_int_equal(sh("sysctl -qw net.ipv6.conf.e%d.disable_ipv6=1; ip link set e%d up", n, n), 0);
	enter(t.host_ns);
}

static int rig_up(void **state)
{
	if (geteuid() != 0)
		return 0;
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	t.host_ns = open("/proc/self/ns/net", O_RDONLY);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.vm_ns = open("/proc/self/ns/net", O_RDONLY);
	assert_int_equal(sh("ip link add u1 type veth peer name u0 && ip link set u0 netns /proc/%d/fd/%d && ip link set u1 up",
			    getpid(), t.host_ns), 0);
	enter(t.host_ns);
	assert_int_equal(sh("ip link set lo up; ip addr add 192.0.2.1/24 dev u0; ip link set u0 mtu 1600 up"), 0);
	make_port(1);
	make_port(2);
	t.sock1 = packet_socket("e1");
	t.sock2 = packet_socket("e2");

	snprintf(t.bpffs, sizeof(t.bpffs), "/tmp/skep-dp-test-XXXXXX");
	assert_non_null(mkdtemp(t.bpffs));
	assert_int_equal(mount("bpf", t.bpffs, "bpf", 0, NULL), 0);
	t.config = (struct dp_config){
		.bpffs = t.bpffs,
		.instance = "dp-test",
		.underlay = "u0",
		.local = ip_from_v4(inet_addr("192.0.2.1")),
		.tunnel_port = 4789,
		.device_prefix = "skep-",
		.xdp = DP_XDP_AUTO,
		.upcall_rate = 5000,
		.upcall_burst = 1000,
		.event_rate = 1000,
	};
	t.ready = true;
	return 0;
}

static int rig_down(void **state)
{
	if (!t.ready)
		return 0;
	(void)dp_remove(&t.config, NULL);
	(void)umount2(t.bpffs, MNT_DETACH);
	(void)rmdir(t.bpffs);
	return 0;
}

/* --- the agent's part --- */

static void on_upcall(void *arg, uint32_t key, enum skep_upcall_why why, struct dp_frame *frame)
{
	t.upcalls++;
	t.key = key;
	t.why = why;
	assert_true(frame->len <= sizeof(t.data));
	memcpy(t.data, frame->data, frame->len);
	memset(frame->data - DP_HEADROOM, 0xee, DP_HEADROOM); /* the room is there (and ASan watches) */
	t.frame = *frame;
	t.frame.data = t.data;
	if (t.answer)
		assert_int_equal(dp_inject(t.dp, key, &t.frame, t.answer), 0);
}

static void on_upcall_done(void *arg)
{
	t.batches++;
}

static void on_event(void *arg, const struct skep_event *event)
{
	t.events++;
	t.event = *event;
}

static void on_iface(void *arg, const char *name, uint32_t ifindex, bool up)
{
	t.ifaces++;
	if (strncmp(name, "p3", 2) != 0)
		return;
	snprintf(t.iface, sizeof(t.iface), "%s", name);
	t.iface_index = ifindex;
	t.iface_up = up;
}

static void on_underlay(void *arg, bool up, uint32_t mtu)
{
	t.unders++;
	t.under_up = up;
	t.under_mtu = mtu;
}

static const struct dp_ops ops = {on_upcall, on_upcall_done, on_event, on_iface, on_underlay};

static void must_open(void)
{
	struct err err = {0};

	t.dp = dp_open(t.loop, &t.config, &ops, NULL, &err);
	if (!t.dp)
		fail_msg("dp_open: %s", err.text);
}

static void must_attach(uint32_t key, const char *ifname)
{
	struct err err = {0};

	if (dp_port_attach(t.dp, key, ifname, &err))
		fail_msg("dp_port_attach: %s", err.text);
}

static void drain(int fd)
{
	static uint8_t buf[PKT_MAX + 64];

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

/* Each test begins with a fresh datapath and two ports. */
static int fresh(void **state)
{
	struct err err = {0};

	if (!t.ready)
		return 0;
	t.upcalls = t.batches = t.events = t.ifaces = t.unders = 0;
	t.answer = NULL;
	t.config.clsact = false;
	t.config.xdp = DP_XDP_AUTO;
	t.loop = loop_new();
	assert_non_null(t.loop);
	if (dp_remove(&t.config, &err))
		fail_msg("dp_remove: %s", err.text);
	must_open();
	must_attach(KEY1, "p1");
	must_attach(KEY2, "p2");
	drain(t.sock1);
	drain(t.sock2);
	return 0;
}

static int done(void **state)
{
	if (!t.ready)
		return 0;
	dp_close(t.dp);
	t.dp = NULL;
	loop_free(t.loop);
	t.loop = NULL;
	return dp_remove(&t.config, NULL);
}

#define NEED_ROOT()                                                                                \
	do {                                                                                       \
		if (!t.ready)                                                                      \
			skip();                                                                    \
	} while (0)

/* Runs the loop until 'cond' holds; false when it does not in time. */
#define WAIT(cond)                                                                                 \
	({                                                                                         \
		uint64_t _end = clock_mono_ns() + DEADLINE_NS;                                     \
		while (!(cond) && clock_mono_ns() < _end)                                          \
			loop_once(t.loop, 5);                                                      \
		(bool)(cond);                                                                      \
	})

/* --- packets --- */

static uint16_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint8_t *put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

/* Ethernet, IPv4 10.0.0.1 > 10.0.0.2, from machine 1 to machine 2.  'vlan' 0 = untagged.  Returns the offset behind IP. */
static uint32_t put_ipv4(uint8_t *buf, uint16_t vlan, uint8_t proto, uint32_t payload)
{
	static const uint8_t addrs[8] = {10, 0, 0, 1, 10, 0, 0, 2};
	uint8_t *p = buf, *ip;

	memcpy(p, &mac2, 6);
	memcpy(p + 6, &mac1, 6);
	p += 12;
	if (vlan)
		p = put16(put16(p, ETH_P_8021Q), vlan);
	p = put16(p, ETH_P_IP);
	ip = p;
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(20 + payload));
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, addrs, 8);
	put16(ip + 10, (uint16_t)~sum16(ip, 20, 0));
	return (uint32_t)(ip + 20 - buf);
}

static uint32_t udp_frame(uint8_t *buf, uint16_t vlan, uint16_t sport)
{
	uint32_t at = put_ipv4(buf, vlan, IPPROTO_UDP, 8 + 32);

	put16(buf + at, sport);
	put16(buf + at + 2, 9);
	put16(buf + at + 4, 40);
	put16(buf + at + 6, 0);
	memset(buf + at + 8, 0x5a, 32);
	return at + 40;
}

/* A TCP super-packet with partial checksum, as a machine's stack hands it to its virtual NIC. */
static uint32_t tcp_super(uint8_t *buf, struct virtio_net_hdr *vnet)
{
	uint32_t at = put_ipv4(buf, 0, IPPROTO_TCP, 20 + SUPER_PAYLOAD);
	uint8_t *tcp = buf + at;

	memset(tcp, 0, 20);
	put16(tcp, 4000);
	put16(tcp + 2, 80);
	tcp[7] = 1;
	tcp[12] = 5 << 4;
	tcp[13] = 0x10;
	put16(tcp + 14, 65535);
	/* pseudo header, not complemented */
	put16(tcp + 16, sum16(buf + at - 8, 8, IPPROTO_TCP + 20 + SUPER_PAYLOAD));
	for (int i = 0; i < SUPER_PAYLOAD; i++)
		tcp[20 + i] = (uint8_t)(i * 7 + i / 256);
	*vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(at + 20),
		.gso_size = MSS,
		.csum_start = (uint16_t)at,
		.csum_offset = 16,
	};
	return at + 20 + SUPER_PAYLOAD;
}

static void send_from(int fd, const uint8_t *frame, uint32_t len, const struct virtio_net_hdr *vnet)
{
	struct virtio_net_hdr none = {0};
	struct iovec iov[] = {{(void *)(vnet ? vnet : &none), sizeof(none)}, {(void *)frame, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)(sizeof(none) + len));
}

/* The next frame at a machine that begins with our addresses; 0 when none comes within 'ms'. */
static uint32_t recv_at(int fd, uint8_t *buf, size_t size, struct virtio_net_hdr *vnet, int ms)
{
	uint64_t end = clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;
	struct iovec iov[] = {{vnet, sizeof(*vnet)}, {buf, size}};

	do {
		ssize_t n = readv(fd, iov, 2);

		if (n > (ssize_t)sizeof(*vnet) && !memcmp(buf, &mac2, 6) && !memcmp(buf + 6, &mac1, 6))
			return (uint32_t)(n - (ssize_t)sizeof(*vnet));
		loop_once(t.loop, 2);
	} while (clock_mono_ns() < end);
	return 0;
}

static struct dp_flow_key key_of(const uint8_t *frame, uint32_t len, uint32_t in_key)
{
	struct dp_flow_key key = {0};
	struct skep_flow_key4 k4 = {0};
	struct skep_flow_key6 k6 = {0};
	struct pkt pkt;

	assert_int_equal(pkt_parse(frame, len, &pkt), SKEP_DROP_NONE);
	key.v6 = pkt_flow_key(&pkt.f, in_key, &k4, &k6);
	if (key.v6)
		key.k6 = k6;
	else
		key.k4 = k4;
	return key;
}

static struct skep_flow to_port(uint32_t key)
{
	struct skep_flow flow = {.action = SKEP_ACT_LOCAL, .cookie = 7};
	bool peer;

	assert_true(dp_port_output(t.dp, key, &flow.out, &peer));
	assert_true(peer); /* the other end is in another namespace */
	flow.flags = SKEP_F_PEER;
	flow.last_seen = dp_jiffies(t.dp);
	return flow;
}

/* --- tests --- */

static void test_miss_comes_up(void **state)
{
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	assert_false(dp_adopted(t.dp));
	len = udp_frame(frame, 0, 1111);
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
	assert_int_equal(t.key, KEY1);
	assert_int_equal(t.why, SKEP_UP_MISS);
	assert_int_equal(t.frame.len, len);
	assert_memory_equal(t.data, frame, len);
	assert_int_equal(t.batches, 1);
}

static void test_vlan_tag_comes_up_in_band(void **state)
{
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	len = udp_frame(frame, 0x2064, 1111); /* the kernel takes it out of the frame before our program */
	send_from(t.sock2, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
	assert_int_equal(t.key, KEY2);
	assert_int_equal(t.frame.len, len);
	assert_memory_equal(t.data, frame, len);
}

static void test_inject_delivers(void **state)
{
	struct skep_flow verdict;
	struct virtio_net_hdr vnet;
	uint8_t frame[256], got[256];
	uint32_t len;

	NEED_ROOT();
	verdict = to_port(KEY2);
	t.answer = &verdict;
	len = udp_frame(frame, 0, 2222);
	send_from(t.sock1, frame, len, NULL);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);
	assert_memory_equal(got, frame, len);
	assert_int_equal(t.upcalls, 1);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 50), 0); /* once */
}

static void test_flow_forwards_without_upcall(void **state)
{
	struct dp_flow_key key;
	struct skep_flow flow, seen;
	struct virtio_net_hdr vnet;
	uint8_t frame[256], got[256];
	uint32_t len;

	NEED_ROOT();
	len = udp_frame(frame, 0, 3333);
	key = key_of(frame, len, KEY1);
	flow = to_port(KEY2);
	dp_flow_put(t.dp, &key, &flow);
	assert_true(dp_flow_get(t.dp, &key, &seen)); /* queued ones are seen */
	assert_int_equal(dp_flows_flush(t.dp), 0);
	for (int i = 0; i < 3; i++) {
		send_from(t.sock1, frame, len, NULL);
		assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);
		assert_memory_equal(got, frame, len);
	}
	assert_int_equal(t.upcalls, 0);
	assert_true(dp_flow_get(t.dp, &key, &seen));
	assert_int_equal(seen.packets, 3);
	assert_int_equal(seen.bytes, 3 * len);
	dp_flow_del(t.dp, &key);
	assert_false(dp_flow_get(t.dp, &key, &seen));
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
}

static void test_super_packet_survives(void **state)
{
	static uint8_t frame[PKT_MAX], got[PKT_MAX];
	struct virtio_net_hdr vnet, out;
	struct skep_flow verdict;
	uint32_t len;

	NEED_ROOT();
	verdict = to_port(KEY2);
	t.answer = &verdict;
	len = tcp_super(frame, &vnet);
	send_from(t.sock1, frame, len, &vnet);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &out, 3000), len);
	assert_memory_equal(got, frame, len);
	assert_int_equal(out.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(out.gso_size, MSS);
	assert_int_equal(out.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(out.csum_start, vnet.csum_start);
	assert_int_equal(t.upcalls, 1);
	assert_int_equal(t.frame.len, len);
}

static void test_drop_makes_event_and_count(void **state)
{
	struct skep_flow flow = {.action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY, .cookie = 4711};
	uint64_t before[SKEP_DROP_MAX], after[SKEP_DROP_MAX];
	struct dp_flow_key key;
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	len = udp_frame(frame, 0, 4444);
	key = key_of(frame, len, KEY1);
	dp_flow_put(t.dp, &key, &flow);
	assert_int_equal(dp_flows_flush(t.dp), 0);
	dp_drops(t.dp, before);
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.events == 1));
	assert_int_equal(t.event.type, SKEP_EV_DROP);
	assert_int_equal(t.event.reason, SKEP_DROP_POLICY);
	assert_int_equal(t.event.cookie, 4711);
	assert_int_equal(t.event.key, KEY1);
	assert_int_equal(t.event.len, len);
	assert_memory_equal(t.event.head, frame, t.event.head_len);
	dp_drops(t.dp, after);
	assert_int_equal(after[SKEP_DROP_POLICY], before[SKEP_DROP_POLICY] + 1);
	dp_count_drop(t.dp, SKEP_DROP_OVERLOAD);
	dp_drops(t.dp, after);
	assert_int_equal(after[SKEP_DROP_OVERLOAD], before[SKEP_DROP_OVERLOAD] + 1);
}

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
	struct skep_ip far = ip_from_v4(inet_addr("192.0.2.9")), stale = ip_from_v4(inet_addr("192.0.2.8"));
	struct skep_out outs[40] = {{.action = SKEP_ACT_LOCAL, .out = 1}};
	struct err err = {0};

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
	assert_int_equal(dp_peer_add(t.dp, &stale, &again, &err), 0); /* was swept: a new one, in the lowest free place */
	assert_int_equal(again, 1);
	assert_int_equal(dp_port_attach(t.dp, 0x200, "p1", &err), -EBUSY); /* the flood key is gone, the interface is not free */
	set = 0;
	assert_int_equal(dp_set_put(t.dp, outs, 40, &set), 0);
}

static void test_adopts(void **state)
{
	NEED_ROOT();
	adopts();
}

static void test_adopts_clsact(void **state)
{
	json_t *status;

	NEED_ROOT();
	dp_close(t.dp);
	assert_int_equal(dp_remove(&t.config, NULL), 0);
	t.config.clsact = true;
	must_open();
	must_attach(KEY1, "p1");
	must_attach(KEY2, "p2");
	status = dp_status(t.dp);
	assert_string_equal(json_string_value(json_object_get(status, "hook")), "clsact");
	json_decref(status);
	adopts();
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
	assert_int_equal(sh("ip link add u1 type veth peer name u0 && ip link set u0 netns /proc/%d/fd/%d && ip link set u1 up",
			    getpid(), t.host_ns), 0);
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
	struct err err = {0};

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
	struct err err = {0};

	NEED_ROOT();
	assert_null(dp_open(t.loop, &t.config, &ops, NULL, &err));
	assert_int_equal(err.code, -EBUSY);
	assert_true(if_nametoindex("skep-up") != 0);
}

static void test_xdp_native(void **state)
{
	struct err err = {0};
	json_t *status;

	NEED_ROOT();
	dp_close(t.dp);
	t.config.xdp = DP_XDP_ON;
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

struct walked {
	uint32_t n4, n6;
	bool del;
};

static void on_flow(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	struct walked *w = arg;

	if (key->v6)
		w->n6++;
	else
		w->n4++;
	if (w->del)
		dp_flow_del(t.dp, key);
}

static void test_flow_walk_and_clock(void **state)
{
	struct skep_flow flow = {.action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY};
	struct walked w = {0};
	uint64_t j0, j1, ns0, ticks;

	NEED_ROOT();
	for (uint32_t i = 0; i < 1000; i++) {
		struct dp_flow_key key = {.v6 = i % 4 == 0};

		if (key.v6)
			key.k6 = (struct skep_flow_key6){.in_key = KEY1, .sport = (__be16)i, .proto = 6};
		else
			key.k4 = (struct skep_flow_key4){.in_key = KEY1, .sport = (__be16)i, .proto = 6};
		dp_flow_put(t.dp, &key, &flow);
		dp_flow_put(t.dp, &key, &flow); /* twice: one entry */
	}
	assert_int_equal(dp_flows_flush(t.dp), 0);
	assert_int_equal(dp_flows_walk(t.dp, on_flow, &w), 0);
	assert_int_equal(w.n4, 750);
	assert_int_equal(w.n6, 250);
	w = (struct walked){.del = true};
	assert_int_equal(dp_flows_walk(t.dp, on_flow, &w), 0);
	assert_int_equal(w.n4 + w.n6, 1000);
	w = (struct walked){0};
	assert_int_equal(dp_flows_walk(t.dp, on_flow, &w), 0);
	assert_int_equal(w.n4 + w.n6, 0);

	assert_true(dp_hz(t.dp) >= 100 && dp_hz(t.dp) <= 1000);
	j0 = dp_jiffies(t.dp);
	ns0 = clock_mono_ns();
	assert_true(WAIT(clock_mono_ns() - ns0 > 1200 * NSEC_PER_MSEC)); /* past a new sample */
	j1 = dp_jiffies(t.dp);
	ticks = (clock_mono_ns() - ns0) * dp_hz(t.dp) / NSEC_PER_SEC;
	assert_in_range(j1 - j0, ticks - 3, ticks + 3);
}

static void test_sets_keep_their_head(void **state)
{
	struct skep_out outs[SKEP_SET_OUTS * SKEP_SET_CHAIN + 1];
	uint32_t set = 0, head, other = 0;

	NEED_ROOT();
	memset(outs, 0, sizeof(outs));
	assert_int_equal(dp_set_put(t.dp, outs, 100, &set), 0);
	head = set;
	assert_int_equal(dp_set_put(t.dp, outs, 1, &set), 0);
	assert_int_equal(set, head);
	assert_int_equal(dp_set_put(t.dp, outs, SKEP_SET_OUTS * SKEP_SET_CHAIN, &set), 0);
	assert_int_equal(set, head);
	assert_int_equal(dp_set_put(t.dp, outs, SKEP_SET_OUTS * SKEP_SET_CHAIN + 1, &other), -ENOSPC);
	assert_int_equal(other, 0);
	/* every set can be used once, and again after it was freed */
	for (int round = 0; round < 2; round++) {
		uint32_t n = 0, heads[SKEP_SETS_MAX];

		dp_set_free(t.dp, set);
		set = 0;
		for (other = 0; dp_set_put(t.dp, outs, 1, &other) == 0; other = 0)
			heads[n++] = other;
		assert_int_equal(n, SKEP_SETS_MAX - 1);
		while (n > 0)
			dp_set_free(t.dp, heads[--n]);
	}
}

static void test_bad_configuration(void **state)
{
	static const struct {
		const char *name, *instance, *underlay, *prefix, *want;
	} cases[] = {
		{"no such underlay", "dp-bad", "nope0", "skb-", "underlay interface 'nope0' does not exist"},
		{"instance with a slash", "a/b", "u0", "skb-", "instance 'a/b'"},
		{"no instance", "", "u0", "skb-", "instance ''"},
		{"long prefix", "dp-bad", "u0", "123456789", "device prefix '123456789'"},
		{"no underlay", "dp-bad", "", "skb-", "underlay ''"},
		{"taken UDP port", "dp-bad", "u0", "skb-", "UDP port"},
	};

	NEED_ROOT();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dp_config config = t.config;
		struct err err = {0};

		config.instance = cases[i].instance;
		config.underlay = cases[i].underlay;
		config.device_prefix = cases[i].prefix;
		if (!strstr(cases[i].want, "UDP port"))
			config.tunnel_port = 4790;
		if (dp_open(t.loop, &config, &ops, NULL, &err))
			fail_msg("%s: opened", cases[i].name);
		if (!strstr(err.text, cases[i].want))
			fail_msg("%s: want \"%s\", got \"%s\"", cases[i].name, cases[i].want, err.text);
		assert_int_equal(if_nametoindex("skb-up"), 0); /* nothing half-made */
		assert_int_equal(if_nametoindex("skb-vx"), 0);
	}
	assert_int_equal(sh("test -e %s/skep/dp-bad", t.bpffs), 1);
}

static void test_bad_ports_and_peers(void **state)
{
	struct skep_ip own = t.config.local, v6 = {{1, 2, 3, 4}};
	struct err err = {0};
	uint32_t index;

	NEED_ROOT();
	assert_int_equal(dp_port_attach(t.dp, 0x103, "nope0", &err), -ENODEV);
	assert_non_null(strstr(err.text, "'nope0'"));
	assert_int_equal(dp_port_attach(t.dp, 0x103, "u0", &err), -EINVAL);
	assert_int_equal(dp_port_attach(t.dp, 0x103, "p1", &err), -EBUSY);
	assert_int_equal(dp_port_attach(t.dp, 5, "p1", &err), -EINVAL);
	assert_int_equal(dp_peer_add(t.dp, &own, &index, &err), -EINVAL);
	assert_int_equal(dp_peer_add(t.dp, &v6, &index, &err), -EINVAL);
	dp_port_detach(t.dp, 0x999); /* not there */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_miss_comes_up),
		TEST(test_vlan_tag_comes_up_in_band),
		TEST(test_inject_delivers),
		TEST(test_flow_forwards_without_upcall),
		TEST(test_super_packet_survives),
		TEST(test_drop_makes_event_and_count),
		TEST(test_adopts),
		TEST(test_adopts_clsact),
		TEST(test_interfaces_come_and_go),
		TEST(test_underlay_comes_back),
		TEST(test_own_devices_come_back),
		TEST(test_remove_leaves_nothing),
		TEST(test_second_process_is_refused),
		TEST(test_xdp_native),
		TEST(test_flow_walk_and_clock),
		TEST(test_sets_keep_their_head),
		TEST(test_bad_configuration),
		TEST(test_bad_ports_and_peers),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
