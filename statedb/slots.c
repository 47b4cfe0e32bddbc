// SPDX-License-Identifier: Apache-2.0
/* See slots.h.  Called by cluster.c and watch.c. */
#include "statedb/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

uint16_t slot_crc16(const void *p, size_t len)
{
	const unsigned char *b = p;
	uint16_t crc = 0;

	while (len--) {
		crc ^= (uint16_t)(*b++ << 8);
		for (int i = 0; i < 8; i++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

uint16_t slot_of_key(const char *key, size_t len)
{
	const char *open = memchr(key, '{', len), *close;

	if (open) {
		close = memchr(open + 1, '}', len - (size_t)(open + 1 - key));
		if (close && close > open + 1)
			return slot_crc16(open + 1, (size_t)(close - open - 1)) % DB_SLOTS;
	}
	return slot_crc16(key, len) % DB_SLOTS;
}

/* Index of the master in 'map', added if new; -errno. */
static int add_master(struct slot_map *map, const struct db_addr *addr, struct err *err)
{
	for (unsigned int i = 0; i < map->n_masters; i++)
		if (db_addr_eq(&map->masters[i], addr))
			return (int)i;
	if (map->n_masters == DB_SLOT_NODES)
		return err_set(err, -E2BIG, "the cluster has more than %d masters", DB_SLOT_NODES);
	map->masters[map->n_masters] = *addr;
	return (int)map->n_masters++;
}

/* [first, last, [host, port, ...], replicas ...] */
static int parse_range(const redisReply *e, const struct db_addr *asked, struct slot_map *map,
		       struct err *err)
{
	const redisReply *n;
	struct db_addr addr = { 0 };
	int i;

	if (e->type != REDIS_REPLY_ARRAY || e->elements < 3 ||
	    e->element[0]->type != REDIS_REPLY_INTEGER ||
	    e->element[1]->type != REDIS_REPLY_INTEGER || e->element[0]->integer < 0 ||
	    e->element[1]->integer >= DB_SLOTS || e->element[0]->integer > e->element[1]->integer)
		return err_set(err, -EBADMSG, "a range of slots is malformed");
	n = e->element[2];
	if (n->type != REDIS_REPLY_ARRAY || n->elements < 2 ||
	    n->element[1]->type != REDIS_REPLY_INTEGER || n->element[1]->integer <= 0 ||
	    n->element[1]->integer > 65535)
		return err_set(err, -EBADMSG, "a master's address is malformed");
	addr.port = (uint16_t)n->element[1]->integer;
	if (n->element[0]->type == REDIS_REPLY_STRING && n->element[0]->len > 0 &&
	    strcmp(n->element[0]->str, "?") != 0) {
		if (n->element[0]->len >= sizeof(addr.host))
			return err_set(err, -EBADMSG, "a master's address is too long");
		memcpy(addr.host, n->element[0]->str, n->element[0]->len);
	} else if (!asked->is_unix) {
		memcpy(addr.host, asked->host, sizeof(addr.host));
	} else {
		return err_set(err, -EBADMSG, "a master is given without its host");
	}
	i = add_master(map, &addr, err);
	if (i < 0)
		return i;
	for (long long s = e->element[0]->integer; s <= e->element[1]->integer; s++)
		map->owner[s] = (uint16_t)i;
	return 0;
}

int slot_map_parse(const redisReply *r, const struct db_addr *asked, struct slot_map *map,
		   struct err *err)
{
	int rc;

	if (r->type == REDIS_REPLY_ERROR)
		return err_set(err, -EIO, "CLUSTER SLOTS was answered with '%.200s'", r->str);
	if (r->type != REDIS_REPLY_ARRAY)
		return err_set(err, -EBADMSG, "CLUSTER SLOTS was not answered with a list");
	map->n_masters = 0;
	for (int i = 0; i < DB_SLOTS; i++)
		map->owner[i] = DB_SLOT_NOBODY;
	for (size_t i = 0; i < r->elements; i++) {
		rc = parse_range(r->element[i], asked, map, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* "MOVED 3999 127.0.0.1:6381" */
static bool parse_redirect(const char *text, struct reply_class *c)
{
	char *end;
	unsigned long slot;

	slot = strtoul(text, &end, 10);
	if (end == text || *end != ' ' || slot >= DB_SLOTS)
		return false;
	c->slot = (uint16_t)slot;
	end++;
	return db_addr_parse_redirect(end, strcspn(end, " \r\n"), &c->addr);
}

static bool starts(const char *s, const char *word)
{
	size_t n = strlen(word);

	return strncmp(s, word, n) == 0 && (s[n] == ' ' || s[n] == 0);
}

struct reply_class reply_classify(const redisReply *r)
{
	static const struct {
		const char *word;
		enum reply_kind kind;
	} words[] = {
		{ "TRYAGAIN", REPLY_LATER },	{ "CLUSTERDOWN", REPLY_LATER },
		{ "LOADING", REPLY_LATER },	{ "MASTERDOWN", REPLY_LATER },
		{ "BUSY", REPLY_LATER },	{ "UNBLOCKED", REPLY_LATER },
		{ "READONLY", REPLY_READONLY }, { "NOSCRIPT", REPLY_NOSCRIPT },
		{ "NOAUTH", REPLY_NOAUTH },	{ "WRONGPASS", REPLY_NOAUTH },
		{ "NOPERM", REPLY_NOAUTH },
	};
	struct reply_class c = { .kind = REPLY_ERROR };

	if (r->type != REDIS_REPLY_ERROR)
		return (struct reply_class){ .kind = REPLY_OK };
	if (starts(r->str, "MOVED") && parse_redirect(r->str + 5 + (r->str[5] == ' '), &c)) {
		c.kind = REPLY_MOVED;
		return c;
	}
	if (starts(r->str, "ASK") && parse_redirect(r->str + 3 + (r->str[3] == ' '), &c)) {
		c.kind = REPLY_ASK;
		return c;
	}
	c = (struct reply_class){ .kind = REPLY_ERROR };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (starts(r->str, words[i].word))
			c.kind = words[i].kind;
	return c;
}
