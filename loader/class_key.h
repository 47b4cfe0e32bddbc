/* SPDX-License-Identifier: Apache-2.0 */
/* From a simulation's mask to a wildcard flow's mask and key: functions of the result and the packet.  Used by classes.c and by the comparison with BPF. */
#pragma once

#include "loader/dp.h"
#include "simulator/simulator.h"

/* 'flow': what would be installed for the packet's exact key, with its conditions. */
void class_mask(const struct sim_result *res, const struct skep_flow *flow, const struct pkt_fields *in, bool v6, struct skep_mask *mask);
/* The members of the key that only wildcard flows have.  'nat': index into skep_nats. */
void class_state(struct dp_flow_key *key, enum skep_ct ct, uint16_t nat, const struct pkt_fields *f);
