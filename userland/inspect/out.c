#include "inspect/out.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "inspect/dns.h"
#include "inspect/tls.h"
#include "lib/eve.h"

struct out {
	pthread_mutex_t lock;
	struct eve *eve;
};

int out_open(const char *dir, struct out **ret)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	int r = eve_open(dir, &o->eve);
	if (r < 0) {
		free(o);
		return r;
	}
	pthread_mutex_init(&o->lock, NULL);
	*ret = o;
	return 0;
}

void out_free(struct out *o)
{
	if (!o)
		return;
	eve_free(o->eve);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

void out_flush(struct out *o)
{
	pthread_mutex_lock(&o->lock);
	eve_flush(o->eve);
	pthread_mutex_unlock(&o->lock);
}

uint64_t out_lost(struct out *o)
{
	pthread_mutex_lock(&o->lock);
	uint64_t n = eve_lost(o->eve);
	pthread_mutex_unlock(&o->lock);
	return n;
}

static void begin(struct out *o, struct jsonw *w, const char *type, const struct timeval *at)
{
	pthread_mutex_lock(&o->lock);
	eve_begin(o->eve, w, type, at);
}

static void end(struct out *o, struct jsonw *w)
{
	eve_end(o->eve, w);
	pthread_mutex_unlock(&o->lock);
}

static void put_addr(struct jsonw *w, const char *key, const struct detect_addr *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof(text));
	jsonw_str(w, key, text);
}

static void put_proto(struct jsonw *w, uint8_t ip_proto)
{
	switch (ip_proto) {
	case IPPROTO_TCP:
		jsonw_str(w, "proto", "TCP");
		break;
	case IPPROTO_UDP:
		jsonw_str(w, "proto", "UDP");
		break;
	case IPPROTO_ICMP:
		jsonw_str(w, "proto", "ICMP");
		break;
	case IPPROTO_ICMPV6:
		jsonw_str(w, "proto", "IPv6-ICMP");
		break;
	default:
		jsonw_fmt(w, "proto", "%u", ip_proto);
	}
}

static void put_vlan(struct jsonw *w, const uint16_t vlan[static DECODE_TAGS])
{
	if (!vlan[0])
		return;
	jsonw_array(w, "vlan");
	for (unsigned i = 0; i < DECODE_TAGS && vlan[i]; i++)
		jsonw_u64(w, NULL, vlan[i]);
	jsonw_end(w);
}

static void put_ends(struct jsonw *w, const struct detect_addr *src, uint16_t src_port,
	const struct detect_addr *dst, uint16_t dst_port, uint8_t ip_proto)
{
	bool ports = ip_proto == IPPROTO_TCP || ip_proto == IPPROTO_UDP;

	put_addr(w, "src_ip", src);
	if (ports)
		jsonw_u64(w, "src_port", src_port);
	put_addr(w, "dest_ip", dst);
	if (ports)
		jsonw_u64(w, "dest_port", dst_port);
	put_proto(w, ip_proto);
}

static void put_origin(struct jsonw *w, const struct scene *s)
{
	if (s->flow)
		jsonw_u64(w, "flow_id", s->flow->id);
	if (s->packet && s->packet->number)
		jsonw_u64(w, "pcap_cnt", s->packet->number);
	put_vlan(w, s->flow ? s->flow->key.vlan : s->packet->vlan);
}

static void put_app_proto(struct jsonw *w, const struct scene *s)
{
	const char *name = s->flow ? app_proto_name(s->flow->app_proto) : NULL;

	if (name)
		jsonw_str(w, "app_proto", name);
}

/* As the packet went. */
static void put_packet(struct jsonw *w, const struct scene *s)
{
	const struct packet *p = s->packet;

	put_origin(w, s);
	put_ends(w, &p->src, p->src_port, &p->dst, p->dst_port, p->ip_proto);
	if (p->ip_proto == IPPROTO_ICMP || p->ip_proto == IPPROTO_ICMPV6) {
		jsonw_u64(w, "icmp_type", p->icmp_type);
		jsonw_u64(w, "icmp_code", p->icmp_code);
	}
	put_app_proto(w, s);
	if (s->flow)
		jsonw_str(w, "direction", s->side == SIDE_CLIENT ? "to_server" : "to_client");
}

