// SPDX-License-Identifier: Apache-2.0
/* Implements tls.h.  Called by http.c (at the start) and main.c (SIGHUP). */
#include "api/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/settings.h"

#define PEM_MAX	  (1u << 20)
#define CHAIN_MAX 16

/* A handshake may still use the one before: they are kept until the end, one each time that somebody has asked for another. */
struct pair {
	struct pair *older;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned int n;
	gnutls_privkey_t key;
};

static struct pair *current;

static void pair_free(struct pair *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->n; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key)
		gnutls_privkey_deinit(p->key);
	free(p);
}

static int read_chain(struct pair *p, const char *file, struct err *err)
{
	size_t len;
	_free_ char *text = settings_read_whole(file, PEM_MAX, &len, err);
	const gnutls_datum_t data = { (unsigned char *)text, (unsigned int)len };
	unsigned int n = CHAIN_MAX;
	int rc;

	if (!text)
		return err_prefix(err, "'tls.certificate'");
	rc = gnutls_pcert_list_import_x509_raw(p->chain, &n, &data, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return err_set(err, -EINVAL, "'tls.certificate': '%s': %s (want certificates in PEM)", file, gnutls_strerror(rc));
	p->n = n;
	return 0;
}

static int read_key(struct pair *p, const char *file, struct err *err)
{
	size_t len;
	char *text = settings_read_whole(file, PEM_MAX, &len, err);
	const gnutls_datum_t data = { (unsigned char *)text, (unsigned int)len };
	int rc;

	if (!text)
		return err_prefix(err, "'tls.key'");
	rc = gnutls_privkey_init(&p->key);
	if (rc >= 0)
		rc = gnutls_privkey_import_x509_raw(p->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
	explicit_bzero(text, len);
	free(text);
	if (rc < 0)
		return err_set(err, -EINVAL, "'tls.key': '%s': %s (want a key in PEM)", file, gnutls_strerror(rc));
	return settings_check_private("tls.key", file, err);
}

static bool is_pair(const struct pair *p)
{
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);
	gnutls_pubkey_t pub = NULL;
	bool same;

	same = gnutls_pubkey_init(&pub) >= 0 && gnutls_pubkey_import_privkey(pub, p->key, 0, 0) >= 0 &&
	       gnutls_pubkey_get_key_id(pub, 0, a, &na) >= 0 && gnutls_pubkey_get_key_id(p->chain[0].pubkey, 0, b, &nb) >= 0 && na == nb &&
	       !memcmp(a, b, na);
	if (pub)
		gnutls_pubkey_deinit(pub);
	return same;
}

int tls_load(const struct api_config *config, struct err *err)
{
	struct pair *p;

	if (!config->tls_certificate)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	if (read_chain(p, config->tls_certificate, err) || read_key(p, config->tls_key, err) ||
	    (!is_pair(p) && err_set(err, -EINVAL, "'tls.certificate' and 'tls.key' are not a pair"))) {
		pair_free(p);
		return err->code;
	}
	p->older = current;
	current = p;
	return 0;
}

static int on_handshake(gnutls_session_t session, const gnutls_datum_t *issuers, int n_issuers, const gnutls_pk_algorithm_t *algorithms,
			int n_algorithms, gnutls_pcert_st **chain, unsigned int *n, gnutls_privkey_t *key)
{
	(void)session;
	(void)issuers;
	(void)n_issuers;
	(void)algorithms;
	(void)n_algorithms;
	*chain = current->chain;
	*n = current->n;
	*key = current->key;
	return 0;
}

void *tls_callback(void)
{
	return (void *)on_handshake;
}

void tls_free(void)
{
	struct pair *p;

	while ((p = current)) {
		current = p->older;
		pair_free(p);
	}
}
