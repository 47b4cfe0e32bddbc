// SPDX-License-Identifier: Apache-2.0
#include "loader/config_private.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "maps/limits.h"
#include "topology/topology.h"
#include "util/addr.h"
#include "util/cleanup.h"
#include "util/log.h"

static const char *const mode_words[] = { "embedded", "server", "cluster", NULL };
static const int mode_values[] = { DB_EMBEDDED, DB_SERVER, DB_CLUSTER };
static const char *const xdp_words[] = { "auto", "xdp", "tc", "generic", NULL };
static const int xdp_values[] = { DP_XDP_AUTO, DP_XDP_ON, DP_XDP_OFF, DP_XDP_GENERIC };
static const char *const border_words[] = { "auto", "tc", "generic", NULL };
static const int border_values[] = { DP_XDP_AUTO, DP_XDP_OFF, DP_XDP_GENERIC };
static const char *const encap_words[] = { "vxlan", "geneve", "nvgre", NULL };
static const int encap_values[] = { SKEP_ENCAP_VXLAN, SKEP_ENCAP_GENEVE, SKEP_ENCAP_NVGRE };
static const char *const dscp_words[] = { "copy", NULL };
static const int dscp_values[] = { DP_DSCP_COPY };
static const char *const level_words[] = { "error", "warning", "info", "debug", NULL };
static const int level_values[] = { LOG_ERROR_LEVEL, LOG_WARN_LEVEL, LOG_INFO_LEVEL,
				    LOG_DEBUG_LEVEL };

