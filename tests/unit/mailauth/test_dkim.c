#include "mailauth/dkim.h"

#include <opendkim/dkim.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailauth/evaluate.h"
#include "unit.h"
#include "zone_text.h"

#define HEADER "From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n"
#define BODY "Hello,\r\n\r\nworld.  \r\n"

struct key {
	char pem[8192];
	char record[8192]; /* p=... of the key record */
};

static struct key rsa2048, rsa512;

static void key_new(struct key *k, unsigned bits)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(pkey, &der);

	assert_true(n > 0 && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
	BIO_read(bio, k->pem, sizeof(k->pem) - 1);
	strcpy(k->record, "v=DKIM1; p=");
	EVP_EncodeBlock((unsigned char *)k->record + strlen(k->record), der, n);
	OPENSSL_free(der);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

/* The DKIM-Signature field of HEADER BODY, with its line end. limit is l=, or -1. */
static void sign(const struct key *k, dkim_alg_t algorithm, ssize_t limit, dkim_canon_t form,
	char *ret, size_t size)
{
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	DKIM_STAT status;
	u_int bits = 1, flags = limit < 0 ? DKIM_LIBFLAGS_NONE : DKIM_LIBFLAGS_SIGNLEN;
	unsigned char *text;
	size_t n;
	DKIM *d;

	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags));
	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof(bits));
	d = dkim_sign(lib, (const u_char *)"t", NULL, (dkim_sigkey_t)k->pem, (const u_char *)"sel",
		(const u_char *)"example.com", DKIM_CANON_RELAXED, form, algorithm, limit, &status);
	assert_non_null(d);
	assert_int_equal(dkim_header(d, (u_char *)"From: a@example.com", 19), DKIM_STAT_OK);
	assert_int_equal(dkim_header(d, (u_char *)"Subject: x", 10), DKIM_STAT_OK);
	assert_int_equal(dkim_eoh(d), DKIM_STAT_OK);
	assert_int_equal(dkim_body(d, (u_char *)BODY, strlen(BODY)), DKIM_STAT_OK);
	assert_int_equal(dkim_eom(d, NULL), DKIM_STAT_OK);
	assert_int_equal(dkim_getsighdr_d(d, strlen("DKIM-Signature: "), &text, &n), DKIM_STAT_OK);
	snprintf(ret, size, "DKIM-Signature: %.*s\r\n", (int)n, text);
	dkim_free(d);
	dkim_close(lib);
}

static void zone_of(const char *record, char *ret, size_t size)
{
	snprintf(ret, size, "{\"sel._domainkey.example.com\": [%s%s%s]}",
		*record == '{' ? "" : "{\"TXT\": \"", record, *record == '{' ? "" : "\"}");
}

static unsigned verify(
	const char *text, const char *zone_text, int64_t now, struct dkim_judgement *list)
{
	struct message *m = malloc(sizeof(*m));
	struct dns_table *t = dns_table_new();
	sd_json_variant *zone = zone_parse(zone_text);

	assert_non_null(zone);
	message_read(m, span_str(text));
	unsigned n = dkim_scan(t, m, list);
	zone_answer(zone, t);
	dkim_verify_all(t, m, now, list, n);
	assert_false(dns_is_open(t));
	sd_json_variant_unref(zone);
	dns_table_free(t);
	free(m);
	return n;
}

