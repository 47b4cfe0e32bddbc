// SPDX-License-Identifier: Apache-2.0
/*
 * XDP on ports that are network cards: which are, what their drivers do, and what the programs are told of it (skep_cards).  It only ever
 * saves work: where it cannot be, TC does the same, and a warning says why.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "util/addr.h"
#include "util/cleanup.h"

static bool is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, n) && (!at[n] || at[n] == ','))
			return true;
	}
	return false;
}

/* Behind a veth or a tap is a machine, whose super-packets do not survive XDP.  What the operator names is a card, whatever it is. */
static bool is_card(const struct dp *dp, const struct nl_link *link)
{
	return !link->kind[0] || is_listed(dp->config.border_interfaces, link->name);
}

/* The XDP programs ask the kernel for the way to other hosts as if their packets had come in by the tap, where nothing ever reaches the stack. */
static bool let_forward(struct dp *dp, int family)
{
	char name[IFNAMSIZ], path[128];
	_close_ int fd = -1;

	if (dp_device_name(&dp->config, "up", name, NULL))
		return false;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/forwarding", family, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, "1", 1) == 1;
}

/* May XDP send by this interface?  Its own XDP program is there, for many drivers have no queues for others' frames without. */
static bool sends(struct dp *dp, const struct nl_link *link)
{
	int rc = nl_xdp_sends(link->ifindex);

	if (rc == -EOPNOTSUPP) /* kernel before 6.3 does not say; of a veth it depends on the other end */
		return strcmp(link->kind, "veth") != 0;
	return rc > 0;
}

void dp_cards_underlay(struct dp *dp, const struct nl_link *under)
{
	bool was = dp->xdp_send;

	dp->xdp_send = false;
	dp_unwarn(dp, "network cards that are ports ");
	if (!dp->n_cards)
		return;
	if (!dp->xdp)
		dp_warn(dp, "network cards that are ports send to other hosts by TC alone: XDP is not on the underlay interface '%s'", under->name);
	else if (!sends(dp, under))
		dp_warn(dp, "interface '%s': its driver sends no frames for XDP, those of network cards leave by TC", under->name);
	else if (!let_forward(dp, ip_is_v4(&dp->config.local) ? 4 : 6))
		dp_warn(dp, "cannot let the upcall tap forward (its sysctl 'forwarding'): frames of network cards leave by TC");
	else
		dp->xdp_send = true;
	if (was != dp->xdp_send && dp->kconfig)
		dp_config_write(dp);
}

static void underlay_again(struct dp *dp)
{
	struct nl_link under;

	if (dp->under_ifindex && !nl_link_get(&dp->nl, dp->under_ifindex, NULL, &under))
		dp_cards_underlay(dp, &under);
}

static int write_card(struct dp *dp, uint32_t ifindex, const struct skep_card *card)
{
	uint32_t index = ifindex % SKEP_CARDS_MAX;

	return bpf_map_update_elem(dp->map_fd[DP_MAP_CARDS], &index, card, BPF_ANY) ? -errno : 0;
}

/* Is the entry free, or ours already? */
static bool has_room(struct dp *dp, uint32_t ifindex)
{
	uint32_t index = ifindex % SKEP_CARDS_MAX;
	struct skep_card card;

	return !bpf_map_lookup_elem(dp->map_fd[DP_MAP_CARDS], &index, &card) && (!card.ifindex || card.ifindex == ifindex);
}

void dp_card_write(struct dp *dp, const struct dp_port_entry *port)
{
	struct skep_card card = { .ifindex = port->ifindex, .key = port->key, .lport = port->lport };
	struct skep_iface iface;
	struct nl_link link;

	if (!port->card || nl_link_get(&dp->nl, port->ifindex, NULL, &link) ||
	    bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex, &iface))
		return;
	card.police = iface.police;
	if (sends(dp, &link))
		card.mtu = link.mtu;
	else
		dp_warn(dp, "interface '%s': its driver sends no frames for XDP, packets to it leave by TC", link.name);
	(void)write_card(dp, port->ifindex, &card); /* an array */
}

bool dp_card_attach(struct dp *dp, struct dp_port_entry *port)
{
	bool generic = dp->config.border_xdp == DP_XDP_GENERIC;
	struct nl_link link;
	char why[160];
	int rc;

	port->blind = false;
	if (nl_link_get(&dp->nl, port->ifindex, NULL, &link) || !is_card(dp, &link) || dp->config.border_xdp == DP_XDP_OFF)
		return false;
	if (!has_room(dp, port->ifindex)) {
		dp_warn(dp, "interface '%s': another card has its place among those that XDP serves, using TC alone", link.name);
		return false;
	}
	rc = dp_xdp_link(dp, &link, DP_PROG_XDP_PORT, generic, why, sizeof(why));
	if (rc) {
		port->blind = rc > 0;
		dp_warn(dp, "interface '%s': %s, using TC alone", link.name, why);
		return false;
	}
	port->card = true;
	dp->n_cards++;
	dp_card_write(dp, port);
	underlay_again(dp);
	return true;
}

void dp_card_detach(struct dp *dp, struct dp_port_entry *port)
{
	const struct skep_card none = { 0 };

	if (!port->card)
		return;
	(void)write_card(dp, port->ifindex, &none);
	dp_xdp_unlink(dp, port->ifindex);
	port->card = false;
	dp->n_cards--;
}

bool dp_card_again(struct dp *dp, struct dp_port_entry *port, const struct nl_link *link)
{
	char why[160];
	int blind;

	if (!port->card && !port->blind)
		return false;
	blind = dp_xdp_blind(link, dp->config.border_xdp == DP_XDP_GENERIC, why, sizeof(why));
	if (blind == -ENODEV || port->card == !blind) {
		dp_card_write(dp, port); /* its MTU */
		return false;
	}
	if (!blind)
		return dp_card_attach(dp, port);
	dp_warn(dp, "interface '%s': %s, using TC alone", link->name, why);
	dp_card_detach(dp, port);
	port->blind = true;
	return true;
}

/* What an earlier process said; the ports that it left say it again. */
void dp_cards_clear(struct dp *dp)
{
	const struct skep_card none = { 0 };

	for (uint32_t i = 0; i < SKEP_CARDS_MAX; i++)
		(void)write_card(dp, i, &none);
}

bool dp_card_wants(struct dp *dp, uint32_t ifindex)
{
	const struct dp_port_entry *port = dp_port_by_ifindex(dp, ifindex);

	return port && port->card;
}

const char *dp_xdp_mode(const struct dp *dp)
{
	return !dp->xdp ? "off" : dp->config.xdp == DP_XDP_GENERIC ? "generic" : "native";
}
