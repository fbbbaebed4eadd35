/* Tag lists, base64, key records, and what DKIM makes of signatures that are made here. */
#include "mailauth/dkim.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailauth/base64.h"
#include "mailauth/tags.h"
#include "unit.h"
#include "zone_text.h"

#define NOW 1800000000
#define BODY "Hello.\r\n"

static EVP_PKEY *ed25519, *other;
static char record[128], other_record[128];

static void key_new(EVP_PKEY **ret, char text[128])
{
	unsigned char raw[32], b64[64];
	size_t n = sizeof(raw);

	*ret = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_int_equal(EVP_PKEY_get_raw_public_key(*ret, raw, &n), 1);
	EVP_EncodeBlock(b64, raw, (int)n);
	snprintf(text, 128, "v=DKIM1; k=ed25519; p=%s", b64);
}

/* A message with one signature that has these tags besides a=, bh= and b=. */
static void sign(EVP_PKEY *key, const char *tags, char *ret, size_t size)
{
	struct message m = {0};
	struct body *b = body_new(SPAN_LIT(BODY));
	unsigned char b64[128], sig[64];
	uint8_t hash[DIGEST_BYTES_MAX];
	size_t n = sizeof(sig);
	struct digest d;
	int want = body_want(b, CANON_SIMPLE, DIGEST_SHA256, BODY_WHOLE);
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	while (!body_step(b, 100))
		;
	EVP_EncodeBlock(b64, body_digest(b, want).p, 32);
	snprintf(ret, size,
		"DKIM-Signature: a=ed25519-sha256; h=from; bh=%s; %s; b=AAAA\r\n"
		"From: a@example.com\r\n\r\n" BODY,
		b64, tags);
	message_read(&m, span_str(ret));
	const char *value = strstr(ret, "b=AAAA") + 2;
	digest_init(&d, DIGEST_SHA256);
	canon_field(&d, &m.fields[1], CANON_SIMPLE, (struct span){0}, true);
	canon_field(&d, &m.fields[0], CANON_SIMPLE, span_of(value, 4), false);
	assert_int_equal(digest_peek(&d, hash), 32);
	digest_fini(&d);
	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(c, sig, &n, hash, 32), 1);
	EVP_EncodeBlock(b64, sig, (int)n);
	size_t at = (size_t)(value - ret);
	snprintf(ret + at, size - at, "%s\r\nFrom: a@example.com\r\n\r\n" BODY, b64);
	EVP_MD_CTX_free(c);
	body_free(b);
	message_free(&m);
}

static enum dkim_result judge(const char *text, const char *zone_text, const char **ret_why)
{
	struct dkim_judgement list[DKIM_SIGNATURES_MAX];
	struct message m = {0};
	struct dns_table *t = dns_table_new();
	struct key_cache *keys = key_cache_new();
	sd_json_variant *zone = zone_parse(zone_text);

	assert_non_null(zone);
	message_read(&m, span_str(text));
	struct body *b = body_new(m.body);
	assert_int_equal(dkim_scan(&m, b, list), 1);
	struct verifier *v = dkim_verifier(&m, list, 1);
	dkim_ask(t, list, 1);
	zone_answer(zone, t);
	while (v && !verifier_read(v, 1))
		;
	while (!body_step(b, 1))
		;
	dkim_judge(&(struct dkim_evidence){t, &m, b, keys, NOW, v}, list, 1);
	verifier_free(v);
	*ret_why = list[0].reason;
	sd_json_variant_unref(zone);
	dns_table_free(t);
	body_free(b);
	key_cache_free(keys);
	message_free(&m);
	return list[0].result;
}

