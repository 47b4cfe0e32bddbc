// SPDX-License-Identifier: Apache-2.0
#include "api/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/listen.h"
#include "util/addr.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/settings.h"

static const char *const mode_words[] = { "server", "cluster", NULL };
static const int mode_values[] = { DB_SERVER, DB_CLUSTER };
static const char *const format_words[] = { "text", "json", NULL };
static const int format_values[] = { LOG_TEXT, LOG_JSON };
static const char *const level_words[] = { "error", "warning", "info", "debug", NULL };
static const char *const no_words[] = { "no", "yes", NULL };
static const int no_values[] = { 0, 1 };
static const char *const root_words[] = { "operator", "nobody", NULL };
static const int root_values[] = { 1, 0 };
static const int level_values[] = { LOG_ERROR_LEVEL, LOG_WARN_LEVEL, LOG_INFO_LEVEL, LOG_DEBUG_LEVEL };

#define DB_TIMEOUT_MS 15000 /* a document of 40 000 ports is one commit */

#define AT(member) offsetof(struct api_config, member)
static const struct setting table[] = {
	{ "log_level", SETTING_CHOICE, AT(log_level), .fallback = "info", .words = level_words,
	  .values = level_values, .help = "error, warning, info or debug" },
	{ "log.format", SETTING_CHOICE, AT(log_format), .fallback = "text", .words = format_words,
	  .values = format_values, .help = "text or json" },
	{ "log.writes", SETTING_CHOICE, AT(log_writes), .fallback = "no", .words = no_words, .values = no_values,
	  .help = "yes: who has written what is a message, too" },
	{ "db.mode", SETTING_CHOICE, AT(db_mode), .fallback = "server", .words = mode_words,
	  .values = mode_values, .help = "server or cluster" },
	{ "db.addresses", SETTING_LIST, AT(db_addresses),
	  .help = "host:port, [v6]:port or unix:/path; cluster: some of its nodes; required" },
	{ "db.password_file", SETTING_PATH, AT(db_password_file), .help = "file with the database's password" },
	{ "db.tls.ca", SETTING_PATH, AT(db_tls.ca), .help = "file, PEM: whose certificates of the database are trusted; set: TLS" },
	{ "db.tls.certificate", SETTING_PATH, AT(db_tls.certificate), .help = "file, PEM: our own, and its issuers'" },
	{ "db.tls.key", SETTING_PATH, AT(db_tls.key), .help = "file, PEM" },
	{ "db.tls.name", SETTING_STRING, AT(db_tls.name), .help = "what the database's certificate is for; default: its address" },
	{ "db.wait_replicas", SETTING_NUMBER, AT(db_wait_replicas), 0, 16, "0",
	  .help = "replicas that a write waits for" },
	{ "db.wait_ms", SETTING_NUMBER, AT(db_wait_ms), 0, 60000, "200", .help = "how long it waits for them" },
	{ "listen", SETTING_LIST, AT(listen), .fallback = "127.0.0.1:8460,unix:/run/skep-api/api.sock",
	  .help = "address:port, [v6]:port or unix:/path; without tls loopback and sockets only" },
	{ "trusted_proxies", SETTING_LIST, AT(trusted_proxies), .help = "addresses, prefixes: whose X-Forwarded-For is believed" },
	{ "local_root", SETTING_CHOICE, AT(local_root), .fallback = "operator", .words = root_words, .values = root_values,
	  .help = "operator or nobody: who root is on a socket, without credentials" },
	{ "tls.certificate", SETTING_PATH, AT(tls_certificate), .help = "file, PEM: the server's and its issuers'" },
	{ "tls.key", SETTING_PATH, AT(tls_key), .help = "file, PEM" },
	{ "panel", SETTING_PATH, AT(panel), .help = "directory of the web panel" },
	{ "oidc.issuer", SETTING_STRING, AT(oidc_issuer), .help = "whose tokens are taken" },
	{ "oidc.audience", SETTING_STRING, AT(oidc_audience), .fallback = "skep", .help = "for whom they are made" },
	{ "oidc.jwks", SETTING_STRING, AT(oidc_jwks), .help = "the issuer's keys: a file or a URL" },
	{ "oidc.tenant_claim", SETTING_STRING, AT(oidc_tenant_claim), .fallback = "tenant",
	  .help = "claim with the tenant" },
	{ "oidc.role_claim", SETTING_STRING, AT(oidc_role_claim), .fallback = "role", .help = "claim with the role" },
	{ "limits.body", SETTING_SIZE, AT(body), 1, 1024, "64MB", .help = "largest body of a request" },
	{ "limits.connections", SETTING_NUMBER, AT(connections), 1, 1000000, "10000",
	  .help = "open connections" },
	{ "limits.connections_per_address", SETTING_NUMBER, AT(per_address), 0, 1000000, "0",
	  .help = "of those, one address (IPv6: a /64); 0: a quarter" },
	{ "limits.idle_s", SETTING_NUMBER, AT(idle_s), 1, 86400, "30", .help = "an idle connection is closed after so long" },
	{ "limits.request_s", SETTING_NUMBER, AT(request_s), 1, 3600, "10",
	  .help = "a request that is not complete after so long is refused" },
	{ "limits.rate", SETTING_NUMBER, AT(rate), 1, 10000000, "1000", .help = "requests/s of one tenant" },
	{ "limits.burst", SETTING_NUMBER, AT(burst), 1, 10000000, "5000", .help = "requests of one tenant at once" },
	{ "limits.heavy_s", SETTING_NUMBER, AT(heavy_s), 1, 75, "60", .help = "a large document that takes longer is given up" },
	{ "limits.token_days", SETTING_NUMBER, AT(token_days), 0, 3650, "0", .help = "how long a token may be good; 0: for ever" },
	{ "memory_max", SETTING_SIZE, AT(memory_max), 64, 1048576, "1GB", .help = "memory of the program" },
};

