// SPDX-License-Identifier: Apache-2.0
#include "util/settings_private.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util/addr.h"
#include "util/cleanup.h"

#define NAME_MAX_LEN 63

int settings_find(const struct settings *s, const char *name)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!strcmp(s->table[i].name, name))
			return (int)i;
	return -1;
}

bool settings_is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n && !s[n] && n <= NAME_MAX_LEN && isalnum((unsigned char)s[0]);
}

static bool is_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

static bool is_device(const char *s, uint32_t max)
{
	size_t n = strlen(s);

	return n && n <= max && is_text(s) && !strpbrk(s, " /:%") && strcmp(s, ".") &&
	       strcmp(s, "..");
}

static int bad(const struct setting *k, const char *text, const char *where, const char *want,
	       struct err *err)
{
	return err_set(err, -EINVAL, "%s: '%s': '%s' is not allowed (want %s)", where, k->name,
		       text, want);
}

static bool find_word(const struct setting *k, const char *text, int *value)
{
	for (int i = 0; k->words && k->words[i]; i++)
		if (!strcmp(k->words[i], text)) {
			*value = k->values[i];
			return true;
		}
	return false;
}

static bool parse_size(const char *text, uint64_t *size)
{
	static const struct {
		const char *unit;
		unsigned int shift;
	} units[] = { { "kB", 10 }, { "MB", 20 }, { "GB", 30 } };
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno || n >> 30)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].unit)) {
			*size = (uint64_t)n << units[i].shift;
			return true;
		}
	*size = n;
	return !*end;
}

static int parse(void *to, const struct setting *k, const char *text, const char *where,
		 struct err *err)
{
	void *at = (char *)to + k->offset;
	char want[128];
	char *end;
	unsigned long long n;
	struct skep_ip ip;
	uint16_t port;
	int value;

	switch (k->type) {
	case SETTING_NAME:
		if (!settings_is_name(text))
			return bad(
				k, text, where,
				"1 to 63 letters, digits, '.', '_', '-', a letter or digit first",
				err);
		break;
	case SETTING_PATH:
		if (text[0] != '/' || !is_text(text) || strlen(text) > 200)
			return bad(k, text, where, "an absolute path of at most 200 characters",
				   err);
		break;
	case SETTING_DEVICE:
		snprintf(want, sizeof(want), "1 to %u characters, no space, '/', ':' or '%%'",
			 k->max);
		if (!is_device(text, k->max))
			return bad(k, text, where, want, err);
		break;
	case SETTING_ENDPOINT:
		if (!endpoint_parse(text, &ip, &port))
			return bad(k, text, where, "an address and a port, like 127.0.0.1:9460 or [::1]:9460", err);
		break;
	case SETTING_STRING:
	case SETTING_LIST:
		if (!is_text(text) || !*text)
			return bad(k, text, where, "text without control characters", err);
		break;
	case SETTING_NUMBER:
		if (find_word(k, text, &value)) {
			*(uint32_t *)at = (uint32_t)value;
			return 0;
		}
		errno = 0;
		n = strtoull(text, &end, 10);
		snprintf(want, sizeof(want), "a whole number, %u to %u%s%s", k->min, k->max,
			 k->words ? ", or " : "", k->words ? k->words[0] : "");
		if (!isdigit((unsigned char)*text) || *end || errno || n < k->min || n > k->max)
			return bad(k, text, where, want, err);
		*(uint32_t *)at = (uint32_t)n;
		return 0;
	case SETTING_CHOICE:
		if (find_word(k, text, at))
			return 0;
		return bad(k, text, where, k->help, err);
	case SETTING_ADDRESS:
		if (!ip_parse(text, at) || ip_is_unspecified(at) || ip_is_multicast(at) ||
		    ip_is_broadcast(at)) {
			memset(at, 0, sizeof(struct skep_ip));
			return bad(k, text, where, "an IPv4 or IPv6 address of this host", err);
		}
		return 0;
	case SETTING_SIZE:
		snprintf(want, sizeof(want), "a size, %uMB to %uMB", k->min, k->max);
		if (!parse_size(text, at) || *(uint64_t *)at >> 20 > k->max ||
		    *(uint64_t *)at < (uint64_t)k->min << 20)
			return bad(k, text, where, want, err);
		return 0;
	}
	free(*(char **)at);
	*(char **)at = strdup(text);
	return *(char **)at ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int settings_load(const struct settings *s, void *to, const char *file, char *const *env, char *const *set,
		  unsigned int n_set, struct err *err)
{
	struct settings_raw raw = { s, calloc(s->n, sizeof(char *)), calloc(s->n, sizeof(char *)) };
	int rc = raw.text && raw.where ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (unsigned int i = 0; !rc && i < s->n; i++)
		rc = settings_take_default(&raw, (int)i, err);
	if (!rc && (file || !access(s->file, F_OK)))
		rc = settings_take_file(&raw, file ? file : s->file, err);
	if (!rc)
		rc = settings_take_env(&raw, env, err);
	for (unsigned int i = 0; !rc && i < n_set; i++)
		rc = settings_take_set(&raw, set[i], err);
	for (unsigned int i = 0; !rc && i < s->n; i++)
		if (raw.text[i])
			rc = parse(to, &s->table[i], raw.text[i], raw.where[i], err);
	for (unsigned int i = 0; raw.text && raw.where && i < s->n; i++) {
		free(raw.text[i]);
		free(raw.where[i]);
	}
	free(raw.text);
	free(raw.where);
	return rc;
}

static bool is_owned(enum setting_type type)
{
	return type != SETTING_NUMBER && type != SETTING_CHOICE && type != SETTING_ADDRESS &&
	       type != SETTING_SIZE;
}

void settings_fini(const struct settings *s, void *of)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (is_owned(s->table[i].type)) {
			char **at = (char **)((char *)of + s->table[i].offset);

			free(*at);
			*at = NULL;
		}
}

int settings_split(const char *list, unsigned int max, char ***items, unsigned int *n)
{
	_free_ char *copy = strdup(list ? list : "");
	char *p = copy, *item;

	*n = 0;
	*items = calloc(max + 1, sizeof(char *));
	if (!copy || !*items)
		return -ENOMEM;
	while ((item = strsep(&p, ","))) {
		item += strspn(item, " ");
		item[strcspn(item, " ")] = 0;
		if (!*item)
			continue;
		if (*n == max)
			return -E2BIG;
		(*items)[*n] = strdup(item);
		if (!(*items)[*n])
			return -ENOMEM;
		++*n;
	}
	return 0;
}

void settings_free_list(char **items, unsigned int n)
{
	for (unsigned int i = 0; items && i < n; i++)
		free(items[i]);
	free(items);
}

int settings_check_private(const char *name, const char *path, struct err *err)
{
	struct stat st;

	if (!stat(path, &st) && (st.st_mode & 07))
		return err_set(err, -EPERM, "'%s': everybody may read '%s' (want mode 0600 or 0640)", name, path);
	return 0;
}

char *settings_read_secret(const char *name, const char *path, struct err *err)
{
	char *text;
	size_t len;

	text = settings_read_whole(path, 1024, &len, err);
	if (!text) {
		err_prefix(err, "'%s'", name);
		return NULL;
	}
	text[strcspn(text, "\r\n")] = 0;
	if (!*text)
		err_set(err, -EINVAL, "'%s': '%s' has no password in its first line", name, path);
	else if (!settings_check_private(name, path, err))
		return text;
	explicit_bzero(text, len);
	free(text);
	return NULL;
}
