/* Events of flows, transactions, files and oddities, and the statistics. */
#include <ctype.h>
#include <stdio.h>

#include "inspect/out_line.h"

void out_unit(struct out *o, const struct scene *s, const struct unit *unit)
{
	struct jsonw w;

	out_begin(o, &w, unit->event, &s->packet->at);
	out_put_flow_ends(&w, s);
	jsonw_u64(&w, "tx_id", unit->tx_id);
	if (unit->put)
		unit->put(&w, unit, true);
	out_end(o, &w);
}

void out_file(struct out *o, const struct scene *s, const struct unit *unit)
{
	struct jsonw w;

	out_begin(o, &w, "fileinfo", &s->packet->at);
	out_put_packet(&w, s);
	if (unit->put)
		unit->put(&w, unit, false);
	out_put_app_proto(&w, s->flow);
	jsonw_object(&w, "fileinfo");
	file_put(&w, unit->file);
	jsonw_end(&w);
	out_end(o, &w);
}

/* Suricata spells decode and stream events with their layer in front, those of HTTP in capitals. */
static void put_event_name(struct jsonw *w, enum event_id id)
{
	struct span name = span_str(event_name(id));
	enum event_layer layer = event_layer_of(id);
	char text[80];
	size_t n = 0;

	if (layer == EVENT_LAYER_STREAM) {
		jsonw_span(w, "event", name);
		return;
	}
	if (layer == EVENT_LAYER_DECODE) {
		jsonw_fmt(w, "event", "decoder.%s", event_name(id));
		return;
	}
	bool upper = span_casestarts(name, SPAN_LIT("http."));
	struct span rest = span_skip(name, (size_t)(span_chr(name, '.') + 1));
	for (; n < rest.n && n < sizeof(text); n++)
		text[n] = (char)(upper ? toupper(rest.p[n]) : rest.p[n]);
	jsonw_span(w, "event", span_of(text, n));
}

void out_anomaly(struct out *o, const struct scene *s, enum event_id id, const struct unit *unit)
{
	static const char *const types[] = {[EVENT_LAYER_DECODE] = "decode",
		[EVENT_LAYER_STREAM] = "stream",
		[EVENT_LAYER_APP] = "applayer"};
	enum event_layer layer = event_layer_of(id);
	struct jsonw w;

	out_begin(o, &w, "anomaly", &s->packet->at);
	out_put_packet(&w, s);
	if (unit)
		jsonw_u64(&w, "tx_id", unit->tx_id);
	jsonw_object(&w, "anomaly");
	if (layer == EVENT_LAYER_APP && s->flow)
		out_put_app_proto(&w, s->flow);
	jsonw_str(&w, "type", types[layer]);
	put_event_name(&w, id);
	if (layer == EVENT_LAYER_APP)
		jsonw_str(&w, "layer", "proto_parser");
	jsonw_end(&w);
	out_end(o, &w);
}

static void put_exception(struct jsonw *w, const struct flow *f)
{
	if (!f->exception)
		return;
	jsonw_array(w, "exception_policy");
	jsonw_object(w, NULL);
	jsonw_str(w, "target", "stream_midstream");
	jsonw_str(w, "policy", exception_name(f->exception - 1));
	jsonw_end(w);
	jsonw_end(w);
}

static void put_counts(struct jsonw *w, const struct flow *f, enum flow_end why)
{
	jsonw_object(w, "flow");
	jsonw_u64(w, "pkts_toserver", f->pkts[SIDE_CLIENT]);
	jsonw_u64(w, "pkts_toclient", f->pkts[SIDE_SERVER]);
	jsonw_u64(w, "bytes_toserver", f->bytes[SIDE_CLIENT]);
	jsonw_u64(w, "bytes_toclient", f->bytes[SIDE_SERVER]);
	out_put_time(w, "start", &f->first);
	out_put_time(w, "end", &f->last);
	jsonw_i64(w, "age", f->last.tv_sec - f->first.tv_sec);
	jsonw_str(w, "state", f->fate == FATE_BYPASS ? "bypassed" : flow_class_name(f->class));
	jsonw_str(w, "reason", flow_end_name(why));
	jsonw_bool(w, "alerted", f->alerted);
	put_exception(w, f);
	if (f->tx_cnt)
		jsonw_u64(w, "tx_cnt", f->tx_cnt);
	if (f->fate == FATE_DROP)
		jsonw_str(w, "action", "drop");
	else if (f->fate == FATE_PASS)
		jsonw_str(w, "action", "pass");
	jsonw_end(w);
}

