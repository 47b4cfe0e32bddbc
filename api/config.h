/* SPDX-License-Identifier: Apache-2.0 */
/* skep-api's settings: /etc/skep/api.yaml, SKEP_API_* in the environment, --set.  skep-api.yaml(5). */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "statedb/statedb.h"
#include "util/err.h"

#define API_CONFIG_PATH	  "/etc/skep/api.yaml"
#define API_ADDRESSES_MAX 64
#define API_LISTEN_MAX	  16
#define API_PROXIES_MAX	  64

struct api_config {
	int log_level;	   /* enum log_level */
	int log_format;	   /* enum log_format */
	int log_writes;	   /* each is a message */
	int db_mode;	   /* DB_SERVER or DB_CLUSTER */
	char *db_addresses; /* commas between; as written; likewise 'listen' */
	char *db_password_file;
	struct db_tls db_tls; /* files; NULL = none */
	uint32_t db_wait_replicas, db_wait_ms;
	char *listen;
	int local_root; /* root on a UNIX socket is an operator */
	char *tls_certificate, *tls_key; /* files, PEM; NULL = no TLS */
	char *panel;			 /* directory; NULL = none */
	char *oidc_issuer, *oidc_audience, *oidc_jwks; /* issuer NULL = own tokens only */
	char *oidc_tenant_claim, *oidc_role_claim;
	uint64_t body;		     /* bytes of one request */
	uint32_t connections, idle_s, request_s;
	uint32_t per_address;	     /* connections; 0 = a quarter of all */
	char *trusted_proxies;
	uint32_t rate, burst;	     /* requests/s of a tenant */
	uint32_t heavy_s;	     /* that a request may be worked on in a process of its own */
	uint32_t token_days;	     /* that a token may be good; 0 = for ever */
	uint64_t memory_max;	     /* bytes */
	/* derived */
	char **addresses, **listens;
	unsigned int n_addresses, n_listens;
	char **proxies; /* addresses and prefixes */
	unsigned int n_proxies;
	char *password; /* contents of db.password_file; NULL = none */
};

/* As settings_load(); '*config' is empty after a failure. */
int api_config_load(struct api_config *config, const char *file, char *const *env, char *const *set,
		    unsigned int n_set, struct err *err);
void api_config_fini(struct api_config *config);
void api_config_print(const struct api_config *config, FILE *out);
void api_config_help(FILE *out);
/* What db_new() wants to know; points into 'config'. */
struct db_config api_config_db(const struct api_config *config);
