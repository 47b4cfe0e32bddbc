// SPDX-License-Identifier: Apache-2.0
/*
 * The device is multiqueue-capable, persistent, and has every offload the kernel offers, so that a
 * TCP super-packet comes up and goes down whole.  Offsets in the vnet header count from the start
 * of the Ethernet frame; on the wire of this path 14 bytes of struct skep_upcall stand in front of
 * it.
 */
#include "loader/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VLAN_LEN  4
#define HEAD_LEN  sizeof(struct skep_upcall)
#define TUN_F_USO 0x60 /* TUN_F_USO4 | TUN_F_USO6, kernel 6.2 */

static int set_offloads(int fd)
{
	unsigned long basic = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETOFFLOAD, basic | TUN_F_USO) == 0)
		return 0;
	return ioctl(fd, TUNSETOFFLOAD, basic) == 0 ? 0 : -errno;
}

int tap_open(struct tap *tap, const char *name, struct err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int vnet_len = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	int rc;

	*tap = (struct tap){ .fd = -1 };
	if (strlen(name) >= IFNAMSIZ)
		return err_set(err, -EINVAL,
			       "tap '%s': the name is too long (at most %d characters)", name,
			       IFNAMSIZ - 1);
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return err_set(err, -errno,
			       "cannot open '/dev/net/tun': %s (is the tun module loaded?)",
			       strerror(errno));
	if (ioctl(tap->fd, TUNSETIFF, &ifr) < 0) {
		rc = -errno;
		err_set(err, rc, "cannot create tap '%s': %s%s", name, strerror(errno),
			errno == EINVAL ? " (another device has that name)" : "");
		goto fail;
	}
	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &vnet_len) < 0 ||
	    ioctl(tap->fd, TUNSETPERSIST, 1) < 0 || set_offloads(tap->fd) < 0) {
		rc = err_set(err, -errno, "cannot set up tap '%s': %s", name, strerror(errno));
		goto fail;
	}
	tap->ifindex = if_nametoindex(name);
	tap->buf = malloc(DP_HEADROOM + TAP_FRAME_MAX);
	if (!tap->ifindex || !tap->buf) {
		rc = err_set(err, tap->buf ? -ENODEV : -ENOMEM, "cannot set up tap '%s'", name);
		goto fail;
	}
	return 0;
fail:
	tap_close(tap);
	return rc;
}

void tap_close(struct tap *tap)
{
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap->buf);
	tap->fd = -1;
	tap->buf = NULL;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool is_vlan_proto(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

int tap_decode(uint8_t *buf, uint32_t len, uint32_t *key, enum skep_upcall_why *why,
	       struct dp_frame *frame)
{
	struct virtio_net_hdr_mrg_rxbuf vnet;
	struct skep_upcall head;
	bool tagged;

	if (len < HEAD_LEN + ETH_HLEN)
		return 0;
	memcpy(&head, buf, HEAD_LEN);
	if (ntohs(head.magic) != SKEP_UPCALL_MAGIC || ntohs(head.slot) > SKEP_UP_STATE)
		return 0;
	/* A tag that the kernel held beside the frame: tun wrote it into our header, it belongs
	 * behind the frame's addresses. */
	tagged = is_vlan_proto(get16(buf + 2 * ETH_ALEN));
	if (tagged && len < HEAD_LEN + VLAN_LEN + ETH_HLEN)
		return 0;
	frame->data = buf + HEAD_LEN;
	frame->len = len - (uint32_t)HEAD_LEN;
	if (tagged) {
		uint8_t tag[VLAN_LEN];

		memcpy(tag, buf + 2 * ETH_ALEN, VLAN_LEN);
		memmove(frame->data, frame->data + VLAN_LEN, 2 * ETH_ALEN);
		memcpy(frame->data + 2 * ETH_ALEN, tag, VLAN_LEN);
	}
	*key = ntohl(head.key);
	*why = ntohs(head.slot);

	memcpy(&vnet, frame->vnet, sizeof(vnet));
	if (vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (vnet.hdr.csum_start < HEAD_LEN)
			return 0;
		vnet.hdr.csum_start -= HEAD_LEN;
	}
	if (vnet.hdr.hdr_len >= HEAD_LEN)
		vnet.hdr.hdr_len -= HEAD_LEN;
	vnet.num_buffers = 0; /* the kernel leaves it as it was */
	memcpy(frame->vnet, &vnet, sizeof(vnet));
	return 1;
}

int tap_read(struct tap *tap, uint32_t *key, enum skep_upcall_why *why, struct dp_frame *frame)
{
	uint8_t *data = tap->buf + DP_HEADROOM, *vnet = data - sizeof(frame->vnet);
	ssize_t n;

	for (;;) { /* in one piece: the kernel is slower with vectors, and headers are most of most frames */
		n = read(tap->fd, vnet, sizeof(frame->vnet) + TAP_FRAME_MAX);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		memcpy(frame->vnet, vnet, sizeof(frame->vnet));
		if ((size_t)n > sizeof(frame->vnet) &&
		    tap_decode(data, (uint32_t)((size_t)n - sizeof(frame->vnet)), key, why, frame))
			return 1;
		tap->foreign++;
	}
}

/* The type of the payload behind VLAN tags: adjust_room in the program behind the tap works on IPv4
 * and IPv6 only. */
static uint16_t payload_type(const struct dp_frame *frame)
{
	uint32_t at = 2 * ETH_ALEN;

	while (at + 2 + VLAN_LEN <= frame->len && is_vlan_proto(get16(frame->data + at)))
		at += VLAN_LEN;
	return at + 2 <= frame->len && get16(frame->data + at) == ETH_P_IPV6 ? ETH_P_IPV6
									     : ETH_P_IP;
}

void tap_encode(uint32_t key, uint16_t slot, const struct dp_frame *frame, struct skep_upcall *head,
		uint8_t vnet_out[static 12])
{
	struct virtio_net_hdr_mrg_rxbuf vnet;

	*head = (struct skep_upcall){
		.magic = htons(SKEP_UPCALL_MAGIC),
		.key = htonl(key),
		.slot = htons(slot),
		.eth_type = htons(payload_type(frame)),
	};
	memcpy(&vnet, frame->vnet, sizeof(vnet));
	if (vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		vnet.hdr.csum_start += HEAD_LEN;
	if (vnet.hdr.hdr_len) { /* a hint how much to keep linear; larger than the frame is refused
				 */
		uint32_t hint = vnet.hdr.hdr_len + (uint32_t)HEAD_LEN;

		if (hint > frame->len + HEAD_LEN)
			hint = frame->len + (uint32_t)HEAD_LEN;
		vnet.hdr.hdr_len = hint > UINT16_MAX ? UINT16_MAX : (uint16_t)hint;
	}
	vnet.num_buffers = 0;
	memcpy(vnet_out, &vnet, sizeof(vnet));
}

int tap_write(struct tap *tap, uint32_t key, uint16_t slot, const struct dp_frame *frame)
{
	uint8_t *at = frame->data - HEAD_LEN, vnet[12];
	const size_t want = sizeof(vnet) + HEAD_LEN + frame->len;
	struct skep_upcall head;
	ssize_t n;

	if (frame->len < ETH_HLEN || frame->len > TAP_FRAME_MAX)
		return -EINVAL;
	tap_encode(key, slot, frame, &head, vnet);
	memcpy(at, &head, HEAD_LEN);
	at -= sizeof(vnet);
	memcpy(at, vnet, sizeof(vnet));
	do {
		n = write(tap->fd, at, want);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == want ? 0 : -EIO;
}
