// SPDX-License-Identifier: Apache-2.0
/* skep-api's command line, and its life. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "api/auth.h"
#include "api/budget.h"
#include "api/cache.h"
#include "api/heavy.h"
#include "api/http.h"
#include "api/live.h"
#include "api/openapi.h"
#include "api/make_token.h"
#include "api/metrics.h"
#include "api/routes.h"
#include "api/tenant_settle.h"
#include "api/tls.h"
#include "api/trace.h"
#include "api/wait.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/sd.h"

#define SETS_MAX 64
#define STOP_MS	 5000 /* requests that are on their way are answered */

enum { OPT_OPENAPI = 248, OPT_ROUTES, OPT_MAKE_TOKEN, OPT_CHECK = 256, OPT_PRINT, OPT_VERSION, OPT_HELP, OPT_SET };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "set", required_argument, NULL, OPT_SET },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "routes", no_argument, NULL, OPT_ROUTES },
	{ "make-token", required_argument, NULL, OPT_MAKE_TOKEN },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "openapi", no_argument, NULL, OPT_OPENAPI },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void help(void)
{
	puts("Usage: skep-api [OPTION]...\n"
	     "The REST API and the panel of skep.  See skep-api(8).\n"
	     "\n"
	     "  -c, --config FILE   settings; default: " API_CONFIG_PATH " if it exists\n"
	     "      --set KEY=VALUE one setting, stronger than the file and the environment; repeatable\n"
	     "      --check-config  read the settings, say what is wrong, exit\n"
	     "      --print-config  print the settings in force, exit\n"
	     "      --openapi       print the OpenAPI document of this server, exit\n"
	     "      --routes        print the routes as JSON lines, exit\n"
	     "      --make-token NAME  make an operator's token, print it, exit\n"
	     "  -v, --verbose       log more; the same as --set log_level=debug\n"
	     "      --version       print the version, exit\n"
	     "      --help          print this text, exit\n"
	     "\n"
	     "Settings (environment: SKEP_API_DB_MODE for db.mode, and so on):");
	api_config_help(stdout);
}

/* For tests that go through all of them. */
static void print_routes(void)
{
	const struct api_route *route;

	for (unsigned int i = 0; (route = routes_at(i)); i++)
		printf("{\"method\": \"%s\", \"path\": \"%s\", \"role\": \"%s\", \"open\": %s, \"monitors\": %s}\n", route->method, route->path,
		       api_role_name(route->least), route->flags & API_OPEN ? "true" : "false", route->flags & API_MONITORS ? "true" : "false");
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

/* The certificate and the key are read again. */
static void on_hangup(void *arg, int signo)
{
	const struct api *api = arg;
	struct err err = { 0 };

	(void)signo;
	if (tls_load(api->config, &err))
		log_error("%s, keeping the old ones", err.text);
	else if (api->config->tls_certificate)
		log_info("'tls.certificate' and 'tls.key' were read again");
}

static int start(struct api *api, struct err *err)
{
	struct db_config dc = api_config_db(api->config);

	api->loop = loop_new();
	if (!api->loop || loop_signal(api->loop, SIGTERM, on_signal, api->loop) ||
	    loop_signal(api->loop, SIGINT, on_signal, api->loop) || loop_signal(api->loop, SIGHUP, on_hangup, api))
		return err_set(err, -1, "cannot start: %m");
	api->db = db_new(api->loop, &dc, err);
	if (!api->db)
		return -1;
	api->auth = auth_new(api, err);
	if (!api->auth)
		return -1;
	api->budget = budget_new();
	api->heavy = heavy_new(api);
	api->cache = cache_new(api);
	api->live = live_new(api);
	api->metrics = api_metrics_new();
	api->settle = api->cache ? tenant_settle_new(api) : NULL;
	if (!api->budget || !api->heavy || !api->cache || !api->live || !api->metrics || !api->settle)
		return err_set(err, -1, "out of memory");
	api->http = http_new(api, err);
	return api->http ? 0 : -1;
}

/* What is on its way is answered: what waits for the state DB by its end. */
static void stop(struct api *api)
{
	uint64_t until = clock_mono_ns() + STOP_MS * NSEC_PER_MSEC;

	if (api->http)
		http_quiesce(api->http);
	wait_stop();
	while (api->http && http_is_busy(api->http) && clock_mono_ns() < until && !loop_once(api->loop, 10))
		;
	heavy_stop(api->heavy);
	matrix_stop();
	auth_stop(api->auth);
	cache_free(api->cache);
	db_free(api->db, false);
	tenant_settle_free(api->settle);
	live_free(api->live);
	auth_free(api->auth);
	http_free(api->http);
	heavy_free(api->heavy);
	budget_free(api->budget);
	api_metrics_free(api->metrics);
	loop_free(api->loop);
}

/* A descriptor for each connection, and some. */
static void want_descriptors(const struct api_config *config)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* told below */
	if (limit.rlim_cur < config->connections + 64u)
		log_warn("limits.connections is %u, but this process may have %llu descriptors only (LimitNOFILE=)",
			 config->connections, (unsigned long long)limit.rlim_cur);
}

