// SPDX-License-Identifier: Apache-2.0
/* Implements oidc.h.  jwt.c verifies, fetch.c fetches.  Called by auth.c. */
#include "api/oidc.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/fetch.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define REFRESH_S  600 /* keys are asked for again */
#define HURRY_S	   60  /* at most so often because of a key that is not known */
#define RETRY_S	   10  /* until there are keys at all */
#define LOOK_S	   2   /* at a file, at most so often */
#define WAIT_MAX   1000
#define KNOWN_MAX  4096 /* power of two */

struct oidc_known {
	uint8_t sha[32];
	struct api_caller caller; /* role API_NOBODY: none */
};

struct oidc_wait {
	struct oidc_wait *next;
	oidc_done *done;
	void *arg;
	char token[];
};

struct oidc {
	struct loop *loop;
	struct jwt_rules rules;
	const char *source;
	bool is_url, fetching;
	struct jwks *keys;
	uint8_t keys_sha[32]; /* of the text they were made of */
	struct fetch *fetch;
	struct loop_timer *timer;
	struct stat seen; /* of the file */
	uint64_t looked_ns, hurried_ns;
	struct oidc_wait *waits;
	unsigned int n_waits;
	struct oidc_known *known;
};

/* Those who were let in stay so while the keys are the same. */
static void set_keys(struct oidc *o, struct jwks *keys, const char *text, size_t len)
{
	uint8_t sha[sizeof(o->keys_sha)];

	gnutls_hash_fast(GNUTLS_DIG_SHA256, text, len, sha);
	if (o->keys && !memcmp(sha, o->keys_sha, sizeof(sha))) {
		jwks_free(keys);
		return;
	}
	memcpy(o->keys_sha, sha, sizeof(sha));
	jwks_free(o->keys);
	o->keys = keys;
	memset(o->known, 0, KNOWN_MAX * sizeof(*o->known)); /* a key may have been taken back */
	log_info("%u keys of '%s' from %s", jwks_count(keys), o->rules.issuer, o->source);
}

static void no_keys(struct oidc *o, const struct err *err)
{
	log_warn("the keys of '%s' from %s: %s%s", o->rules.issuer, o->source, err->text,
		 o->keys ? ", keeping the old ones" : "");
}

/* --- from a file --- */

static char *read_all(int fd, size_t *len, struct err *err)
{
	char *text = malloc(FETCH_MAX + 1);
	ssize_t n = 1;

	*len = 0;
	while (text && n > 0 && *len < FETCH_MAX) {
		n = read(fd, text + *len, FETCH_MAX - *len);
		*len += n > 0 ? (size_t)n : 0;
	}
	if (text && n == 0)
		return text;
	err_set(err, -EIO, "%s", !text ? "out of memory" : n < 0 ? strerror(errno) : "larger than 1 MB");
	free(text);
	return NULL;
}

static int load_file(struct oidc *o, struct err *err)
{
	_close_ int fd = open(o->source, O_RDONLY | O_CLOEXEC);
	_free_ char *text = NULL;
	struct jwks *keys;
	size_t len;

	if (fd < 0 || fstat(fd, &o->seen))
		return err_set(err, -errno, "%s", strerror(errno));
	text = read_all(fd, &len, err);
	keys = text ? jwks_parse(text, len, err) : NULL;
	if (!keys)
		return err->code;
	set_keys(o, keys, text, len);
	return 0;
}

/* Somebody asks: has the file changed? */
static void look_at_file(struct oidc *o)
{
	uint64_t now = clock_mono_ns();
	struct err err = { 0 };
	struct stat st;

	if (now - o->looked_ns < LOOK_S * NSEC_PER_SEC)
		return;
	o->looked_ns = now;
	if (stat(o->source, &st) == 0 && st.st_ino == o->seen.st_ino && st.st_size == o->seen.st_size &&
	    st.st_mtim.tv_sec == o->seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == o->seen.st_mtim.tv_nsec)
		return;
	if (load_file(o, &err))
		no_keys(o, &err);
}

/* --- from a URL --- */

static void refresh(void *arg);

static void refresh_in(struct oidc *o, unsigned int s)
{
	loop_timer_del(o->timer);
	o->timer = loop_timer_add(o->loop, s * NSEC_PER_SEC, 0, refresh, o);
}

static void answer(struct oidc *o, const char *token, bool may_wait, oidc_done *done, void *arg);

static void on_fetched(void *arg, const char *text, size_t len, const struct err *why)
{
	struct oidc *o = arg;
	struct oidc_wait *w = o->waits, *next;
	struct err err = { 0 };
	struct jwks *keys = why ? NULL : jwks_parse(text, len, &err);

	o->fetching = false;
	if (keys)
		set_keys(o, keys, text, len);
	else
		no_keys(o, why ? why : &err);
	refresh_in(o, o->keys ? REFRESH_S : RETRY_S);
	o->waits = NULL;
	o->n_waits = 0;
	for (; w; w = next) {
		next = w->next;
		answer(o, w->token, false, w->done, w->arg);
		free(w);
	}
}