static void test_meaning(void **state)
{
	static const struct {
		const char *tags, *key; /* after v=DKIM1; k=ed25519; p=...; NULL: see the name */
		enum dkim_result want;
	} rows[] = {
		{"v=1; d=example.com; s=sel", "", DKIM_PASS},
		{"v=1; d=example.com; s=sel; unknown=x", "; unknown=y", DKIM_PASS},
		/* t= and x= */
		{"v=1; d=example.com; s=sel; t=1799999999; x=1800000001", "", DKIM_PASS},
		{"v=1; d=example.com; s=sel; x=1800000000", "", DKIM_PASS},
		{"v=1; d=example.com; s=sel; x=1799999999", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; t=1800000300", "", DKIM_PASS},
		{"v=1; d=example.com; s=sel; t=1800000301", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; t=1700000000; x=1700000000", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; t=abc", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; x=", "", DKIM_PERMERROR},
		/* i= */
		{"v=1; d=example.com; s=sel; i=@example.com", "; t=s", DKIM_PASS},
		{"v=1; d=example.com; s=sel; i=a@b.example.com", "", DKIM_PASS},
		{"v=1; d=example.com; s=sel; i=a@b.example.com", "; t=s", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; i=a=2Bb@example.com", "; t=y", DKIM_PASS},
		/* an @ in the local part: right, but libopendkim looks for the domain there */
		{"v=1; d=example.com; s=sel; i=a=40b@example.com", "; t=y", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; i=a@example.net", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; i=a@badexample.com", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; i=example.com", "", DKIM_PERMERROR},
		/* l= */
		{"v=1; d=example.com; s=sel; l=8", "", DKIM_PASS},
		{"v=1; d=example.com; s=sel; l=9", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; l=-1", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; l=99999999999999999999", "", DKIM_PERMERROR},
		/* what is required, and once */
		{"d=example.com; s=sel", "", DKIM_PERMERROR},
		{"v=2; d=example.com; s=sel", "", DKIM_PERMERROR},
		{"v=1; s=sel", "", DKIM_PERMERROR},
		{"v=1; d=example.com", "", DKIM_PERMERROR},
		{"v=1; d=example.com; d=example.com; s=sel", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; c=strict", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; q=http", "", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel; q=http:dns/txt", "", DKIM_PASS},
		/* key records */
		{"v=1; d=example.com; s=sel", "; h=sha256", DKIM_PASS},
		{"v=1; d=example.com; s=sel", "; h=sha1 : sha256", DKIM_PASS},
		{"v=1; d=example.com; s=sel", "; h=sha1", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel", "; s=*", DKIM_PASS},
		{"v=1; d=example.com; s=sel", "; s=tlsrpt:email", DKIM_PASS},
		{"v=1; d=example.com; s=sel", "; s=tlsrpt", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel", "; g=nobody", DKIM_PASS},
		{"v=1; d=example.com; s=sel", "; n=a note", DKIM_PASS},
		{"v=1; d=example.com; s=sel", "; k=ed25519", DKIM_PERMERROR},
		{"v=1; d=example.com; s=sel", "; nonsense", DKIM_PERMERROR},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[2048], zone[512];
		const char *why;
		sign(ed25519, rows[i].tags, text, sizeof(text));
		snprintf(zone, sizeof(zone),
			"{\"sel._domainkey.example.com\": [{\"TXT\": \"%s%s\"}]}", record,
			rows[i].key);
		enum dkim_result got = judge(text, zone, &why);
		if (got != rows[i].want)
			fail_msg("%s, key %s: %s (%s)", rows[i].tags, rows[i].key,
				dkim_result_name(got), why);
	}
}

/* Another key under another selector; the old one stays good for mail that is under way. */
static void test_rotation(void **state)
{
	char text[2048], zone[1024];
	const char *why;

	(void)state;
	snprintf(zone, sizeof(zone),
		"{\"old._domainkey.example.com\": [{\"TXT\": \"%s\"}],"
		"\"new._domainkey.example.com\": [{\"TXT\": \"%s\"}],"
		"\"gone._domainkey.example.com\": [{\"TXT\": \"v=DKIM1; k=ed25519; p=\"}],"
		"\"two._domainkey.example.com\": [{\"TXT\": \"%s\"}, {\"TXT\": \"%s\"}]}",
		record, other_record, record, other_record);
	sign(ed25519, "v=1; d=example.com; s=old", text, sizeof(text));
	assert_int_equal(judge(text, zone, &why), DKIM_PASS);
	sign(other, "v=1; d=example.com; s=new", text, sizeof(text));
	assert_int_equal(judge(text, zone, &why), DKIM_PASS);
	sign(ed25519, "v=1; d=example.com; s=new", text, sizeof(text));
	assert_int_equal(judge(text, zone, &why), DKIM_FAIL);
	sign(ed25519, "v=1; d=example.com; s=gone", text, sizeof(text));
	assert_int_equal(judge(text, zone, &why), DKIM_PERMERROR);
	assert_string_equal(why, "key revoked");
	sign(ed25519, "v=1; d=example.com; s=two", text, sizeof(text));
	assert_int_equal(judge(text, zone, &why), DKIM_PERMERROR);
}

/* The cache goes by the text: it forgets under pressure and never mixes keys up. */
static void test_key_cache(void **state)
{
	struct key_cache *c = key_cache_new();
	const struct key *k = key_read(c, span_str(record));

	(void)state;
	assert_null(k->why);
	assert_ptr_equal(k, key_read(c, span_str(record)));
	assert_int_equal(EVP_PKEY_eq(key_read(c, span_str(other_record))->pkey, other), 1);
	for (int i = 0; i < 4 * KEY_CACHE_MAX; i++) {
		char text[256];
		snprintf(text, sizeof(text), "%s; n=%d", i & 1 ? record : other_record, i);
		k = key_read(c, span_str(text));
		assert_int_equal(EVP_PKEY_eq(k->pkey, i & 1 ? ed25519 : other), 1);
	}
	char *big = malloc(KEY_BYTES_MAX + 2);
	memset(big, 'x', KEY_BYTES_MAX + 1);
	memcpy(big, "n=", 2);
	assert_non_null(key_read(c, span_of(big, KEY_BYTES_MAX + 1))->why);
	free(big);
	key_cache_free(c);
}

static void test_tags(void **state)
{
	static const struct {
		const char *in;
		bool want;
	} rows[] = {
		{"a=1", true},
		{" a = 1 ; b=\r\n\t2 ;", true},
		{"a=;b=", true},
		{"a_1=x=y", true},
		{"", false},
		{" ", false},
		{";", false},
		{"a=1;;b=2", false},
		{"a=1; ;b=2", false},
		{"a=1;b", false},
		{"=1", false},
		{"1a=1", false},
		{"a b=1", false},
		{"a=1;a=2", false},
		{"a=1;A=2", true},
		{"a=\x01", false},
	};
	struct tags t;
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tags_read(&t, span_str(rows[i].in)) != rows[i].want)
			fail_msg("%s", rows[i].in);
	assert_true(tags_compact(SPAN_LIT("a b\r\n\tc"), text, sizeof(text)));
	assert_string_equal(text, "abc");
	assert_false(tags_compact(SPAN_LIT("abcd"), text, 4));
}

static void test_base64(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} rows[] = {
		{"", ""}, {"YQ==", "a"}, {"YWI=", "ab"}, {"YWJj", "abc"}, {"YWJjZA==", "abcd"},
		{"YQ=", NULL}, {"YQ", NULL}, {"Y===", NULL}, {"====", NULL}, {"YQ==YQ==", NULL},
		{"YW J", NULL}, {"YWJ*", NULL}, {"YWJjZGVmZ2hp", NULL}, /* over the size */
	};
	uint8_t out[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ptrdiff_t n = base64_decode(span_str(rows[i].in), out, sizeof(out));
		if ((n < 0) != !rows[i].want ||
			(n >= 0 && !span_eq(span_of(out, (size_t)n), span_str(rows[i].want))))
			fail_msg("%s: %td", rows[i].in, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_key_cache),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_base64),
	};
	key_new(&ed25519, record);
	key_new(&other, other_record);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
