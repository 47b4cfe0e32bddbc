// SPDX-License-Identifier: Apache-2.0
#include "api/patch.h"

#include "util/json.h"

json_t *patch_merge(const json_t *target, const json_t *patch)
{
	_json_ json_t *out = NULL;
	const char *key;
	json_t *v;

	if (!json_is_object(patch))
		return json_incref((json_t *)patch);
	out = json_is_object(target) ? json_copy((json_t *)target) : json_object();
	if (!out)
		return NULL;
	json_object_foreach ((json_t *)patch, key, v) {
		json_t *merged;

		if (json_is_null(v)) {
			(void)json_object_del(out, key); /* not there is as good */
			continue;
		}
		merged = patch_merge(json_object_get(out, key), v);
		if (!merged || json_object_set_new(out, key, merged))
			return NULL;
	}
	return TAKE_PTR(out);
}