static int run(const struct api_config *config)
{
	struct api api = { .config = config };
	struct err err = { 0 };
	const char *address;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	want_descriptors(config);
	rc = start(&api, &err);
	if (rc) {
		log_error("%s", err.text);
	} else {
		for (unsigned int i = 0; (address = http_address(api.http, i)); i++)
			log_info("listening on %s", address);
		sd_tell("READY=1");
		rc = loop_run(api.loop);
		if (rc)
			log_error("event loop: %s", strerror(-rc));
	}
	stop(&api);
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	enum { RUN, CHECK, PRINT, MAKE_TOKEN } what = RUN;
	char *set[SETS_MAX], verbose[] = "log_level=debug";
	const char *file = NULL, *name = NULL;
	unsigned int n_set = 0;
	struct api_config config;
	struct err err = { 0 };
	int opt, rc = 0;

	log_init("skep-api", LOG_INFO_LEVEL);
	while ((opt = getopt_long(argc, argv, "c:v", options, NULL)) != -1) {
		if ((opt == OPT_SET || opt == 'v') && n_set == SETS_MAX) {
			log_error("more than %d --set options", SETS_MAX);
			return 2;
		}
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case OPT_SET:
			set[n_set++] = optarg;
			break;
		case 'v':
			set[n_set++] = verbose;
			break;
		case OPT_CHECK:
			what = CHECK;
			break;
		case OPT_ROUTES:
			print_routes();
			return 0;
		case OPT_MAKE_TOKEN:
			what = MAKE_TOKEN;
			name = optarg;
			break;
		case OPT_PRINT:
			what = PRINT;
			break;
		case OPT_OPENAPI:
			return openapi_print(stdout);
		case OPT_VERSION:
			puts("skep-api " SKEP_VERSION);
			return 0;
		case OPT_HELP:
			help();
			return 0;
		default:
			fprintf(stderr, "Try 'skep-api --help'.\n");
			return 2;
		}
	}
	if (optind < argc) {
		log_error("argument '%s': skep-api takes options only (try 'skep-api --help')", argv[optind]);
		return 2;
	}
	if (api_config_load(&config, file, environ, set, n_set, &err)) {
		log_error("%s", err.text);
		return 2;
	}
	log_init("skep-api", config.log_level);
	log_format(config.log_format);
	if (config.db_mode == DB_CLUSTER && !config.db_wait_replicas)
		log_warn("'db.wait_replicas' is 0: what was answered, also that a token was revoked, may be lost with a master of the cluster");
	if (what == PRINT)
		api_config_print(&config, stdout);
	else if (what == MAKE_TOKEN)
		rc = make_token(&config, name);
	else if (what == RUN)
		rc = run(&config);
	api_config_fini(&config);
	return rc;
}
