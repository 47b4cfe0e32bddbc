// SPDX-License-Identifier: Apache-2.0
/* One value: does it have its field's type, and what is its normal form.  Called by object.c; the parsers also by decode.c. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/schema.h"
#include "util/uuid.h"

bool topo_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > TOPO_NAME_MAX || !isalnum((unsigned char)name[0]) || (name[0] & 0x80))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
	       n;
}

static bool interface_valid(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > TOPO_IFNAME_MAX || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s == 0x7f || *s == '/' || *s == ':' || *s == '\'')
			return false;
	return true;
}

const char *topo_value_text(const json_t *v, char buf[static 80])
{
	const char *s = json_string_value(v);
	char *dump = NULL;
	size_t n;

	for (const char *p = s; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			s = NULL; /* would garble a terminal: show it escaped */
	if (!s)
		s = dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
	if (!s)
		s = "?";
	n = strlen(s);
	if (n > 63) {
		for (n = 60; n && (s[n] & 0xc0) == 0x80; n--)
			;
		snprintf(buf, 80, "%.*s...", (int)n, s);
	} else {
		memcpy(buf, s, n + 1);
	}
	free(dump);
	return buf;
}

/* --- one function per type: normal form (new reference), or NULL if the value is none of the type's --- */

static json_t *normal_mac(const json_t *in)
{
	const char *s = json_string_value(in);
	struct skep_mac mac;
	char buf[ADDR_TEXT];

	return s && mac_parse(s, &mac) && !mac_is_zero(&mac) && !mac_is_multicast(&mac)
		       ? json_string(mac_format(&mac, buf))
		       : NULL;
}

static json_t *normal_mac_mask(const json_t *in)
{
	const char *s = json_string_value(in);
	char a[ADDR_TEXT], b[ADDR_TEXT];
	struct skep_mac mac, mask;

	if (!s || !topo_parse_mac_mask(s, &mac, &mask))
		return NULL;
	if (mac_is_broadcast(&mask))
		return json_string(mac_format(&mac, a));
	return json_sprintf("%s/%s", mac_format(&mac, a), mac_format(&mask, b));
}

static json_t *normal_ip(const json_t *in)
{
	const char *s = json_string_value(in);
	char buf[ADDR_TEXT];
	struct skep_ip ip;

	return s && ip_parse(s, &ip) ? json_string(ip_format(&ip, buf)) : NULL;
}

static json_t *normal_address(const json_t *in)
{
	const char *s = json_string_value(in);
	char buf[ADDR_TEXT];
	struct skep_ip ip;
	unsigned int len;

	if (!s || !prefix_parse(s, &ip, &len))
		return NULL;
	return json_string(strchr(s, '/') ? prefix_format(&ip, len, buf) : ip_format(&ip, buf));
}

static json_t *normal_prefix(const json_t *in)
{
	const char *s = json_string_value(in);
	char buf[ADDR_TEXT];
	struct skep_ip ip;
	unsigned int len;

	return s && prefix_parse(s, &ip, &len) ? json_string(prefix_format(&ip, len, buf)) : NULL;
}

static json_t *normal_proto(const json_t *in)
{
	uint8_t proto;

	if (!topo_parse_proto(in, &proto))
		return NULL;
	/* "icmp" may mean ICMPv6 (with IPv6 prefixes), so a name is not the same as its number */
	if (json_is_string(in) && !isdigit((unsigned char)json_string_value(in)[0]))
		return json_string(json_string_value(in));
	return json_integer(proto);
}

static json_t *normal_ethertype(const json_t *in)
{
	const char *name;
	uint16_t type;

	if (!topo_parse_ethertype(in, &type))
		return NULL;
	name = topo_ethertype_name(type);
	return name ? json_string(name) : json_sprintf("0x%04x", type);
}

static json_t *normal_ports(const json_t *in)
{
	uint16_t range[2];

	if (!topo_parse_ports(in, range))
		return NULL;
	if (range[0] == range[1])
		return json_integer(range[0]);
	return json_sprintf("%u-%u", range[0], range[1]);
}

