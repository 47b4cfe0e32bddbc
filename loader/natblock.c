// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of source ports for dynamic NAT, leased per host: record "natblock/<router>/<ip>/<first port>" {host, owner}.  Taken by
 * compare-and-set (db_claim), so that no two hosts use a port for one destination.  A block is given back after five minutes without use.
 * With the DB down, the blocks that are leased go on working: for four fifths of the time after which others may take them over, counted
 * from the loss of our host's lease; others count that time while they see the lease missing.
 */
#include "loader/agent.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "loader/natpath.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define BLOCKS_MAX  65536 /* records of a tenant that are looked at */
#define WANTS_MAX   256
#define LOOK_MAX    4096 /* blocks looked at for one want */
#define TRIES_MAX   16	 /* others may be faster */
#define IDLE_NS	    (300 * NSEC_PER_SEC)
#define FULL_NS	    (10 * NSEC_PER_SEC) /* nothing free: believed for so long */
#define TROUBLE_NS  NSEC_PER_SEC	/* the DB does not answer */
#define POLL_NS	    (20 * NSEC_PER_SEC) /* leases of the hosts that hold blocks */
#define TICK_NS	    (5 * NSEC_PER_SEC)
#define GONE_MAX    64

/* A record. */
struct block {
	struct hmap_node node; /* by path */
	uint64_t rev;
	struct natpath at;
	bool usable; /* ours, and the connections know it */
	char host[TOPO_NAME_MAX + 1]; /* "" = somebody's */
	char path[NATPATH_LEN];
};

/* Packets wait for a block of these addresses. */
struct want {
	struct want *next;
	struct natblocks *nb; /* NULL = gone */
	struct topo_ip_range addrs;
	uint16_t ports[2];
	bool portless;
	struct loop_timer *timer; /* begins with the next round of the loop */
	unsigned int tries;
	struct skep_ip ip; /* being claimed */
	uint16_t first;
	char router[TOPO_NAME_MAX + 1];
};

struct gone { /* a host whose lease is not there */
	uint64_t since_ns;
	char host[TOPO_NAME_MAX + 1];
};

struct natblocks {
	struct tenant *t;
	struct hmap blocks;
	struct want *wants;
	unsigned int n_wants;
	struct gone gone[GONE_MAX];
	unsigned int n_gone;
	bool gone_known, polling;
	bool suspended; /* our lease is lost for too long */
	uint64_t lost_ns, poll_ns, tick_ns;
};

struct poll {
	struct natblocks *nb;
};

int natblock_init(struct tenant *t)
{
	t->natblocks = calloc(1, sizeof(*t->natblocks));
	if (!t->natblocks)
		return -ENOMEM;
	t->natblocks->t = t;
	return 0;
}

static void free_block(struct natblocks *nb, struct block *b)
{
	hmap_remove(&nb->blocks, &b->node);
	free(b);
}

void natblock_fini(struct tenant *t)
{
	struct natblocks *nb = TAKE_PTR(t->natblocks);
	struct hmap_node *n, *tmp;

	if (!nb)
		return;
	for (struct want *w = nb->wants, *next; w; w = next) {
		next = w->next;
		w->nb = NULL; /* freed by its answer */
		if (w->timer) {
			loop_timer_del(w->timer);
			free(w);
		}
	}
	hmap_for_each (n, tmp, &nb->blocks)
		free_block(nb, container_of(n, struct block, node));
	hmap_fini(&nb->blocks);
	nb->t = NULL;
	if (!nb->polling)
		free(nb);
}

static struct block *find_block(const struct natblocks *nb, const char *path)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &nb->blocks, hash_str(path, 0)) {
		struct block *b = container_of(n, struct block, node);

		if (!strcmp(b->path, path))
			return b;
	}
	return NULL;
}

/* --- ours --- */

static void use(struct natblocks *nb, struct block *b)
{
	if (!b->usable && !sim_conns_block_add(nb->t->conns, b->at.router, &b->at.ip, b->at.first))
		b->usable = true;
}

static void stop_using(struct natblocks *nb, struct block *b)
{
	if (b->usable)
		sim_conns_block_del(nb->t->conns, b->at.router, &b->at.ip, b->at.first);
	b->usable = false;
}

static json_t *our_record(const struct agent *a)
{
	/* never twice the same: what others have read of it before does not count any more */
	return json_pack("{s:s, s:s, s:I}", "host", a->config->host, "owner", a->owner, "at",
			 (json_int_t)clock_mono_ns());
}

