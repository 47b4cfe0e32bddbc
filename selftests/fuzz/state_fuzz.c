// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a message of another host's skepd, and as text of the state DB's stash.  What is taken is what would be written: names
 * that are names, no more bindings than there may be, addresses of one family; written again it gives the same bytes.
 */
#include "selftests/fuzz/fuzz.h"

#include <ctype.h>

#include "util/base64.h"
#include "loader/peers.h"

static void check_name(const char *name, bool may_be_empty)
{
	must(strlen(name) <= TOPO_NAME_MAX);
	must(may_be_empty || name[0]);
	for (const char *p = name; *p; p++)
		must(isalnum((unsigned char)*p) || (p > name && strchr("._-", *p)));
}

static void check_item(const struct peers_item *i)
{
	const struct sim_conn *c = &i->conn;

	must(i->what == PEERS_SET || i->what == PEERS_END);
	check_name(c->port, false);
	check_name(c->other_port, true);
	must(c->n_bindings <= SIM_BINDINGS_MAX);
	must(ip_is_v4(&c->tuple.src) == ip_is_v4(&c->tuple.dst));
	must(i->what == PEERS_END || ip_is_v4(&c->other.src) == ip_is_v4(&c->other.dst));
	must(sim_tuple_hash(&c->tuple));
	for (uint8_t k = 0; k < c->n_bindings; k++)
		must(ip_is_v4(&c->bindings[k].from) == ip_is_v4(&c->bindings[k].to));
}

static void check_message(const uint8_t *data, size_t size)
{
	uint8_t again[4096];
	struct peers_buf r = { .p = (uint8_t *)data, .max = (uint32_t)size };
	struct peers_buf w = { .p = again, .max = sizeof(again) };
	struct peers_item item;
	struct peers_head h;

	if (!peers_get_head(&r, &h))
		return;
	check_name(h.sender, false);
	must(h.n_items <= PEERS_ITEMS_MAX);
	must(peers_put_head(&w, &h));
	for (uint16_t i = 0; i < h.n_items && peers_get_item(&r, &item); i++) {
		uint32_t from = w.n;

		check_item(&item);
		if (!peers_put_item(&w, &item))
			return; /* more than a message holds */
		must(w.n - from <= PEERS_ITEM_MAX);
		must(w.n == r.n);
	}
	must(w.n <= size && !memcmp(again, data, w.n));
}

static void check_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint8_t *bytes = malloc(size + 1);
	char *back = malloc(BASE64_LEN(size + 1));
	int n;

	must(text && bytes && back);
	base64_encode(data, size, back);
	n = base64_decode(back, bytes, size);
	must(n == (int)size && !memcmp(bytes, data, size));
	memcpy(text, data, size);
	text[size] = 0;
	n = base64_decode(text, bytes, size);
	must(n <= (int)size);
	free(text);
	free(bytes);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_message(data, size);
	check_text(data, size);
	return 0;
}
