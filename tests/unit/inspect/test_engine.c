/* Packets in, verdicts and events out: the whole path with rules from a file and events read back.
 */
#include "inspect/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/mark.h"
#include "unit.h"

#define RULES \
	"drop http any any -> any any (msg:\"evil\"; http.uri; content:\"/evil\"; sid:1;)\n" \
	"alert http any any -> any any (msg:\"odd\"; http.uri; content:\"/odd\"; sid:2;)\n" \
	"alert tcp any any -> any any (msg:\"joined\"; flow:established; content:\"straddle\"; " \
	"sid:3;)\n" \
	"pass tcp any any -> any 99 (msg:\"pass\"; sid:4;)\n" \
	"drop dns any any -> any any (msg:\"name\"; dns.query; content:\"bad.example\"; sid:5;)\n" \
	"drop tcp any any -> any any (msg:\"mixed\"; content:\"|0d 0a|X-M: 1\"; http.uri; " \
	"content:\"/m\"; sid:6;)\n"

struct world {
	char dir[64];
	struct publication *publication;
	struct out *out;
	struct engine *engine;
	uint32_t seq[2];
	uint16_t port;
	long clock;
};

static struct generation *generation(struct world *w, const char *rules, bool ips, const char *app)
{
	char path[128];
	const char *patterns[] = {path};
	struct generation *gen = NULL;
	struct settings set;

	snprintf(path, sizeof(path), "%s/t.rules", w->dir);
	FILE *f = fopen(path, "w");
	fputs(rules, f);
	fclose(f);
	settings_init(&set);
	if (app) {
		struct app *names;
		assert_int_equal(app_new(&names), 0);
		set.app_action[app_by_name(names, app)] = APP_ACTION_DROP;
		set.has_app_rows = true;
		app_free(names);
	}
	assert_int_equal(generation_new(&set, patterns, 1, NULL, ips, NULL, NULL, &gen), 0);
	assert_int_equal(gen->stats.refused, 0);
	return gen;
}

static void world_open(struct world *w, bool ips, const char *app)
{
	*w = (struct world){.dir = "/tmp/test_engine.XXXXXX", .port = 80, .clock = 1000};
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(out_open(w->dir, &w->out), 0);
	assert_int_equal(publication_new(&w->publication), 0);
	generation_publish(w->publication, generation(w, RULES, ips, app));
	assert_int_equal(engine_new(w->publication, w->out, &w->engine), 0);
}

/* Ends it and gives back all events. */
static void world_close(struct world *w, char text[static 65536])
{
	char path[128];

	engine_free(w->engine);
	publication_free(w->publication);
	out_free(w->out);
	snprintf(path, sizeof(path), "%s/eve.json", w->dir);
	FILE *f = fopen(path, "r");
	text[fread(text, 1, 65535, f)] = '\0';
	fclose(f);
	unlink(path);
	snprintf(path, sizeof(path), "%s/t.rules", w->dir);
	unlink(path);
	rmdir(w->dir);
}

static unsigned count(const char *text, const char *needle)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, needle)); p++)
		n++;
	return n;
}

static struct verdict send_packet(struct world *w, struct packet *p)
{
	p->at = (struct timeval){.tv_sec = w->clock++};
	return engine_packet(w->engine, DECODE_OK, p);
}

static struct verdict tcp_at(
	struct world *w, bool to_server, uint8_t flags, uint32_t seq, struct span payload)
{
	struct detect_addr client = {4, {10, 0, 0, 1}}, server = {4, {10, 0, 0, 2}};
	struct packet p = {.src = to_server ? client : server,
		.dst = to_server ? server : client,
		.src_port = to_server ? 40000 : w->port,
		.dst_port = to_server ? w->port : 40000,
		.ip_proto = IPPROTO_TCP,
		.ttl = 64,
		.tcp_flags = flags,
		.seq = seq,
		.ack = w->seq[!to_server],
		.payload = payload};
	uint8_t ip[40 + 2000] = {0x45, 0, (uint8_t)((40 + payload.n) >> 8),
		(uint8_t)(40 + payload.n), 0, 1, 0, 0, 64, 6};

	/* For nDPI, which reads the packet itself. */
	memcpy(ip + 12, p.src.bytes, 4);
	memcpy(ip + 16, p.dst.bytes, 4);
	ip[20] = (uint8_t)(p.src_port >> 8), ip[21] = (uint8_t)p.src_port;
	ip[22] = (uint8_t)(p.dst_port >> 8), ip[23] = (uint8_t)p.dst_port;
	ip[24] = (uint8_t)(seq >> 24), ip[25] = (uint8_t)(seq >> 16), ip[26] = (uint8_t)(seq >> 8),
	ip[27] = (uint8_t)seq;
	ip[28] = (uint8_t)(p.ack >> 24), ip[29] = (uint8_t)(p.ack >> 16),
	ip[30] = (uint8_t)(p.ack >> 8), ip[31] = (uint8_t)p.ack;
	ip[32] = 0x50, ip[33] = flags;
	memcpy(ip + 40, payload.p, payload.n);
	p.ip = span_of(ip, 40 + payload.n);
	p.payload = span_skip(p.ip, 40);
	return send_packet(w, &p);
}