static void refresh(void *arg)
{
	struct oidc *o = arg;

	o->timer = NULL;
	o->fetching = o->fetching || fetch_start(o->fetch, o->source, on_fetched, o);
	if (!o->fetching)
		refresh_in(o, RETRY_S);
}

/* --- tokens --- */

static struct oidc_known *slot_of(struct oidc *o, const char *token, uint8_t sha[static 32])
{
	unsigned int at;

	gnutls_hash_fast(GNUTLS_DIG_SHA256, token, strlen(token), sha);
	memcpy(&at, sha, sizeof(at));
	return &o->known[at & (KNOWN_MAX - 1)];
}

bool oidc_known(struct oidc *o, const char *token, int64_t now_s, struct api_caller *caller)
{
	uint8_t sha[32];
	const struct oidc_known *k;

	if (!o->is_url)
		look_at_file(o);
	k = slot_of(o, token, sha);
	if (k->caller.role == API_NOBODY || gnutls_memcmp(k->sha, sha, sizeof(sha)) != 0 ||
	    now_s >= k->caller.expires_s)
		return false;
	*caller = k->caller;
	return true;
}

static void remember(struct oidc *o, const char *token, const struct api_caller *caller)
{
	struct oidc_known one = { .caller = *caller };
	struct oidc_known *k = slot_of(o, token, one.sha);

	*k = one;
}

/* Keys may have changed since they were fetched: those who show a new one wait for them, unless that was tried a moment ago. */
static bool wait_for_keys(struct oidc *o, const char *token, oidc_done *done, void *arg)
{
	uint64_t now = clock_mono_ns();
	struct oidc_wait *w;

	if (!o->is_url || o->n_waits == WAIT_MAX)
		return false;
	if (!o->fetching && o->hurried_ns && now - o->hurried_ns < HURRY_S * NSEC_PER_SEC)
		return false;
	w = malloc(sizeof(*w) + strlen(token) + 1);
	if (!w)
		return false;
	if (!o->fetching) {
		o->hurried_ns = now;
		loop_timer_del(o->timer);
		refresh(o);
	}
	if (!o->fetching) {
		free(w);
		return false;
	}
	*w = (struct oidc_wait){ .next = o->waits, .done = done, .arg = arg };
	memcpy(w->token, token, strlen(token) + 1);
	o->waits = w;
	o->n_waits++;
	return true;
}

static void answer(struct oidc *o, const char *token, bool may_wait, oidc_done *done, void *arg)
{
	struct api_caller caller;
	struct err err = { 0 };
	int rc = jwt_check(o->keys, &o->rules, token, (int64_t)time(NULL), &caller, &err);

	if (rc == -ENOKEY && may_wait && wait_for_keys(o, token, done, arg))
		return;
	if (rc == -ENOKEY && !o->keys)
		err_tag(&err, -EAGAIN, "unavailable", "the keys of '%.200s' cannot be had", o->rules.issuer);
	if (rc)
		err.code = err.code == -EAGAIN ? -EAGAIN : -EACCES;
	else
		remember(o, token, &caller);
	done(arg, rc ? NULL : &caller, rc ? &err : NULL);
}

void oidc_check(struct oidc *o, const char *token, oidc_done *done, void *arg)
{
	if (!o->is_url)
		look_at_file(o);
	answer(o, token, strlen(token) <= JWT_MAX, done, arg);
}

/* --- life --- */

struct oidc *oidc_new(struct loop *loop, const struct api_config *config, struct err *err)
{
	struct oidc *o = calloc(1, sizeof(*o));
	int rc = 0;

	if (o)
		o->known = calloc(KNOWN_MAX, sizeof(*o->known));
	if (!o || !o->known) {
		oidc_free(o);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	o->loop = loop;
	o->rules = (struct jwt_rules){ config->oidc_issuer, config->oidc_audience, config->oidc_tenant_claim,
				       config->oidc_role_claim };
	o->source = config->oidc_jwks;
	o->is_url = strstr(o->source, "://");
	if (!o->is_url) {
		rc = load_file(o, err);
		o->looked_ns = clock_mono_ns();
	} else if (!fetch_url_ok(o->source)) {
		rc = err_set(err, -EINVAL, "'%.200s' is not allowed (want a file, https://..., or http:// to a loopback address)",
			     o->source);
	} else {
		o->fetch = fetch_new(loop, err);
		rc = o->fetch ? 0 : err->code;
		if (!rc)
			refresh(o);
	}
	if (!rc)
		return o;
	err_prefix(err, "'oidc.jwks': %.200s", o->source);
	oidc_free(o);
	return NULL;
}

void oidc_free(struct oidc *o)
{
	struct oidc_wait *w, *next;
	struct err err = { 0 };

	if (!o)
		return;
	fetch_free(o->fetch);
	loop_timer_del(o->timer);
	err_set(&err, -EAGAIN, "the server is being stopped");
	for (w = o->waits; w; w = next) {
		next = w->next;
		w->done(w->arg, NULL, &err);
		free(w);
	}
	jwks_free(o->keys);
	free(o->known);
	free(o);
}
