// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Enum to text, most of it from the lists in drops.h and counters.h. */
#include "maps/maps.h"

struct entry {
	const char *name, *help;
};

static const struct entry drops[] = {
#define X(id, name, help) { name, help },
	SKEP_DROPS(X)
#undef X
};

static const struct entry counters[] = {
#define X(id, name, help) { name, help },
	SKEP_COUNTERS(X)
#undef X
};

const char *skep_encap_name(unsigned int encap)
{
	static const char *const names[] = { "vxlan", "geneve", "nvgre" };

	return encap < SKEP_ENCAPS ? names[encap] : "?";
}

const char *skep_drop_name(unsigned int reason)
{
	return reason < SKEP_DROP_MAX ? drops[reason].name : "?";
}

const char *skep_drop_help(unsigned int reason)
{
	return reason < SKEP_DROP_MAX ? drops[reason].help : "?";
}

const char *skep_counter_name(unsigned int counter)
{
	return counter < SKEP_CNT_MAX ? counters[counter].name : "?";
}

const char *skep_counter_help(unsigned int counter)
{
	return counter < SKEP_CNT_MAX ? counters[counter].help : "?";
}