static struct verdict tcp(struct world *w, bool to_server, uint8_t flags, struct span payload)
{
	uint32_t seq = w->seq[to_server];

	w->seq[to_server] += (uint32_t)payload.n + !!(flags & (TCP_SYN | TCP_FIN));
	return tcp_at(w, to_server, flags, seq, payload);
}

static void handshake(struct world *w)
{
	w->seq[0] = 5000;
	w->seq[1] = 100;
	tcp(w, true, TCP_SYN, SPAN_LIT(""));
	tcp(w, false, TCP_SYN | TCP_ACK, SPAN_LIT(""));
	tcp(w, true, TCP_ACK, SPAN_LIT(""));
}

static void test_request_is_dropped(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	handshake(&w);
	struct verdict v = tcp(&w, true, TCP_ACK, SPAN_LIT("GET /evil HTTP/1.1\r\nHo"));
	assert_false(v.drop);
	v = tcp(&w, true, TCP_ACK,
		SPAN_LIT("st: a\r\n\r\n")); /* completes the headers: must not go on */
	assert_true(v.drop);
	assert_int_equal(v.mark, MARK_DROP);
	v = tcp(&w, false, TCP_ACK, SPAN_LIT(""));
	assert_true(v.drop && v.mark == MARK_DROP);
	v = tcp_at(&w, true, TCP_ACK, w.seq[1] - 9, SPAN_LIT("st: a\r\n\r\n")); /* sent again */
	assert_true(v.drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"alert\""), 1);
	assert_int_equal(count(text, "\"event_type\":\"drop\""), 2); /* one a direction */
	assert_int_equal(count(text, "\"reason\":\"flow drop\""), 1);
	assert_int_equal(count(text, "\"action\":\"blocked\",\"gid\":1,\"signature_id\":1"), 2);
	assert_int_equal(count(text, "\"why\":\"evil\""), 1);
	assert_int_equal(count(text, "\"url\":\"/evil\""), 1);
}

static void test_offline_drops_nothing(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, false, NULL);
	handshake(&w);
	assert_false(
		tcp(&w, true, TCP_ACK, SPAN_LIT("GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"action\":\"allowed\""), 1);
	assert_int_equal(count(text, "\"event_type\":\"drop\""), 0);
}

static void test_each_transaction_alerts(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	handshake(&w);
	for (int i = 0; i < 3; i++)
		assert_false(
			tcp(&w, true, TCP_ACK, SPAN_LIT("GET /odd HTTP/1.1\r\nHost: a\r\n\r\n"))
				.drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":2"), 3);
	assert_int_equal(count(text, "\"event_type\":\"drop\""), 0);
}

/* The pattern lies in two segments that come in the wrong order; it is told once although the
 * window of later packets shows it again. */
static void test_pattern_straddles(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	w.port = 7777;
	handshake(&w);
	tcp_at(&w, true, TCP_ACK, 101 + 5, SPAN_LIT("ddle and more"));
	tcp_at(&w, true, TCP_ACK, 101, SPAN_LIT(" stra"));
	tcp_at(&w, true, TCP_ACK, 101 + 18, SPAN_LIT("later"));
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":3"), 1);
}

/* A segment behind a hole is let through: it is looked at before the hole fills. */
static void test_behind_a_hole(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	w.port = 7777;
	handshake(&w);
	tcp_at(&w, true, TCP_ACK, 101, SPAN_LIT("first"));
	tcp_at(&w, true, TCP_ACK, 101 + 20, SPAN_LIT("a stra"));
	tcp_at(&w, true, TCP_ACK, 101 + 26, SPAN_LIT("ddle"));
	tcp_at(&w, true, TCP_ACK, 101 + 5, SPAN_LIT("what was missed")); /* and told no more */
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":3"), 1);
	assert_int_equal(count(text, "\"pkts_toserver\":5,"), 1); /* with its own packet */
}

/* Of drop and pass the one that ranks first counts, and each alert says what became of the packet.
 */
