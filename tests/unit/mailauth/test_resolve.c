/* The resolver against a name server that lives in the same event loop. */
#include "mailauth/resolve.h"

#include "name_server.h"

#define RDATA(s) (s), sizeof(s) - 1
#define BIG_STRINGS 250

static sd_event *event;
static struct resolver *resolver;
static struct resolve_counters counters;
static const struct resolver_settings plain = {.dnssec = false}, validating = {.dnssec = true};

static void fill_zone(void)
{
	static uint8_t big[BIG_STRINGS * 256];

	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < BIG_STRINGS; i++)
		big[i * 256] = 255;
	server_add("example.com", DNS_TXT, 0, RDATA("\x07v=spf1 \x12ip4:192.0.2.1 -all"));
	server_add("mx.example", DNS_MX, 0,
		RDATA("\0\x0a\x04mail\x07"
		      "example\0"));
	server_add("a.example", DNS_A, 0, RDATA("\xc0\0\x02\x01"));
	server_add("dotted.example", DNS_PTR, 0,
		RDATA("\x03"
		      "a.b\x07"
		      "example\0"));
	server_add("servfail.example", DNS_TXT, 2, NULL, 0);
	server_add("refused.example", DNS_TXT, 5, NULL, 0);
	server_add("nodata.example", DNS_TXT, 0, NULL, 0);
	server_add("big.example", DNS_TXT, 0, big, sizeof(big));
}

static char *conf; /* resolv.conf */

static int setup(void **state)
{
	char text[64];

	(void)state;
	fill_zone();
	assert_true(sd_event_new(&event) >= 0);
	server_start(event);
	snprintf(text, sizeof(text), "nameserver %s\n", inet_ntoa(server.address));
	conf = server_file(text);
	setenv("SEKISHO_RESOLV_CONF", conf, 1);
	assert_int_equal(resolver_new(event, &plain, &counters, &resolver), 0);
	assert_int_equal(resolver_servers(resolver), 1);
	assert_false(resolver_has_anchor(resolver));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(conf);
	free(conf);
	resolver_unref(resolver);
	sd_event_unref(event);
	return 0;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void set_flag(void *ctx)
{
	*(bool *)ctx = true;
}

/* Has the open questions of a table answered; how long it took. */
static uint64_t resolve(struct resolver *r, struct dns_table *t)
{
	uint64_t began = now_us();
	struct resolve_batch *b;
	bool done = false;

	if (resolve_start(r, t, set_flag, &done, &b) > 0)
		while (!done)
			assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	resolve_cancel(b);
	assert_false(dns_is_open(t));
	return now_us() - began;
}

/* Status of one question. */
static enum dns_status ask(struct resolver *r, const char *name, enum dns_type type)
{
	struct dns_table *t = dns_table_new();
	enum dns_status status;

	assert_null(dns_ask(t, name, type));
	resolve(r, t);
	status = dns_ask(t, name, type)->status;
	dns_table_free(t);
	return status;
}

static void test_answers(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		struct span record;
	} rows[] = {
		{"example.com", DNS_TXT, DNS_FOUND, SPAN_LIT("v=spf1 ip4:192.0.2.1 -all")},
		{"MX.example", DNS_MX, DNS_FOUND, SPAN_LIT("mail.example")},
		{"a.example", DNS_A, DNS_FOUND, SPAN_LIT("\xc0\0\x02\x01")},
		{"dotted.example", DNS_PTR, DNS_NODATA, {0}},
		{"servfail.example", DNS_TXT, DNS_TEMPFAIL, {0}},
		{"refused.example", DNS_TXT, DNS_TEMPFAIL, {0}},
		{"nodata.example", DNS_TXT, DNS_NODATA, {0}},
		{"nothing.example", DNS_TXT, DNS_NXDOMAIN, {0}},
		{"name.test", DNS_TXT, DNS_NXDOMAIN, {0}},
	};

	(void)state;
	for (unsigned round = 0; round < 2; round++) { /* from the server, from the cache */
		struct dns_table *t = dns_table_new();
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			assert_null(dns_ask(t, rows[i].name, rows[i].type));
		resolve(resolver, t);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			const struct dns_answer *a = dns_ask(t, rows[i].name, rows[i].type);
			if (!a || a->status != rows[i].status)
				fail_msg("%s: status %d", rows[i].name, a ? (int)a->status : -1);
			if (rows[i].status == DNS_FOUND)
				assert_true(span_eq(a->records[0], rows[i].record));
		}
		dns_table_free(t);
		assert_int_equal(counters.queries, ARRAY_LEN(rows));
		assert_int_equal(counters.cached, round * ARRAY_LEN(rows));
		assert_int_equal(counters.tempfails, 2);
	}
}

