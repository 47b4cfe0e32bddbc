/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ABI between skep's BPF programs and user space.  Pinned under <bpffs>/skep/<instance>/<abi>/maps/<name>:
 *
 *   skep_flows4   LRU hash   skep_flow_key4 -> skep_flow    flow cache; skepd installs, BPF counts, kernel may evict
 *   skep_flows6   LRU hash   skep_flow_key6 -> skep_flow    the same for IPv6
 *   skep_wilds4   hash       skep_flow_key4 -> skep_wild    wildcard flows, by masked key; skepd installs
 *   skep_wilds6   hash       skep_flow_key6 -> skep_wild    the same for IPv6
 *   skep_masks    array      __u32 index    -> skep_mask    their masks
 *   skep_stats    per-CPU array  __u32 index -> skep_stat   their counters
 *   skep_lports   array      __u32 index    -> skep_lport   local ports: masks, limits, generation; mmapable
 *   skep_ifaces   hash       __u32 ifindex  -> skep_iface   ports' interfaces
 *   skep_iface_at array      __u32 slot     -> skep_iface_at  the same in short
 *   skep_cards    array      __u32 index    -> skep_card    those that are network cards, for XDP
 *   skep_ports    hash       __u32 key      -> skep_port    tunnel key -> local delivery
 *   skep_peers    array      __u32 index    -> skep_peer    other hosts
 *   skep_hops     per-CPU array  __u32 index -> skep_hop    the way to them, as XDP has found it
 *   skep_remotes  hash       skep_ip        -> __u32        outer source -> index into skep_peers
 *   skep_sets     array      __u32 index    -> skep_set     output sets
 *   skep_rewrites array      __u32 index    -> skep_rewrite addresses, ports, VLAN, DSCP to write; mmapable
 *   skep_policers array      __u32 index    -> skep_policer rates of local ports; mmapable
 *   skep_conns    hash       skep_conn_key  -> skep_conn    connections (state.h)
 *   skep_details  hash       skep_conn_key  -> skep_detail  what skepd alone knows of them, for skepd after a restart
 *   skep_nats     array      __u32 index    -> skep_nat     translations of load balancers (nat.h)
 *   skep_nat_ids  hash       skep_nat       -> __u32        the other way round
 *   skep_vips     hash       skep_vip_key   -> skep_vip     VIPs, as local ports meet them
 *   skep_maglev   array      __u32 index    -> skep_maglev_row  which member a connection gets; mmapable
 *   skep_answers  hash       skep_answer_key -> skep_answer  ARP and neighbour discovery while skepd is away (answer.h)
 *   skep_newconns ring buffer    skep_newconn
 *   skep_found    per-CPU array  __u32 0    -> skep_found   scratch of the programs
 *   skep_stages   program array  enum skep_stage            programs that continue others
 *   skep_slots    array      __u32 index    -> skep_flow    verdicts of re-injected packets; mmapable
 *   skep_config   array(1)   __u32 0        -> skep_config  settings; mmapable
 *   skep_drops    per-CPU array  __u32 0    -> skep_drop_counts  packets, by enum skep_drop
 *   skep_counters per-CPU array  __u32 0    -> skep_counts  by enum skep_counter
 *   skep_events   ring buffer    skep_event
 */
#pragma once

#include "types.h"
#include "limits.h"
#include "drops.h"
#include "counters.h"
#include "port.h"
#include "answer.h"
#include "nat.h"
#include "flow.h"
#include "state.h"
#include "event.h"

const char *skep_drop_name(unsigned int reason);    /* "policy"; "?" out of range.  maps/names.c */
const char *skep_drop_help(unsigned int reason);    /* one sentence */
const char *skep_encap_name(unsigned int encap);	    /* "vxlan" */
const char *skep_counter_name(unsigned int counter);
const char *skep_counter_help(unsigned int counter);
