/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios as text: a virtual network, packets in, what must come of each.  Used by the unit test that runs them through the simulator,
 * by the mask test, and by the test that replays them through the BPF programs.
 *
 * A file is a common part and scenarios; each scenario starts afresh with the common part.  '#' starts a comment.  A line that ends in a
 * backslash goes on in the next one.
 *
 *   name gw 02:ff:00:00:00:01 198.51.100.1 fd00::1   what packets may call by this name: a MAC and addresses, in any number.
 *                                                     Ports are names too, if configured with them: 'vm1' is its MAC or its address
 *   topology                        YAML document, indented; merged into what is there
 *       bridges: [{name: b}]
 *   delete                          same shape: deletes the objects that it names
 *   live HOST: PORT PORT ...        these ports are up on the host; tunnel keys are given in order from 0x100
 *   dead PORT ...                   these are no longer
 *   scenario BR1 unknown unicast floods
 *   mac BRIDGE[/VLAN] MAC PORT      the bridge has learnt it; PORT '-': forgets
 *   neigh PORT IP MAC               the router port has; MAC 'failed': the address does not answer, '-': forgets
 *   health MEMBER up|down           what a health check says of a pool's member
 *   block ROUTER IP FIRST [COUNT]   source ports for SNAT: so many blocks of 256 from FIRST on
 *   full ROUTER IP                  no more blocks can be had
 *   advance SECONDS                 time passes: what was learnt, connections and affinities age
 *   refused TEXT                    YAML document, indented, that must not be taken, with TEXT in the message
 *   in_use TEXT                     the same of what must not be deleted
 *   in PORT PACKET                  runs the simulator (packet/packet.h has the language); effects go into the tables, records of connections too
 *   in PORT dhcp TYPE MAC [ask IP] [server IP]   a DHCPv4 message of a client without address: discover, request, inform, release ...
 *   spread N in PORT PACKET         N packets with 1024, 1025 ... in place of '*'; none of them has effects.  Then:
 *   share WORD LO-HI                so many went out of the port WORD, or with src=ADDRESS, dst=ADDRESS, mac=MAC, or were dropped for WORD
 *   moved LO-HI [from WORD]         so many fared otherwise than in the 'spread' before, all of them had WORD then
 *   flow stays | flow goes          what was said since the last packet touches its flow, or does not
 *   conn PORT TUPLE | no conn PORT TUPLE   the port has a record, or none: conn vm1 tcp 10.0.0.1:4000 > 10.0.0.2:80
 *
 * Expectations follow 'in', in any order.  Everything that left must be named, and nothing else.
 *
 *   out PORT PACKET                 leaves by the port with these headers (payload is not compared)
 *   flooded PORT PACKET             the same, and by flooding the port's bridge
 *   answer PORT PACKET              a frame made by the network leaves by the port
 *   mirror PORT PACKET              a copy for a mirror; also of what is dropped or consumed, and of answers
 *   hint TEXT                       all of what would let the packet pass
 *   drop REASON [TEXT]              TEXT: the culprit as skep prints it
 *   consumed                        handled by the network
 *   need neigh PORT IP              waits for this answer
 *   need snat                       waits for a block of source ports
 *   ct WORD ...                     what rules saw of the connection: new, established, reply, related, invalid; none = nobody asked
 *   ends                            the connection's records are to go
 *   mtu N | fragment N              bytes of IP up to which the flow holds; the packet goes in fragments of so many
 *   conns N                         records of connections after the step
 *   need fragment                   waits for the ports of the first fragment
 *   tags TAG ...                    at least these        tags= TAG ...    exactly these       tags! TAG ...   none of these
 *   mask FIELD ...                  same three forms; as sim_mask_format() prints: ip_dst/24
 *   learn BRIDGE MAC PORT           an effect             learn none
 *   learn PORT IP MAC               neighbour learnt
 *   cacheable | not cacheable
 *   member NAME                     the pool member that the connection was given
 *   quotes TUPLE                    the ICMP error that leaves is about this packet: quotes udp 10.0.0.1:1 > 10.0.0.2:53
 *   option CODE HEX|none           of the DHCPv4 message that left
 *   hits CHAIN/RULE ...             rules that count the packet; same three forms as tags
 *   trace TEXT                      a line of the trace contains it
 *
 * "?x" in a frame's port or address (tcp ?x>80) stands for any, and the value is "$x" in later lines.
 *
 * Each step is run twice and must give the same; all frames that leave must have right checksums.  Then the effects are applied, records of
 * connections too, and the same packet again must leave the same way: that is the one whose flow skepd would install.  Hooks see both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simulator/simulator.h"

#define SCENARIO_SEED 0x5eedULL
#define SCENARIO_CONNS_PORT 100 /* records of connections of one port */

struct scenario_file;

/* NULL: 'err' with the line. */
struct scenario_file *scenario_load(const char *path, struct err *err);
void scenario_free(struct scenario_file *f); /* takes NULL */
unsigned int scenario_count(const struct scenario_file *f);
const char *scenario_name(const struct scenario_file *f, unsigned int i); /* "BR1 unknown unicast floods" */

/* A packet that was just decided.  All of it is valid during the call only. */
struct scenario_step {
	const struct topo_snapshot *snap;
	const struct sim_view *view; /* as the simulator saw it: before the effects */
	const struct topo_port *in;
	const struct pkt *pkt;
	const struct sim_result *res;
	unsigned int line; /* in the file */
};
/* 0, or -1 with the reason in 'err': the scenario fails. */
typedef int (*scenario_hook)(void *arg, const struct scenario_step *step, struct err *err);

/* Runs scenario 'i'; 0, or -1 with "line N: ..." in 'err'.  'hook' may be NULL. */
int scenario_run(const struct scenario_file *f, unsigned int i, scenario_hook hook, void *arg,
		 struct err *err);

/* The frame as it leaves: 'data' with the headers of 'o', into 'out' (PKT_MAX + 4).  Its length, or -EINVAL. */
int scenario_output_frame(const uint8_t *data, uint32_t len, const struct sim_output *o, uint8_t *out);
