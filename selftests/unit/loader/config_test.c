// SPDX-License-Identifier: Apache-2.0
/* skepd's settings: what is accepted, which source wins, and how refusals read: loader/config.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/config.h"
#include "util/addr.h"
#include "util/cleanup.h"
#include "util/log.h"

static char file[] = "/tmp/skepd-config-XXXXXX";

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int load(struct config *c, const char *text, char *const *env, char *const *set,
		unsigned int n, struct err *err)
{
	*err = (struct err){ 0 };
	write_file(text);
	return config_load(c, file, env, set, n, err);
}

static void must_load(struct config *c, const char *text, char *const *env, char *const *set,
		      unsigned int n)
{
	struct err err;

	if (load(c, text, env, set, n, &err))
		fail_msg("refused: %s", err.text);
}

static void defaults(void **state)
{
	struct config c;

	must_load(&c, "host: a\nunderlay: {interface: eth1}\n", NULL, NULL, 0);
	assert_string_equal(c.host, "a");
	assert_string_equal(c.instance, "a");
	assert_int_equal(c.log_level, LOG_INFO_LEVEL);
	assert_int_equal(c.db_mode, DB_EMBEDDED);
	assert_int_equal(c.underlay_port, 4789);
	assert_int_equal(c.underlay_xdp, DP_XDP_AUTO);
	assert_int_equal(c.underlay_encap, SKEP_ENCAP_VXLAN);
	assert_int_equal(c.underlay_dscp, 0);
	assert_int_equal(c.flows_max, 65536);
	assert_int_equal(c.flows_idle_s, 60);
	assert_int_equal(c.mac_age_s, 300);
	assert_string_equal(c.path_state, "/var/lib/skep");
	assert_string_equal(c.device_prefix, "skep-");
	assert_true(ip_is_zero(&c.underlay_address));
	assert_null(c.password);
	config_fini(&c);
}

static void every_key(void **state)
{
	struct skep_ip want = ip_from_v4(inet_addr("192.0.2.1"));
	struct config c;

	must_load(
		&c,
		"host: n1\ninstance: i1\nlog_level: debug\n"
		"db:\n  mode: cluster\n  addresses: [10.0.0.1:6379, \"[fd00::1]:6379\"]\n  wait_replicas: 1\n  wait_ms: 50\n"
		"underlay: {interface: eth1, address: 192.0.2.1, port: 4790, xdp: tc, encap: geneve, dscp: copy}\n"
		"upcall: {rate: 10, burst: 20}\nflows: {max: 2048, idle_s: 5}\nmac_age_s: 6\nneigh_age_s: 7\n"
		"paths: {state: /a, run: /b, bpffs: /c}\ndevice_prefix: x-\n",
		NULL, NULL, 0);
	assert_string_equal(c.instance, "i1");
	assert_int_equal(c.log_level, LOG_DEBUG_LEVEL);
	assert_int_equal(c.db_mode, DB_CLUSTER);
	assert_int_equal(c.n_addresses, 2);
	assert_string_equal(c.addresses[1], "[fd00::1]:6379");
	assert_int_equal(c.db_wait_replicas, 1);
	assert_true(ip_eq(&c.underlay_address, &want));
	assert_int_equal(c.underlay_xdp, DP_XDP_OFF);
	assert_int_equal(c.underlay_encap, SKEP_ENCAP_GENEVE);
	assert_int_equal(c.underlay_dscp, DP_DSCP_COPY);
	assert_int_equal(c.upcall_burst, 20);
	assert_int_equal(c.flows_max, 2048);
	assert_int_equal(c.neigh_age_s, 7);
	assert_string_equal(c.path_bpffs, "/c");
	config_fini(&c);
}

static void precedence(void **state)
{
	char *env[] = { "SKEP_HOST=env", "SKEP_FLOWS_IDLE_S=9", "SKEP_UNRELATED=1", "HOME=/",
			NULL };
	char *set[] = { "host=flag" };
	struct config c;

	must_load(&c, "host: file\nunderlay: {interface: e}\nflows: {idle_s: 8}\nmac_age_s: 4\n",
		  env, set, 1);
	assert_string_equal(c.host, "flag");
	assert_int_equal(c.flows_idle_s, 9);
	assert_int_equal(c.mac_age_s, 4);
	assert_int_equal(c.neigh_age_s, 300);
	config_fini(&c);
}

static void refusals(void **state)
{
	static const struct {
		const char *text, *want; /* a part of the message */
	} table[] = {
		{ "host: a\nhots: b\n",
		  ":2: unknown key 'hots' (allowed: host, instance, log_level, log, db, underlay" },
		{ "underlay:\n  interfac: e\n",
		  ":2: unknown key 'underlay.interfac' (allowed in 'underlay': interface, address, port, xdp, encap, dscp)" },
		{ "db:\n  tls:\n    kay: /k\n", ":3: unknown key 'db.tls.kay' (allowed in 'db.tls': ca, certificate, key, name)" },
		{ "db:\n  tls: /k\n", ":2: 'db.tls': want a section with ca, certificate, key, name" },
		{ "db:\n  tsl: /k\n", "listen, password_file, server, tls, wait_replicas, wait_ms)" },
		{ "host: a\n", "'underlay.interface' is not set" },
		{ "underlay: {interface: waytoolongforaname}\n",
		  "'underlay.interface': 'waytoolongforaname' is not allowed (want 1 to 15" },
		{ "underlay: {interface: e, port: 0}\n",
		  ":1: 'underlay.port': '0' is not allowed (want a whole number, 1 to 65535)" },
		{ "underlay: {interface: e, dscp: 64}\n",
		  ":1: 'underlay.dscp': '64' is not allowed (want a whole number, 0 to 63, or copy)" },
		{ "underlay: {interface: e, encap: gre}\n",
		  ":1: 'underlay.encap': 'gre' is not allowed (want vxlan, geneve or nvgre" },
		{ "underlay: {interface: e, port: 65536}\n", "1 to 65535" },
		{ "underlay: {interface: e, port: \"12 \"}\n", "1 to 65535" },
		{ "underlay: {interface: e, port: -1}\n", "1 to 65535" },
		{ "underlay: {interface: e, address: 10.0.0}\n", "an IPv4 or IPv6 address" },
		{ "underlay: {interface: e, address: 224.0.0.1}\n", "an IPv4 or IPv6 address" },
		{ "underlay: {interface: e, xdp: maybe}\n", "want auto, xdp, tc or generic" },
		{ "underlay: eth0\n", "want a section with interface, address, port, xdp" },
		{ "host: [a]\n", "'host': want a single value" },
		{ "host: a b\nunderlay: {interface: e}\n", "'host': 'a b' is not allowed" },
		{ "underlay: {interface: e}\ndb: {mode: server}\n",
		  "mode 'server' wants exactly one address, there are 0" },
		{ "underlay: {interface: e}\ndb: {mode: cluster}\n", "mode 'cluster' wants" },
		{ "underlay: {interface: e}\ndb: {addresses: [a:1]}\n",
		  "mode 'embedded' has none" },
		{ "underlay: {interface: e}\ndb: {addresses: [[a]]}\n", "item 1 is not a string" },
		{ "underlay: {interface: e}\ndb: {mode: server, addresses: [a:1], listen: \"b:1\"}\n",
		  "'db.listen': only with" },
		{ "underlay: {interface: e}\npaths: {state: relative}\n", "want an absolute path" },
		{ "underlay: {interface: e}\ndevice_prefix: skepskeps\n", "1 to 8 characters" },
		{ "underlay: {interface: e}\nflows: {max: 12}\n", "1024 to 4194304" },
		{ "underlay: {interface: e}\nmetrics: {listen: \"localhost:9460\"}\n",
		  "'metrics.listen': 'localhost:9460' is not allowed (want an address and a port, like 127.0.0.1:9460 or [::1]:9460)" },
		{ "underlay: {interface: e}\nmetrics: {listen: 9460}\n", "want an address and a port" },
		{ "underlay: {interface: e}\nflow_records: {ipfix: \"10.0.0.1:0\"}\n", "want an address and a port" },
		{ "underlay: {interface: e}\nflow_records: {sample: 0}\n", "1 to 1000000" },
		{ "underlay: {interface: e}\nflow_records: {file: flows}\n", "want an absolute path" },
		{ "underlay: {interface: e}\nlog: {format: xml}\n", "want text or json" },
		{ "- a\n", "want keys and values" },
		{ "host: a\n---\nhost: b\n", "several documents" },
		{ "host: a\nhost: b\n", "host" },
		{ "underlay: {interface: e}\ndb: {password_file: /nonexistent}\n",
		  "'db.password_file': cannot read '/nonexistent'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct config c;
		struct err err;

		if (!load(&c, table[i].text, NULL, NULL, 0, &err))
			fail_msg("%s: accepted", table[i].text);
		if (!strstr(err.text, table[i].want))
			fail_msg("%s\nwant: %s\ngot:  %s", table[i].text, table[i].want, err.text);
		assert_null(c.host);
	}
}

