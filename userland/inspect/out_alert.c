/* Events of the rules: alert and drop. */
#include <pcap/dlt.h>

#include "inspect/capture.h"
#include "inspect/out_line.h"

/* What the rule itself has captured. */
static void put_context(struct jsonw *w, const struct detect_match *m)
{
	bool open = false;

	for (unsigned i = 0; i < m->n_captures; i++) {
		const struct capture *c = &m->captures[i];

		if (c->name->kind != CAPTURE_ALERT)
			continue;
		if (!open)
			jsonw_object(w, "context");
		open = true;
		out_put_capture(w, c->name->text, c->name->n, c->bytes, c->n);
	}
	if (open)
		jsonw_end(w);
}

static void put_alert(struct jsonw *w, const struct detect_match *m, bool blocked)
{
	jsonw_object(w, "alert");
	jsonw_str(w, "action", blocked ? "blocked" : "allowed");
	if (m->would_drop)
		jsonw_bool(w, "would_drop", true);
	jsonw_u64(w, "gid", m->gid);
	jsonw_u64(w, "signature_id", m->sid);
	jsonw_u64(w, "rev", m->rev);
	jsonw_span(w, "signature", span_str(m->msg));
	jsonw_span(w, "category", span_str(m->class_desc));
	jsonw_u64(w, "severity", m->priority);
	put_context(w, m);
	jsonw_end(w);
}

/* Of the packet, not of the rule: another rule may have decided. */
static void put_verdict(struct jsonw *w, const char *action)
{
	if (!action)
		return;
	jsonw_object(w, "verdict");
	jsonw_str(w, "action", action);
	jsonw_end(w);
}

/* What of the application a rule saw. */
static void put_unit(struct jsonw *w, const struct unit *u)
{
	if (u->put)
		u->put(w, u, false);
	if (!u->file)
		return;
	jsonw_array(w, "files");
	jsonw_object(w, NULL);
	file_put(w, u->file);
	jsonw_end(w);
	jsonw_end(w);
}

static void put_flow(struct jsonw *w, const struct flow *f)
{
	struct scene s = {.flow = f};

	jsonw_object(w, "flow");
	jsonw_u64(w, "pkts_toserver", f->pkts[SIDE_CLIENT]);
	jsonw_u64(w, "pkts_toclient", f->pkts[SIDE_SERVER]);
	jsonw_u64(w, "bytes_toserver", f->bytes[SIDE_CLIENT]);
	jsonw_u64(w, "bytes_toclient", f->bytes[SIDE_SERVER]);
	out_put_time(w, "start", &f->first);
	out_put_flow_addresses(w, &s);
	jsonw_end(w);
}

/* For people: what is not printable is a dot. */
static void put_printable(struct jsonw *w, const char *key, struct span data)
{
	char text[OUT_PAYLOAD_BYTES] = "";
	size_t n = data.n < sizeof(text) ? data.n : sizeof(text);

	for (size_t i = 0; i < n; i++) {
		uint8_t c = data.p[i];
		text[i] = (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n' ? (char)c : '.';
	}
	jsonw_span(w, key, span_of(text, n));
}

static void put_base64(struct jsonw *w, const char *key, struct span data)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[(OUT_PAYLOAD_BYTES + 2) / 3 * 4] = "", *at = text;

	data = span_take(data, OUT_PAYLOAD_BYTES);
	for (size_t i = 0; i < data.n; i += 3) {
		uint32_t v = (uint32_t)data.p[i] << 16;
		if (i + 1 < data.n)
			v |= (uint32_t)data.p[i + 1] << 8;
		if (i + 2 < data.n)
			v |= data.p[i + 2];
		*at++ = digits[v >> 18];
		*at++ = digits[v >> 12 & 63];
		*at++ = i + 1 < data.n ? digits[v >> 6 & 63] : '=';
		*at++ = i + 2 < data.n ? digits[v & 63] : '=';
	}
	jsonw_span(w, key, span_of(text, (size_t)(at - text)));
}