static json_t *normal_range(const json_t *in)
{
	const char *s = json_string_value(in);
	char a[ADDR_TEXT], b[ADDR_TEXT];
	struct topo_ip_range r;

	if (!s || !topo_parse_range(s, &r))
		return NULL;
	if (ip_eq(&r.lo, &r.hi))
		return json_string(ip_format(&r.lo, a));
	return json_sprintf("%s-%s", ip_format(&r.lo, a), ip_format(&r.hi, b));
}

/* Numbers and texts mean the same and stay as written, but that a number as text is a number. */
static json_t *normal_quantity(const json_t *in, bool ok, uint64_t value)
{
	const char *s = json_string_value(in);

	if (!ok)
		return NULL;
	if (s && strspn(s, "0123456789") != strlen(s))
		return json_string(s);
	return json_integer((json_int_t)value);
}

static json_t *normal_vlans(const json_t *in)
{
	_json_ json_t *all = json_array();
	const json_t *item;
	uint16_t range[2];
	size_t i;

	if (json_is_string(in) && !strcmp(json_string_value(in), "all"))
		return json_string("all");
	if (!json_is_array(in) || !json_array_size(in) || json_array_size(in) > 256)
		return NULL;
	json_array_foreach(in, i, item)
	{
		if (!topo_parse_vlan_range(item, range) ||
		    json_array_append_new(all, range[0] == range[1] ?
						       json_integer(range[0]) :
						       json_sprintf("%u-%u", range[0], range[1])))
			return NULL;
	}
	return TAKE_PTR(all);
}

static json_t *normal_checked(const json_t *in, bool ok)
{
	return ok ? json_string(json_string_value(in)) : NULL;
}

static json_t *normal_word(const struct topo_field *f, const json_t *in)
{
	const char *s = json_string_value(in);

	for (const char *const *w = f->words; s && *w; w++)
		if (!strcmp(s, *w))
			return json_string(s);
	return NULL;
}

static json_t *normal_int(const json_t *in, json_int_t min, json_int_t max)
{
	if (!json_is_integer(in) || json_integer_value(in) < min || json_integer_value(in) > max)
		return NULL;
	return json_integer(json_integer_value(in));
}

static json_t *normal_text(const json_t *in, bool ok)
{
	return ok ? json_string(json_string_value(in)) : NULL;
}

static json_t *normal(const struct topo_field *f, const json_t *in)
{
	const char *s = json_string_value(in), *name;
	uint64_t n = 0;
	enum topo_kind kind;
	uint8_t mask, value;
	bool ok;

	switch (f->type) {
	case TOPO_T_NAME:
	case TOPO_T_REF:
		return normal_text(in, s && topo_name_valid(s));
	case TOPO_T_ID:
		return normal_text(in, s && uuid_valid(s));
	case TOPO_T_REV:
		return normal_int(in, 0, INT64_MAX);
	case TOPO_T_TEXT:
		return normal_text(in, s && strlen(s) <= (size_t)f->max);
	case TOPO_T_INTERFACE:
		return normal_text(in, s && interface_valid(s));
	case TOPO_T_BOOL:
		return json_is_boolean(in) ? json_boolean(json_is_true(in)) : NULL;
	case TOPO_T_INT:
		return normal_int(in, f->min, f->max);
	case TOPO_T_WORD:
		return normal_word(f, in);
	case TOPO_T_MAC:
		return normal_mac(in);
	case TOPO_T_MAC_MASK:
		return normal_mac_mask(in);
	case TOPO_T_IP:
		return normal_ip(in);
	case TOPO_T_PREFIX:
		return normal_prefix(in);
	case TOPO_T_ADDRESSES:
		return normal_address(in); /* of one element */
	case TOPO_T_PROTO:
		return normal_proto(in);
	case TOPO_T_ETHERTYPE:
		return normal_ethertype(in);
	case TOPO_T_PORTS:
		return normal_ports(in);
	case TOPO_T_RANGE:
		return normal_range(in);
	case TOPO_T_RATE:
		ok = topo_parse_rate(in, &n);
		return normal_quantity(in, ok, n);
	case TOPO_T_BYTES:
		ok = topo_parse_bytes(in, &n);
		return normal_quantity(in, ok, n);
	case TOPO_T_VLANS:
		return normal_vlans(in);
	case TOPO_T_TCP_FLAGS:
		return normal_checked(in, s && topo_parse_tcp_flags(s, &mask, &value));
	case TOPO_T_DEVICE:
		return normal_checked(in, s && topo_parse_device(s, &kind, &name));
	case TOPO_T_HEX:
		return normal_checked(in, s && topo_parse_hex(s, NULL, 255) > 0);
	case TOPO_T_OBJECTS:
		break; /* object.c */
	}
	return NULL;
}

