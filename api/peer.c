// SPDX-License-Identifier: Apache-2.0
/* Implements peer.h.  Called by http.c (connections), exchange.c (proxies), auth.c (failures). */
#include "api/peer.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/addr.h"
#include "util/hash.h"

#define SEATS	    65536 /* power of two */
#define FORWARD_MAX 32	  /* addresses of a header that are looked at */

struct peers {
	uint64_t seed;
	uint32_t n[SEATS];
};

struct peers *peers_new(void)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (p)
		gnutls_rnd(GNUTLS_RND_NONCE, &p->seed, sizeof(p->seed));
	return p;
}

void peers_free(struct peers *p)
{
	free(p);
}

static bool ip_of(const struct sockaddr *sa, struct skep_ip *ip)
{
	if (sa->sa_family == AF_INET)
		*ip = ip_from_v4(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(ip, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, sizeof(*ip)); /* IPv4 is ::ffff:a.b.c.d in both */
	else
		return false;
	return true;
}

static struct skep_ip network(const struct skep_ip *ip)
{
	return ip_is_v4(ip) ? *ip : ip_mask(ip, 64);
}

uint32_t *peers_seat(struct peers *p, const struct sockaddr *sa)
{
	struct skep_ip ip;

	if (!ip_of(sa, &ip))
		return NULL;
	ip = network(&ip);
	return &p->n[hash_sip(&ip, sizeof(ip), p->seed) & (SEATS - 1)];
}

void peer_name(const struct sockaddr *sa, char text[static PEER_TEXT])
{
	char buf[ADDR_TEXT];
	struct skep_ip ip;

	snprintf(text, PEER_TEXT, "%s", ip_of(sa, &ip) ? ip_format(&ip, buf) : "unknown");
}

const char *peer_network(const char *address, char buf[static PEER_TEXT])
{
	char text[ADDR_TEXT];
	struct skep_ip ip;

	if (!ip_parse(address, &ip) || ip_is_v4(&ip))
		return address;
	ip = network(&ip);
	snprintf(buf, PEER_TEXT, "%s", ip_format(&ip, text));
	return buf;
}

/* --- proxies --- */

bool peer_is_proxy(const struct api_config *config, const char *address)
{
	struct skep_ip ip, net;
	unsigned int len;

	if (!config->n_proxies || !ip_parse(address, &ip))
		return false;
	for (unsigned int i = 0; i < config->n_proxies; i++)
		if (prefix_parse(config->proxies[i], &net, &len) && ip_in_prefix(&ip, &net, len))
			return true;
	return false;
}

void peer_forwarded(const struct api_config *config, const char *header, char address[static PEER_TEXT])
{
	const char *end = header + strlen(header), *at;
	char text[PEER_TEXT], name[ADDR_TEXT];
	struct skep_ip ip;

	for (unsigned int i = 0; i < FORWARD_MAX && end > header; i++, end = at - 1) {
		for (at = end; at > header && at[-1] != ',';)
			at--;
		snprintf(text, sizeof(text), "%.*s", (int)(end - at), at);
		memmove(text, text + strspn(text, " \t"), strlen(text + strspn(text, " \t")) + 1);
		text[strcspn(text, " \t")] = 0;
		if (!ip_parse(text, &ip))
			return; /* who wrote that is the last one that is known */
		snprintf(address, PEER_TEXT, "%s", ip_format(&ip, name));
		if (at == header || !peer_is_proxy(config, address))
			return;
	}
}