/* --- wants --- */

static struct park_what what_of(const struct want *w, struct tenant *t)
{
	return (struct park_what){
		.kind = PARK_SNAT, .scope = t, .name = w->router, .ip = w->addrs.lo
	};
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP ||
	       proto == IPPROTO_ICMPV6;
}

static void no_block(struct want *w, uint64_t for_ns)
{
	struct tenant *t = w->nb->t;
	struct skep_ip ip = w->addrs.lo;
	uint64_t until = clock_mono_ns() + for_ns;

	for (unsigned int i = 0; i < LOOK_MAX; i++, ip = natpath_next(ip)) {
		sim_conns_block_full(t->conns, w->router, &ip, until);
		if (ip_eq(&ip, &w->addrs.hi))
			break;
	}
	t->agent->stats.blocks_refused++;
}

static void unlink_want(struct want *w)
{
	struct want **p = &w->nb->wants;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	w->nb->n_wants--;
}

/* The want is over: its packets are simulated again. */
static void end_want(struct want *w)
{
	struct tenant *t = w->nb->t;
	struct park_what what = what_of(w, t);

	unlink_want(w);
	park_ready(t->agent->park, &what);
	free(w);
	upcall_drain(t->agent);
}

/* May the block be claimed now?  A record of a host that has left, or whose lease is over for long, is no obstacle. */
static bool may_take(const struct natblocks *nb, const struct block *b)
{
	const struct agent *a = nb->t->agent;
	uint64_t after = a->config->nat_takeover_s * NSEC_PER_SEC, now = clock_mono_ns();

	if (!strcmp(b->host, a->config->host))
		return !b->usable && !nb->suspended;
	if (!nb->gone_known)
		return false;
	for (unsigned int i = 0; i < nb->n_gone; i++)
		if (!strcmp(nb->gone[i].host, b->host))
			return now >= nb->gone[i].since_ns + after ||
			       !hosts_peer((void *)a, b->host);
	return false;
}

/* Number of blocks of one address that serve the want, and the first one's port. */
static unsigned int blocks_of(const struct want *w, uint16_t *first)
{
	if (w->portless) {
		*first = 0;
		return 1;
	}
	*first = w->ports[0] / SIM_BLOCK_PORTS * SIM_BLOCK_PORTS;
	return (unsigned int)(w->ports[1] / SIM_BLOCK_PORTS - w->ports[0] / SIM_BLOCK_PORTS) + 1;
}

/* Finds one that is free, else one that may be taken over.  *was: revision of its record. */
static bool choose(struct want *w, uint64_t *was)
{
	struct natblocks *nb = w->nb;
	uint32_t start = (uint32_t)hash_str(nb->t->agent->config->host, 0);
	struct skep_ip ip = w->addrs.lo;
	bool found = false;
	uint16_t first;
	unsigned int n = blocks_of(w, &first), looked = 0;
	char path[NATPATH_LEN];

	for (; looked < LOOK_MAX; ip = natpath_next(ip)) {
		/* hosts begin in different places, so that they seldom want the same */
		for (unsigned int k = 0; k < n && looked < LOOK_MAX; k++, looked++) {
			uint16_t at = (uint16_t)(first + (start + k) % n * SIM_BLOCK_PORTS);
			const struct block *b;

			natpath_make(path, w->router, &ip, at);
			b = find_block(nb, path);
			if (b && (found || !may_take(nb, b)))
				continue;
			w->ip = ip;
			w->first = at;
			*was = b ? b->rev : 0;
			found = true;
			if (!b)
				return true;
		}
		if (ip_eq(&ip, &w->addrs.hi))
			break;
	}
	return found;
}

static void claim(struct want *w);

/* Made when there is none; NULL: no room, or not a path. */
static struct block *get_block(struct natblocks *nb, const char *path)
{
	struct block *b = find_block(nb, path);
	struct natpath at;

	if (b || nb->blocks.n >= BLOCKS_MAX || !natpath_parse(path, &at))
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->at = at;
	snprintf(b->path, sizeof(b->path), "%s", path);
	if (!hmap_insert(&nb->blocks, &b->node, hash_str(path, 0)))
		return b;
	free(b);
	return NULL;
}