static void flags(void **state)
{
	static const struct {
		char *set;
		const char *want;
	} table[] = {
		{ "host", "want KEY=VALUE" },
		{ "nonsense=1", "unknown key 'nonsense' (allowed: host, instance" },
		{ "flows.idle_s=", "command line: 'flows.idle_s': '' is not allowed" },
	};
	char *env[] = { "SKEP_UNDERLAY_PORT=x", NULL };
	struct config c;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *set[] = { table[i].set };

		assert_int_not_equal(load(&c, "underlay: {interface: e}\n", NULL, set, 1, &err), 0);
		if (!strstr(err.text, table[i].want))
			fail_msg("--set %s\nwant: %s\ngot:  %s", table[i].set, table[i].want,
				 err.text);
	}
	assert_int_not_equal(load(&c, "underlay: {interface: e}\n", env, NULL, 0, &err), 0);
	assert_non_null(strstr(err.text, "environment variable SKEP_UNDERLAY_PORT"));
}

static void password(void **state)
{
	char path[] = "/tmp/skepd-password-XXXXXX", text[256];
	int fd = mkstemp(path);
	struct config c;
	struct err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "secret\n", 7), 7);
	close(fd);
	snprintf(text, sizeof(text), "underlay: {interface: e}\ndb: {password_file: %s}\n", path);
	must_load(&c, text, NULL, NULL, 0);
	assert_string_equal(c.password, "secret");
	config_fini(&c);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(load(&c, text, NULL, NULL, 0, &err), -EPERM);
	unlink(path);
}

