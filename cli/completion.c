// SPDX-License-Identifier: Apache-2.0
/*
 * Implements completion.h.  The tables become functions of the shell that say what a command has; what is written by hand is who asks them.  Names of
 * objects are the first column of what 'skep' itself lists, if it answers within a second.
 */
#include "cli/completion.h"

#include <string.h>

#include "topology/topology.h"
#include "util/cleanup.h"

static const struct {
	const char *name;
	char letter;
	const char *arg;
} options[] = {
#define X(id, name, letter, arg, help) { name, letter, arg },
	CLI_OPTIONS(X)
#undef X
};

/* What follows the tables.  The words that are no options are the command, and its arguments; those that say where to ask are passed on. */
static const char body[] =
	"_skep_list() { # skep's words of a list: the names in it, below its headings\n"
	"	timeout 1 skep \"$@\" \"${where[@]}\" 2>/dev/null </dev/null | awk 'on { print ($1 ~ /^[-*]$/ ? $2 : $1) } /^[A-Z][A-Z_() ]+$/ { on = 1 }'\n"
	"}\n"
	"_skep_values() { # what the usage calls an argument; the words before it\n"
	"	case $1 in\n"
	"	TENANT) _skep_list get tenants ;;\n"
	"	PORT | FROM | TO) _skep_list get ports ;;\n"
	"	CHAIN) _skep_list get chains ;;\n"
	"	MEMBER) _skep_list get members ;;\n"
	"	HOST) _skep_list host list ;;\n"
	"	CONTEXT | context) _skep_list context list ;;\n"
	"	ID) case ${words[0]} in token) _skep_list token list ;; *) _skep_list audit list ;; esac ;;\n"
	"	KIND) echo \"tenants $_skep_kinds\" ;;\n"
	"	NAME) case ${words[0]} in get | delete) _skep_list get \"${words[1]}\" ;; esac ;;\n"
	"	COMMAND) echo \"$_skep_nouns\" ;;\n"
	"	ROLE) echo 'operator tenant-admin tenant-reader' ;;\n"
	"	bash) echo bash ;;\n"
	"	METHOD) echo 'get post' ;;\n"
	"	FORMAT) echo 'table json yaml' ;;\n"
	"	ACTION) echo 'local encap set drop agent' ;;\n"
	"	PROTOCOL) echo 'tcp udp icmp icmp6 sctp' ;;\n"
	"	esac\n"
	"}\n"
	"_skep_offer() { # of words, those that go on with 'cur'; nothing in them is the shell's\n"
	"	local word\n"
	"	while read -r word; do\n"
	"		[[ -z $word || $word != \"$cur\"* ]] || COMPREPLY+=(\"$word\")\n"
	"	done < <(tr ' ' '\\n')\n"
	"}\n"
	"_skep() {\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]} words=() where=() i w of args last=\n"
	"	COMPREPLY=()\n"
	"	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"		w=${COMP_WORDS[i]}\n"
	"		of=$(_skep_takes \"$w\")\n"
	"		if [ -n \"$of\" ]; then\n"
	"			[ $((i + 1)) -lt \"$COMP_CWORD\" ] || { last=$of; break; }\n"
	"			case $w in -t | --tenant | --db | --config | --api | --context) where+=(\"$w\" \"${COMP_WORDS[i + 1]}\") ;; esac\n"
	"			i=$((i + 1))\n"
	"		elif [[ $w != -* ]]; then\n"
	"			words+=(\"$w\")\n"
	"		fi\n"
	"	done\n"
	"	if [[ $last = FILE || $last = PATH ]]; then\n"
	"		mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"		return\n"
	"	elif [ -n \"$last\" ]; then\n"
	"		_skep_offer < <(_skep_values \"$last\")\n"
	"		return\n"
	"	elif [ ${#words[@]} -eq 0 ] && [[ $cur != -* ]]; then\n"
	"		_skep_offer < <(echo \"$_skep_nouns\")\n"
	"		return\n"
	"	fi\n"
	"	w=$(_skep_verbs \"${words[0]}\")\n"
	"	if [ -n \"$w\" ] && [ ${#words[@]} -eq 1 ]; then\n"
	"		[[ $cur = -* ]] || _skep_offer < <(echo \"$w\")\n"
	"		return\n"
	"	fi\n"
	"	of=${words[0]}${w:+ ${words[1]}}\n"
	"	if [[ $cur = -* ]]; then\n"
	"		_skep_offer < <(_skep_options \"$of\")\n"
	"		return\n"
	"	fi\n"
	"	read -ra args < <(_skep_arguments \"$of\")\n"
	"	i=$((${#words[@]} - 1))\n"
	"	[ -z \"$w\" ] || i=$((i - 1))\n"
	"	_skep_offer < <(_skep_values \"${args[i]:-}\")\n"
	"}\n"
	"complete -F _skep skep\n";

