/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: "skep_<id>_<secret>", 64 bits that name it and 256 that nobody can guess, in hexadecimal.  Of its text only a SHA-256 is kept: more is not
 * needed, for there is nothing to try out.  A session of the panel is the same thing in a cookie, "<id>_<secret>", and dies with the token that it
 * was made with.  Pure but for token_make(), which draws random bits.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/request.h"
#include "util/err.h"
#include "util/hmap.h"

#define TOKEN_ID     17 /* hexadecimal digits and NUL */
#define TOKEN_SHA    32
#define TOKEN_TEXT   87 /* "skep_" id "_" secret NUL */
#define TOKEN_AGENT  201
#define TOKEN_PREFIX "skep_"

enum token_kind { TOKEN_BEARER, TOKEN_SESSION };

struct token {
	struct hmap_node by_id;
	enum token_kind kind;
	char id[TOKEN_ID];
	uint8_t sha[TOKEN_SHA];
	char name[TOPO_NAME_MAX + 1], tenant[TOPO_NAME_MAX + 1]; /* tenant "": all */
	enum api_role role;
	bool read_only;
	int64_t created_s, expires_s; /* UNIX time; expires 0 = never */
	char by[TOPO_NAME_MAX + 1];   /* who made it */
	uint64_t rev;		      /* of the record; 0 = not written yet */
	char parent[TOKEN_ID];	      /* SESSION: the token that it was made with; "" = a JWT */
	char subject[API_SUBJECT];    /* SESSION: of the JWT that it was made with; "" = none */
	char address[48];	      /* SESSION: where it was begun; "" = not known */
	char agent[TOKEN_AGENT];      /* SESSION: what the browser says that it is; printable ASCII */
	int64_t used_s;		      /* about, as all know it; 0 = not known */
	int64_t seen_s;		      /* by this instance */
};

/* A fresh text for 'id'; t->id and t->sha are set.  False: there are no random bits. */
bool token_make(struct token *t, char text[static TOKEN_TEXT]);
/* The id and the hash of what somebody shows; false: it does not look like a token of the kind. */
bool token_parse(enum token_kind kind, const char *text, char id[static TOKEN_ID], uint8_t sha[static TOKEN_SHA]);
/* In constant time. */
bool token_matches(const struct token *t, const uint8_t sha[static TOKEN_SHA]);
static inline bool token_expired(const struct token *t, int64_t now_s)
{
	return t->expires_s && now_s >= t->expires_s;
}

/* "token/<id>", "session/<id>" */
#define TOKEN_PATH 32
const char *token_path(enum token_kind kind, const char *id, char buf[static TOKEN_PATH]);
/* It goes, and when it was used: into 'changes' {path: null}. */
void token_gone(const struct token *t, json_t *changes);
/* As records, and back: false if it is not one. */
json_t *token_record(const struct token *t);
bool token_of_record(const char *path, const json_t *record, struct token *t);
/* As callers of the API see it: nothing that would help to use it. */
json_t *token_public(const struct token *t);
json_t *session_public(const struct token *t);
/* What somebody wants: {"name", "role", "tenant", "expires_s", "read_only"}.  'err' with field, value, what is allowed. */
int token_of_request(const json_t *body, int64_t now_s, struct token *t, struct err *err);

/* --- those that there are --- */

struct tokens {
	struct hmap by_id; /* of both kinds */
	size_t n[2];	   /* of each kind */
};

void tokens_init(struct tokens *all);
void tokens_fini(struct tokens *all);
struct token *tokens_find(const struct tokens *all, enum token_kind kind, const char *id);
/* Copies 't' in, in place of one of the same id.  0 or -ENOMEM. */
int tokens_put(struct tokens *all, const struct token *t);
void tokens_remove(struct tokens *all, enum token_kind kind, const char *id);
size_t tokens_of_tenant(const struct tokens *all, const char *tenant); /* bearer tokens; "" = those of no tenant */
/* Who shows it: NULL if nobody may.  A session's parent must live, too. */
struct token *tokens_check(const struct tokens *all, enum token_kind kind, const char *id, const uint8_t sha[static TOKEN_SHA],
			   int64_t now_s);
/* The secret that a page must show beside the cookie 'text': only who has the cookie can know it. */
#define TOKEN_CSRF 65
void token_csrf(const char *text, char csrf[static TOKEN_CSRF]);
bool token_csrf_ok(const char *text, const char *shown); /* constant time */
