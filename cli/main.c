// SPDX-License-Identifier: Apache-2.0
/*
 * skep: the command line.  One table of commands; the help, the checks of arguments and options,
 * and the dispatch come from it. What a command returns becomes a message on stderr (with --json:
 * on stdout) and the exit status.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/completion.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/suggest.h"

static int cmd_version(struct cli *cli, struct err *err);
static int cmd_help(struct cli *cli, struct err *err);
static int cmd_completion(struct cli *cli, struct err *err);

static const struct cmd commands[] = {
	/* noun, verb, function, arguments, min, max, options, help */
	{ "status", NULL, cmd_status, "", 0, 0, CLI_O_SOCKET,
	  "the agent of this host: ports, peers, flows, drops" },
	{ "apply", NULL, cmd_apply, "-f FILE", 0, 0,
	  CLI_O_FILE | CLI_O_TENANT | CLI_O_PRUNE | CLI_O_DRY_RUN | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "make the network what the document says, all of it or nothing" },
	{ "diff", NULL, cmd_diff, "-f FILE", 0, 0,
	  CLI_O_FILE | CLI_O_TENANT | CLI_O_PRUNE | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "what apply would change" },
	{ "get", NULL, cmd_get, "[KIND [NAME]]", 0, 2, CLI_O_TENANT | CLI_O_OUTPUT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "objects; with -o yaml a document that apply takes" },
	{ "delete", NULL, cmd_delete, "-f FILE | KIND NAME", 0, 2,
	  CLI_O_FILE | CLI_O_TENANT | CLI_O_DRY_RUN | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "delete objects; refused while others refer to them" },
	{ "port", "list", cmd_port_list, "", 0, 0, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "ports, where they should be and where they are" },
	{ "port", "bind", cmd_port_bind, "PORT --host HOST --interface NAME", 1, 1,
	  CLI_O_TENANT | CLI_O_HOST | CLI_O_INTERFACE | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "attach a port to a network interface of a host" },
	{ "port", "unbind", cmd_port_unbind, "PORT", 1, 1, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "undo that" },
	{ "trace", NULL, cmd_trace, "--port PORT PACKET", 1, -1,
	  CLI_O_TENANT | CLI_O_PORT | CLI_O_ETH | CLI_O_DIFF | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT | CLI_O_SOCKET,
	  "what would happen to 'tcp 10.0.1.5:4000 > 10.0.2.9:80 syn', step by step" },
	{ "why", NULL, cmd_why, "FROM TO SERVICE", 3, 3,
	  CLI_O_TENANT | CLI_O_VERBOSE | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT | CLI_O_SOCKET,
	  "does FROM (PORT, ADDRESS or PORT/ADDRESS) reach TO's tcp/443, udp/53 or icmp, and the answer FROM; if not, why (exit status 1)" },
	{ "top", NULL, cmd_top, "", 0, 0,
	  CLI_O_TENANT | CLI_O_COUNT | CLI_O_INTERVAL | CLI_O_SORT | CLI_O_SOCKET,
	  "the busiest ports and flows of this host, and drops, as they change" },
	{ "flow", "list", cmd_flow_list, "", 0, 0,
	  CLI_O_PORT | CLI_O_TENANT | CLI_O_ACTION | CLI_O_SORT | CLI_O_LIMIT | CLI_O_RATE |
		  CLI_O_VERBOSE | CLI_O_SOCKET,
	  "flows in the kernel of this host: where they lead, how fast, how old" },
	{ "flow", "flush", cmd_flow_flush, "", 0, 0, CLI_O_PORT | CLI_O_TENANT | CLI_O_SOCKET,
	  "forget them; each costs one new simulation" },
	{ "conn", "list", cmd_conn_list, "", 0, 0,
	  CLI_O_PORT | CLI_O_TENANT | CLI_O_STATE | CLI_O_PROTO | CLI_O_ADDRESS | CLI_O_LIMIT |
		  CLI_O_SOCKET,
	  "connections of this host's ports: state, NAT, age" },
	{ "rule", "list", cmd_rule_list, "", 0, 0, CLI_O_CHAIN | CLI_O_TENANT | CLI_O_SOCKET,
	  "rules that packets met on this host, and how many" },
	{ "log", "watch", cmd_log_watch, "", 0, 0, CLI_O_COUNT | CLI_O_TIMEOUT | CLI_O_SOCKET,
	  "matches of rules with 'log' as they happen" },
	{ "member", "up", cmd_member_up, "MEMBER", 1, 1, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "tell the load balancers that a pool member is healthy" },
	{ "member", "down", cmd_member_down, "MEMBER", 1, 1, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "tell them that it is not: its connections end" },
	{ "drop", "watch", cmd_drop_watch, "", 0, 0, CLI_O_COUNT | CLI_O_TIMEOUT | CLI_O_SOCKET,
	  "dropped packets as they happen: why, and which rule, route or port" },
	{ "token", "create", cmd_token_create, "NAME ROLE [SECONDS]", 2, 3,
	  CLI_O_TENANT | CLI_O_READ_ONLY | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "a token of the REST API: operator, monitor, or tenant-admin or tenant-reader of --tenant; told once" },
	{ "token", "list", cmd_token_list, "", 0, 0, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "tokens, whose, and when they were used" },
	{ "token", "revoke", cmd_token_revoke, "ID", 1, 1, CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "refused from now on" },
	{ "host", "list", cmd_host_list, "", 0, 0, CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "hosts, whether they are alive, ports bound to them" },
	{ "host", "leave", cmd_host_leave, "", 0, 0, CLI_O_SOCKET,
	  "take this host out: its agent removes all it did and exits" },
	{ "host", "remove", cmd_host_remove, "HOST", 1, 1, CLI_O_DB,
	  "forget a host that is gone for good; its ports stay bound" },
	{ "tenant", "list", cmd_tenant_list, "", 0, 0, CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "tenants that there are" },
	{ "tenant", "show", cmd_tenant_show, "TENANT", 1, 1, CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "how much it has of what" },
	{ "tenant", "create", cmd_tenant_create, "TENANT [DESCRIPTION]", 1, 2, CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "make an empty one" },
	{ "tenant", "delete", cmd_tenant_delete, "TENANT", 1, 1, CLI_O_RECURSIVE | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "delete it; refused while it has objects, but with --recursive" },
	{ "quota", "show", cmd_quota_show, "", 0, 0, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "how much the tenant may have, and has" },
	{ "quota", "set", cmd_quota_set, "WHAT=N...", 1, -1, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "change limits: ports=1000, tokens=default, ...; the others stay" },
	{ "audit", "list", cmd_audit_list, "", 0, 0,
	  CLI_O_TENANT | CLI_O_OBJECT | CLI_O_SINCE | CLI_O_BY | CLI_O_ACCESS | CLI_O_LIMIT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "who has changed what, newest first" },
	{ "audit", "show", cmd_audit_show, "ID", 1, 1, CLI_O_TENANT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT, "one change, field by field" },
	{ "undo", NULL, cmd_undo, "ID", 1, 1, CLI_O_TENANT | CLI_O_DRY_RUN | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "make the change of that audit entry back; refused if anything of it was changed since" },
	{ "events", NULL, cmd_events, "", 0, 0, CLI_O_TENANT | CLI_O_COUNT | CLI_O_TIMEOUT | CLI_O_DB | CLI_O_API | CLI_O_CONTEXT,
	  "changes of configuration as they happen" },
	{ "context", "list", cmd_context_list, "", 0, 0, 0, "what 'skep login' has remembered; tokens are not shown" },
	{ "context", "use", cmd_context_use, "CONTEXT", 1, 1, 0, "ask that one from now on" },
	{ "context", "remove", cmd_context_remove, "CONTEXT", 1, 1, 0, "forget it; its token stays valid until it is revoked" },
	{ "logout", NULL, cmd_logout, "[CONTEXT]", 0, 1, 0, "the same, of the current one if none is named" },
	{ "login", NULL, cmd_login, "[CONTEXT] --api URL", 0, 1, CLI_O_API | CLI_O_TENANT,
	  "remember a skep-api and the token (SKEP_TOKEN, or a line of standard input) to show it" },
	{ "api", NULL, cmd_api, "[METHOD] PATH [-f FILE]", 1, 2, CLI_O_FILE | CLI_O_API | CLI_O_CONTEXT,
	  "a request to skep-api as it is, and its answer: 'skep api tenants/acme/ports'" },
	{ "completion", NULL, cmd_completion, "bash", 1, 1, 0, "a script that completes these commands, and names, in the shell" },
	{ "version", NULL, cmd_version, "", 0, 0, 0, "version of this program" },
	{ "help", NULL, cmd_help, "[COMMAND]", 0, 2, 0, "this text, or that of a command" },
};

