// SPDX-License-Identifier: Apache-2.0
/*
 * Nothing here waits or grows: the collector is sent datagrams of many records each, and what it does not take is lost; lines are left to records_file.c,
 * and what it has no room for is lost; both are counted.
 */
#include "loader/records_out.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define RATE_NS	     (NSEC_PER_SEC / 5000) /* records: so many a second ... */
#define BURST	     10000		   /* ... after so many at once */
#define TEMPLATES_NS (30 * NSEC_PER_SEC)
#define LOOK_NS	     (5 * NSEC_PER_SEC)  /* for a way to the collector */
#define LINE_MAX     2048

/* --- the collector --- */

static void send_message(struct records *r)
{
	const uint32_t n = r->ipfix.records;
	const size_t len = ipfix_end(&r->ipfix, (uint32_t)time(NULL));
	int error;

	if (!len)
		return;
	error = send(r->udp, r->ipfix.buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
	if (error)
		r->stats.failed += n;
	switch (reached(&r->reached, error, clock_mono_ns())) {
	case REACHED_LOST:
		log_warn("flow records: the collector '%s' cannot be reached: %s", r->a->config->records_ipfix, strerror(error));
		break;
	case REACHED_AGAIN:
		log_info("flow records: the collector '%s' is there again", r->a->config->records_ipfix);
		break;
	case REACHED_SAME:
		break;
	}
}

static void send_templates(struct records *r, uint64_t now_ns)
{
	const struct ipfix_sampling s = { .probability = 1.0 / r->sample,
					  .observed = r->stats.observed,
					  .selected = r->stats.selected,
					  .not_sent = r->stats.lost + r->stats.failed };

	send_message(r);
	r->templates_ns = now_ns;
	(void)ipfix_put_templates(&r->ipfix); /* into an empty message they fit */
	(void)ipfix_put_sampling(&r->ipfix, &s);
	send_message(r);
}

static void put_ipfix(struct records *r, const struct flow_record *record)
{
	if (!r->templates_ns)
		send_templates(r, clock_mono_ns());
	if (ipfix_put(&r->ipfix, record))
		return;
	send_message(r);
	(void)ipfix_put(&r->ipfix, record);
}

static int open_udp(const char *address, struct err *err)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct skep_ip ip;
	uint16_t port;
	int fd, rc;

	if (!endpoint_parse(address, &ip, &port))
		return err_set(err, -EINVAL, "'flow_records.ipfix': '%s' is no address and port", address);
	four.sin_addr.s_addr = ip_v4(&ip);
	memcpy(&six.sin6_addr, &ip, sizeof(six.sin6_addr));
	four.sin_port = six.sin6_port = htons(port);
	fd = socket(ip_is_v4(&ip) ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, -errno, "'flow_records.ipfix': %s", strerror(errno));
	rc = ip_is_v4(&ip) ? connect(fd, (struct sockaddr *)&four, sizeof(four)) : connect(fd, (struct sockaddr *)&six, sizeof(six));
	if (!rc)
		return fd;
	rc = err_set(err, -errno, "'flow_records.ipfix': no way to '%s': %s", address, strerror(errno));
	close(fd);
	return rc;
}

/* An underlay that comes up late, or a route that is not there yet, is waited for. */
static void try_udp(struct records *r, uint64_t now_ns)
{
	struct err err = { 0 };

	if (now_ns < r->tried_ns + LOOK_NS && r->tried_ns)
		return;
	r->udp = open_udp(r->a->config->records_ipfix, &err);
	if (r->udp < 0 && !r->tried_ns)
		log_warn("%s (tried again)", err.text);
	if (r->udp >= 0 && r->tried_ns)
		log_info("flow records: there is a way to the collector '%s'", r->a->config->records_ipfix);
	r->tried_ns = now_ns;
}

/* --- the file --- */

static void set_text(json_t *o, const char *name, const char *text)
{
	if (*text)
		json_object_set_new(o, name, json_string(text));
}

