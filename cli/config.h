/* SPDX-License-Identifier: Apache-2.0 */
/* What skep wants from skepd's configuration file: where the state DB and the control socket are.
 * The rest is skepd's business. */
#pragma once

#include "statedb/statedb.h"
#include "util/err.h"

#define CONFIG_PATH    "/etc/skep/skepd.yaml"
#define CONFIG_RUN_DIR "/run/skep"

struct config {
	char *run_dir;	/* NULL = not said */
	char *password; /* NULL = none */
	struct db_tls tls; /* owned strings */
	char *addresses[64];
	unsigned int n_addresses;
	enum db_mode mode;
	bool has_db; /* mode and addresses say something */
};

/* 'must_exist' false: no file is an empty configuration. */
int config_read(struct config *config, const char *path, bool must_exist, struct err *err);
/* "host:port", "[v6]:port", "unix:/path", "/path"; separated by commas: a cluster. */
int config_address(struct config *config, const char *text, struct err *err);
void config_fini(struct config *config);
