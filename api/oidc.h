/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of an external issuer.  Its keys come from a file, looked at again when it changes, or from a URL, every ten minutes; a token with a key that is
 * not known asks for them at once, but not more than once a minute.  What was verified is remembered.
 */
#pragma once

#include "api/config.h"
#include "api/jwt.h"
#include "util/loop.h"

struct oidc;

/* NULL with 'err': the configuration is wrong, the file cannot be read.  That a URL does not answer is no error here: it is asked again. */
struct oidc *oidc_new(struct loop *loop, const struct api_config *config, struct err *err);
void oidc_free(struct oidc *o); /* takes NULL; those who wait are refused */

/* Has it been verified already?  Then whom it stands for; costs next to nothing. */
bool oidc_known(struct oidc *o, const char *token, int64_t now_s, struct api_caller *caller);
/* At once, or when the keys have come: the caller, or 'err' (-EACCES refused, -EAGAIN the issuer's keys cannot be had). */
typedef void oidc_done(void *arg, const struct api_caller *caller, const struct err *err);
void oidc_check(struct oidc *o, const char *token, oidc_done *done, void *arg);
