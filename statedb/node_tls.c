// SPDX-License-Identifier: Apache-2.0
/* Implements node_tls.h.  Called by node.c; node_tls_check() by db.c. */
#include "statedb/node_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/settings.h"

#define PEM_MAX	 (1u << 20)
#define VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct node_tls {
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	int error;   /* GnuTLS' last one */
	bool unsent; /* a record is on its way: no other data until it is out */
	bool up;
};

static int read_file(const char *key, const char *file, gnutls_datum_t *data, struct err *err)
{
	size_t len;

	data->data = (unsigned char *)settings_read_whole(file, PEM_MAX, &len, err);
	data->size = data->data ? (unsigned int)len : 0;
	return data->data ? 0 : err_prefix(err, "state DB: '%s'", key);
}

static int trust(struct node_tls *t, const struct db_tls *c, struct err *err)
{
	gnutls_datum_t ca;
	int rc = read_file("db.tls.ca", c->ca, &ca, err);

	if (rc)
		return rc;
	rc = gnutls_certificate_set_x509_trust_mem(t->credentials, &ca, GNUTLS_X509_FMT_PEM);
	free(ca.data);
	if (rc > 0)
		return 0;
	return err_set(err, -EINVAL, "state DB: 'db.tls.ca': '%s': %s (want certificates in PEM)", c->ca,
		       rc ? gnutls_strerror(rc) : "there is no certificate in it");
}

static int own(struct node_tls *t, const struct db_tls *c, struct err *err)
{
	gnutls_datum_t certificate, key = { 0 };
	int rc = read_file("db.tls.certificate", c->certificate, &certificate, err);

	if (rc)
		return rc;
	rc = settings_check_private("db.tls.key", c->key, err);
	rc = rc ? err_prefix(err, "state DB") : read_file("db.tls.key", c->key, &key, err);
	if (!rc) {
		rc = gnutls_certificate_set_x509_key_mem(t->credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
		rc = rc < 0 ? err_set(err, -EINVAL, "state DB: 'db.tls': certificate '%s' and key '%s': %s (want both in PEM)", c->certificate,
				      c->key, gnutls_strerror(rc))
			    : 0;
		explicit_bzero(key.data, key.size);
		free(key.data);
	}
	free(certificate.data);
	return rc;
}

static struct node_tls *credentials_new(const struct db_tls *c, struct err *err)
{
	struct node_tls *t = calloc(1, sizeof(*t));

	if (!t || gnutls_certificate_allocate_credentials(&t->credentials) < 0)
		err_set(err, -ENOMEM, "out of memory");
	else if (!trust(t, c, err) && (!c->certificate || !own(t, c, err)))
		return t;
	node_tls_free(t);
	return NULL;
}

int node_tls_check(const struct db_tls *c, struct err *err)
{
	struct node_tls *t = credentials_new(c, err);

	node_tls_free(t);
	return t ? 0 : err->code;
}

/* Not for addresses: RFC 6066, 3. */
static int say_name(struct node_tls *t, const char *host)
{
	struct in6_addr ip;

	if (inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1)
		return 0;
	return gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, host, strlen(host));
}

struct node_tls *node_tls_new(const struct db_tls *c, const char *host, int fd, struct err *err)
{
	struct node_tls *t = credentials_new(c, err);
	int rc;

	if (!t)
		return NULL;
	rc = gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (rc >= 0)
		rc = gnutls_priority_set_direct(t->session, VERSIONS, NULL);
	if (rc >= 0)
		rc = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials);
	if (rc >= 0)
		rc = say_name(t, c->name ? c->name : host);
	if (rc < 0) {
		err_set(err, -EIO, "state DB: TLS: %s", gnutls_strerror(rc));
		node_tls_free(t);
		return NULL;
	}
	gnutls_session_set_verify_cert(t->session, c->name ? c->name : host, 0);
	gnutls_transport_set_int(t->session, fd);
	gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT); /* the node has its own */
	return t;
}

void node_tls_free(struct node_tls *t)
{
	if (!t)
		return;
	if (t->up)
		(void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
	if (t->session)
		gnutls_deinit(t->session);
	if (t->credentials)
		gnutls_certificate_free_credentials(t->credentials);
	free(t);
}

/* GnuTLS' error as -errno. */
static int failed(struct node_tls *t, ssize_t rc)
{
	if (!gnutls_error_is_fatal((int)rc))
		return -EAGAIN; /* also alerts that are warnings, and wishes to agree anew */
	t->error = (int)rc;
	t->up = false;
	return -EPROTO;
}

const char *node_tls_why(const struct node_tls *t)
{
	if (t->error == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return gnutls_alert_get_name(gnutls_alert_get(t->session));
	return gnutls_strerror(t->error);
}

/* What is wrong with the server's certificate. */
static int mistrusted(struct node_tls *t, struct err *err)
{
	gnutls_datum_t text = { 0 };

	if (gnutls_certificate_verification_status_print(gnutls_session_get_verify_cert_status(t->session), GNUTLS_CRT_X509, &text, 0) < 0)
		return err_set(err, -EACCES, "has a certificate that is not trusted");
	err_set(err, -EACCES, "is not trusted: %.150s", (const char *)text.data);
	gnutls_free(text.data);
	return -EACCES;
}

int node_tls_handshake(struct node_tls *t, struct err *err)
{
	int rc = gnutls_handshake(t->session);

	if (rc == GNUTLS_E_SUCCESS) {
		t->up = true;
		return 0;
	}
	if (failed(t, rc) == -EAGAIN)
		return -EAGAIN;
	if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		return mistrusted(t, err);
	return err_set(err, -EPROTO, "does not agree on TLS: %.120s", node_tls_why(t));
}

bool node_tls_wants_out(const struct node_tls *t)
{
	return gnutls_record_get_direction(t->session);
}

ssize_t node_tls_send(struct node_tls *t, const void *data, size_t len)
{
	/* of a record that is on its way GnuTLS has a copy, and wants no other */
	ssize_t n = t->unsent ? gnutls_record_send(t->session, NULL, 0) : gnutls_record_send(t->session, data, len);

	t->unsent = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
	return n < 0 ? failed(t, n) : n;
}

ssize_t node_tls_recv(struct node_tls *t, void *buf, size_t len)
{
	ssize_t n = gnutls_record_recv(t->session, buf, len);

	return n == GNUTLS_E_PREMATURE_TERMINATION ? 0 : n < 0 ? failed(t, n) : n;
}