/* From client to server. */
static void put_flow(struct jsonw *w, const struct scene *s)
{
	const struct flow_key *k = &s->flow->key;

	put_origin(w, s);
	put_ends(w, &k->addr[0], k->port[0], &k->addr[1], k->port[1], k->ip_proto);
	put_app_proto(w, s);
}

static void put_app(struct jsonw *w, const struct scene *s)
{
	const struct app_flow *a = &s->flow->app;

	jsonw_object(w, "app");
	jsonw_str(w, "ndpi_app", app_name(s->app, a->id));
	if (a->carrier)
		jsonw_str(w, "ndpi_carrier", app_name(s->app, a->carrier));
	jsonw_str(w, "confidence", app_confidence(a));
	jsonw_end(w);
}

static void put_span(struct jsonw *w, const char *key, struct span value)
{
	if (value.p)
		jsonw_span(w, key, value);
}

static void put_http(struct jsonw *w, const struct unit *u, bool whole)
{
	jsonw_object(w, "http");
	put_span(w, "hostname", u->buffer[BUFFER_HTTP_HOST]);
	put_span(w, "url", u->buffer[BUFFER_HTTP_URI_RAW]);
	put_span(w, "http_user_agent", u->buffer[BUFFER_HTTP_USER_AGENT]);
	put_span(w, "http_method", u->buffer[BUFFER_HTTP_METHOD]);
	if (whole) {
		put_span(w, "http_content_type", u->http.content_type);
		put_span(w, "protocol", u->http.protocol);
		if (u->http.status > 0)
			jsonw_u64(w, "status", (uint64_t)u->http.status);
		jsonw_u64(w, "request_length", u->http.request_bytes);
		jsonw_u64(w, "length", u->http.response_bytes);
	}
	jsonw_end(w);
}

static void put_tls(struct jsonw *w, const struct unit *u)
{
	const char *version = tls_version_name(u->tls.version);

	jsonw_object(w, "tls");
	put_span(w, "sni", u->buffer[BUFFER_TLS_SNI]);
	if (u->event == EVENT_TLS && version)
		jsonw_str(w, "version", version);
	jsonw_end(w);
}

static void put_dns(struct jsonw *w, const struct unit *u)
{
	const char *type = dns_type_name(u->dns.type), *rcode = dns_rcode_name(u->dns.rcode);

	jsonw_object(w, "dns");
	jsonw_str(w, "type", u->dns.answer ? "answer" : "query");
	jsonw_u64(w, "id", u->dns.id);
	jsonw_span(w, "rrname", u->buffer[BUFFER_DNS_QUERY]);
	if (type)
		jsonw_str(w, "rrtype", type);
	else
		jsonw_fmt(w, "rrtype", "%u", u->dns.type);
	if (u->dns.answer && rcode)
		jsonw_str(w, "rcode", rcode);
	jsonw_end(w);
}

/* What of the application a rule saw. */
static void put_unit(struct jsonw *w, const struct unit *u)
{
	if (u->buffer[BUFFER_HTTP_METHOD].p)
		put_http(w, u, false);
	if (u->buffer[BUFFER_TLS_SNI].p)
		put_tls(w, u);
	if (u->buffer[BUFFER_DNS_QUERY].p)
		put_dns(w, u);
}

static void put_alert(struct jsonw *w, const struct detect_match *m, bool blocked)
{
	jsonw_object(w, "alert");
	jsonw_str(w, "action", blocked ? "blocked" : "allowed");
	jsonw_u64(w, "gid", m->gid);
	jsonw_u64(w, "signature_id", m->sid);
	jsonw_u64(w, "rev", m->rev);
	jsonw_span(w, "signature", span_str(m->msg));
	jsonw_span(w, "category", span_str(m->class_desc));
	jsonw_u64(w, "severity", m->priority);
	jsonw_end(w);
}

void out_alert(struct out *o, const struct scene *s, const struct detect_match *m, bool blocked,
	const struct unit *unit)
{
	struct jsonw w;

	begin(o, &w, "alert", &s->packet->at);
	put_packet(&w, s);
	put_alert(&w, m, blocked);
	if (unit)
		put_unit(&w, unit);
	end(o, &w);
}