static void words_of_options(FILE *f, uint64_t allowed)
{
	const char *space = "";

	for (unsigned int i = 0; i < CLI_O_MAX; i++) {
		if (!(allowed & 1ULL << i))
			continue;
		fprintf(f, "%s--%s", space, options[i].name);
		space = " ";
	}
}

/* Each noun once; as the table has them. */
static void words_of_nouns(FILE *f, const struct cmd *commands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(commands[i].noun, commands[i - 1].noun))
			fprintf(f, "%s%s", i ? " " : "", commands[i].noun);
}

static void say_verbs(FILE *f, const struct cmd *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!commands[i].verb)
			continue;
		if (!i || strcmp(commands[i].noun, commands[i - 1].noun))
			fprintf(f, "\t%s) echo '%s", commands[i].noun, commands[i].verb);
		else
			fprintf(f, " %s", commands[i].verb);
		if (i + 1 == n || strcmp(commands[i].noun, commands[i + 1].noun))
			fprintf(f, "' ;;\n");
	}
}

/* "[KIND [NAME]]", "PORT --host HOST": the words in capitals, up to the first option.  Of "-f FILE | KIND NAME" what stands behind the bar. */
static void words_of_usage(FILE *f, const char *usage)
{
	const char *bar = strchr(usage, '|'), *space = "";

	if (bar)
		usage = bar + 1;
	while (*usage) {
		size_t n = strcspn(usage, " []");

		if (*usage == '-')
			return;
		if (n)
			fprintf(f, "%s%.*s", space, (int)n, usage);
		if (n)
			space = " ";
		usage += n ? n : 1;
	}
}

static void function(FILE *f, const char *name, const char *comment)
{
	fprintf(f, "%s() { # %s\n\tcase $1 in\n", name, comment);
}

void completion_bash(FILE *f, const struct cmd *commands, size_t n)
{
	fprintf(f, "# Completion of skep for bash, made by 'skep completion bash'.  shellcheck shell=bash\n_skep_nouns='");
	words_of_nouns(f, commands, n);
	fprintf(f, "'\n_skep_kinds='");
	for (unsigned int i = 0; i < TOPO_KIND_MAX; i++)
		fprintf(f, "%s%s", i ? " " : "", topo_kind_plural((enum topo_kind)i));
	fprintf(f, "'\n");
	function(f, "_skep_verbs", "NOUN");
	say_verbs(f, commands, n);
	fprintf(f, "\tesac\n}\n");
	function(f, "_skep_options", "COMMAND");
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "\t'%s%s%s') echo '", commands[i].noun, commands[i].verb ? " " : "", commands[i].verb ? commands[i].verb : "");
		words_of_options(f, commands[i].options | CLI_O_ALWAYS);
		fprintf(f, "' ;;\n");
	}
	fprintf(f, "\tesac\n}\n");
	function(f, "_skep_arguments", "COMMAND");
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "\t'%s%s%s') echo '", commands[i].noun, commands[i].verb ? " " : "", commands[i].verb ? commands[i].verb : "");
		words_of_usage(f, commands[i].usage);
		fprintf(f, "' ;;\n");
	}
	fprintf(f, "\tesac\n}\n");
	function(f, "_skep_takes", "OPTION: what it wants behind it");
	for (unsigned int i = 0; i < CLI_O_MAX; i++) {
		if (!options[i].arg)
			continue;
		fprintf(f, "\t--%s", options[i].name);
		if (options[i].letter)
			fprintf(f, " | -%c", options[i].letter);
		fprintf(f, ") echo %s ;;\n", strcmp(options[i].arg, "NAME") ? options[i].arg : options[i].name); /* of what? */
	}
	fprintf(f, "\tesac\n}\n%s", body);
}
