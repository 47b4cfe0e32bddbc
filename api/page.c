// SPDX-License-Identifier: Apache-2.0
#include "api/page.h"

#include "api/parse.h"

unsigned int page_limit(struct api_request *r)
{
	const char *v = api_query(r, "limit");
	uint64_t n = PAGE_DEFAULT;

	if (!v || (parse_u64(v, &n) && n >= 1 && n <= PAGE_MAX))
		return (unsigned int)n;
	api_problemf(r, 400, "malformed", "query parameter 'limit': '%.40s' is not allowed (want 1 to %d)", v, PAGE_MAX);
	return 0;
}