static void test_signature(void **state)
{
	static const struct {
		const char *name;
		const struct key *key;
		dkim_alg_t algorithm;
		ssize_t limit;
		const char *header, *body, *record; /* NULL: as signed */
		int64_t now_after;
		enum dkim_result want;
	} rows[] = {
		{"as signed", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL, NULL, 0, DKIM_PASS},
		{"folded again", &rsa2048, DKIM_SIGN_RSASHA256, -1,
			"from:   a@example.com\r\nSubject:\r\n x\r\n", NULL, NULL, 0, DKIM_PASS},
		{"other subject", &rsa2048, DKIM_SIGN_RSASHA256, -1,
			"From: a@example.com\r\nSubject: y\r\n", NULL, NULL, 0, DKIM_FAIL},
		{"other body", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, BODY "more\r\n", NULL, 0,
			DKIM_FAIL},
		{"l=, as signed", &rsa2048, DKIM_SIGN_RSASHA256, 1000000, NULL, NULL, NULL, 0,
			DKIM_PASS},
		{"l=, appended", &rsa2048, DKIM_SIGN_RSASHA256, 1000000, NULL, BODY "more\r\n",
			NULL, 0, DKIM_POLICY},
		{"l=, appended", &rsa2048, DKIM_SIGN_RSASHA256, 1000000, NULL, BODY "more\r\n",
			NULL, 0, DKIM_POLICY},
		{"l=, as signed", &rsa2048, DKIM_SIGN_RSASHA256, 1000000, NULL, NULL, NULL, 0,
			DKIM_PASS},
		{"l=, empty lines appended", &rsa2048, DKIM_SIGN_RSASHA256, 1000000, NULL,
			BODY "\r\n\r\n", NULL, 0, DKIM_PASS},
		{"rsa-sha1", &rsa2048, DKIM_SIGN_RSASHA1, -1, NULL, NULL, NULL, 0, DKIM_PERMERROR},
		{"512 bits", &rsa512, DKIM_SIGN_RSASHA256, -1, NULL, NULL, NULL, 0, DKIM_PERMERROR},
		{"another key", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL, rsa512.record, 0,
			DKIM_FAIL},
		{"no key", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL, "{\"A\": \"192.0.2.1\"}",
			0, DKIM_PERMERROR},
		{"revoked", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL, "v=DKIM1; p=", 0,
			DKIM_PERMERROR},
		{"garbage", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL, "v=DKIM1; p=%%%", 0,
			DKIM_PERMERROR},
		{"time-out", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL,
			"{\"TXT\": \"TIMEOUT\"}", 0, DKIM_TEMPERROR},
		{"from the future", &rsa2048, DKIM_SIGN_RSASHA256, -1, NULL, NULL, NULL, -86400,
			DKIM_PERMERROR},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[16384], zone[16384];
		struct dkim_judgement list[DKIM_SIGNATURES_MAX];
		/* both forms of the body in turn: what is appended or not must be seen in both */
		dkim_canon_t form = i & 1 ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED;
		sign(rows[i].key, rows[i].algorithm, rows[i].limit, form, text, 8192);
		snprintf(text + strlen(text), 4096, "%s\r\n%s",
			rows[i].header ? rows[i].header : HEADER,
			rows[i].body ? rows[i].body : BODY);
		zone_of(rows[i].record ? rows[i].record : rows[i].key->record, zone, sizeof(zone));
		assert_int_equal(
			verify(text, zone, (int64_t)time(NULL) + rows[i].now_after, list), 1);
		if (list[0].result != rows[i].want)
			fail_msg("%s: %s (%s)", rows[i].name, dkim_result_name(list[0].result),
				list[0].reason);
		assert_int_equal(!list[0].reason, list[0].result == DKIM_PASS);
	}
}

/* One bad signature leaves the others their result; a key record over the limit is no key. */
static void test_several(void **state)
{
	static char text[65536], zone[65536], good[8192], big[20000];
	struct dkim_judgement list[DKIM_SIGNATURES_MAX];

	(void)state;
	sign(&rsa2048, DKIM_SIGN_RSASHA256, -1, DKIM_CANON_RELAXED, good, sizeof(good));
	strcpy(text, "DKIM-Signature: nonsense\r\n"
		     "DKIM-Signature: v=1; d=example.com; s=sel; b=;\r\n"
		     "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=none; h=from; bh=AAAA; "
		     "b=AAAA\r\n");
	strcat(text, good);
	for (unsigned i = 0; i < 10; i++)
		strcat(text, "DKIM-Signature: v=1; a=rsa-sha256; d=..; s=sel; h=from; bh=AAAA; "
			     "b=AAAA\r\n");
	strcat(text, HEADER "\r\n" BODY);
	zone_of(rsa2048.record, zone, sizeof(zone));
	assert_int_equal(verify(text, zone, time(NULL), list), DKIM_SIGNATURES_MAX);
	for (unsigned i = 0; i < DKIM_SIGNATURES_MAX; i++)
		if (list[i].result != (i == 3 ? DKIM_PASS : DKIM_PERMERROR))
			fail_msg("signature %u: %s (%s)", i, dkim_result_name(list[i].result),
				list[i].reason);

	/* a key that DNS does not give, before and after the good one */
	snprintf(text, sizeof(text), "%s%s%s" HEADER "\r\n" BODY,
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=slow; h=from; bh=AAAA; "
		"b=AAAA\r\n",
		good,
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=slow; h=from; bh=AAAA; "
		"b=AAAA\r\n");
	snprintf(zone, sizeof(zone),
		"{\"sel._domainkey.example.com\": [{\"TXT\": \"%s\"}], "
		"\"slow._domainkey.example.com\": [\"TIMEOUT\"]}",
		rsa2048.record);
	assert_int_equal(verify(text, zone, time(NULL), list), 3);
	for (unsigned i = 0; i < 3; i++)
		if (list[i].result != (i == 1 ? DKIM_PASS : DKIM_TEMPERROR))
			fail_msg("signature %u: %s (%s)", i, dkim_result_name(list[i].result),
				list[i].reason);

	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "v=DKIM1; n=", 11);
	zone_of(big, zone, sizeof(zone));
	snprintf(text, sizeof(text), "%s" HEADER "\r\n" BODY, good);
	assert_int_equal(verify(text, zone, time(NULL), list), 1);
	assert_int_equal(list[0].result, DKIM_PERMERROR);
}

