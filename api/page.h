/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that are not of objects: tokens, audit. */
#pragma once

#include "api/request.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000

/* ?limit=; 0: it has answered 400. */
unsigned int page_limit(struct api_request *r);