static const struct {
	const char *name;
	char letter;
	const char *arg, *help;
} options[] = {
#define X(id, name, letter, arg, help) { name, letter, arg, help },
	CLI_OPTIONS(X)
#undef X
};

static uint64_t allowed(const struct cmd *cmd)
{
	return cmd->options | CLI_O_ALWAYS;
}

/* --- help --- */

static void cmd_name(const struct cmd *cmd, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", cmd->noun, cmd->verb ? " " : "", cmd->verb ? cmd->verb : "");
}

static void help_all(FILE *f)
{
	fprintf(f, "usage: skep COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char name[128], usage[256];

		cmd_name(&commands[i], name, sizeof(name));
		snprintf(usage, sizeof(usage), "%s %s", name, commands[i].usage);
		if (strlen(usage) > 32)
			fprintf(f, "  %s\n  %-32s  %s\n", usage, "", commands[i].help);
		else
			fprintf(f, "  %-32s  %s\n", usage, commands[i].help);
	}
	fprintf(f,
		"\nA bare 'skep' is 'skep status'; 'skep help COMMAND' tells the options of one.  -j makes any of them print JSON.\n");
}

static void help_cmd(FILE *f, const struct cmd *cmd)
{
	char name[128];

	cmd_name(cmd, name, sizeof(name));
	fprintf(f, "usage: skep %s%s%s [OPTIONS]\n\n  %s\n\n", name, *cmd->usage ? " " : "",
		cmd->usage, cmd->help);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		char left[64];

		if (!(allowed(cmd) & 1ULL << i))
			continue;
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", options[i].letter ? '-' : ' ',
			 options[i].letter ? options[i].letter : ' ',
			 options[i].letter ? ", " : "  ", options[i].name,
			 options[i].arg ? " " : "", options[i].arg ? options[i].arg : "");
		fprintf(f, "  %-24s  %s\n", left, options[i].help);
	}
}

