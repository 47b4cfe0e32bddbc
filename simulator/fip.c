// SPDX-License-Identifier: Apache-2.0
/*
 * Floating IPs: one address for another, of every protocol, without a record.  To the floating IP: the destination becomes the fixed address.  From the
 * fixed address by the way out (the uplink): the source becomes the floating one.  Who asks from inside, where answers do not pass the way out,
 * takes its own floating IP too, or a record is made (nat.c).  Called by nat.c.
 */
#include "simulator/run.h"

static const struct skep_ip *key(const struct topo_floating_ip *f, bool fixed)
{
	return fixed ? &f->fixed : &f->address;
}

/* Where it is, or would be. */
static uint32_t position(struct topo_floating_ip *const *v, uint32_t n, const struct skep_ip *ip,
			 bool fixed)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(key(v[mid], fixed), ip, sizeof(*ip)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The one of an end of the packet, which is none of its neighbours either. */
static const struct topo_floating_ip *of_end(struct walk *w, struct topo_floating_ip *const *v,
					     uint32_t n, bool src)
{
	const uint32_t i = position(v, n, src ? &w->f.ip_src : &w->f.ip_dst, src);

	if (i < n && see_ip_is(w, src, key(v[i], src)))
		return v[i];
	if (i)
		(void)see_ip_is(w, src, key(v[i - 1], src));
	return NULL;
}

static void tag(struct walk *w, const struct topo_router *r, const struct skep_ip *ip)
{
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_FIP,
				       .name = r->o.name,
				       .ip = *ip,
				       .len = (uint8_t)ip_width(w) });
}

const struct topo_floating_ip *sim_fip_to(struct walk *w, const struct topo_router *r)
{
	tag(w, r, &w->f.ip_dst);
	return of_end(w, r->fips, r->n_fips, false);
}

const struct topo_floating_ip *sim_fip_of(struct walk *w, const struct topo_router *r)
{
	tag(w, r, &w->f.ip_src);
	return of_end(w, r->fips_by_fixed, r->n_fips, true);
}

bool sim_fip_leaves(const struct topo_floating_ip *f, const struct topo_port *out)
{
	return f->uplink ? f->uplink == out : !sim_port_subnet(out, &f->fixed);
}

void sim_fip_in(struct walk *w, const struct topo_floating_ip *f)
{
	if (sim_is_error(w))
		(void)sim_ct(w);
	sim_nat_inner(w, true, &f->address, &f->fixed);
	sim_nat_end(w, true, &f->fixed, 0, f->o.name);
	w->fip = f;
}

void sim_fip_out(struct walk *w, const struct topo_floating_ip *f)
{
	if (sim_is_error(w))
		(void)sim_ct(w);
	sim_nat_inner(w, false, &f->fixed, &f->address);
	sim_nat_end(w, false, &f->address, 0, f->o.name);
}

/* Somebody on the way to the machine complains about a packet that was sent to its floating IP. */
void sim_fip_quote(struct walk *w, const struct topo_router *r, const struct topo_port *out)
{
	const struct skep_ip *ip = &w->run->inner.ip_dst;
	const struct topo_floating_ip *f;
	uint32_t i;

	if (!r->n_fips || !sim_is_error(w))
		return;
	(void)sim_ct(w);
	if (!w->run->quoting)
		return;
	i = position(r->fips_by_fixed, r->n_fips, ip, true);
	f = i < r->n_fips ? r->fips_by_fixed[i] : NULL;
	if (f && ip_eq(&f->fixed, ip) && sim_fip_leaves(f, out))
		sim_nat_inner(w, false, &f->fixed, &f->address);
}
