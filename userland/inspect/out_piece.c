/* What several events have in common. */
#include <time.h>

#include "inspect/capture.h"
#include "inspect/out_line.h"

static void put_addr(struct jsonw *w, const char *key, const struct detect_addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->family == 4) {
		jsonw_fmt(w, key, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		return;
	}
	/* All digits, as the field writes them, so that a text search finds it. */
	jsonw_fmt(w, key, "%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		b[13], b[14], b[15]);
}

static void put_proto(struct jsonw *w, uint8_t ip_proto)
{
	static const struct {
		uint8_t proto;
		const char *name;
	} rows[] = {{IPPROTO_TCP, "TCP"}, {IPPROTO_UDP, "UDP"}, {IPPROTO_ICMP, "ICMP"},
		{IPPROTO_ICMPV6, "IPv6-ICMP"}, {IPPROTO_SCTP, "SCTP"}, {IPPROTO_GRE, "GRE"},
		{IPPROTO_ESP, "ESP"}, {IPPROTO_AH, "AH"}, {IPPROTO_IPIP, "IPv4"},
		{IPPROTO_IPV6, "IPv6"}, {IPPROTO_IGMP, "IGMP"}, {0, "HOPOPT"},
		{IPPROTO_FRAGMENT, "IPv6-Frag"}, {IPPROTO_NONE, "IPv6-NoNxt"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].proto == ip_proto) {
			jsonw_str(w, "proto", rows[i].name);
			return;
		}
	jsonw_fmt(w, "proto", "%03u", ip_proto);
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

static void put_addresses(struct jsonw *w, const struct detect_addr *src, uint16_t src_port,
	const struct detect_addr *dst, uint16_t dst_port, uint8_t ip_proto)
{
	bool ports = ip_proto == IPPROTO_TCP || ip_proto == IPPROTO_UDP;

	put_addr(w, "src_ip", src);
	if (ports)
		jsonw_u64(w, "src_port", src_port);
	put_addr(w, "dest_ip", dst);
	if (ports)
		jsonw_u64(w, "dest_port", dst_port);
}

static void put_ends(struct jsonw *w, const struct detect_addr *src, uint16_t src_port,
	const struct detect_addr *dst, uint16_t dst_port, uint8_t ip_proto)
{
	if (!src->family)
		return; /* it was not decoded as far as that */
	put_addresses(w, src, src_port, dst, dst_port, ip_proto);
	put_proto(w, ip_proto);
	jsonw_u64(w, "ip_v", src->family);
}

static void put_origin(struct jsonw *w, const struct scene *s)
{
	if (s->flow)
		jsonw_u64(w, "flow_id", s->flow->id);
	if (s->packet && s->packet->number)
		jsonw_u64(w, "pcap_cnt", s->packet->number);
	put_vlan(w, s->flow ? s->flow->key.vlan : s->packet->vlan);
}

static void put_icmp(struct jsonw *w, const struct packet *p)
{
	if (p->ip_proto != IPPROTO_ICMP && p->ip_proto != IPPROTO_ICMPV6)
		return;
	jsonw_u64(w, "icmp_type", p->icmp_type);
	jsonw_u64(w, "icmp_code", p->icmp_code);
}

static void put_mac(struct jsonw *w, const char *key, const uint8_t *m)
{
	jsonw_fmt(w, key, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void put_ether(struct jsonw *w, const struct packet *p)
{
	if (!p->ether_src)
		return;
	jsonw_object(w, "ether");
	put_mac(w, "src_mac", p->ether_src);
	put_mac(w, "dest_mac", p->ether_dst);
	jsonw_end(w);
}

/* What the packet came in. */
static void put_tunnel(struct jsonw *w, const struct packet *outer)
{
	if (!outer)
		return;
	jsonw_object(w, "tunnel");
	put_ends(w, &outer->src, outer->src_port, &outer->dst, outer->dst_port, outer->ip_proto);
	jsonw_end(w);
}

void out_put_packet(struct jsonw *w, const struct scene *s)
{
	const struct packet *p = s->packet;

	put_origin(w, s);
	put_ends(w, &p->src, p->src_port, &p->dst, p->dst_port, p->ip_proto);
	put_icmp(w, p);
	put_ether(w, p);
	put_tunnel(w, p->outer);
	jsonw_str(w, "pkt_src", packet_origin_name(p->origin));
}

void out_put_flow_ends(struct jsonw *w, const struct scene *s)
{
	const struct flow_key *k = &s->flow->key;

	put_origin(w, s);
	put_ends(w, &k->addr[SIDE_CLIENT], k->port[SIDE_CLIENT], &k->addr[SIDE_SERVER],
		k->port[SIDE_SERVER], k->ip_proto);
	if (s->packet)
		jsonw_str(w, "pkt_src", packet_origin_name(s->packet->origin));
}

void out_put_flow_addresses(struct jsonw *w, const struct scene *s)
{
	const struct flow_key *k = &s->flow->key;

	put_addresses(w, &k->addr[SIDE_CLIENT], k->port[SIDE_CLIENT], &k->addr[SIDE_SERVER],
		k->port[SIDE_SERVER], k->ip_proto);
}

void out_put_app_proto(struct jsonw *w, const struct flow *f)
{
	const char *name = app_proto_name(f->app_proto);

	if (name)
		jsonw_str(w, "app_proto", name);
	else if (f->sniffed[0] && f->sniffed[1])
		jsonw_str(w, "app_proto", "failed");
}

/* The last two tell where nDPI is surer than our reader. */
void out_put_app(struct jsonw *w, const struct scene *s)
{
	const struct app_flow *a = &s->flow->app;

	if (!a->id)
		return;
	jsonw_object(w, "app");
	jsonw_str(w, "ndpi_app", app_name(s->app, a->id));
	if (a->carrier)
		jsonw_str(w, "ndpi_carrier", app_name(s->app, a->carrier));
	jsonw_str(w, "confidence", app_confidence(a));
	jsonw_end(w);
}

void out_put_time(struct jsonw *w, const char *key, const struct timeval *at)
{
	char text[32];
	struct tm tm;

	gmtime_r(&at->tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	jsonw_fmt(w, key, "%s.%06ld+0000", text, (long)at->tv_usec);
}

void out_put_capture(
	struct jsonw *w, const char *name, size_t name_n, const uint8_t *bytes, size_t n)
{
	char key[CAPTURE_NAME_BYTES + 1];

	memcpy(key, name, name_n);
	key[name_n] = '\0';
	jsonw_span(w, key, span_of(bytes, n));
}

static void put_flow_vars(struct jsonw *w, const struct flow_var *v)
{
	jsonw_array(w, "flowvars");
	for (; v; v = v->next) {
		if (v->kind != CAPTURE_FLOW)
			continue;
		jsonw_object(w, NULL);
		out_put_capture(w, v->name, v->name_n, v->bytes, v->n);
		jsonw_end(w);
	}
	jsonw_end(w);
}

static void put_packet_vars(struct jsonw *w, const struct detect_match *m)
{
	jsonw_array(w, "pktvars");
	for (unsigned i = 0; i < m->n_captures; i++) {
		const struct capture *c = &m->captures[i];

		if (c->name->kind != CAPTURE_PKT)
			continue;
		jsonw_object(w, NULL);
		out_put_capture(w, c->name->text, c->name->n, c->bytes, c->n);
		jsonw_end(w);
	}
	jsonw_end(w);
}

static bool has_var(const struct flow_var *v, enum capture_kind kind)
{
	while (v && v->kind != kind)
		v = v->next;
	return v != NULL;
}

static void put_traffic(
	struct jsonw *w, const char *key, const struct flow_var *v, enum capture_kind kind)
{
	if (!has_var(v, kind))
		return;
	jsonw_array(w, key);
	for (; v; v = v->next)
		if (v->kind == kind)
			jsonw_span(w, NULL, span_of(v->name, v->name_n));
	jsonw_end(w);
}

static void put_metadata(struct jsonw *w, const struct flow_var *v, const struct detect_match *m)
{
	bool of_packet = false, of_flow = has_var(v, CAPTURE_FLOW);

	for (unsigned i = 0; m && i < m->n_captures; i++)
		of_packet |= m->captures[i].name->kind == CAPTURE_PKT;
	if (!of_packet && !of_flow)
		return;
	jsonw_object(w, "metadata");
	if (of_flow)
		put_flow_vars(w, v);
	if (of_packet)
		put_packet_vars(w, m);
	jsonw_end(w);
}

void out_put_vars(struct jsonw *w, const struct flow *f, const struct detect_match *m)
{
	const struct flow_var *v = f ? f->vars : NULL;

	put_metadata(w, v, m);
	if (!has_var(v, CAPTURE_TRAFFIC_ID) && !has_var(v, CAPTURE_TRAFFIC_LABEL))
		return;
	jsonw_object(w, "traffic");
	put_traffic(w, "id", v, CAPTURE_TRAFFIC_ID);
	put_traffic(w, "label", v, CAPTURE_TRAFFIC_LABEL);
	jsonw_end(w);
}
