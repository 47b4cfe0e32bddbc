// SPDX-License-Identifier: Apache-2.0
/* jansson trees -> YAML text, as yaml_parse() would read it. */
#include "util/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "util/json.h"

/* Would a reader take this string for something else when it is not quoted? */
static bool needs_quotes(const char *s)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on",
					     "off",  "null",  "~",   "y",  "n" };

	if (!*s)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(s, words[i]))
			return true;
	if (strchr("0123456789+-.",
		   *s)) /* a number, or an address with colons that YAML 1.1 reads in base 60 */
		return true;
	return strpbrk(s, ":#{}[],&*!|>'\"%@`\\") != NULL;
}

static int emit(yaml_emitter_t *e, const json_t *v)
{
	char number[32];
	const char *text = number;
	yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
	yaml_event_t event;
	const char *key;
	const json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
							 YAML_BLOCK_MAPPING_STYLE) ||
		    !yaml_emitter_emit(e, &event))
			return -ENOMEM;
		json_object_foreach((json_t *)v, key, item)
		{
			_json_ json_t *k = json_string(key);

			if (!k || emit(e, k) || emit(e, item))
				return -ENOMEM;
		}
		return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(e, &event)
			       ? 0
			       : -ENOMEM;
	case JSON_ARRAY:
		if (!yaml_sequence_start_event_initialize(
			    &event, NULL, NULL, 1,
			    json_array_size(v) && json_is_object(json_array_get(v, 0))
				    ? YAML_BLOCK_SEQUENCE_STYLE
				    : YAML_FLOW_SEQUENCE_STYLE) ||
		    !yaml_emitter_emit(e, &event))
			return -ENOMEM;
		json_array_foreach(v, i, item) if (emit(e, item)) return -ENOMEM;
		return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(e, &event)
			       ? 0
			       : -ENOMEM;
	case JSON_STRING:
		text = json_string_value(v);
		if (needs_quotes(text))
			style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
		break;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		snprintf(number, sizeof(number), "%g", json_real_value(v));
		break;
	case JSON_TRUE:
		text = "true";
		break;
	case JSON_FALSE:
		text = "false";
		break;
	default:
		text = "null";
	}
	return yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *)text,
					    (int)strlen(text), 1, 1, style) &&
			       yaml_emitter_emit(e, &event)
		       ? 0
		       : -ENOMEM;
}

int yaml_write(const json_t *value, FILE *out)
{
	yaml_emitter_t e;
	yaml_event_t event;
	int rc = -ENOMEM;

	if (!yaml_emitter_initialize(&e))
		return -ENOMEM;
	yaml_emitter_set_output_file(&e, out);
	yaml_emitter_set_width(&e, 120);
	yaml_emitter_set_unicode(&e, 1);
	if (yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	    yaml_emitter_emit(&e, &event) &&
	    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	    yaml_emitter_emit(&e, &event) && !emit(&e, value) &&
	    yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&e, &event) &&
	    yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&e, &event))
		rc = 0;
	yaml_emitter_delete(&e);
	return rc;
}

char *yaml_text(const json_t *value, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	int rc;

	if (!f)
		return NULL;
	rc = yaml_write(value, f);
	if (!fclose(f) && !rc)
		return text;
	free(text);
	return NULL;
}
