// SPDX-License-Identifier: Apache-2.0
#include "loader/config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "maps/limits.h"
#include "topology/topology.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/settings.h"

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
static const char *const format_words[] = { "text", "json", NULL };
static const int format_values[] = { LOG_TEXT, LOG_JSON };
static const char *const level_words[] = { "error", "warning", "info", "debug", NULL };
static const int level_values[] = { LOG_ERROR_LEVEL, LOG_WARN_LEVEL, LOG_INFO_LEVEL,
				    LOG_DEBUG_LEVEL };

#define AT(member) offsetof(struct config, member)
#define TEXT(limit) TEXT_OF(limit) /* a number of maps/limits.h as it is written there */
#define TEXT_OF(number) #number
static const struct setting table[] = {
	{ "host", SETTING_NAME, AT(host), .help = "name of this host; default: its host name" },
	{ "instance", SETTING_NAME, AT(instance),
	  .help = "name of this agent on the machine; default: host" },
	{ "log_level", SETTING_CHOICE, AT(log_level), .fallback = "info", .words = level_words,
	  .values = level_values, .help = "error, warning, info or debug" },
	{ "log.format", SETTING_CHOICE, AT(log_format), .fallback = "text", .words = format_words,
	  .values = format_values, .help = "text or json" },
	{ "db.mode", SETTING_CHOICE, AT(db_mode), .fallback = "embedded", .words = mode_words,
	  .values = mode_values, .help = "embedded, server or cluster" },
	{ "db.addresses", SETTING_LIST, AT(db_addresses),
	  .help = "host:port, [v6]:port or unix:/path; cluster: some of its nodes" },
	{ "db.listen", SETTING_STRING, AT(db_listen),
	  .help = "embedded: address:port where other hosts reach the database" },
	{ "db.password_file", SETTING_PATH, AT(db_password_file),
	  .help = "file with the database's password" },
	{ "db.server", SETTING_STRING, AT(db_server),
	  .help = "embedded: the program; default: redis-server" },
	{ "db.tls.ca", SETTING_PATH, AT(db_tls.ca), .help = "file, PEM: whose certificates of the database are trusted; set: TLS" },
	{ "db.tls.certificate", SETTING_PATH, AT(db_tls.certificate), .help = "file, PEM: our own, and its issuers'; embedded: the database's" },
	{ "db.tls.key", SETTING_PATH, AT(db_tls.key), .help = "file, PEM" },
	{ "db.tls.name", SETTING_STRING, AT(db_tls.name), .help = "what the database's certificate is for; default: its address" },
	{ "db.wait_replicas", SETTING_NUMBER, AT(db_wait_replicas), 0, 16, "0",
	  .help = "replicas that a write waits for" },
	{ "db.wait_ms", SETTING_NUMBER, AT(db_wait_ms), 0, 60000, "200",
	  .help = "how long it waits for them" },
	{ "underlay.interface", SETTING_DEVICE, AT(underlay_interface), .max = TOPO_IFNAME_MAX,
	  .help = "interface towards the other hosts; required" },
	{ "underlay.address", SETTING_ADDRESS, AT(underlay_address),
	  .help = "tunnel address; default: the interface's first" },
	{ "underlay.port", SETTING_NUMBER, AT(underlay_port), 1, 65535, TEXT(SKEP_VXLAN_PORT),
	  .help = "UDP port of the tunnels" },
	{ "underlay.xdp", SETTING_CHOICE, AT(underlay_xdp), .fallback = "auto", .words = xdp_words,
	  .values = xdp_values, .help = "auto, xdp, tc or generic" },
	{ "underlay.encap", SETTING_CHOICE, AT(underlay_encap), .fallback = "vxlan", .words = encap_words,
	  .values = encap_values, .help = "vxlan, geneve or nvgre: how other hosts send to this one" },
	{ "underlay.dscp", SETTING_NUMBER, AT(underlay_dscp), 0, 63, "0", .words = dscp_words,
	  .values = dscp_values, .help = "DSCP of tunnel packets, 0 to 63; copy: that of the packet inside" },
	{ "border.xdp", SETTING_CHOICE, AT(border_xdp), .fallback = "auto", .words = border_words,
	  .values = border_values, .help = "auto, tc or generic: ports that are network cards" },
	{ "border.interfaces", SETTING_LIST, AT(border_interfaces),
	  .help = "ports that are network cards, whatever they look like" },
	{ "upcall.rate", SETTING_NUMBER, AT(upcall_rate), 0, 10000000, TEXT(SKEP_UPCALL_RATE),
	  .help = "new flows/s of one port; 0: no limit" },
	{ "upcall.burst", SETTING_NUMBER, AT(upcall_burst), 1, 1000000, TEXT(SKEP_UPCALL_BURST),
	  .help = "new flows of one port at once" },
	{ "flows.max", SETTING_NUMBER, AT(flows_max), 1024, 4194304, TEXT(SKEP_FLOWS_MAX),
	  .help = "size of each flow cache" },
	{ "flows.wildcards_max", SETTING_NUMBER, AT(wilds_max), 256, 65535, TEXT(SKEP_WILDS_MAX),
	  .help = "wildcard flows, IPv4 and IPv6 each" },
	{ "flows.idle_s", SETTING_NUMBER, AT(flows_idle_s), 1, 86400, "60",
	  .help = "an unused flow is removed after so long" },
	{ "mac_age_s", SETTING_NUMBER, AT(mac_age_s), 1, 86400, "300",
	  .help = "a learnt MAC address is forgotten after so long" },
	{ "neigh_age_s", SETTING_NUMBER, AT(neigh_age_s), 1, 86400, "300",
	  .help = "the same for routers' neighbours" },
	{ "conns.max", SETTING_NUMBER, AT(conns_max), 1024, 4194304, TEXT(SKEP_CONNS_MAX),
	  .help = "connections with an end on this host, of one tenant" },
	{ "conns.port_max", SETTING_NUMBER, AT(conns_port_max), 16, 1048576, "16384",
	  .help = "of these, those that one port has begun" },
	{ "conns.tcp_syn_s", SETTING_NUMBER, AT(timeouts.tcp_syn), 5, 3600, "60",
	  .help = "a TCP connection without an answer is over when idle for so long" },
	{ "conns.tcp_established_s", SETTING_NUMBER, AT(timeouts.tcp_established), 60, 604800, "7440",
	  .help = "the same of an established one" },
	{ "conns.tcp_fin_s", SETTING_NUMBER, AT(timeouts.tcp_fin), 5, 3600, "240",
	  .help = "the same of one that one side has ended" },
	{ "conns.tcp_closed_s", SETTING_NUMBER, AT(timeouts.tcp_closed), 1, 3600, "10",
	  .help = "the same of one that is reset, or ended by both" },
	{ "conns.udp_new_s", SETTING_NUMBER, AT(timeouts.udp_new), 5, 3600, "30",
	  .help = "the same of UDP without an answer" },
	{ "conns.udp_replied_s", SETTING_NUMBER, AT(timeouts.udp_replied), 5, 86400, "180",
	  .help = "the same of UDP in both directions" },
	{ "conns.icmp_s", SETTING_NUMBER, AT(timeouts.icmp), 5, 3600, "30",
	  .help = "the same of pings" },
	{ "conns.other_s", SETTING_NUMBER, AT(timeouts.other), 5, 86400, "600",
	  .help = "the same of other protocols" },
	{ "nat.takeover_s", SETTING_NUMBER, AT(nat_takeover_s), 10, 86400, "900",
	  .help = "source ports of a host that is gone for so long go to others; the same on all hosts" },
	{ "metrics.listen", SETTING_ENDPOINT, AT(metrics_listen),
	  .help = "address:port where Prometheus finds metrics; default: none" },
	{ "metrics.ports", SETTING_NUMBER, AT(metrics_ports), 0, 65535, "256",
	  .help = "ports whose traffic is told one by one; 0: none" },
	{ "flow_records.ipfix", SETTING_ENDPOINT, AT(records_ipfix),
	  .help = "address:port of a collector of IPFIX, UDP; default: none" },
	{ "flow_records.file", SETTING_PATH, AT(records_file),
	  .help = "file for the same as JSON lines; default: none" },
	{ "flow_records.sample", SETTING_NUMBER, AT(records_sample), 1, 1000000, "1",
	  .help = "of so many flows and connections, one is told" },
	{ "flow_records.active_s", SETTING_NUMBER, AT(records_active_s), 5, 3600, "60",
	  .help = "a flow that goes on is told so often" },
	{ "paths.state", SETTING_PATH, AT(path_state), .fallback = "/var/lib/skep",
	  .help = "what survives a reboot" },
	{ "paths.run", SETTING_PATH, AT(path_run), .fallback = "/run/skep", .help = "sockets" },
	{ "paths.bpffs", SETTING_PATH, AT(path_bpffs), .fallback = "/sys/fs/bpf",
	  .help = "BPF file system" },
	{ "device_prefix", SETTING_DEVICE, AT(device_prefix), .max = 8, .fallback = "skep-",
	  .help = "begins the names of skepd's devices" },
};

