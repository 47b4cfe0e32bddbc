// SPDX-License-Identifier: Apache-2.0
#include "api/make_token.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "api/role.h"
#include "api/store.h"
#include "util/cleanup.h"
#include "util/log.h"

#define TIMEOUT_MS 10000

struct making {
	struct token token;
	char text[TOKEN_TEXT];
	bool done;
	struct err err;
};

static json_t *make(void *arg, const struct store *s, struct err *err)
{
	struct making *m = arg;
	char path[TOKEN_PATH];

	(void)s;
	(void)err;
	return json_pack("{s:o}", token_path(TOKEN_BEARER, m->token.id, path), token_record(&m->token));
}

static void on_done(void *arg, const struct err *err, uint64_t rev)
{
	struct making *m = arg;

	(void)rev;
	if (err)
		m->err = *err;
	m->done = true;
}

/* Once the records are here. */
static void on_ready(void *arg)
{
	*(bool *)arg = true;
}

static int write_token(struct db *db, struct store *s, struct making *m, struct err *err)
{
	bool ready = false;
	json_t *meta;

	store_watch(s, on_ready, &ready);
	if (db_await(db, &ready, TIMEOUT_MS, err))
		return -1;
	store_watch(s, NULL, NULL);
	meta = json_pack("{s:s, s:s, s:i}", "by", "skep-api", "action", "--make-token", "uid", (int)getuid());
	store_write(s, make, meta, on_done, m);
	if (db_await(db, &m->done, TIMEOUT_MS, err))
		return -1;
	if (m->err.code)
		*err = m->err;
	return m->err.code;
}

int make_token(const struct api_config *config, const char *name)
{
	struct making m = { .token = { .kind = TOKEN_BEARER, .role = API_OPERATOR, .created_s = (int64_t)time(NULL), .by = "skep-api" } };
	struct db_config dc = api_config_db(config);
	struct err err = { 0 };
	struct loop *loop = loop_new();
	struct store *s = NULL;
	struct db *db = NULL;
	int rc = -1;

	if (!role_name_ok(name)) {
		log_error("--make-token: '%.80s' is not a name (want 1 to 63 letters, digits and ._@-)", name);
		loop_free(loop);
		return 2;
	}
	snprintf(m.token.name, sizeof(m.token.name), "%s", name);
	if (!loop || !token_make(&m.token, m.text)) {
		log_error("cannot start: %m");
	} else {
		db = db_new(loop, &dc, &err);
		s = db ? store_new(loop, db) : NULL;
		rc = s ? write_token(db, s, &m, &err) : -1;
		if (rc)
			log_error("%s", err.text[0] ? err.text : "out of memory");
		else
			puts(m.text);
	}
	store_stop(s);
	db_free(db, false);
	store_free(s);
	loop_free(loop);
	return rc ? 1 : 0;
}
