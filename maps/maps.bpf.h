/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The BTF declarations of the maps that maps.h lists.  Included by the .bpf.c files only; skepd sets the real sizes and pins. */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "maps/maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct skep_flow_key4);
	__type(value, struct skep_flow);
	__uint(max_entries, SKEP_FLOWS_MAX);
} skep_flows4 SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct skep_flow_key6);
	__type(value, struct skep_flow);
	__uint(max_entries, SKEP_FLOWS_MAX);
} skep_flows6 SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct skep_flow_key4);
	__type(value, struct skep_wild);
	__uint(max_entries, SKEP_WILDS_MAX);
} skep_wilds4 SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct skep_flow_key6);
	__type(value, struct skep_wild);
	__uint(max_entries, SKEP_WILDS_MAX);
} skep_wilds6 SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_mask);
	__uint(max_entries, SKEP_MASKS_MAX);
} skep_masks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_stat);
	__uint(max_entries, SKEP_STATS_MAX);
} skep_stats SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_found);
	__uint(max_entries, 1);
} skep_found SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct skep_lport);
	__uint(max_entries, SKEP_LPORTS_MAX);
} skep_lports SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct skep_iface);
	__uint(max_entries, SKEP_IFACES_MAX);
} skep_ifaces SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_iface_at);
	__uint(max_entries, SKEP_IFACE_SLOTS);
} skep_iface_at SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_card);
	__uint(max_entries, SKEP_CARDS_MAX);
} skep_cards SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct skep_port);
	__uint(max_entries, SKEP_PORTS_MAX);
} skep_ports SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_peer);
	__uint(max_entries, SKEP_PEERS_MAX);
} skep_peers SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_hop);
	__uint(max_entries, SKEP_PEERS_MAX);
} skep_hops SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct skep_ip);
	__type(value, __u32);
	__uint(max_entries, SKEP_PEERS_MAX);
} skep_remotes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_set);
	__uint(max_entries, SKEP_SETS_MAX);
} skep_sets SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct skep_rewrite);
	__uint(max_entries, SKEP_REWRITES_MAX);
} skep_rewrites SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct skep_policer);
	__uint(max_entries, SKEP_POLICERS_MAX);
} skep_policers SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct skep_conn_key);
	__type(value, struct skep_conn);
	__uint(max_entries, SKEP_CONNS_MAX);
} skep_conns SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct skep_conn_key);
	__type(value, struct skep_detail);
	__uint(max_entries, SKEP_CONNS_MAX);
} skep_details SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_nat);
	__uint(max_entries, SKEP_NATS_MAX);
} skep_nats SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct skep_nat);
	__type(value, __u32);
	__uint(max_entries, SKEP_NATS_MAX);
} skep_nat_ids SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct skep_vip_key);
	__type(value, struct skep_vip);
	__uint(max_entries, SKEP_VIPS_MAX);
} skep_vips SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct skep_maglev_row);
	__uint(max_entries, SKEP_MAGLEV_ROWS);
} skep_maglev SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct skep_answer_key);
	__type(value, struct skep_answer);
	__uint(max_entries, SKEP_ANSWERS_MAX);
} skep_answers SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SKEP_NEWCONNS_BYTES);
} skep_newconns SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, SKEP_STAGE_MAX);
} skep_stages SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct skep_flow);
	__uint(max_entries, SKEP_SLOTS_MAX);
} skep_slots SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct skep_config);
	__uint(max_entries, 1);
} skep_config SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_drop_counts);
	__uint(max_entries, 1);
} skep_drops SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct skep_counts);
	__uint(max_entries, 1);
} skep_counters SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SKEP_EVENTS_BYTES);
} skep_events SEC(".maps") __weak;