static void put_frame(struct jsonw *w, const struct packet *p)
{
	int link = p->src.family == 4 ? DLT_IPV4 : DLT_IPV6; /* put together here: begins with IP */

	if (p->frame.p)
		link = p->link;
	put_base64(w, "packet", p->frame.p ? p->frame : p->ip);
	jsonw_object(w, "packet_info");
	jsonw_u64(w, "linktype", (uint64_t)link);
	jsonw_str(w, "linktype_name", decode_link_name(link));
	jsonw_end(w);
}

void out_packet(struct out *o, const struct scene *s)
{
	struct jsonw w;

	out_begin(o, &w, "packet", &s->packet->at);
	out_put_packet(&w, s);
	put_frame(&w, s->packet);
	out_end(o, &w);
}

static void put_payload(struct jsonw *w, const struct scene *s)
{
	if (s->payload.p) {
		put_base64(w, "payload", s->payload);
		put_printable(w, "payload_printable", s->payload);
		jsonw_u64(w, "stream", s->stream);
	}
	if (s->packet->frame.p)
		put_frame(w, s->packet);
}

void out_alert(struct out *o, const struct scene *s, const struct detect_match *m, bool blocked,
	const struct unit *unit)
{
	struct jsonw w;

	out_begin(o, &w, "alert", &s->packet->at);
	out_put_packet(&w, s);
	if (unit)
		jsonw_u64(&w, "tx_id", unit->tx_id);
	put_alert(&w, m, blocked);
	put_verdict(&w, s->verdict);
	out_put_vars(&w, s->flow, m);
	if (unit)
		put_unit(&w, unit);
	if (s->flow) {
		out_put_app_proto(&w, s->flow);
		jsonw_str(&w, "direction", s->side == SIDE_CLIENT ? "to_server" : "to_client");
		put_flow(&w, s->flow);
	}
	if (out_has_evidence(o))
		put_payload(&w, s);
	out_end(o, &w);
}

static void put_tcp(struct jsonw *w, const struct packet *p)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} rows[] = {{TCP_SYN, "syn"}, {TCP_ACK, "ack"}, {TCP_PSH, "psh"}, {TCP_RST, "rst"},
		{TCP_URG, "urg"}, {TCP_FIN, "fin"}};

	jsonw_u64(w, "tcpseq", p->seq);
	jsonw_u64(w, "tcpack", p->ack);
	jsonw_u64(w, "tcpwin", p->tcp_window);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		jsonw_bool(w, rows[i].name, p->tcp_flags & rows[i].bit);
	jsonw_u64(w, "tcpurgp", p->tcp_urgent);
}

static void put_drop(struct jsonw *w, const struct packet *p, const char *reason)
{
	jsonw_object(w, "drop");
	jsonw_u64(w, "len", p->ip.n);
	jsonw_u64(w, "tos", p->tos);
	jsonw_u64(w, "ttl", p->ttl);
	if (p->src.family == 4)
		jsonw_u64(w, "ipid", p->ip_id);
	if (p->ip_proto == IPPROTO_TCP)
		put_tcp(w, p);
	else if (p->ip_proto == IPPROTO_UDP)
		jsonw_u64(w, "udplen", p->udp_length);
	jsonw_str(w, "reason", reason);
	jsonw_end(w);
}

void out_drop(struct out *o, const struct scene *s, const struct detect_match *m,
	const char *reason, const char *why)
{
	struct jsonw w;

	out_begin(o, &w, "drop", &s->packet->at);
	out_put_packet(&w, s);
	if (s->flow) {
		out_put_app_proto(&w, s->flow);
		jsonw_str(&w, "direction", s->side == SIDE_CLIENT ? "to_server" : "to_client");
	}
	put_drop(&w, s->packet, reason);
	jsonw_span(&w, "why", span_str(why));
	if (m)
		put_alert(&w, m, true);
	if (s->flow)
		out_put_app(&w, s);
	out_end(o, &w);
}
