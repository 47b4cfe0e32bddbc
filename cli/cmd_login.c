// SPDX-License-Identifier: Apache-2.0
/* login: asks a skep-api who a token is, and writes both down as a context. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/contexts.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "util/json.h"

static struct termios shown; /* the terminal as it was */

static void on_signal(int signo)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &shown);
	raise(signo); /* SA_RESETHAND: as if there had been none */
}

/* Whatever ends us, the terminal shows again what is typed. */
static void hide(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND | SA_NODEFER };
	struct termios quiet = shown;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &act, NULL); /* of signals that there are */
	quiet.c_lflag &= (tcflag_t)~ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

/* The token: SKEP_TOKEN, if it is not another server's, or a line of standard input, which a terminal does not show. */
static int read_token(const char *url, char *token, size_t size, struct err *err)
{
	const char *env = rest_env_is_for(url) ? getenv("SKEP_TOKEN") : NULL;
	bool tty = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &shown);
	char *line;

	if (env && *env) {
		snprintf(token, size, "%s", env);
		return 0;
	}
	if (tty) {
		hide();
		fprintf(stderr, "token: ");
	}
	line = fgets(token, (int)size, stdin);
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fprintf(stderr, "\n");
	}
	token[line ? strcspn(token, "\r\n") : 0] = 0;
	return *token ? 0 : err_tag(err, -EINVAL, "usage", "no token (want it in SKEP_TOKEN, or as a line of standard input)");
}

int cmd_login(struct cli *cli, struct err *err)
{
	const char *name = cli->n_args ? cli->args[0] : "default", *url = cli->value[CLI_O_API_BIT];
	struct context c = { 0 };
	_json_ json_t *who = NULL;
	char token[10000];
	const char *tenant;
	int rc;

	if (!url)
		url = getenv("SKEP_API");
	if (!url || !*url)
		return err_tag(err, -EINVAL, "usage", "where? (want --api URL)");
	if (read_token(url, token, sizeof(token), err))
		return err->code;
	cli->value[CLI_O_API_BIT] = url;
	cli->token = token;
	rc = rest_wanted(cli, err);
	who = rc > 0 ? rest_call(cli, "GET", "/api/v1/whoami", NULL, err) : NULL;
	if (!who)
		return err->code;
	tenant = cli->value[CLI_O_TENANT_BIT] ? cli->value[CLI_O_TENANT_BIT] : json_str(who, "tenant");
	c = (struct context){ (char *)url, token, (char *)tenant, (char *)rest_ca(cli) };
	rc = context_write(name, &c, err);
	explicit_bzero(token, sizeof(token));
	if (rc)
		return rc;
	if (cli->format == CLI_JSON)
		out_json(who);
	else
		printf("context '%s': %s, %s%s%s\n", name, json_str(who, "name"), json_str(who, "role"), tenant ? " of tenant " : "",
		       tenant ? tenant : "");
	return 0;
}
