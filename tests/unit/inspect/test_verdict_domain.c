/* A listed name on the wire: alerts and drops of the whole engine, read back from its events. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/engine.h"
#include "lib/mark.h"
#include "unit.h"

struct world {
	char dir[64];
	struct publication *publication;
	struct out *out;
	struct engine *engine;
};

static void list_write(const struct world *w, const char *text)
{
	char path[160];

	for (unsigned i = 0; i < 3; i++) {
		static const char *const parts[] = {"sig", "sig/domains", "sig/domains/current"};
		snprintf(path, sizeof(path), "%s/%s", w->dir, parts[i]);
		mkdir(path, 0700);
	}
	snprintf(path, sizeof(path), "%s/sig/domains/current/l__domains.txt", w->dir);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void publish(struct world *w, enum domain_action action)
{
	struct generation *gen = NULL;
	struct settings set;

	settings_init(&set);
	set.domains = calloc(1, sizeof(*set.domains));
	assert_non_null(set.domains);
	set.domains[0] = (struct domain_rule){"l", action};
	set.domains_n = 1;
	assert_int_equal(generation_new(&set, NULL, 0, NULL, true, NULL, NULL, &gen), 0);
	generation_publish(w->publication, gen);
}

static void world_open(struct world *w, enum domain_action action)
{
	*w = (struct world){.dir = "/tmp/test_domains.XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	setenv("SEKISHO_DATA", w->dir, 1);
	list_write(w, "bad.example\n");
	assert_int_equal(out_open(w->dir, &w->out), 0);
	assert_int_equal(publication_new(&w->publication), 0);
	publish(w, action);
	assert_int_equal(engine_new(w->publication, w->out, &w->engine), 0);
}

static void world_close(struct world *w, char text[static 65536])
{
	static const char *const left[] = {"sig/domains/current/l__domains.txt",
		"sig/domains/current", "sig/domains", "sig", "eve.json"};
	char path[160];

	engine_free(w->engine);
	publication_free(w->publication);
	out_free(w->out);
	snprintf(path, sizeof(path), "%s/eve.json", w->dir);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	text[fread(text, 1, 65535, f)] = '\0';
	fclose(f);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, left[i]);
		remove(path);
	}
	rmdir(w->dir);
}

static unsigned count(const char *text, const char *needle)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, needle)); p++)
		n++;
	return n;
}

static struct verdict send_packet(struct world *w, uint8_t proto, uint16_t port, uint8_t flags,
	uint32_t seq, struct span payload)
{
	struct packet p = {.at = {1000, 0},
		.src = {4, {10, 0, 0, 1}},
		.dst = {4, {10, 0, 0, 2}},
		.src_port = 40000,
		.dst_port = port,
		.ip_proto = proto,
		.ttl = 64,
		.tcp_flags = flags,
		.seq = seq,
		.ack = flags & TCP_ACK ? 501 : 0,
		.tcp_window = 65535,
		.payload = payload};

	p.ip = span_of("E\0\0\x14\0\0\0\0\x40\xff\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	return engine_packet(w->engine, DECODE_OK, &p);
}

#define QUERY(name) "\x12\x34\1\0\0\1\0\0\0\0\0\0" name "\0\0\1\0\1"

static struct verdict ask(struct world *w, struct span query)
{
	return send_packet(w, IPPROTO_UDP, 53, 0, 0, query);
}

static void handshake(struct world *w)
{
	struct packet p = {.at = {1000, 0},
		.src = {4, {10, 0, 0, 2}},
		.dst = {4, {10, 0, 0, 1}},
		.src_port = 80,
		.dst_port = 40000,
		.ip_proto = IPPROTO_TCP,
		.tcp_flags = TCP_SYN | TCP_ACK,
		.seq = 500,
		.ack = 100,
		.tcp_window = 65535};

	send_packet(w, IPPROTO_TCP, 80, TCP_SYN, 99, SPAN_LIT(""));
	p.ip = span_of("E\0\0\x14\0\0\0\0\x40\xff\0\0\x0a\0\0\2\x0a\0\0\1", 20);
	engine_packet(w->engine, DECODE_OK, &p);
	send_packet(w, IPPROTO_TCP, 80, TCP_ACK, 100, SPAN_LIT(""));
}

static struct verdict request(struct world *w, uint32_t seq, const char *host)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);

	return send_packet(w, IPPROTO_TCP, 80, TCP_ACK | TCP_PSH, seq, span_of(text, (size_t)n));
}

static void test_alert(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, DOMAIN_ALERT);
	assert_false(ask(&w, SPAN_LIT(QUERY("\3www\3bad\7example"))).drop);
	assert_false(ask(&w, SPAN_LIT(QUERY("\4good\7example"))).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"alert\""), 1);
	assert_int_equal(count(text, "\"signature_id\":9900001"), 1);
	assert_int_equal(count(text, "www.bad.example is in list l"), 1);
	assert_int_equal(count(text, "\"event_type\":\"drop\""), 0);
}

static void test_drop(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, DOMAIN_DROP);
	struct verdict v = ask(&w, SPAN_LIT(QUERY("\3bad\7example")));
	assert_true(v.drop);
	assert_int_equal(v.mark, 0); /* the question alone, not the flow */
	assert_false(ask(&w, SPAN_LIT(QUERY("\4good\7example"))).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"drop\""), 1);
	assert_int_equal(count(text, "\"reason\":\"rules\""), 1);
	assert_int_equal(count(text, "\"why\":\"SEKISHO DNS query bad.example is in list l\""), 1);
}

static void test_off(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, DOMAIN_OFF);
	assert_false(ask(&w, SPAN_LIT(QUERY("\3bad\7example"))).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"alert\""), 0);
}

static void test_request(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, DOMAIN_DROP);
	handshake(&w);
	struct verdict v = request(&w, 100, "x.BAD.example:80");
	assert_true(v.drop);
	assert_int_equal(v.mark, MARK_DROP);
	world_close(&w, text);
	assert_int_equal(count(text, "\"signature_id\":9900003"), 2); /* alert, drop */
}

/* A list that changed is taken up with the next generation; flows stay. */
static void test_reload(void **state)
{
	static char text[65536];
	struct world w;

	(void)state;
	world_open(&w, DOMAIN_DROP);
	assert_false(ask(&w, SPAN_LIT(QUERY("\4late\7example"))).drop);
	list_write(&w, "bad.example\nlate.example\n");
	publish(&w, DOMAIN_DROP);
	assert_int_equal(engine_refresh(w.engine), 0);
	assert_true(ask(&w, SPAN_LIT(QUERY("\4late\7example"))).drop);
	world_close(&w, text);
	assert_int_equal(count(text, "\"event_type\":\"flow\""), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alert),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