/* What is printed is a file with the same meaning. */
static void print_is_input(void **state)
{
	char *first = NULL, *second = NULL;
	size_t n1, n2;
	struct config c;
	FILE *f;

	must_load(
		&c,
		"host: a\nunderlay: {interface: \"we\\\"ird\", address: \"fd00::1\"}\ndb: {mode: cluster, addresses: [\"a:1\", \"b:2\"], tls: {ca: /ca.pem}}\n",
		NULL, NULL, 0);
	f = open_memstream(&first, &n1);
	config_print(&c, f);
	fclose(f);
	config_fini(&c);
	must_load(&c, first, NULL, NULL, 0);
	f = open_memstream(&second, &n2);
	config_print(&c, f);
	fclose(f);
	config_fini(&c);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "interface: \"we\\\"ird\""));
	assert_non_null(strstr(first, "  tls:\n    ca: \"/ca.pem\"\n"));
	free(first);
	free(second);
}

/* "key" as a word of its own in a line ".It Cm key , key" */
static bool documented(const char *man, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = strstr(man, ".It Cm "); line; line = strstr(line + 1, "\n.It Cm ")) {
		const char *end = line + 1 + strcspn(line + 1, "\n");

		for (const char *p = strstr(line, key); p && p < end; p = strstr(p + 1, key))
			if (p[-1] == ' ' && strchr(" \n", p[len]))
				return true;
	}
	return false;
}

static void man_page(void **state)
{
	char man[32768] = "";
	FILE *f = fopen("docs/man/skepd.yaml.5", "r"); /* tests run at the top of the tree */

	(void)state;
	assert_non_null(f);
	man[fread(man, 1, sizeof(man) - 1, f)] = 0;
	fclose(f);
	assert_false(documented(man, "conns.nosuch"));
	assert_false(documented(man, "conns"));
	for (size_t i = 0; i < config_settings.n; i++)
		if (!documented(man, config_settings.table[i].name))
			fail_msg("docs/man/skepd.yaml.5 lacks '%s'", config_settings.table[i].name);
}

static int make_file(void **state)
{
	int fd = mkstemp(file);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),	  cmocka_unit_test(every_key),
		cmocka_unit_test(precedence),	  cmocka_unit_test(refusals),
		cmocka_unit_test(flags),	  cmocka_unit_test(password),
		cmocka_unit_test(print_is_input), cmocka_unit_test(man_page),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