static int help_json(void)
{
	_json_ json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char name[128];

		cmd_name(&commands[i], name, sizeof(name));
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "command", name, "arguments",
						commands[i].usage, "help", commands[i].help));
	}
	_json_ json_t *root = json_pack("{s:O}", "commands", list);

	out_json(root);
	return 0;
}

static const struct cmd *find_cmd(const char *noun, const char *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].noun, noun) &&
		    (!commands[i].verb || (verb && !strcmp(commands[i].verb, verb))))
			return &commands[i];
	return NULL;
}

static bool is_noun(const char *noun)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].noun, noun))
			return true;
	return false;
}

static int no_such_verb(const char *noun, const char *verb, struct err *err)
{
	struct suggest near = suggest_for(verb ? verb : "", verb ? strlen(verb) : 0);
	char verbs[128] = "", meant[SUGGEST_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t n = strlen(verbs);

		if (strcmp(commands[i].noun, noun))
			continue;
		snprintf(verbs + n, sizeof(verbs) - n, "%s%s", n ? ", " : "", commands[i].verb);
		suggest_try(&near, commands[i].verb);
	}
	if (verb)
		return err_tag(err, -EINVAL, "usage", "'%s' cannot '%s' (%swant %s)", noun, verb, suggest_text(&near, "", meant), verbs);
	return err_tag(err, -EINVAL, "usage", "'%s' what? (want %s)", noun, verbs);
}

static int no_such_cmd(const char *noun, const char *verb, struct err *err)
{
	struct suggest near = suggest_for(noun, strlen(noun));
	char meant[SUGGEST_TEXT];

	if (is_noun(noun))
		return no_such_verb(noun, verb, err);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		suggest_try(&near, commands[i].noun);
	return err_tag(err, -EINVAL, "usage", "there is no command '%s' (%ssee 'skep help')", noun, suggest_text(&near, "", meant));
}

