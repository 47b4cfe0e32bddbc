/* SPDX-License-Identifier: Apache-2.0 */
/*
 * skepd's settings.  One table (config.c) says what there is; file, environment, command line,
 * --print-config and the manual page follow it.  A flag beats SKEP_* in the environment, which
 * beats the file, which beats the default.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "loader/dp.h"
#include "maps/state.h"
#include "statedb/statedb.h"
#include "util/err.h"
#include "util/settings.h"

#define CONFIG_PATH	     "/etc/skep/skepd.yaml"
#define CONFIG_ADDRESSES_MAX 64

struct config {
	char *host, *instance;
	int log_level;					/* enum log_level */
	int log_format;					/* enum log_format */
	int db_mode;					/* enum db_mode */
	char *db_addresses;				/* commas between; as written */
	char *db_listen, *db_password_file, *db_server; /* NULL = none */
	struct db_tls db_tls;				/* files; NULL = none */
	uint32_t db_wait_replicas, db_wait_ms;
	char *underlay_interface;
	struct skep_ip underlay_address; /* zero: the interface's first */
	uint32_t underlay_port;
	int underlay_xdp; /* enum dp_xdp */
	int border_xdp;	  /* enum dp_xdp */
	char *border_interfaces; /* commas between; as written */
	int underlay_encap; /* enum skep_encap */
	uint32_t underlay_dscp; /* DP_DSCP_COPY = copy */
	uint32_t upcall_rate, upcall_burst;
	uint32_t flows_max, wilds_max, flows_idle_s;
	uint32_t mac_age_s, neigh_age_s;
	uint32_t conns_max, conns_port_max, nat_takeover_s;
	struct skep_timeouts timeouts;
	char *metrics_listen; /* NULL = none */
	uint32_t metrics_ports;
	char *records_ipfix, *records_file; /* NULL = none */
	uint32_t records_sample, records_active_s;
	char *path_state, *path_run, *path_bpffs;
	char *device_prefix;
	/* derived */
	char **addresses;
	unsigned int n_addresses;
	char *password; /* contents of db.password_file; NULL = none */
};

/*
 * 'file' NULL: CONFIG_PATH if it exists.  'env': like environ; may be NULL.  'set': "key=value" of
 * the command line.  0, or -errno with 'err' naming file and line, key, value and what is allowed;
 * '*config' is then empty.
 */
int config_load(struct config *config, const char *file, char *const *env, char *const *set,
		unsigned int n_set, struct err *err);
void config_fini(struct config *config);
extern const struct settings config_settings;
/* All settings as a file that config_load would take. */
void config_print(const struct config *config, FILE *out);
/* For --help: key, default, what it is. */
void config_help(FILE *out);