static void put_tcp(struct jsonw *w, const struct flow *f)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} rows[] = {{TCP_SYN, "syn"}, {TCP_FIN, "fin"}, {TCP_RST, "rst"}, {TCP_PSH, "psh"},
		{TCP_ACK, "ack"}, {TCP_URG, "urg"}};
	uint8_t any = f->tcp_flags[0] | f->tcp_flags[1];

	jsonw_object(w, "tcp");
	jsonw_fmt(w, "tcp_flags", "%02x", any);
	jsonw_fmt(w, "tcp_flags_ts", "%02x", f->tcp_flags[SIDE_CLIENT]);
	jsonw_fmt(w, "tcp_flags_tc", "%02x", f->tcp_flags[SIDE_SERVER]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (any & rows[i].bit)
			jsonw_bool(w, rows[i].name, true);
	if (f->tcp.state != TCP_NONE)
		jsonw_str(w, "state", tcp_state_name(f->tcp.state));
	jsonw_u64(w, "ts_max_regions",
		f->stream[SIDE_CLIENT].regions ? f->stream[SIDE_CLIENT].regions : 1);
	jsonw_u64(w, "tc_max_regions",
		f->stream[SIDE_SERVER].regions ? f->stream[SIDE_SERVER].regions : 1);
	jsonw_end(w);
}

void out_flow(struct out *o, const struct scene *s, enum flow_end why, const struct timeval *now)
{
	const struct flow *f = s->flow;
	struct jsonw w;

	out_begin(o, &w, "flow", now);
	out_put_flow_ends(&w, s);
	out_put_app_proto(&w, f);
	out_put_app(&w, s);
	put_counts(&w, f, why);
	out_put_vars(&w, f, NULL);
	if (f->key.ip_proto == IPPROTO_TCP)
		put_tcp(&w, f);
	out_end(o, &w);
}

/* A group of counters; `within` encloses it. */
static void put_group(struct jsonw *w, const struct stats *st, const char *group)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (strcmp(counter_names[i].group, group) == 0)
			jsonw_u64(w, counter_names[i].name, st->counters.value[i]);
}

/* "ipv6.frag_overlap" as an object in an object; those of one layer lie together in the table. */
static void put_event_counts(struct jsonw *w, const struct stats *st)
{
	struct span open = {};

	jsonw_object(w, "event");
	for (unsigned i = 1; i < EVENT_ID_COUNT; i++) {
		struct span name = span_str(event_name(i));
		ptrdiff_t dot = span_chr(name, '.');
		char layer[32];
		if (event_layer_of(i) != EVENT_LAYER_DECODE || dot < 0)
			continue;
		struct span group = span_take(name, (size_t)dot);
		if (!span_eq(group, open)) {
			if (open.n)
				jsonw_end(w);
			snprintf(layer, sizeof(layer), "%.*s", (int)group.n, (const char *)group.p);
			jsonw_object(w, layer);
			open = group;
		}
		jsonw_u64(w, (const char *)name.p + dot + 1, st->counters.event[i]);
	}
	if (open.n)
		jsonw_end(w);
	jsonw_end(w);
}

/* What is only ignored is no exception: then there is nothing to tell. */
static void put_exceptions(struct jsonw *w, const struct stats *st)
{
	uint64_t n = 0;

	for (unsigned i = COUNTER_MIDSTREAM_IGNORE + 1; i <= COUNTER_MIDSTREAM_REJECT; i++)
		n += st->counters.value[i];
	jsonw_object(w, "exception_policy");
	jsonw_object(w, "tcp");
	if (n) {
		jsonw_object(w, "midstream");
		put_group(w, st, "exception_policy");
		jsonw_end(w);
	}
	jsonw_end(w);
	jsonw_end(w);
}

/* Groups with an object of their own form. */
static bool put_special(struct jsonw *w, const struct stats *st, const char *group)
{
	if (strcmp(group, "drop_reason") == 0)
		return true; /* told in "ips" */
	if (strcmp(group, "exception_policy") == 0) {
		put_exceptions(w, st);
		return true;
	}
	return false;
}

void out_stats(struct out *o, const struct stats *st, const struct timeval *at)
{
	struct jsonw w;

	out_begin(o, &w, "stats", at);
	jsonw_object(&w, "stats");
	jsonw_u64(&w, "uptime", st->uptime_s);
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const char *group = counter_names[i].group;
		if ((i && strcmp(group, counter_names[i - 1].group) == 0) ||
			put_special(&w, st, group))
			continue;
		jsonw_object(&w, group);
		put_group(&w, st, group);
		if (strcmp(group, "decoder") == 0)
			put_event_counts(&w, st);
		if (strcmp(group, "ips") == 0) {
			jsonw_object(&w, "drop_reason");
			put_group(&w, st, "drop_reason");
			jsonw_end(&w);
		}
		jsonw_end(&w);
	}
	jsonw_u64(&w, "flows_active", counters_flows(&st->counters));
	jsonw_u64(&w, "rules_loaded", st->rules_loaded);
	jsonw_u64(&w, "rules_failed", st->rules_refused);
	jsonw_u64(&w, "kernel_queue_dropped", st->kernel_queue_dropped);
	jsonw_u64(&w, "kernel_user_dropped", st->kernel_user_dropped);
	jsonw_u64(&w, "events_lost", out_lost(o));
	jsonw_end(&w);
	out_end(o, &w);
}