/* "an Ethernet address (want six octets, 02:00:00:00:00:01)" for the message "'zz' is not ..." */
static void wanted(const struct topo_field *f, char *buf, size_t size)
{
	static const char *const text[] = {
		[TOPO_T_NAME] =
			"a name (want letters, digits, '.', '_', '-', first a letter or digit, at most 63, quoted if it looks like a number)",
		[TOPO_T_ID] = "an id (want a UUID in lower case, or leave it out)",
		[TOPO_T_REV] = "a revision (want a number, 0 or more)",
		[TOPO_T_INTERFACE] =
			"an interface name (want 1 to 15 characters without space, '/', ':' and quotes)",
		[TOPO_T_BOOL] = "a truth value (want true or false)",
		[TOPO_T_MAC] = "a unicast Ethernet address (want six octets, 02:00:00:00:00:01)",
		[TOPO_T_MAC_MASK] =
			"an Ethernet address (want six octets, 02:00:00:00:00:01, and a mask if need be, 02:00:00:00:00:00/ff:00:00:00:00:00)",
		[TOPO_T_IP] = "an IP address (want 10.0.0.1 or fd00::1)",
		[TOPO_T_PREFIX] = "an IP prefix (want 10.0.0.0/8 or fd00::/64)",
		[TOPO_T_ADDRESSES] =
			"an IP address (want 10.0.0.1 or fd00::1, with /length on router ports)",
		[TOPO_T_PROTO] = "an IP protocol (want tcp, udp, icmp, icmp6, sctp or 0..255)",
		[TOPO_T_ETHERTYPE] = "an ethertype (want ipv4, ipv6, arp or 0x0600..0xffff)",
		[TOPO_T_RANGE] =
			"an address or a range of addresses (want 10.0.0.1 or 10.0.0.1-10.0.0.9)",
		[TOPO_T_RATE] = "a rate (want 1000 or more bit/s, or 10Mbit, 500kbit, 1Gbit)",
		[TOPO_T_BYTES] = "a number of bytes (want 1514 or more, or 64kB, 1MB)",
		[TOPO_T_VLANS] = "a set of VLANs (want all, or a list like [10, \"20-29\"], 1..4094)",
		[TOPO_T_TCP_FLAGS] =
			"a set of TCP flags (want fin, syn, rst, psh, ack, urg, ece, cwr, like \"syn,!ack\")",
		[TOPO_T_DEVICE] = "a device (want bridge/NAME or router/NAME)",
		[TOPO_T_HEX] = "bytes (want an even number of hexadecimal digits, at most 510)",
		[TOPO_T_PORTS] = "a port or range of ports (want 0..65535, 80 or \"80-90\")",
	};
	size_t n;

	switch (f->type) {
	case TOPO_T_REF:
		snprintf(
			buf, size,
			"the name of a %s (want letters, digits, '.', '_', '-', at most %d, or an id)",
			topo_kind_name(f->ref), TOPO_NAME_MAX);
		break;
	case TOPO_T_TEXT:
		snprintf(buf, size, "a text of at most %lld bytes (quote what looks like a number)",
			 (long long)f->max);
		break;
	case TOPO_T_INT:
		snprintf(buf, size, "a number in range (want %lld..%lld)", (long long)f->min,
			 (long long)f->max);
		break;
	case TOPO_T_WORD:
		n = (size_t)snprintf(buf, size, "allowed (want");
		for (const char *const *w = f->words; *w && n < size; w++)
			n += (size_t)snprintf(buf + n, size - n, "%s %s",
					      w == f->words ? ""
					      : w[1]	    ? ","
							    : " or",
					      *w);
		if (n < size)
			snprintf(buf + n, size - n, ")");
		break;
	default:
		snprintf(buf, size, "%s", text[f->type]);
	}
}

