/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rig of the datapath layer's tests: the real kernel and the real BPF programs, as root, in
 * namespaces of its own.  The process is the host (underlay veth "u0", ports "p1" and "p2"), the
 * ports' other ends "e1" and "e2" are machines in a second namespace, driven through packet
 * sockets.  The bpffs is a private mount.
 */
#pragma once

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

#define KEY1	    0x101
#define KEY2	    0x102
#define DEADLINE_NS (5 * NSEC_PER_SEC)

static const struct skep_mac mac1 = { { 0x02, 0, 0, 0, 0, 1 } }, mac2 = { { 0x02, 0, 0, 0, 0, 2 } };

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
	uint8_t room[DP_HEADROOM]; /* dp_inject() writes there */
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

static inline int sh(const char *fmt, ...)
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

static inline void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static inline int packet_socket(const char *ifname)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
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

static inline void make_port(int n)
{
	assert_int_equal(
		sh("ip link add p%d type veth peer name e%d address 02:00:00:00:00:0%d", n, n, n),
		0);
	assert_int_equal(sh("ip link set e%d netns /proc/%d/fd/%d && ip link set p%d up", n,
			    getpid(), t.vm_ns, n),
			 0);
	enter(t.vm_ns);
	assert_int_equal(
		sh("sysctl -qw net.ipv6.conf.e%d.disable_ipv6=1; ip link set e%d up", n, n), 0);
	enter(t.host_ns);
}