/* A batch may end before its answers; nothing comes after. Two that ask the same ask once. */
static void test_cancel(void **state)
{
	struct dns_table *t[2] = {dns_table_new(), dns_table_new()};
	struct resolve_batch *b[2];
	bool done = false;
	uint64_t queries = counters.queries;

	(void)state;
	for (int i = 0; i < 2; i++) {
		dns_ask(t[i], "slow.example", DNS_TXT);
		assert_int_equal(resolve_start(resolver, t[i], set_flag, &done, &b[i]), 1);
	}
	assert_int_equal(counters.queries, queries + 1);
	assert_int_equal(counters.shared, 1);
	for (int i = 0; i < 2; i++) {
		assert_true(sd_event_run(event, 20000) >= 0);
		resolve_cancel(b[i]);
		dns_table_free(t[i]);
	}
	assert_true(sd_event_run(event, 20000) >= 0);
	assert_false(done);
}

/* Senders whose name servers say nothing, some hundred of them, delay nobody else. */
static void test_silence(void **state)
{
	struct dns_table *silent = dns_table_new();
	struct resolve_batch *waiting;
	bool done = false;
	char name[64];
	uint64_t until = now_us() + 3000000, worst = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d%d.slow.example", i);
		dns_ask(silent, name, DNS_TXT);
	}
	assert_int_equal(resolve_start(resolver, silent, set_flag, &done, &waiting), 1);
	for (int i = 0; now_us() < until; i++) {
		struct dns_table *t = dns_table_new();
		snprintf(name, sizeof(name), "q%d.nodata.example", i);
		dns_ask(t, name, DNS_TXT);
		uint64_t took = resolve(resolver, t);
		worst = took > worst ? took : worst;
		dns_table_free(t);
		sd_event_run(event, 10000);
	}
	print_message("worst answer while others are silent: %u ms\n", (unsigned)(worst / 1000));
	assert_true(worst < 1000000);
	resolve_cancel(waiting);
	dns_table_free(silent);
}

/* 64,000 bytes by TCP are an answer like another. */
static void test_big(void **state)
{
	struct dns_table *t = dns_table_new();
	const struct dns_answer *a;

	(void)state;
	dns_ask(t, "big.example", DNS_TXT);
	resolve(resolver, t);
	a = dns_ask(t, "big.example", DNS_TXT);
	assert_int_equal(a->status, DNS_FOUND);
	assert_int_equal(a->records[0].n, BIG_STRINGS * 255);
	dns_table_free(t);
}

/* Without a name server we begin at the root. */
static void test_recursion(void **state)
{
	struct resolver *r;
	char hints[128], *file, *empty = server_file("# none\n");
	unsigned asked = server.asked;

	(void)state;
	snprintf(hints, sizeof(hints), ". 3600000 NS root.example.\nroot.example. 3600000 A %s\n",
		inet_ntoa(server.address));
	file = server_file(hints);
	/* what is asked of a root server first: who the root servers are */
	server_add("", 2, 0,
		RDATA("\x04root\x07"
		      "example\0"));
	server_add("root.example", DNS_A, 0, &server.address, 4);
	setenv("SEKISHO_ROOT_HINTS", file, 1);
	setenv("SEKISHO_RESOLV_CONF", empty, 1);
	assert_int_equal(resolver_new(event, &plain, &counters, &r), 0);
	assert_int_equal(resolver_servers(r), 0);
	assert_int_equal(ask(r, "a.example", DNS_A), DNS_FOUND);
	assert_int_equal(ask(r, "nothing.example.com", DNS_A), DNS_NXDOMAIN);
	assert_true(server.asked > asked);
	resolver_unref(r);
	unsetenv("SEKISHO_ROOT_HINTS");
	setenv("SEKISHO_RESOLV_CONF", conf, 1);
	unlink(file);
	unlink(empty);
	free(file);
	free(empty);
}