static int cmd_help(struct cli *cli, struct err *err)
{
	const struct cmd *cmd;
	unsigned int n = 0;

	if (!cli->n_args) {
		if (cli->format == CLI_JSON)
			return help_json();
		help_all(stdout);
		return 0;
	}
	cmd = find_cmd(cli->args[0], cli->n_args > 1 ? cli->args[1] : NULL);
	if (cmd) {
		help_cmd(stdout, cmd);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (cli->n_args == 1 && !strcmp(commands[i].noun, cli->args[0])) {
			if (n++)
				putchar('\n');
			help_cmd(stdout, &commands[i]);
		}
	return n ? 0 : no_such_cmd(cli->args[0], cli->n_args > 1 ? cli->args[1] : NULL, err);
}

static int cmd_version(struct cli *cli, struct err *err)
{
	if (cli->format == CLI_JSON) {
		_json_ json_t *v = json_pack("{s:s}", "version", SKEP_VERSION);

		out_json(v);
	} else {
		printf("skep %s\n", SKEP_VERSION);
	}
	return 0;
}

static int cmd_completion(struct cli *cli, struct err *err)
{
	if (strcmp(cli->args[0], "bash"))
		return err_tag(err, -EINVAL, "usage", "there is no completion for '%s' (want bash)", cli->args[0]);
	completion_bash(stdout, commands, ARRAY_SIZE(commands));
	return 0;
}

/* --- command line --- */

static int parse_number(const char *option, const char *text, uint64_t max, uint64_t *value,
			struct err *err)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || !n || n > max)
		return err_tag(err, -EINVAL, "usage",
			       "option '--%s': '%s' is not a number from 1 to %llu", option, text,
			       (unsigned long long)max);
	*value = n;
	return 0;
}

static int parse_seconds(const char *option, const char *text, double *value, struct err *err)
{
	char *end;
	double n;

	errno = 0;
	n = strtod(text, &end);
	if (errno || *end || end == text || !(n >= 0.1 && n <= 3600))
		return err_tag(err, -EINVAL, "usage",
			       "option '--%s': '%s' is not a number of seconds from 0.1 to 3600",
			       option, text);
	*value = n;
	return 0;
}

static int check_values(struct cli *cli, struct err *err)
{
	const char *output = cli->value[CLI_O_OUTPUT_BIT];
	const char *count = cli->value[CLI_O_COUNT_BIT];
	const char *timeout = cli->value[CLI_O_TIMEOUT_BIT];
	const char *interval = cli->value[CLI_O_INTERVAL_BIT], *rate = cli->value[CLI_O_RATE_BIT];
	const char *limit = cli->value[CLI_O_LIMIT_BIT];

	if (output) {
		if (!strcmp(output, "json"))
			cli->format = CLI_JSON;
		else if (!strcmp(output, "yaml"))
			cli->format = CLI_YAML;
		else if (strcmp(output, "table"))
			return err_tag(
				err, -EINVAL, "usage",
				"option '--output': '%s' is not known (want table, json or yaml)",
				output);
	}
	if (cli_has(cli, CLI_O_JSON))
		cli->format = CLI_JSON;
	if (count && parse_number("count", count, 1000000000, &cli->count, err))
		return err->code;
	if (timeout && parse_number("timeout", timeout, 1000000, &cli->timeout_ms, err))
		return err->code;
	cli->timeout_ms *= 1000;
	if (limit && parse_number("limit", limit, 1000000, &cli->limit, err))
		return err->code;
	if (interval && parse_seconds("interval", interval, &cli->interval_s, err))
		return err->code;
	if (rate && parse_seconds("rate", rate, &cli->rate_s, err))
		return err->code;
	return 0;
}

/* 'given' is what the command line has: "--name", "--name=value", or letters of which one is 'letter'. */
static int no_such_option(const char *given, int letter, struct err *err)
{
	struct suggest near = suggest_for(given + 2, given[1] == '-' ? strcspn(given + 2, "=") : 0);
	char meant[SUGGEST_TEXT];

	if (given[1] != '-')
		return err_tag(err, -EINVAL, "usage", "unknown option '-%c' (see 'skep help')", letter);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		suggest_try(&near, options[i].name);
	return err_tag(err, -EINVAL, "usage", "unknown option '%.80s' (%ssee 'skep help')", given, suggest_text(&near, "--", meant));
}

/* Options may stand anywhere.  Fills 'cli'; what is left are the command's words and its arguments.
 */
