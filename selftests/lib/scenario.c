// SPDX-License-Identifier: Apache-2.0
/* Scenario files and their commands: scenario.h has the language.  A scenario is run by reading its lines from top to bottom. */
#include "selftests/lib/scenario_run.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define LINE_MAX_LEN 1024
#define NAMES_MAX    SCENARIO_NAMES_MAX
#define FAIL(...)    (err_set(err, -1, __VA_ARGS__))

struct scenario_file {
	char *path;
	char **lines; /* without newline */
	unsigned int n_lines;
	unsigned int *starts; /* line index of each 'scenario' */
	unsigned int n;
};

void scenario_free(struct scenario_file *f)
{
	if (!f)
		return;
	for (unsigned int i = 0; i < f->n_lines; i++)
		free(f->lines[i]);
	free(f->lines);
	free(f->starts);
	free(f->path);
	free(f);
}

struct scenario_file *scenario_load(const char *path, struct err *err)
{
	struct scenario_file *f = calloc(1, sizeof(*f));
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f || !in) {
		err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
		free(f);
		return NULL;
	}
	f->path = strdup(path);
	while ((n = getline(&line, &size, in)) >= 0) {
		while (n && isspace((unsigned char)line[n - 1]))
			line[--n] = 0;
		f->lines = realloc(f->lines, (f->n_lines + 1) * sizeof(*f->lines));
		f->lines[f->n_lines] = strdup(line);
		if (!strncmp(line, "scenario ", 9)) {
			f->starts = realloc(f->starts, (f->n + 1) * sizeof(*f->starts));
			f->starts[f->n++] = f->n_lines;
		}
		f->n_lines++;
	}
	free(line);
	fclose(in);
	return f;
}

unsigned int scenario_count(const struct scenario_file *f)
{
	return f->n;
}

const char *scenario_name(const struct scenario_file *f, unsigned int i)
{
	return f->lines[f->starts[i]] + strlen("scenario ");
}

/* --- files --- */

/* The indented lines behind 'i', joined, as a document of tenant 't'; '*i' ends on the last of them. */
static char *take_block(const struct scenario_file *f, unsigned int *i, unsigned int end)
{
	int indent = *i + 1 < end ? (int)strspn(f->lines[*i + 1], " ") : 0;
	char *text = NULL;
	size_t len, n;

	if (asprintf(&text, "%*stenant: t\n", indent, "") < 0)
		return NULL;
	len = strlen(text);
	while (text && *i + 1 < end &&
	       (!f->lines[*i + 1][0] || isspace((unsigned char)f->lines[*i + 1][0]))) {
		const char *line = f->lines[++*i];

		n = strlen(line);
		text = realloc(text, len + n + 2);
		if (!text)
			return NULL;
		memcpy(text + len, line, n);
		len += n;
		text[len++] = '\n';
		text[len] = 0;
	}
	return text;
}

static int command(struct scenario_env *env, const struct scenario_file *f, unsigned int *i,
		   unsigned int end, scenario_hook hook, void *arg, struct err *err)
{
	char line[LINE_MAX_LEN], *word, *rest;
	unsigned int first = *i;
	size_t len;
	int r;

	snprintf(line, sizeof(line), "%s", f->lines[*i]);
	for (len = strlen(line); len && line[len - 1] == '\\' && *i + 1 < end; len = strlen(line)) {
		const char *more = f->lines[++*i];

		snprintf(line + len - 1, sizeof(line) - len + 1, "%s", more + strspn(more, " \t"));
	}
	if (scenario_variables(env, line, sizeof(line), err))
		return -1;
	word = line + strspn(line, " \t");
	if (!*word || *word == '#')
		return 0;
	rest = word + strcspn(word, " \t");
	if (*rest)
		*rest++ = 0;
	rest += strspn(rest, " \t");
	if (env->in_step) {
		r = scenario_expect(env, word, rest, err);
		if (r <= 0)
			return r;
		if (scenario_expect_end(env, err))
			return -1;
	}
	if (!strcmp(word, "topology") || !strcmp(word, "delete") || !strcmp(word, "refused") ||
	    !strcmp(word, "in_use")) {
		_free_ char *text = take_block(f, i, end);

		if (text && strchr("ri", word[0]))
			return scenario_refused(env, text, word[0] == 'i', rest, err);
		return text ? scenario_document(env, text, word[0] == 'd', err) : -1;
	}
	if (!strcmp(word, "in"))
		return scenario_in(env, rest, first + 1, hook, arg, err);
	if (!strcmp(word, "spread"))
		return scenario_spread(env, rest, err);
	if (!strcmp(word, "share") || !strcmp(word, "moved"))
		return scenario_shares(env, word, rest, err);
	if (!strcmp(word, "flow"))
		return scenario_flow(env, rest, err);
	if (!strcmp(word, "conn") || !strcmp(word, "no"))
		return scenario_conn(env, word[0] == 'c', rest, err);
	r = scenario_set(env, word, rest, err);
	if (r <= 0)
		return r;
	return FAIL("unknown word '%s'", word);
}

static int run_lines(struct scenario_env *env, const struct scenario_file *f, unsigned int begin,
		     unsigned int end, scenario_hook hook, void *arg, struct err *err)
{
	unsigned int at = begin;

	for (unsigned int i = begin; i < end; i++) {
		at = i;
		if (command(env, f, &i, end, hook, arg, err))
			goto fail;
	}
	if (!scenario_expect_end(env, err))
		return 0;
fail:
	err_prefix(err, "%s:%u", f->path, at + 1);
	return -1;
}

int scenario_run(const struct scenario_file *f, unsigned int i, scenario_hook hook, void *arg,
		 struct err *err)
{
	unsigned int start = f->starts[i], end = i + 1 < f->n ? f->starts[i + 1] : f->n_lines;
	const struct sim_conns_limits limits = { .records = 4096,
						 .records_port = SCENARIO_CONNS_PORT,
						 .affinities = 256,
						 .timeouts = SKEP_TIMEOUTS };
	struct scenario_env env = { .next_key = 0x100, .now_ns = 1000000000 };
	int r = -1;

	*err = (struct err){ 0 };
	sim_init(&env.sim);
	arena_init(&env.arena, 0);
	env.records = json_object();
	env.tables = sim_tables_new(1000, 1000);
	env.conns = sim_conns_new(&limits);
	env.names = calloc(NAMES_MAX, sizeof(*env.names));
	env.frame = malloc(PKT_MAX);
	env.outs = calloc(SCENARIO_OUTS_MAX, sizeof(*env.outs));
	if (!env.records || !env.tables || !env.conns || !env.names || !env.frame || !env.outs)
		err_set(err, -ENOMEM, "no memory");
	else if (!run_lines(&env, f, 0, f->starts[0], hook, arg, err))
		r = run_lines(&env, f, start + 1, end, hook, arg, err);
	topo_unref(env.snap);
	sim_tables_free(env.tables);
	sim_conns_free(env.conns);
	json_decref(env.records);
	for (unsigned int n = 0; n < env.n_names; n++)
		free(env.names[n].name);
	free(env.names);
	free(env.frame);
	scenario_spread_free(&env);
	scenario_flow_free(&env);
	free(env.outs);
	arena_fini(&env.arena);
	sim_fini(&env.sim);
	return r;
}