/* Things that have the right form and are still refused, each with its own reason. */
static int check_sense(const struct topo_field *f, const json_t *in, struct err *err)
{
	const char *s = json_string_value(in);
	char buf[ADDR_TEXT];
	struct skep_ip ip, net;
	unsigned int len;
	uint16_t range[2];

	if (f->type == TOPO_T_PREFIX && s && prefix_parse(s, &ip, &len)) {
		net = ip_mask(&ip, len);
		if (!ip_eq(&ip, &net))
			return err_set(
				err, -EINVAL,
				"field '%s': '%s' has bits behind the prefix length (want %s)",
				f->name, s, prefix_format(&net, len, buf));
	}
	if (f->type == TOPO_T_PORTS && topo_parse_ports(in, range) && range[0] > range[1])
		return err_set(err, -EINVAL, "field '%s': range '%s' is reversed (want %u-%u)",
			       f->name, s, range[1], range[0]);
	return 0;
}

static int one(const struct topo_field *f, const json_t *in, json_t **out, struct err *err)
{
	json_t *v = normal(f, in);
	char text[80], want[200];

	if (!v) {
		wanted(f, want, sizeof(want));
		return err_set(err, -EINVAL, "field '%s': '%s' is not %s", f->name,
			       topo_value_text(in, text), want);
	}
	if (check_sense(f, in, err)) {
		json_decref(v);
		return -EINVAL;
	}
	if (out)
		*out = v;
	else
		json_decref(v);
	return 0;
}

/* Lists of names and words are short, but for addresses, where one that comes twice does no harm. */
static int check_twice(const struct topo_field *f, const json_t *in, size_t i, struct err *err)
{
	const char *s = json_string_value(json_array_get(in, i));

	if (f->type != TOPO_T_REF && f->type != TOPO_T_NAME && f->type != TOPO_T_WORD)
		return 0;
	for (size_t k = 0; k < i; k++)
		if (!strcmp(s, json_string_value(json_array_get(in, k))))
			return err_set(err, -EINVAL, "field '%s': '%s' appears twice", f->name, s);
	return 0;
}

static int list(const struct topo_field *f, const json_t *in, json_t **out, struct err *err)
{
	size_t most = (size_t)(f->max ? f->max : TOPO_ADDRS_MAX), i;
	_json_ json_t *all = json_array();
	struct topo_field element = *f;
	const json_t *item;
	char text[80];

	if (f->type == TOPO_T_TEXT)
		element.max = 1000;
	if (!json_is_array(in))
		return err_set(err, -EINVAL, "field '%s': '%s' is not a list (want [%s, ...])",
			       f->name, topo_value_text(in, text),
			       f->type == TOPO_T_REF || f->type == TOPO_T_NAME ? "NAME" :
			       f->type == TOPO_T_WORD			      ? f->words[0] :
										"10.0.0.1");
	if (json_array_size(in) > most)
		return err_set(err, -EINVAL, "field '%s': %zu %s are too many (at most %zu)", f->name,
			       json_array_size(in),
			       f->type == TOPO_T_ADDRESSES || f->type == TOPO_T_PREFIX ? "addresses" :
											 "elements",
			       most);
	json_array_foreach(in, i, item)
	{
		json_t *v;
		int rc = one(&element, item, &v, err);

		if (rc)
			return rc;
		if (json_array_append_new(all, v))
			return err_set(err, -ENOMEM, "out of memory");
		if (check_twice(f, in, i, err))
			return -EINVAL;
	}
	if (out)
		*out = TAKE_PTR(all);
	return 0;
}

int topo_scalar(const struct topo_field *f, const json_t *in, json_t **out, struct err *err)
{
	return f->list ? list(f, in, out, err) : one(f, in, out, err);
}
