/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between agents about connections (dp_send_control()), as bytes.  Pure.  Used by state.c, by mirror.c for records in the
 * state DB, and by the fuzzer.
 *
 *   header  u8 version, u8 kind, u16 items, u32 epoch, u32 seq, sender's name, tenant's name (ACK: empty)
 *   item    u8 what, port, tuple; SET: u8 flags, u8 orig_seen, u8 reply_seen, u8 bindings, other port, other tuple, bindings
 *   name    u8 length, bytes
 *   tuple   u8 proto, 2 addresses, 2 ports: 37 bytes.  Addresses are struct skep_ip, numbers in network order
 *
 * 'epoch' is a random number of the sending process, 'seq' counts its messages; an acknowledgement repeats both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simulator/simulator.h"

#define PEERS_VERSION	1
#define PEERS_ITEMS_MAX 64  /* of one message: bounds the work that it makes */
#define PEERS_ITEM_MAX	512 /* bytes of one item */

enum peers_kind { PEERS_ITEMS = 1, PEERS_ACK = 2 };
enum peers_what { PEERS_SET = 1, PEERS_END = 2 };

struct peers_head {
	uint8_t kind; /* enum peers_kind */
	uint16_t n_items;
	uint32_t epoch, seq;
	char sender[TOPO_NAME_MAX + 1], tenant[TOPO_NAME_MAX + 1];
};

struct peers_item {
	uint8_t what; /* enum peers_what */
	struct sim_conn conn; /* END: port and tuple */
};

/* Bytes being written, or read; 'bad' once they did not fit or made no sense. */
struct peers_buf {
	uint8_t *p;
	uint32_t n, max;
	bool bad;
};

/* Append; false: no room, nothing was appended. */
bool peers_put_head(struct peers_buf *b, const struct peers_head *h);
bool peers_put_item(struct peers_buf *b, const struct peers_item *i);
void peers_set_count(struct peers_buf *b, uint16_t n_items); /* of the header at the beginning */
/* Read from b->n on; false: malformed, of another version, or the end. */
bool peers_get_head(struct peers_buf *b, struct peers_head *h);
bool peers_get_item(struct peers_buf *b, struct peers_item *i);

/* The record as the other end's port has it. */
void peers_reverse(const struct sim_conn *c, struct sim_conn *out);