static void took(struct want *w, uint64_t rev)
{
	struct natblocks *nb = w->nb;
	char path[NATPATH_LEN];
	struct block *b;

	natpath_make(path, w->router, &w->ip, w->first);
	b = get_block(nb, path);
	if (!b || b->rev > rev) /* the feed is ahead, and says what it is now */
		return;
	b->rev = rev;
	snprintf(b->host, sizeof(b->host), "%s", nb->t->agent->config->host);
	use(nb, b);
	nb->t->agent->stats.blocks_leased++;
	log_info("tenant '%s': leased %u source ports: %s", nb->t->name, SIM_BLOCK_PORTS, path);
}

/* The claim came to nothing, and nobody else has the block as far as is known: what the feed says of it counts again. */
static void forget_claim(struct want *w)
{
	char path[NATPATH_LEN];
	struct block *b;

	natpath_make(path, w->router, &w->ip, w->first);
	b = find_block(w->nb, path);
	if (b && !b->host[0])
		free_block(w->nb, b);
}

static void on_claimed(void *arg, const struct err *err, const json_t *reply)
{
	struct want *w = arg;

	if (!w->nb) {
		free(w);
		return;
	}
	if (!err) {
		took(w, (uint64_t)json_integer_value(json_object_get(reply, "rev")));
	} else if (err->code == -EEXIST && ++w->tries < TRIES_MAX) {
		claim(w);
		return;
	} else {
		if (err->code != -EEXIST)
			forget_claim(w);
		no_block(w, TROUBLE_NS);
	}
	end_want(w);
}

static void claim(struct want *w)
{
	struct natblocks *nb = w->nb;
	struct agent *a = nb->t->agent;
	char path[NATPATH_LEN];
	json_t *record;
	uint64_t was;

	if (!a->leased) {
		no_block(w, TROUBLE_NS);
		end_want(w);
		return;
	}
	if (!choose(w, &was)) {
		no_block(w, FULL_NS);
		end_want(w);
		return;
	}
	natpath_make(path, w->router, &w->ip, w->first);
	if (!was) /* if somebody is faster, it is not tried again before the feed has said so */
		(void)get_block(nb, path);
	record = our_record(a);
	db_claim(a->db, nb->t->name, path, was, record, on_claimed, w);
	json_decref(record);
}

static void claim_soon(void *arg)
{
	struct want *w = arg;

	w->timer = NULL;
	claim(w);
}

static bool same_want(const struct want *w, const struct sim_snat *ask, bool portless)
{
	return !strcmp(w->router, ask->router) && ip_eq(&w->addrs.lo, &ask->addrs.lo) &&
	       ip_eq(&w->addrs.hi, &ask->addrs.hi) && w->portless == portless &&
	       w->ports[0] == ask->ports[0] && w->ports[1] == ask->ports[1];
}

struct park_what natblock_ask(struct tenant *t, const struct sim_snat *ask)
{
	struct natblocks *nb = t->natblocks;
	bool portless = !has_ports(ask->tuple.proto);
	struct park_what what = {
		.kind = PARK_SNAT, .scope = t, .name = ask->router, .ip = ask->addrs.lo
	};
	struct want *w;

	for (w = nb->wants; w; w = w->next)
		if (same_want(w, ask, portless))
			return what;
	w = nb->n_wants < WANTS_MAX ? calloc(1, sizeof(*w)) : NULL;
	if (!w)
		return what; /* they wait until their time is over */
	*w = (struct want){ .next = nb->wants,
			    .nb = nb,
			    .addrs = ask->addrs,
			    .ports = { ask->ports[0], ask->ports[1] },
			    .portless = portless };
	snprintf(w->router, sizeof(w->router), "%s", ask->router);
	nb->wants = w;
	nb->n_wants++;
	/* the packet is about to be parked: its want must not end before */
	w->timer = loop_timer_add(t->agent->loop, 0, 0, claim_soon, w);
	if (!w->timer) {
		unlink_want(w);
		free(w);
	}
	return what;
}

/* --- records --- */

void natblock_record(struct tenant *t, const char *path, const json_t *record)
{
	const char *host = json_string_value(json_object_get(record, "host"));
	const char *owner = json_string_value(json_object_get(record, "owner"));
	struct natblocks *nb = t->natblocks;
	struct block *b = find_block(nb, path);

	if (!record || !host || strlen(host) > TOPO_NAME_MAX) {
		if (b) {
			stop_using(nb, b);
			free_block(nb, b);
		}
		return;
	}
	b = get_block(nb, path);
	if (!b)
		return;
	b->rev = (uint64_t)json_integer_value(json_object_get(record, "rev"));
	snprintf(b->host, sizeof(b->host), "%s", host);
	if (strcmp(host, t->agent->config->host) != 0)
		stop_using(nb, b);
	else if (owner && !strcmp(owner, t->agent->owner) && !nb->suspended)
		use(nb, b);
}