/* What is signed rightly is secure, what is signed wrongly is no answer, and neither is what should
 * be signed and is not; outside the signed tree all is as without DNSSEC. */
static void test_dnssec(void **state)
{
	struct resolver *r;
	char anchor[256], *file;
	struct server_reply *bad;

	(void)state;
	server_make_key("signed.example", anchor, sizeof(anchor));
	file = server_file(anchor);
	server_sign(server_add("signed.example", TYPE_DNSKEY, 0, server.dnskey, KEY_BYTES));
	server_sign(server_add("good.signed.example", DNS_TXT, 0, RDATA("\x04good")));
	bad = server_add("bad.signed.example", DNS_TXT, 0,
		RDATA("\x03"
		      "bad"));
	server_sign(bad);
	bad->signature[bad->signature_n - 1] ^= 1;
	server_add("bare.signed.example", DNS_TXT, 0,
		RDATA("\x04"
		      "bare"));
	setenv("SEKISHO_TRUST_ANCHOR", file, 1);
	assert_int_equal(resolver_new(event, &validating, &counters, &r), 0);
	assert_true(resolver_has_anchor(r));
	assert_int_equal(counters.secure, 0);
	assert_int_equal(ask(r, "good.signed.example", DNS_TXT), DNS_FOUND);
	assert_int_equal(counters.secure, 1);
	assert_int_equal(ask(r, "bad.signed.example", DNS_TXT), DNS_TEMPFAIL);
	assert_int_equal(ask(r, "bare.signed.example", DNS_TXT), DNS_TEMPFAIL);
	assert_int_equal(counters.bogus, 2);
	assert_int_equal(ask(r, "a.example", DNS_A), DNS_FOUND);
	assert_int_equal(counters.secure, 1);
	resolver_unref(r);

	/* the same without validation: the wrong one is believed */
	assert_int_equal(ask(resolver, "bad.signed.example", DNS_TXT), DNS_FOUND);
	unsetenv("SEKISHO_TRUST_ANCHOR");
	unlink(file);
	free(file);
}

static void test_cache(void **state)
{
	struct cache *c = cache_new();
	struct dns_table *t = dns_table_new();
	struct dns_answer *a, *b;
	char name[64], text[1024];

	(void)state;
	dns_ask(t, "a.example", DNS_TXT);
	dns_ask(t, "b.example", DNS_TXT);
	a = dns_question(t, 0);
	assert_false(cache_get(c, a, 0));
	dns_answer_add(a, SPAN_LIT("one"));
	dns_answer_add(a, SPAN_LIT("two"));
	dns_answer_end(a, DNS_NODATA);
	cache_put(c, a, 10, 100);
	b = dns_question(t, 1);
	strcpy(b->name, "a.example");
	assert_false(cache_get(c, b, 110)); /* too old now, and gone */
	assert_false(cache_get(c, b, 109));
	cache_put(c, a, 10, 100);
	assert_true(cache_get(c, b, 109));
	assert_int_equal(b->count, 2);
	assert_true(span_eq(b->records[1], SPAN_LIT("two")));

	/* full: the oldest make room, and what is used stays */
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 5000; i++) {
		struct dns_answer n = {.type = DNS_TXT}, again = {.type = DNS_TXT};
		snprintf(name, sizeof(name), "n%d.example", i);
		strcpy(n.name, name);
		dns_answer_add(&n, span_of(text, sizeof(text)));
		dns_answer_end(&n, DNS_NODATA);
		cache_put(c, &n, 1000, 100);
		strcpy(again.name, "a.example");
		assert_true(cache_get(c, &again, 101));
		dns_answer_clear(&n);
		dns_answer_clear(&again);
	}
	struct dns_answer first = {.type = DNS_TXT, .name = "n0.example"};
	struct dns_answer last = {.type = DNS_TXT, .name = "n4999.example"};
	assert_false(cache_get(c, &first, 101));
	assert_true(cache_get(c, &last, 101));
	dns_answer_clear(&last);
	dns_table_free(t);
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_dnssec),
		cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
