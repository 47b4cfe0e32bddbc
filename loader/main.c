// SPDX-License-Identifier: Apache-2.0
/* skepd's command line. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "loader/agent.h"
#include "loader/identity.h"
#include "util/log.h"

#define SETS_MAX 64

enum { OPT_CHECK = 256, OPT_PRINT, OPT_DETACH, OPT_REPLACE, OPT_VERSION, OPT_HELP, OPT_SET, OPT_KEEP_DB };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "set", required_argument, NULL, OPT_SET },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "detach", no_argument, NULL, OPT_DETACH },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "keep-db", no_argument, NULL, OPT_KEEP_DB },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void help(void)
{
	puts("Usage: skepd [OPTION]...\n"
	     "The agent of skep: one per host.  See skepd(8).\n"
	     "\n"
	     "  -c, --config FILE   settings; default: " CONFIG_PATH " if it exists\n"
	     "      --set KEY=VALUE one setting, stronger than the file and the environment; repeatable\n"
	     "      --check-config  read the settings, say what is wrong, exit\n"
	     "      --print-config  print the settings in force, exit\n"
	     "      --detach        remove all that this instance has put into the kernel, exit\n"
	     "      --replace       let the next skepd replace what another version has put there, which goes on until then; exit\n"
	     "      --keep-db       leave the embedded database running when skepd stops\n"
	     "  -v, --verbose       log more; the same as --set log_level=debug\n"
	     "      --version       print the version, exit\n"
	     "      --help          print this text, exit\n"
	     "\n"
	     "Settings (environment: SKEP_UNDERLAY_INTERFACE for underlay.interface, and so on):");
	config_help(stdout);
}

/* While no skepd runs: dp_remove() or dp_replace(). */
static int alone(const struct config *config, int (*what)(const struct dp_config *config, struct err *err))
{
	struct dp_config dc;
	struct err err = { 0 };
	int fd = identity_devices(config->device_prefix, &err), rc = fd;

	agent_dp_config(config, config->underlay_address, &dc);
	if (fd < 0 || (rc = what(&dc, &err)))
		log_error("%s", err.text);
	if (fd >= 0)
		close(fd);
	return rc < 0;
}

int main(int argc, char **argv)
{
	enum { RUN, CHECK, PRINT, DETACH, REPLACE } what = RUN;
	const char *file = NULL;
	char *set[SETS_MAX], verbose[] = "log_level=debug";
	unsigned int n_set = 0;
	bool keep_db = false;
	struct config config;
	struct err err = { 0 };
	int opt, rc = 0;

	log_init("skepd", LOG_INFO_LEVEL);
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
		case OPT_PRINT:
			what = PRINT;
			break;
		case OPT_DETACH:
			what = DETACH;
			break;
		case OPT_REPLACE:
			what = REPLACE;
			break;
		case OPT_KEEP_DB:
			keep_db = true;
			break;
		case OPT_VERSION:
			puts("skepd " SKEP_VERSION);
			return 0;
		case OPT_HELP:
			help();
			return 0;
		default:
			fprintf(stderr, "Try 'skepd --help'.\n");
			return 2;
		}
	}
	if (optind < argc) {
		log_error("argument '%s': skepd takes options only (try 'skepd --help')",
			  argv[optind]);
		return 2;
	}
	if (config_load(&config, file, environ, set, n_set, &err)) {
		log_error("%s", err.text);
		return 2;
	}
	log_init("skepd", config.log_level);
	log_format(config.log_format);
	if (what == PRINT)
		config_print(&config, stdout);
	else if (what == DETACH)
		rc = alone(&config, dp_remove);
	else if (what == REPLACE)
		rc = alone(&config, dp_replace);
	else if (what == RUN)
		rc = agent_run(&config, keep_db);
	config_fini(&config);
	return rc;
}
