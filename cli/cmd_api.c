// SPDX-License-Identifier: Apache-2.0
/* api: one request to skep-api, for what there is no command for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/rest.h"
#include "util/cleanup.h"

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

static const char *find_method(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcasecmp(methods[i], word))
			return methods[i];
	return NULL;
}

int cmd_api(struct cli *cli, struct err *err)
{
	const bool has_body = cli->value[CLI_O_FILE_BIT];
	const char *path = cli->args[cli->n_args - 1], *method = cli->n_args > 1 ? find_method(cli->args[0]) : has_body ? "POST" : "GET", *text;
	_free_ char *body = NULL, *whole = NULL;
	size_t len;
	int rc;

	if (!method)
		return err_tag(err, -EINVAL, "usage", "'%s' is not a method (want get, post, put, patch or delete)", cli->args[0]);
	rc = rest_wanted(cli, err);
	if (rc <= 0)
		return rc ? rc : err_tag(err, -EINVAL, "usage", "which API? (want --api URL, or 'skep login')");
	if (has_body && !(body = change_read_text(cli, &len, err)))
		return err->code;
	if (*path != '/') { /* as they stand behind that in the manual */
		if (asprintf(&whole, "/api/v1/%s", path) < 0)
			return err_set(err, -ENOMEM, "out of memory");
		path = whole;
	}
	text = rest_text(cli, method, path, body, &len, err);
	if (!text)
		return err->code;
	fwrite(text, 1, len, stdout);
	if (len && text[len - 1] != '\n')
		putchar('\n');
	return 0;
}