static int parse_options(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct option longs[CLI_O_MAX + 1] = { 0 };
	char shorts[2 * CLI_O_MAX + 2] = ":";
	size_t n = 1;
	int c;

	for (unsigned int i = 0; i < CLI_O_MAX; i++) {
		longs[i] = (struct option){ options[i].name,
					    options[i].arg ? required_argument : no_argument, NULL,
					    256 + (int)i };
		if (options[i].letter) {
			shorts[n++] = options[i].letter;
			if (options[i].arg)
				shorts[n++] = ':';
		}
	}
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		unsigned int o = CLI_O_MAX;

		if (c == '?')
			return no_such_option(argv[optind - 1], optopt, err);
		if (c == ':')
			return err_tag(err, -EINVAL, "usage", "option '%s' wants an argument",
				       argv[optind - 1]);
		if (c >= 256)
			o = (unsigned int)c - 256;
		else
			for (o = 0; o < CLI_O_MAX && options[o].letter != c; o++)
				;
		if (o < CLI_O_MAX) {
			cli->given |= 1ULL << o;
			cli->value[o] = optarg;
		}
	}
	cli->args = argv + optind;
	cli->n_args = argc - optind;
	return check_values(cli, err);
}

static int check_usage(const struct cli *cli, const struct cmd *cmd, struct err *err)
{
	char name[128];

	cmd_name(cmd, name, sizeof(name));
	for (unsigned int i = 0; i < CLI_O_MAX; i++)
		if (cli->given & ~allowed(cmd) & 1ULL << i)
			return err_tag(err, -EINVAL, "usage",
				       "'skep %s' has no option '--%s' (see 'skep help %s')", name,
				       options[i].name, name);
	if (cli->n_args < cmd->min_args || (cmd->max_args >= 0 && cli->n_args > cmd->max_args))
		return err_tag(err, -EINVAL, "usage", "usage: skep %s %s", name, cmd->usage);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv, struct err *err)
{
	const struct cmd *cmd;

	if (parse_options(cli, argc, argv, err))
		return err->code;
	if (!cli->n_args && cli_has(cli, CLI_O_HELP)) {
		help_all(stdout);
		return 0;
	}
	if (!cli->n_args && cli_has(cli, CLI_O_VERSION))
		return cmd_version(cli, err);
	if (!cli->n_args) {
		cmd = find_cmd("status", NULL);
	} else {
		const char *verb = cli->n_args > 1 ? cli->args[1] : NULL;

		cmd = find_cmd(cli->args[0], verb);
		if (!cmd && cli_has(cli, CLI_O_HELP))
			return cmd_help(cli, err);
		if (!cmd)
			return no_such_cmd(cli->args[0], verb, err);
		cli->args += cmd->verb ? 2 : 1;
		cli->n_args -= cmd->verb ? 2 : 1;
	}
	if (cli_has(cli, CLI_O_HELP)) {
		help_cmd(stdout, cmd);
		return 0;
	}
	if (check_usage(cli, cmd, err))
		return err->code;
	return cmd->fn(cli, err);
}

/* The table of the manual page. */
static int exit_status(const struct err *err)
{
	const char *name = err_name(err);

	if (!strcmp(name, "usage"))
		return CLI_USAGE;
	if (!strcmp(name, "cannot_read") || !strcmp(name, "no_agent")) /* a file, a socket: no object */
		return CLI_FAILED;
	if (err->code == -ENOENT) /* a reference to what is not there is a wrong document: -EINVAL */
		return CLI_NOT_FOUND;
	if (!strcmp(name, "conflict") || !strcmp(name, "exists") || err->code == -EEXIST ||
	    err->code == -EBUSY || err->code == -EAGAIN)
		return CLI_CONFLICT;
	return CLI_FAILED;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct err err = { 0 };
	int rc;

	signal(SIGPIPE, SIG_IGN);
	rc = run(&cli, argc, argv, &err);
	if (rc && !err.code)
		err_set(&err, rc, "failed: %s", strerror(-rc));
	cli_close(&cli);
	if (rc) {
		bool json = cli.format == CLI_JSON;

		for (int i = 1; i < argc && !json;
		     i++) /* the command line itself may be what is wrong */
			json = !strcmp(argv[i], "-j") || !strcmp(argv[i], "--json");
		if (json)
			out_error_json(&err);
		else
			fprintf(stderr, "%sskep:%s %s\n", out_style(stderr, OUT_RED),
				out_style(stderr, OUT_PLAIN), err.text);
		return exit_status(&err);
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "skep: cannot write to standard output: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	return cli.status;
}