/* --- time --- */

static void on_polled(void *arg, const struct err *err, const json_t *reply)
{
	struct poll *p = arg;
	struct natblocks *nb = p->nb;
	struct gone now_gone[GONE_MAX];
	uint64_t now = clock_mono_ns();
	struct hmap_node *n, *tmp;
	unsigned int count = 0;
	char name[TOPO_NAME_MAX + 8];

	free(p);
	nb->polling = false;
	if (!nb->t) {
		free(nb);
		return;
	}
	if (err) { /* nobody could renew: counted from the beginning */
		nb->gone_known = false;
		nb->n_gone = 0;
		return;
	}
	hmap_for_each (n, tmp, &nb->blocks) {
		const struct block *b = container_of(n, struct block, node);
		uint64_t since = now;
		unsigned int i;

		snprintf(name, sizeof(name), "host/%s", b->host);
		if (!b->host[0] || json_object_get(reply, name))
			continue;
		for (i = 0; i < count && strcmp(now_gone[i].host, b->host); i++)
			;
		if (i < count || count == GONE_MAX)
			continue;
		for (i = 0; i < nb->n_gone; i++)
			if (!strcmp(nb->gone[i].host, b->host))
				since = nb->gone[i].since_ns;
		now_gone[count].since_ns = since;
		memcpy(now_gone[count++].host, b->host, sizeof(b->host));
	}
	memcpy(nb->gone, now_gone, count * sizeof(now_gone[0]));
	nb->n_gone = count;
	nb->gone_known = true;
}

static void poll_leases(struct natblocks *nb)
{
	struct poll *p = nb->polling || !nb->blocks.n ? NULL : malloc(sizeof(*p));

	if (!p)
		return;
	p->nb = nb;
	nb->polling = true;
	db_leases(nb->t->agent->db, "host/", on_polled, p);
}

static void ignore(void *arg, const struct err *err, const json_t *reply)
{
	(void)arg;
	(void)err;
	(void)reply;
}

static void release(struct natblocks *nb, struct block *b)
{
	struct agent *a = nb->t->agent;
	json_t *changes = json_pack("{s:n}", b->path);

	stop_using(nb, b);
	if (changes)
		db_put(a->db, nb->t->name, a->config->host, changes, ignore, NULL);
	json_decref(changes);
	a->stats.blocks_released++;
}

static void release_idle(struct natblocks *nb, uint64_t now)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &nb->blocks) {
		struct block *b = container_of(n, struct block, node);
		uint64_t used = b->usable ? sim_conns_block_used(nb->t->conns, b->at.router,
								 &b->at.ip, b->at.first, now)
					  : now;

		if (now > used + IDLE_NS)
			release(nb, b);
	}
}

static void suspend(struct natblocks *nb)
{
	struct hmap_node *n, *tmp;

	nb->suspended = true;
	log_error("tenant '%s': this host's lease is lost for too long: no new source ports for NAT",
		  nb->t->name);
	hmap_for_each (n, tmp, &nb->blocks)
		stop_using(nb, container_of(n, struct block, node));
}

void natblock_tick(struct tenant *t, uint64_t now)
{
	struct natblocks *nb = t->natblocks;
	struct agent *a = t->agent;
	uint64_t grace = a->config->nat_takeover_s * NSEC_PER_SEC / 5 * 4;

	if (a->leased) {
		nb->lost_ns = 0;
		nb->suspended = false; /* what was not taken over is claimed again when it is wanted */
	} else if (!nb->lost_ns) {
		nb->lost_ns = now;
	} else if (!nb->suspended && nb->blocks.n && now > nb->lost_ns + grace) {
		suspend(nb);
	}
	if (now >= nb->poll_ns && a->leased) {
		nb->poll_ns = now + POLL_NS;
		poll_leases(nb);
	}
	if (now >= nb->tick_ns && a->leased) {
		nb->tick_ns = now + TICK_NS;
		release_idle(nb, now);
	}
}

void natblock_leave(struct tenant *t)
{
	struct natblocks *nb = t->natblocks;
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &nb->blocks) {
		struct block *b = container_of(n, struct block, node);

		if (!strcmp(b->host, t->agent->config->host))
			release(nb, b);
	}
}
