/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: what the checks of fields that must go together share. */
#pragma once

#include "topology/schema.h"

enum topo_family { TOPO_ANY, TOPO_V4, TOPO_V6 };

/* Of a field that holds a prefix, an address or nothing. */
static inline enum topo_family topo_family_of(const char *text)
{
	struct skep_ip ip;
	unsigned int len;

	if (!text || !prefix_parse(text, &ip, &len))
		return TOPO_ANY;
	return ip_is_v4(&ip) ? TOPO_V4 : TOPO_V6;
}

static inline enum topo_family topo_field_family(const json_t *obj, const char *field)
{
	return topo_family_of(topo_str(obj, field));
}

static inline const char *topo_family_name(enum topo_family family)
{
	return family == TOPO_V4 ? "IPv4" : "IPv6";
}

static inline void topo_fault_at(struct topo_fault *fault, const json_t *in, const char *key)
{
	if (fault)
		*fault = (struct topo_fault){ in, key };
}

/* together.c: conditions of rules, of whatever kind */
int topo_check_families(const json_t *rule, struct topo_fault *fault, struct err *err);
int topo_check_l4(const json_t *rule, struct topo_fault *fault, struct err *err);
/* Is 'field', if it is there, of the family of 'with' (which may be ANY)? */
int topo_check_family(const json_t *obj, const char *field, enum topo_family family,
		      const char *with, struct topo_fault *fault, struct err *err);