static void test_drop_before_pass(void **state)
{
	static char text[65536];
	struct generation *gen;
	struct settings set;
	char path[128];
	const char *patterns[] = {path};
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	snprintf(path, sizeof(path), "%s/t.rules", w.dir);
	FILE *f = fopen(path, "w");
	fputs("pass tcp any any -> any any (sid:1;)\n"
	      "drop tcp any any -> any any (content:\"evil\"; tcp.flags:A; sid:2;)\n"
	      "alert tcp any any -> any any (content:\"evil\"; tcp.flags:A; sid:3;)\n",
		f);
	fclose(f);
	settings_init(&set);
	assert_int_equal(settings_set(&set, "action-order=drop,alert,pass,reject"), 0);
	assert_int_equal(settings_set(&set, "stream.midstream=true"), 0);
	assert_int_equal(generation_new(&set, patterns, 1, NULL, true, NULL, NULL, &gen), 0);
	generation_publish(w.publication, gen);
	assert_int_equal(engine_refresh(w.engine), 0);
	w.port = 7777;
	for (int i = 0; i < 2; i++)
		assert_true(
			tcp_at(&w, true, TCP_ACK, 500 + 4 * (uint32_t)i, SPAN_LIT("evil")).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"verdict\":{\"action\":\"drop\"}"), 4);
	assert_int_equal(count(text, "\"action\":\"pass\""), 0);
}

/* Reading a capture, an alert comes with the next packet of its side, which knows more. */
static void test_alert_waits(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, false, NULL);
	handshake(&w);
	tcp(&w, true, TCP_ACK, SPAN_LIT("GET /odd HTTP/1.1\r\nHost: a\r\n\r\n"));
	tcp(&w, false, TCP_ACK, SPAN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"));
	tcp(&w, true, TCP_ACK, SPAN_LIT(""));
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"alert\""), 1);
	char *alert = strstr(text, "\"event_type\":\"alert\"");
	*strchr(alert, '\n') = '\0';
	assert_int_equal(count(alert, "\"status\":200"), 1);
	assert_int_equal(count(alert, "\"src_ip\":\"10.0.0.1\",\"src_port\":40000"), 2);
	assert_int_equal(count(alert, "\"pkts_toserver\":4,"), 1);
}

static void test_payload_and_uri(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	handshake(&w);
	assert_true(tcp(&w, true, TCP_ACK, SPAN_LIT("GET /m HTTP/1.1\r\nX-M: 1\r\n\r\n")).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"drop\""), 1);
}

static void test_pass_is_bypassed(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	w.port = 99;
	handshake(&w);
	assert_int_equal(
		tcp(&w, true, TCP_ACK, SPAN_LIT("GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")).mark,
		MARK_BYPASS);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"alert\""), 0);
	assert_int_equal(count(text, "\"action\":\"pass\""), 1);
}

#define BITTORRENT \
	"\x13" \
	"BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaa-XX0001-bbbbbbbbbbbb"

static void test_application_policy(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, "BitTorrent");
	w.port = 6881;
	handshake(&w);
	struct verdict v = tcp(&w, true, TCP_ACK, SPAN_LIT(BITTORRENT));
	world_close(&w, text);
	assert_true(v.drop);
	assert_int_equal(v.mark, MARK_DROP);
	assert_int_equal(count(text, "\"why\":\"application BitTorrent is set to drop\""), 1);
	assert_int_equal(count(text, "\"ndpi_app\":\"BitTorrent\""), 2);
}

static void test_dns_name(void **state)
{
	static const uint8_t query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3bad\7example\0\0\1\0\1";
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	struct packet p = {.src = {4, {10, 0, 0, 1}},
		.dst = {4, {10, 0, 0, 3}},
		.src_port = 40000,
		.dst_port = 53,
		.ip_proto = IPPROTO_UDP,
		.payload = span_of(query, sizeof(query) - 1)};
	assert_true(send_packet(&w, &p).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"rrname\":\"bad.example\""), 2); /* dns event and alert */
}

/* A new generation is in force from the next batch; the flow goes on. */
static void test_reload(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	handshake(&w);
	assert_false(tcp(&w, true, TCP_ACK, SPAN_LIT("GET /new HTTP/1.1\r\nHost: a\r\n\r\n")).drop);
	generation_publish(w.publication, generation(&w,
						  "drop http any any -> any any (msg:\"new\"; "
						  "http.uri; content:\"/new\"; sid:9;)\n",
						  true, NULL));
	assert_int_equal(engine_refresh(w.engine), 0);
	assert_true(tcp(&w, true, TCP_ACK, SPAN_LIT("GET /new HTTP/1.1\r\nHost: a\r\n\r\n")).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"flow\""), 1);
}

/* Empty segments need not be shown while nothing is missing; without them the handshake is known by
 * the data that follows. */