static void set_number(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static void set_ip(json_t *o, const char *name, const struct skep_ip *ip, unsigned int len)
{
	char text[ADDR_TEXT];

	json_object_set_new(o, name, json_string(len == ip_bits(ip) ? ip_format(ip, text) : prefix_format(ip, len, text)));
}

static json_t *line_of(const struct records *r, const struct flow_record *f)
{
	static const char *const ends[] = { [RECORD_IDLE] = "idle", [RECORD_ACTIVE] = "active", [RECORD_ENDED] = "ended", [RECORD_FORCED] = "forced" };
	json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", f->conn ? "connection" : "flow", "host", r->a->config->host, "start_ms",
			      (json_int_t)f->start_ms, "end_ms", (json_int_t)f->end_ms, "end", ends[f->end]);
	char proto[PROTO_TEXT];

	set_text(o, "tenant", f->tenant);
	set_text(o, "port", f->port);
	set_text(o, "out_port", f->out_port);
	set_text(o, "out_host", f->out_host);
	set_ip(o, "src", &f->src, f->conn ? ip_bits(&f->src) : f->src_len);
	set_ip(o, "dst", &f->dst, f->conn ? ip_bits(&f->dst) : f->dst_len);
	if (f->proto)
		set_text(o, "proto", proto_format(f->proto, proto));
	if (f->sport)
		set_number(o, "sport", f->sport);
	if (f->dport)
		set_number(o, "dport", f->dport);
	if (f->conn) {
		set_ip(o, "post_src", &f->post_src, ip_bits(&f->post_src));
		set_ip(o, "post_dst", &f->post_dst, ip_bits(&f->post_dst));
		set_number(o, "post_sport", f->post_sport);
		set_number(o, "post_dport", f->post_dport);
	} else {
		set_number(o, "packets", f->packets);
		set_number(o, "bytes", f->bytes);
		set_text(o, "match", f->match);
		set_text(o, "action", *f->reason ? "drop" : "forward");
		set_text(o, "reason", f->reason);
		set_text(o, "culprit", f->culprit);
	}
	if (r->sample > 1)
		set_number(o, "sample", r->sample);
	return o;
}

static void put_line(struct records *r, const struct flow_record *record)
{
	json_t *o = line_of(r, record);
	_free_ char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	const size_t n = text ? strlen(text) : 0;

	json_decref(o);
	if (n)
		text[n] = '\n'; /* in place of the end that nobody needs */
	if (!n || n >= LINE_MAX || !records_file_put(r->file, text, n + 1))
		r->stats.failed++;
}

/* --- both --- */

bool records_out(struct records *r, const struct flow_record *record)
{
	const uint64_t now = clock_mono_ns();

	if (r->tat_ns > now + BURST * RATE_NS) {
		r->stats.lost++;
		return false;
	}
	r->tat_ns = (r->tat_ns > now ? r->tat_ns : now) + RATE_NS;
	r->stats.told++;
	if (r->udp >= 0)
		put_ipfix(r, record);
	else if (r->a->config->records_ipfix)
		r->stats.failed++;
	if (r->file)
		put_line(r, record);
	return true;
}

void records_tick(struct agent *a, uint64_t now_ns)
{
	struct records *r = a->records;

	if (!r)
		return;
	if (r->udp < 0 && a->config->records_ipfix)
		try_udp(r, now_ns);
	if (r->udp >= 0) {
		send_message(r);
		if (!r->templates_ns || now_ns >= r->templates_ns + TEMPLATES_NS)
			send_templates(r, now_ns);
	}
	if (r->file)
		records_file_flush(r->file);
}

int records_start(struct agent *a, struct err *err)
{
	const struct config *c = a->config;
	struct records *r;

	if (!c->records_ipfix && !c->records_file)
		return 0;
	r = calloc(1, sizeof(*r));
	if (r && c->records_file)
		r->file = records_file_new(c->records_file);
	if (!r || (c->records_file && !r->file) || getrandom(&r->seed, sizeof(r->seed), 0) != sizeof(r->seed)) {
		if (r)
			records_file_free(r->file);
		free(r);
		return err_set(err, -ENOMEM, "flow records: out of memory");
	}
	r->a = a;
	r->sample = c->records_sample;
	r->udp = -1;
	r->ipfix.domain = (uint32_t)hash_str(c->host, 0) | 1;
	if (c->records_ipfix)
		try_udp(r, clock_mono_ns());
	a->records = r;
	return 0;
}

void records_stop(struct agent *a)
{
	struct records *r = TAKE_PTR(a->records);

	if (!r)
		return;
	if (r->udp >= 0) {
		send_message(r);
		close(r->udp);
	}
	records_file_free(r->file);
	free(r);
}
