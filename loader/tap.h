/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upcall tap: packets that met no flow come up through it with struct skep_upcall in front, and
 * go down again with the slot of their verdict.  Knows the wire format of that path (maps/flow.h)
 * and nothing of verdicts.  Used by dp.c.
 */
#pragma once

#include <linux/virtio_net.h>

#include "loader/dp.h"

#define TAP_MTU \
	65521 /* the largest that the kernel lets a tap have: super-packets of 64 KB must pass */
#define TAP_QUEUE SKEP_UPCALL_QUEUE
#define TAP_FRAME_MAX (1 << 17)

SKEP_ASSERT(sizeof(struct virtio_net_hdr_mrg_rxbuf) == sizeof(((struct dp_frame *)0)->vnet));

struct tap {
	int fd; /* -1 = closed */
	uint32_t ifindex;
	uint8_t *buf;	  /* one frame with room in front */
	uint64_t foreign; /* frames that were not put there by our programs: something else uses the
			     device */
};

/* Creates the persistent device 'name' or attaches to the one that is there. */
int tap_open(struct tap *tap, const char *name, struct err *err);
void tap_close(struct tap *tap); /* the device stays */
/* One frame: 1 and *frame (valid until the next call), 0 when none waits, -errno.  'frame' has
 * DP_HEADROOM bytes in front. */
int tap_read(struct tap *tap, uint32_t *key, enum skep_upcall_why *why, struct dp_frame *frame);
int tap_write(struct tap *tap, uint32_t key, uint16_t slot, const struct dp_frame *frame);

/* The wire format, apart for tests: what stands behind the vnet header.  1, or 0 when it is no
 * frame of ours. */
int tap_decode(uint8_t *buf, uint32_t len, uint32_t *key, enum skep_upcall_why *why,
	       struct dp_frame *frame);
void tap_encode(uint32_t key, uint16_t slot, const struct dp_frame *frame, struct skep_upcall *head,
		uint8_t vnet[static 12]);
