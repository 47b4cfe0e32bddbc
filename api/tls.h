/* SPDX-License-Identifier: Apache-2.0 */
/* The server's certificate and key, which may be read again while connections last.  One of each in the program: who asks for them has nothing to say whose. */
#pragma once

#include "api/config.h"
#include "util/err.h"

/* What MHD and GnuTLS offer: forward secrecy, AEAD. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1:-AES-128-CBC:-AES-256-CBC"

/* Reads both files; new connections get what they say.  0, or 'err', and what was there stays.  Nothing to do without TLS. */
int tls_load(const struct api_config *config, struct err *err);
void *tls_callback(void); /* for MHD_OPTION_HTTPS_CERT_CALLBACK */
void tls_free(void);	  /* no connection is left */