#define AT(member) offsetof(struct config, member)
#define TEXT(limit) TEXT_OF(limit) /* a number of maps/limits.h as it is written there */
#define TEXT_OF(number) #number
const struct key config_keys[CONFIG_KEYS] = {
	{ "host", NAME, AT(host), .help = "name of this host; default: its host name" },
	{ "instance", NAME, AT(instance),
	  .help = "name of this agent on the machine; default: host" },
	{ "log_level", CHOICE, AT(log_level), .fallback = "info", .words = level_words,
	  .values = level_values, .help = "error, warning, info or debug" },
	{ "db.mode", CHOICE, AT(db_mode), .fallback = "embedded", .words = mode_words,
	  .values = mode_values, .help = "embedded, server or cluster" },
	{ "db.addresses", LIST, AT(db_addresses),
	  .help = "host:port, [v6]:port or unix:/path; cluster: some of its nodes" },
	{ "db.listen", STRING, AT(db_listen),
	  .help = "embedded: address:port where other hosts reach the database" },
	{ "db.password_file", PATH, AT(db_password_file),
	  .help = "file with the database's password" },
	{ "db.server", STRING, AT(db_server),
	  .help = "embedded: the program; default: redis-server" },
	{ "db.wait_replicas", NUMBER, AT(db_wait_replicas), 0, 16, "0",
	  .help = "replicas that a write waits for" },
	{ "db.wait_ms", NUMBER, AT(db_wait_ms), 0, 60000, "200",
	  .help = "how long it waits for them" },
	{ "underlay.interface", DEVICE, AT(underlay_interface), .max = TOPO_IFNAME_MAX,
	  .help = "interface towards the other hosts; required" },
	{ "underlay.address", ADDRESS, AT(underlay_address),
	  .help = "tunnel address; default: the interface's first" },
	{ "underlay.port", NUMBER, AT(underlay_port), 1, 65535, TEXT(SKEP_VXLAN_PORT),
	  .help = "UDP port of the tunnels" },
	{ "underlay.xdp", CHOICE, AT(underlay_xdp), .fallback = "auto", .words = xdp_words,
	  .values = xdp_values, .help = "auto, xdp, tc or generic" },
	{ "underlay.encap", CHOICE, AT(underlay_encap), .fallback = "vxlan", .words = encap_words,
	  .values = encap_values, .help = "vxlan, geneve or nvgre: how other hosts send to this one" },
	{ "underlay.dscp", NUMBER, AT(underlay_dscp), 0, 63, "0", .words = dscp_words,
	  .values = dscp_values, .help = "DSCP of tunnel packets, 0 to 63; copy: that of the packet inside" },
	{ "border.xdp", CHOICE, AT(border_xdp), .fallback = "auto", .words = border_words,
	  .values = border_values, .help = "auto, tc or generic: ports that are network cards" },
	{ "border.interfaces", LIST, AT(border_interfaces),
	  .help = "ports that are network cards, whatever they look like" },
	{ "upcall.rate", NUMBER, AT(upcall_rate), 0, 10000000, TEXT(SKEP_UPCALL_RATE),
	  .help = "new flows/s of one port; 0: no limit" },
	{ "upcall.burst", NUMBER, AT(upcall_burst), 1, 1000000, TEXT(SKEP_UPCALL_BURST),
	  .help = "new flows of one port at once" },
	{ "flows.max", NUMBER, AT(flows_max), 1024, 4194304, TEXT(SKEP_FLOWS_MAX),
	  .help = "size of each flow cache" },
	{ "flows.wildcards_max", NUMBER, AT(wilds_max), 256, 65535, TEXT(SKEP_WILDS_MAX),
	  .help = "wildcard flows, IPv4 and IPv6 each" },
	{ "flows.idle_s", NUMBER, AT(flows_idle_s), 1, 86400, "60",
	  .help = "an unused flow is removed after so long" },
	{ "mac_age_s", NUMBER, AT(mac_age_s), 1, 86400, "300",
	  .help = "a learnt MAC address is forgotten after so long" },
	{ "neigh_age_s", NUMBER, AT(neigh_age_s), 1, 86400, "300",
	  .help = "the same for routers' neighbours" },
	{ "conns.max", NUMBER, AT(conns_max), 1024, 4194304, TEXT(SKEP_CONNS_MAX),
	  .help = "connections with an end on this host, of one tenant" },
	{ "conns.port_max", NUMBER, AT(conns_port_max), 16, 1048576, "16384",
	  .help = "of these, those that one port has begun" },
	{ "conns.tcp_syn_s", NUMBER, AT(timeouts.tcp_syn), 5, 3600, "60",
	  .help = "a TCP connection without an answer is over when idle for so long" },
	{ "conns.tcp_established_s", NUMBER, AT(timeouts.tcp_established), 60, 604800, "7440",
	  .help = "the same of an established one" },
	{ "conns.tcp_fin_s", NUMBER, AT(timeouts.tcp_fin), 5, 3600, "240",
	  .help = "the same of one that one side has ended" },
	{ "conns.tcp_closed_s", NUMBER, AT(timeouts.tcp_closed), 1, 3600, "10",
	  .help = "the same of one that is reset, or ended by both" },
	{ "conns.udp_new_s", NUMBER, AT(timeouts.udp_new), 5, 3600, "30",
	  .help = "the same of UDP without an answer" },
	{ "conns.udp_replied_s", NUMBER, AT(timeouts.udp_replied), 5, 86400, "180",
	  .help = "the same of UDP in both directions" },
	{ "conns.icmp_s", NUMBER, AT(timeouts.icmp), 5, 3600, "30",
	  .help = "the same of pings" },
	{ "conns.other_s", NUMBER, AT(timeouts.other), 5, 86400, "600",
	  .help = "the same of other protocols" },
	{ "nat.takeover_s", NUMBER, AT(nat_takeover_s), 10, 86400, "900",
	  .help = "source ports of a host that is gone for so long go to others; the same on all hosts" },
	{ "metrics.listen", LISTEN, AT(metrics_listen),
	  .help = "address:port where Prometheus finds metrics; default: none" },
	{ "metrics.ports", NUMBER, AT(metrics_ports), 0, 65535, "256",
	  .help = "ports whose traffic is told one by one; 0: none" },
	{ "paths.state", PATH, AT(path_state), .fallback = "/var/lib/skep",
	  .help = "what survives a reboot" },
	{ "paths.run", PATH, AT(path_run), .fallback = "/run/skep", .help = "sockets" },
	{ "paths.bpffs", PATH, AT(path_bpffs), .fallback = "/sys/fs/bpf",
	  .help = "BPF file system" },
	{ "device_prefix", DEVICE, AT(device_prefix), .max = 8, .fallback = "skep-",
	  .help = "begins the names of skepd's devices" },
};
int config_find_key(const char *name)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		if (!strcmp(config_keys[i].name, name))
			return (int)i;
	return -1;
}