static void judge(const char *text, const char *zone_text, const char *from, struct evaluation *e,
	unsigned *rounds)
{
	struct message *m = malloc(sizeof(*m));
	struct dns_table *t = dns_table_new();
	sd_json_variant *zone = zone_parse(zone_text), *v = NULL;
	struct envelope envelope = {.ip = "192.0.2.1",
		.helo = "h.example",
		.mail_from = from,
		.receiver = "mx.example",
		.now = time(NULL)};

	assert_non_null(zone);
	message_read(m, span_str(text));
	for (*rounds = 1; !evaluate(t, m, &envelope, "mx.example", e); ++*rounds)
		zone_answer(zone, t);
	assert_true(evaluation_to_json(e, &v) >= 0);
	sd_json_variant_unref(v);
	sd_json_variant_unref(zone);
	dns_table_free(t);
	free(m);
}

static void test_evaluate(void **state)
{
	static char text[32768], zone[32768];
	struct evaluation *e = malloc(sizeof(*e));
	unsigned rounds;

	(void)state;
	sign(&rsa2048, DKIM_SIGN_RSASHA256, -1, DKIM_CANON_RELAXED, text, 8192);
	strcat(text, "Authentication-Results: mx.example; dmarc=pass\r\n" HEADER "\r\n" BODY);
	snprintf(zone, sizeof(zone),
		"{\"sel._domainkey.example.com\": [{\"TXT\": \"%s\"}],"
		"\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject\"}],"
		"\"bounce.example\": [{\"TXT\": \"v=spf1 ip4:192.0.2.1 -all\"}]}",
		rsa2048.record);
	judge(text, zone, "a@bounce.example", e, &rounds);
	assert_int_equal(rounds, 3); /* the record, then the tree walk of the domain that passed */
	assert_int_equal(e->spf.result, SPF_PASS);
	assert_int_equal(e->dkim[0].result, DKIM_PASS);
	assert_int_equal(e->dmarc.result, DMARC_PASS);
	assert_int_equal(e->dmarc.policy, DMARC_POLICY_REJECT);
	assert_int_equal(e->remove_count, 1);
	assert_non_null(strstr(
		e->authentication_results, "dmarc=pass (p=reject) header.from=example.com;"));

	strcat(text, "more\r\n");
	judge(text, zone, "a@bounce.example", e, &rounds);
	assert_int_equal(e->dmarc.disposition, DISPOSITION_REJECT);

	judge("Subject: x\r\n\r\n", "{}", "", e, &rounds);
	assert_int_equal(e->dmarc.result, DMARC_PERMERROR);
	assert_int_equal(e->dmarc.disposition, DISPOSITION_REJECT);
	judge("", "{}", "", e, &rounds);
	assert_int_equal(e->dmarc.disposition, DISPOSITION_REJECT);
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_evaluate),
	};
	key_new(&rsa2048, 2048);
	key_new(&rsa512, 512);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