const struct settings config_settings = { table, ARRAY_SIZE(table), "SKEP_", CONFIG_PATH };

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
	if (gethostname(name, sizeof(name) - 1) || !settings_is_name(name))
		return err_set(
			err, -EINVAL,
			"'host': the machine's name '%s' will not do (set 'host': letters, digits, '.', '_', '-')",
			name);
	c->host = strdup(name);
	return c->host ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int split_addresses(struct config *c, struct err *err)
{
	int rc = settings_split(c->db_addresses, CONFIG_ADDRESSES_MAX, &c->addresses, &c->n_addresses);

	if (rc == -E2BIG)
		return err_set(err, -EINVAL, "'db.addresses': more than %d", CONFIG_ADDRESSES_MAX);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

int config_load(struct config *c, const char *file, char *const *env, char *const *set,
		unsigned int n_set, struct err *err)
{
	int rc;

	*c = (struct config){ 0 };
	rc = settings_load(&config_settings, c, file, env, set, n_set, err);
	rc = rc ? rc : split_addresses(c, err);
	rc = rc ? rc : default_host(c, err);
	if (!rc && !c->instance && !(c->instance = strdup(c->host)))
		rc = err_set(err, -ENOMEM, "out of memory");
	rc = rc ? rc : check_together(c, err);
	if (!rc && c->db_password_file) {
		c->password = settings_read_secret("db.password_file", c->db_password_file, err);
		rc = c->password ? 0 : err ? err->code : -EINVAL;
	}
	if (rc)
		config_fini(c);
	return rc;
}

void config_fini(struct config *c)
{
	settings_fini(&config_settings, c);
	settings_free_list(c->addresses, c->n_addresses);
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	*c = (struct config){ 0 };
}

void config_print(const struct config *config, FILE *out)
{
	settings_print(&config_settings, config, out);
}

void config_help(FILE *out)
{
	settings_help(&config_settings, out);
}