static void test_bare(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	w.port = 7777;
	w.seq[0] = 5000;
	w.seq[1] = 100;
	assert_int_equal(tcp(&w, true, TCP_SYN, SPAN_LIT("")).mark, MARK_BARE);
	assert_int_equal(tcp(&w, false, TCP_SYN | TCP_ACK, SPAN_LIT("")).mark, 0);
	assert_int_equal(tcp(&w, true, TCP_ACK, SPAN_LIT("straddle")).mark, 0);
	assert_int_equal(
		tcp_at(&w, true, TCP_ACK, w.seq[1] + 4, SPAN_LIT("late")).mark, MARK_BARE_END);
	assert_int_equal(tcp(&w, true, TCP_ACK, SPAN_LIT("hole")).mark, MARK_BARE);
	assert_int_equal(tcp_at(&w, true, TCP_ACK, w.seq[1] + 4, SPAN_LIT("more")).mark, 0);
	tcp(&w, false, TCP_FIN | TCP_ACK, SPAN_LIT(""));
	w.seq[1] += 8;
	tcp(&w, true, TCP_FIN | TCP_ACK, SPAN_LIT(""));
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":3"), 1); /* flow:established */
	assert_int_equal(count(text, "\"state\":\"closed\""), 1);
}

/* Megabytes passed unseen in both directions. The connection goes on, and what comes now is looked
 * at: at once when the lapse is known, else from when both sides have spoken of it. */
static void passes_unseen(bool known)
{
	static char text[65536];
	struct world w;

	world_open(&w, true, NULL);
	w.port = 7777;
	handshake(&w);
	assert_false(tcp(&w, true, TCP_ACK, SPAN_LIT("before")).drop);
	assert_false(tcp(&w, false, TCP_ACK, SPAN_LIT("before")).drop);
	w.seq[0] += 50000000;
	w.seq[1] += 30000000;
	if (known)
		engine_lapses(w.engine, 1);
	else
		assert_true(tcp_at(&w, true, TCP_ACK, w.seq[1], SPAN_LIT("unheard")).drop);
	assert_false(tcp(&w, false, TCP_ACK, SPAN_LIT("answer")).drop);
	assert_false(tcp(&w, true, TCP_ACK, SPAN_LIT("stra")).drop);
	assert_false(tcp(&w, true, TCP_ACK, SPAN_LIT("ddle")).drop);
	assert_false(tcp(&w, false, TCP_ACK, SPAN_LIT("answer")).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":3"), 1);
}

static void test_passes_unseen(void **state)
{
	(void)state;
	passes_unseen(true);
	passes_unseen(false);
}

/* Its sender is told, by the rules behind us; nothing is told of what comes back. */
static void test_reject_datagram(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	generation_publish(w.publication, generation(&w,
						  "reject udp any any -> any 7 (msg:\"no\"; "
						  "content:\"offends\"; sid:9;)\n",
						  true, NULL));
	assert_int_equal(engine_refresh(w.engine), 0);
	struct packet p = {.src = {4, {10, 0, 0, 1}},
		.dst = {4, {10, 0, 0, 3}},
		.src_port = 40000,
		.dst_port = 7,
		.ip_proto = IPPROTO_UDP,
		.payload = SPAN_LIT("it offends")};
	struct packet q = p;
	struct verdict v = send_packet(&w, &p);
	assert_true(v.drop && v.mark == MARK_REJECT);
	q.payload = SPAN_LIT("it does not");
	v = send_packet(&w, &q);
	assert_true(!v.drop && v.mark == 0);
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":9"), 2); /* alert and drop */
}

/* A rule that looks at empty segments, of this port. */
static void test_not_bare(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, true, NULL);
	generation_publish(w.publication, generation(&w,
						  "alert tcp any any -> any 80 (msg:\"bare\"; "
						  "flow:to_server; flags:A; dsize:0; sid:9;)\n",
						  true, NULL));
	assert_int_equal(engine_refresh(w.engine), 0);
	assert_int_equal(tcp(&w, true, TCP_SYN, SPAN_LIT("")).mark, 0);
	tcp(&w, false, TCP_SYN | TCP_ACK, SPAN_LIT(""));
	tcp(&w, true, TCP_ACK, SPAN_LIT(""));
	/* the connection is shown less once the rules are others */
	generation_publish(w.publication, generation(&w, RULES, true, NULL));
	assert_int_equal(engine_refresh(w.engine), 0);
	assert_int_equal(tcp(&w, true, TCP_ACK, SPAN_LIT("x")).mark, MARK_BARE);
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":9"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_is_dropped),
		cmocka_unit_test(test_offline_drops_nothing),
		cmocka_unit_test(test_each_transaction_alerts),
		cmocka_unit_test(test_pattern_straddles),
		cmocka_unit_test(test_behind_a_hole),
		cmocka_unit_test(test_drop_before_pass),
		cmocka_unit_test(test_alert_waits),
		cmocka_unit_test(test_payload_and_uri),
		cmocka_unit_test(test_pass_is_bypassed),
		cmocka_unit_test(test_application_policy),
		cmocka_unit_test(test_dns_name),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_passes_unseen),
		cmocka_unit_test(test_reject_datagram),
		cmocka_unit_test(test_not_bare),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