static inline int rig_up(void **state)
{
	if (geteuid() != 0)
		return 0;
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	t.host_ns = open("/proc/self/ns/net", O_RDONLY);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.vm_ns = open("/proc/self/ns/net", O_RDONLY);
	assert_int_equal(
		sh("ip link add u1 type veth peer name u0 && ip link set u0 netns /proc/%d/fd/%d && ip link set u1 up",
		   getpid(), t.host_ns),
		0);
	enter(t.host_ns);
	assert_int_equal(
		sh("ip link set lo up; ip addr add 192.0.2.1/24 dev u0; ip link set u0 mtu 1600 up"),
		0);
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

static inline int rig_down(void **state)
{
	if (!t.ready)
		return 0;
	(void)dp_remove(&t.config, NULL);
	(void)umount2(t.bpffs, MNT_DETACH);
	(void)rmdir(t.bpffs);
	return 0;
}

/* --- the agent's part --- */

static inline void on_upcall(void *arg, uint32_t key, enum skep_upcall_why why,
			     struct dp_frame *frame)
{
	t.upcalls++;
	t.key = key;
	t.why = why;
	assert_true(frame->len <= sizeof(t.data));
	memcpy(t.data, frame->data, frame->len);
	memset(frame->data - DP_HEADROOM, 0xee,
	       DP_HEADROOM); /* the room is there (and ASan watches) */
	t.frame = *frame;
	t.frame.data = t.data;
	if (t.answer)
		assert_int_equal(dp_inject(t.dp, key, &t.frame, t.answer), 0);
}

static inline void on_upcall_done(void *arg)
{
	t.batches++;
}

static inline void on_event(void *arg, const struct skep_event *event)
{
	t.events++;
	t.event = *event;
}

static inline void on_iface(void *arg, const char *name, uint32_t ifindex, bool up)
{
	t.ifaces++;
	if (strncmp(name, "p3", 2) != 0)
		return;
	snprintf(t.iface, sizeof(t.iface), "%s", name);
	t.iface_index = ifindex;
	t.iface_up = up;
}

static inline void on_underlay(void *arg, bool up, uint32_t mtu)
{
	t.unders++;
	t.under_up = up;
	t.under_mtu = mtu;
}

static const struct dp_ops ops = { .upcall = on_upcall,
				   .upcall_done = on_upcall_done,
				   .event = on_event,
				   .iface = on_iface,
				   .underlay = on_underlay };

static inline void must_open(void)
{
	struct err err = { 0 };

	t.dp = dp_open(t.loop, &t.config, &ops, NULL, &err);
	if (!t.dp)
		fail_msg("dp_open: %s", err.text);
}

static inline void must_attach(uint32_t key, const char *ifname)
{
	struct err err = { 0 };

	if (dp_port_attach(t.dp, key, ifname, &err))
		fail_msg("dp_port_attach: %s", err.text);
}

static inline void drain(int fd)
{
	static uint8_t buf[PKT_MAX + 64];

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

/* Each test begins with a fresh datapath and two ports. */
static inline int fresh(void **state)
{
	struct err err = { 0 };

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

static inline int done(void **state)
{
	if (!t.ready)
		return 0;
	dp_close(t.dp);
	t.dp = NULL;
	loop_free(t.loop);
	t.loop = NULL;
	return dp_remove(&t.config, NULL);
}

#define NEED_ROOT()             \
	do {                    \
		if (!t.ready)   \
			skip(); \
	} while (0)

/* Runs the loop until 'cond' holds; false when it does not in time. */
#define WAIT(cond)                                             \
	({                                                     \
		uint64_t _end = clock_mono_ns() + DEADLINE_NS; \
		while (!(cond) && clock_mono_ns() < _end)      \
			loop_once(t.loop, 5);                  \
		(bool)(cond);                                  \
	})

/* --- packets --- */

static inline uint16_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint8_t *put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

/* Ethernet, IPv4 10.0.0.1 > 10.0.0.2, from machine 1 to machine 2.  'vlan' 0 = untagged.  Returns
 * the offset behind IP. */
static inline uint32_t put_ipv4(uint8_t *buf, uint16_t vlan, uint8_t proto, uint32_t payload)
{
	static const uint8_t addrs[8] = { 10, 0, 0, 1, 10, 0, 0, 2 };
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

static inline uint32_t udp_frame(uint8_t *buf, uint16_t vlan, uint16_t sport)
{
	uint32_t at = put_ipv4(buf, vlan, IPPROTO_UDP, 8 + 32);

	put16(buf + at, sport);
	put16(buf + at + 2, 9);
	put16(buf + at + 4, 40);
	put16(buf + at + 6, 0);
	memset(buf + at + 8, 0x5a, 32);
	return at + 40;
}

static inline void send_from(int fd, const uint8_t *frame, uint32_t len,
			     const struct virtio_net_hdr *vnet)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec iov[] = { { (void *)(vnet ? vnet : &none), sizeof(none) },
			       { (void *)frame, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)(sizeof(none) + len));
}

/* The next frame at a machine that begins with our addresses; 0 when none comes within 'ms'. */
static inline uint32_t recv_at(int fd, uint8_t *buf, size_t size, struct virtio_net_hdr *vnet,
			       int ms)
{
	uint64_t end = clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;
	struct iovec iov[] = { { vnet, sizeof(*vnet) }, { buf, size } };

	do {
		ssize_t n = readv(fd, iov, 2);

		if (n > (ssize_t)sizeof(*vnet) && !memcmp(buf, &mac2, 6) &&
		    !memcmp(buf + 6, &mac1, 6))
			return (uint32_t)(n - (ssize_t)sizeof(*vnet));
		loop_once(t.loop, 2);
	} while (clock_mono_ns() < end);
	return 0;
}

static inline struct dp_flow_key key_of(const uint8_t *frame, uint32_t len, uint32_t in_key)
{
	struct dp_flow_key key = { 0 };
	struct skep_flow_key4 k4 = { 0 };
	struct skep_flow_key6 k6 = { 0 };
	struct pkt pkt;

	assert_int_equal(pkt_parse(frame, len, &pkt), SKEP_DROP_NONE);
	key.v6 = pkt_flow_key(&pkt.f, in_key, &k4, &k6);
	if (key.v6)
		key.k6 = k6;
	else
		key.k4 = k4;
	return key;
}

static inline struct skep_flow to_port(uint32_t key)
{
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL, .cookie = 7 };
	bool peer;

	assert_true(dp_port_output(t.dp, key, &flow.out, &peer));
	assert_true(peer); /* the other end is in another namespace */
	flow.flags = SKEP_F_PEER;
	flow.last_seen = dp_jiffies(t.dp);
	return flow;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, done)
