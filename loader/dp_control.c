// SPDX-License-Identifier: Apache-2.0
/*
 * Messages between skepds: in a small IPv4 packet of a protocol of our own, through the tunnel, with the key SKEP_KEY_CONTROL.  IPv4, for
 * that is stripped by the program at the underlay interface like most packets of machines, so that it is seldom overtaken.
 */
#include "loader/dp_private.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>

#include "packet/packet.h"

#define PROTO 253 /* for experiments (RFC 3692); never seen outside of a tunnel */
#define HEAD  (ETH_HLEN + sizeof(struct iphdr))

int dp_control_open(struct dp *dp, struct err *err)
{
	struct skep_port value = { .kind = SKEP_PORT_AGENT };
	uint32_t key = SKEP_KEY_CONTROL;

	if (bpf_map_update_elem(dp->map_fd[DP_MAP_PORTS], &key, &value, BPF_ANY))
		return err_set(err, -errno, "map '%s' is full (%u entries)",
			       dp_map_name(DP_MAP_PORTS), dp->map_max[DP_MAP_PORTS]);
	return 0;
}

int dp_send_control(struct dp *dp, uint32_t peer, const void *data, uint32_t len)
{
	struct skep_flow verdict = { .action = SKEP_ACT_ENCAP, .out = SKEP_KEY_CONTROL, .peer = peer };
	uint8_t buf[DP_HEADROOM + HEAD + DP_CONTROL_MAX] = { 0 };
	struct dp_frame frame = { .data = buf + DP_HEADROOM, .len = (uint32_t)HEAD + len };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 1, .protocol = PROTO };
	static const uint8_t eth[ETH_HLEN] = { 0x02, 0x73, 0x6b, 0x65, 0x70, 2,	   0x02,
					       0x73, 0x6b, 0x65, 0x70, 1,    0x08, 0x00 };

	if (len > DP_CONTROL_MAX)
		return -EMSGSIZE;
	ip.tot_len = htons((uint16_t)(sizeof(ip) + len));
	ip.check = pkt_csum(&ip, sizeof(ip), 0);
	memcpy(frame.data, eth, sizeof(eth));
	memcpy(frame.data + ETH_HLEN, &ip, sizeof(ip));
	if (len)
		memcpy(frame.data + HEAD, data, len);
	return dp_inject(dp, SKEP_KEY_CONTROL, &frame, &verdict);
}

void dp_control_packet(struct dp *dp, uint32_t key, const struct dp_frame *frame)
{
	struct iphdr ip;
	uint32_t total;

	if (key != SKEP_KEY_CONTROL || frame->len < HEAD)
		goto bad;
	memcpy(&ip, frame->data + ETH_HLEN, sizeof(ip));
	total = ntohs(ip.tot_len);
	if (ip.version != 4 || ip.ihl != 5 || ip.protocol != PROTO || total < sizeof(ip) ||
	    total > frame->len - ETH_HLEN)
		goto bad;
	if (dp->ops.control)
		dp->ops.control(dp->arg, frame->data + HEAD, total - (uint32_t)sizeof(ip));
	return;
bad:
	dp_count_drop(dp, SKEP_DROP_BAD_HEADER);
}

uint32_t dp_frame_seg_len(const struct dp_frame *frame, uint32_t l3_off, uint32_t payload_off)
{
	struct virtio_net_hdr vnet;

	memcpy(&vnet, frame->vnet, sizeof(vnet));
	if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE || !vnet.gso_size || payload_off < l3_off)
		return 0;
	return payload_off - l3_off + vnet.gso_size;
}