static const struct settings settings = { table, ARRAY_SIZE(table), "SKEP_API_", API_CONFIG_PATH };

static int split(const char *name, const char *list, unsigned int max, char ***items, unsigned int *n,
		 struct err *err)
{
	int rc = settings_split(list, max, items, n);

	if (rc == -E2BIG)
		return err_set(err, -EINVAL, "'%s': more than %u", name, max);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

static int check_proxies(const struct api_config *c, struct err *err)
{
	struct skep_ip ip;
	unsigned int len;

	for (unsigned int i = 0; i < c->n_proxies; i++)
		if (!prefix_parse(c->proxies[i], &ip, &len))
			return err_set(err, -EINVAL, "'trusted_proxies': '%.80s' is not an address or prefix (want 10.0.0.1, 10.0.0.0/8)",
				       c->proxies[i]);
	return 0;
}

/* What one key alone cannot tell. */
static int check_together(struct api_config *c, struct err *err)
{
	if (c->db_mode == DB_SERVER && c->n_addresses != 1)
		return err_set(err, -EINVAL,
			       "'db.addresses': mode 'server' wants exactly one address, there are %u",
			       c->n_addresses);
	if (c->db_mode == DB_CLUSTER && !c->n_addresses)
		return err_set(err, -EINVAL, "'db.addresses': mode 'cluster' wants the addresses of some nodes");
	if (!c->n_listens)
		return err_set(err, -EINVAL, "'listen': want at least one address");
	if (!c->tls_certificate != !c->tls_key)
		return err_set(err, -EINVAL, "'tls': want both 'certificate' and 'key', or neither");
	for (unsigned int i = 0; i < c->n_listens; i++)
		if (listen_check(c->listens[i], c->tls_certificate, err))
			return err->code;
	if (c->oidc_issuer && !c->oidc_jwks)
		return err_set(err, -EINVAL, "'oidc.jwks' is not set (want the issuer's keys, a file or a URL)");
	return 0;
}

int api_config_load(struct api_config *c, const char *file, char *const *env, char *const *set,
		    unsigned int n_set, struct err *err)
{
	int rc;

	*c = (struct api_config){ 0 };
	rc = settings_load(&settings, c, file, env, set, n_set, err);
	rc = rc ? rc : split("db.addresses", c->db_addresses, API_ADDRESSES_MAX, &c->addresses, &c->n_addresses, err);
	rc = rc ? rc : split("listen", c->listen, API_LISTEN_MAX, &c->listens, &c->n_listens, err);
	rc = rc ? rc : split("trusted_proxies", c->trusted_proxies, API_PROXIES_MAX, &c->proxies, &c->n_proxies, err);
	rc = rc ? rc : check_proxies(c, err);
	rc = rc ? rc : check_together(c, err);
	if (!rc && c->db_password_file) {
		c->password = settings_read_secret("db.password_file", c->db_password_file, err);
		rc = c->password ? 0 : err ? err->code : -EINVAL;
	}
	if (rc)
		api_config_fini(c);
	return rc;
}

void api_config_fini(struct api_config *c)
{
	settings_fini(&settings, c);
	settings_free_list(c->addresses, c->n_addresses);
	settings_free_list(c->listens, c->n_listens);
	settings_free_list(c->proxies, c->n_proxies);
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	*c = (struct api_config){ 0 };
}

void api_config_print(const struct api_config *c, FILE *out)
{
	settings_print(&settings, c, out);
}

void api_config_help(FILE *out)
{
	settings_help(&settings, out);
}

struct db_config api_config_db(const struct api_config *c)
{
	return (struct db_config){
		.mode = (enum db_mode)c->db_mode,
		.addresses = (const char *const *)c->addresses,
		.n_addresses = c->n_addresses,
		.password = c->password,
		.tls = c->db_tls,
		.wait_replicas = c->db_wait_replicas,
		.wait_ms = c->db_wait_ms,
		.timeout_ms = DB_TIMEOUT_MS,
	};
}