void out_drop(struct out *o, const struct scene *s, const struct detect_match *m,
	const char *reason, const char *why)
{
	struct jsonw w;

	begin(o, &w, "drop", &s->packet->at);
	put_packet(&w, s);
	jsonw_object(&w, "drop");
	jsonw_u64(&w, "len", s->packet->ip.n);
	jsonw_u64(&w, "ttl", s->packet->ttl);
	jsonw_str(&w, "reason", reason);
	jsonw_end(&w);
	jsonw_span(&w, "why", span_str(why));
	if (m)
		put_alert(&w, m, true);
	if (s->flow)
		put_app(&w, s);
	end(o, &w);
}

void out_unit(struct out *o, const struct scene *s, const struct unit *unit)
{
	static const char *const types[] = {
		[EVENT_HTTP] = "http", [EVENT_TLS] = "tls", [EVENT_DNS] = "dns"};
	struct jsonw w;

	begin(o, &w, types[unit->event], &s->packet->at);
	put_flow(&w, s);
	if (unit->event == EVENT_HTTP)
		put_http(&w, unit, true);
	else if (unit->event == EVENT_TLS)
		put_tls(&w, unit);
	else
		put_dns(&w, unit);
	end(o, &w);
}

static void put_time(struct jsonw *w, const char *key, const struct timeval *at)
{
	char text[32];
	struct tm tm;

	gmtime_r(&at->tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	jsonw_fmt(w, key, "%s.%06ld+0000", text, (long)at->tv_usec);
}

void out_flow(struct out *o, const struct scene *s, enum flow_end why, const struct timeval *now)
{
	const struct flow *f = s->flow;
	struct jsonw w;

	begin(o, &w, "flow", now);
	put_flow(&w, s);
	put_app(&w, s);
	jsonw_object(&w, "flow");
	jsonw_u64(&w, "pkts_toserver", f->pkts[SIDE_CLIENT]);
	jsonw_u64(&w, "pkts_toclient", f->pkts[SIDE_SERVER]);
	jsonw_u64(&w, "bytes_toserver", f->bytes[SIDE_CLIENT]);
	jsonw_u64(&w, "bytes_toclient", f->bytes[SIDE_SERVER]);
	put_time(&w, "start", &f->first);
	put_time(&w, "end", &f->last);
	jsonw_i64(&w, "age", f->last.tv_sec - f->first.tv_sec);
	jsonw_str(&w, "state", f->fate == FATE_BYPASS ? "bypassed" : flow_class_name(f->class));
	jsonw_str(&w, "reason", flow_end_name(why));
	jsonw_bool(&w, "alerted", f->alerted);
	if (f->fate == FATE_DROP)
		jsonw_str(&w, "action", "drop");
	else if (f->fate == FATE_PASS)
		jsonw_str(&w, "action", "pass");
	jsonw_end(&w);
	if (f->key.ip_proto == IPPROTO_TCP) {
		jsonw_object(&w, "tcp");
		jsonw_fmt(&w, "tcp_flags", "%02x", f->tcp_flags[0] | f->tcp_flags[1]);
		jsonw_fmt(&w, "tcp_flags_ts", "%02x", f->tcp_flags[SIDE_CLIENT]);
		jsonw_fmt(&w, "tcp_flags_tc", "%02x", f->tcp_flags[SIDE_SERVER]);
		jsonw_end(&w);
	}
	end(o, &w);
}

void out_stats(struct out *o, const struct stats *st, const struct timeval *at)
{
	struct jsonw w;

	begin(o, &w, "stats", at);
	jsonw_object(&w, "stats");
	jsonw_u64(&w, "uptime", st->uptime_s);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const char *group = counter_names[i].group;
		if (i == 0 || strcmp(group, counter_names[i - 1].group) != 0)
			jsonw_object(&w, group);
		jsonw_u64(&w, counter_names[i].name, st->counters.value[i]);
		if (i + 1 == COUNTER_COUNT || strcmp(group, counter_names[i + 1].group) != 0)
			jsonw_end(&w);
	}
	jsonw_u64(&w, "flows_active", counters_flows(&st->counters));
	jsonw_u64(&w, "rules_loaded", st->rules_loaded);
	jsonw_u64(&w, "rules_failed", st->rules_refused);
	jsonw_u64(&w, "kernel_queue_dropped", st->kernel_queue_dropped);
	jsonw_u64(&w, "kernel_user_dropped", st->kernel_user_dropped);
	jsonw_u64(&w, "events_lost", eve_lost(o->eve));
	jsonw_end(&w);
	end(o, &w);
}