static void raw_fini(struct raw *raw)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		free(raw->text[i]);
		free(raw->where[i]);
	}
}
#define _raw_ __attribute__((cleanup(raw_fini)))

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n && !s[n] && n <= TOPO_NAME_MAX && isalnum((unsigned char)s[0]);
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

static int bad(const struct key *k, const char *text, const char *where, const char *want,
	       struct err *err)
{
	return err_set(err, -EINVAL, "%s: '%s': '%s' is not allowed (want %s)", where, k->name,
		       text, want);
}

static bool find_word(const struct key *k, const char *text, int *value)
{
	for (int i = 0; k->words && k->words[i]; i++)
		if (!strcmp(k->words[i], text)) {
			*value = k->values[i];
			return true;
		}
	return false;
}

static int parse(struct config *c, const struct key *k, const char *text, const char *where,
		 struct err *err)
{
	void *at = (char *)c + k->offset;
	char want[128];
	char *end;
	unsigned long long n;
	struct skep_ip ip;
	uint16_t port;
	int value;

	switch (k->type) {
	case NAME:
		if (!is_name(text))
			return bad(
				k, text, where,
				"1 to 63 letters, digits, '.', '_', '-', a letter or digit first",
				err);
		break;
	case PATH:
		if (text[0] != '/' || !is_text(text) || strlen(text) > 200)
			return bad(k, text, where, "an absolute path of at most 200 characters",
				   err);
		break;
	case DEVICE:
		snprintf(want, sizeof(want), "1 to %u characters, no space, '/', ':' or '%%'",
			 k->max);
		if (!is_device(text, k->max))
			return bad(k, text, where, want, err);
		break;
	case LISTEN:
		if (!endpoint_parse(text, &ip, &port))
			return bad(k, text, where, "an address and a port, like 127.0.0.1:9460 or [::1]:9460", err);
		break;
	case STRING:
	case LIST:
		if (!is_text(text) || !*text)
			return bad(k, text, where, "text without control characters", err);
		break;
	case NUMBER:
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
	case CHOICE:
		if (find_word(k, text, at))
			return 0;
		return bad(k, text, where, k->help, err);
	case ADDRESS:
		if (!ip_parse(text, at) || ip_is_unspecified(at) || ip_is_multicast(at) ||
		    ip_is_broadcast(at)) {
			memset(at, 0, sizeof(struct skep_ip));
			return bad(k, text, where, "an IPv4 or IPv6 address of this host", err);
		}
		return 0;
	}
	free(*(char **)at);
	*(char **)at = strdup(text);
	return *(char **)at ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int split_addresses(struct config *c, const char *where, struct err *err)
{
	_free_ char *copy = c->db_addresses ? strdup(c->db_addresses) : NULL;
	char *p = copy, *item;

	while ((item = strsep(&p, ","))) {
		item += strspn(item, " ");
		item[strcspn(item, " ")] = 0;
		if (!*item)
			continue;
		if (c->n_addresses == CONFIG_ADDRESSES_MAX)
			return err_set(err, -EINVAL, "%s: 'db.addresses': more than %d", where,
				       CONFIG_ADDRESSES_MAX);
		c->addresses[c->n_addresses] = strdup(item);
		if (!c->addresses[c->n_addresses])
			return err_set(err, -ENOMEM, "out of memory");
		c->n_addresses++;
	}
	return 0;
}

static int read_password(struct config *c, struct err *err)
{
	struct stat st;
	size_t len;

	if (!c->db_password_file)
		return 0;
	c->password = config_read_whole(c->db_password_file, 1024, &len, err);
	if (!c->password)
		return err_prefix(err, "'db.password_file'");
	if (!stat(c->db_password_file, &st) && (st.st_mode & 07))
		return err_set(
			err, -EPERM,
			"'db.password_file': everybody may read '%s' (want mode 0600 or 0640)",
			c->db_password_file);
	c->password[strcspn(c->password, "\r\n")] = 0;
	if (!*c->password)
		return err_set(err, -EINVAL,
			       "'db.password_file': '%s' has no password in its first line",
			       c->db_password_file);
	return 0;
}

/* What one key alone cannot tell. */
static int check_together(struct config *c, struct err *err)
{
	if (!c->underlay_interface)
		return err_set(
			err, -EINVAL,
			"'underlay.interface' is not set (want the interface towards the other hosts)");
	if (c->db_mode == DB_SERVER && c->n_addresses != 1)
		return err_set(
			err, -EINVAL,
			"'db.addresses': mode 'server' wants exactly one address, there are %u",
			c->n_addresses);
	if (c->db_mode == DB_CLUSTER && !c->n_addresses)
		return err_set(err, -EINVAL,
			       "'db.addresses': mode 'cluster' wants the addresses of some nodes");
	if (c->db_mode == DB_EMBEDDED && c->n_addresses)
		return err_set(
			err, -EINVAL,
			"'db.addresses': mode 'embedded' has none (want 'db.mode: server' to use another host's database)");
	if (c->db_mode != DB_EMBEDDED && c->db_listen)
		return err_set(err, -EINVAL, "'db.listen': only with 'db.mode: embedded'");
	return 0;
}

static int default_host(struct config *c, struct err *err)
{
	char name[256] = "";

	if (c->host)
		return 0;
	if (gethostname(name, sizeof(name) - 1) || !is_name(name))
		return err_set(
			err, -EINVAL,
			"'host': the machine's name '%s' will not do (set 'host': letters, digits, '.', '_', '-')",
			name);
	c->host = strdup(name);
	return c->host ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int config_load(struct config *c, const char *file, char *const *env, char *const *set,
		unsigned int n_set, struct err *err)
{
	_raw_ struct raw raw = { 0 };
	int rc = 0;

	*c = (struct config){ 0 };
	for (size_t i = 0; !rc && i < CONFIG_KEYS; i++)
		rc = config_take_default(&raw, (int)i, err);
	if (!rc && (file || !access(CONFIG_PATH, F_OK)))
		rc = config_take_file(&raw, file ? file : CONFIG_PATH, err);
	if (!rc)
		rc = config_take_env(&raw, env, err);
	for (unsigned int i = 0; !rc && i < n_set; i++)
		rc = config_take_set(&raw, set[i], err);
	for (size_t i = 0; !rc && i < CONFIG_KEYS; i++)
		if (raw.text[i])
			rc = parse(c, &config_keys[i], raw.text[i], raw.where[i], err);
	if (!rc)
		rc = split_addresses(c, raw.where[config_find_key("db.addresses")], err);
	if (!rc)
		rc = default_host(c, err);
	if (!rc && !c->instance && !(c->instance = strdup(c->host)))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = check_together(c, err);
	if (!rc)
		rc = read_password(c, err);
	if (rc)
		config_fini(c);
	return rc;
}

static bool is_owned(enum type type)
{
	return type != NUMBER && type != CHOICE && type != ADDRESS;
}

void config_fini(struct config *c)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		if (is_owned(config_keys[i].type))
			free(*(char **)((char *)c + config_keys[i].offset));
	for (unsigned int i = 0; i < c->n_addresses; i++)
		free(c->addresses[i]);
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	*c = (struct config){ 0 };
}
