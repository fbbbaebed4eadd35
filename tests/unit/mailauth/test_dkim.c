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
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define BODY "Hello,\r\n\r\nworld.  \r\n"

struct signer {
	char pem[8192];
	char record[8192]; /* p=... of the key record */
};

static struct signer rsa2048, rsa1024, rsa512;

static void key_new(struct signer *k, unsigned bits)
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

struct draft {
	const char *from, *subject; /* whole fields without line ends */
	const char *body;
	dkim_canon_t header_form, body_form;
	ssize_t limit; /* l=, or -1 */
};

/* The DKIM-Signature field of a draft, with its line end. False: libopendkim does not sign that. */
static bool sign_draft(
	const struct signer *k, dkim_alg_t algorithm, const struct draft *m, char *ret, size_t size)
{
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	DKIM_STAT status;
	u_int bits = 1, flags = m->limit < 0 ? DKIM_LIBFLAGS_NONE : DKIM_LIBFLAGS_SIGNLEN;
	unsigned char *text;
	size_t n;
	DKIM *d;

	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags));
	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof(bits));
	d = dkim_sign(lib, (const u_char *)"t", NULL, (dkim_sigkey_t)k->pem, (const u_char *)"sel",
		(const u_char *)"example.com", m->header_form, m->body_form, algorithm, m->limit,
		&status);
	assert_non_null(d);
	assert_int_equal(dkim_header(d, (u_char *)m->from, strlen(m->from)), DKIM_STAT_OK);
	bool taken = dkim_header(d, (u_char *)m->subject, strlen(m->subject)) == DKIM_STAT_OK;
	taken = taken && dkim_eoh(d) == DKIM_STAT_OK;
	if (*m->body)
		taken = taken && dkim_body(d, (u_char *)m->body, strlen(m->body)) == DKIM_STAT_OK;
	taken = taken && dkim_eom(d, NULL) == DKIM_STAT_OK;
	taken = taken && dkim_getsighdr_d(d, strlen("DKIM-Signature: "), &text, &n) == DKIM_STAT_OK;
	if (taken)
		snprintf(ret, size, "DKIM-Signature: %.*s\r\n", (int)n, text);
	dkim_free(d);
	dkim_close(lib);
	return taken;
}

/* That of HEADER BODY. */
static void sign(const struct signer *k, dkim_alg_t algorithm, ssize_t limit, dkim_canon_t form,
	char *ret, size_t size)
{
	assert_true(sign_draft(k, algorithm,
		&(struct draft){
			"From: a@example.com", "Subject: x", BODY, DKIM_CANON_RELAXED, form, limit},
		ret, size));
}

static void zone_of(const char *record, char *ret, size_t size)
{
	snprintf(ret, size, "{\"sel._domainkey.example.com\": [%s%s%s]}",
		*record == '{' ? "" : "{\"TXT\": \"", record, *record == '{' ? "" : "\"}");
}

static unsigned verify(
	const char *text, const char *zone_text, int64_t now, struct dkim_judgement *list)
{
	struct message m = {0};
	struct dns_table *t = dns_table_new();
	struct key_cache *keys = key_cache_new();
	sd_json_variant *zone = zone_parse(zone_text);

	assert_non_null(zone);
	message_read(&m, span_str(text));
	struct body *b = body_new(m.body);
	unsigned n = dkim_scan(&m, b, list);
	struct verifier *v = dkim_verifier(&m, list, n);
	dkim_ask(t, list, n);
	zone_answer(zone, t);
	while (v && !verifier_read(v, 7)) /* no portion may matter */
		;
	while (!body_step(b, 7))
		;
	dkim_judge(&(struct dkim_evidence){t, &m, b, keys, now, v}, list, n);
	verifier_free(v);
	assert_false(dns_is_open(t));
	sd_json_variant_unref(zone);
	dns_table_free(t);
	body_free(b);
	key_cache_free(keys);
	message_free(&m);
	return n;
}

static void test_signature(void **state)
{
	static const struct {
		const char *name;
		const struct signer *key;
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
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=slow; h=from; bh=" ZEROS
		"; b=AAAA\r\n",
		good,
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=slow; h=from; bh=" ZEROS
		"; b=AAAA\r\n");
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

/* A field that the library does not get must not count as one that is not there. */
static void test_withheld(void **state)
{
	static const struct {
		const char *names, *field;
		bool is_withheld;
	} rows[] = {
		{"from:dkim-signature", "DKIM-Signature: nonsense\r\n", true},
		{"from:dkim-signature", "", false},
		{"from", "DKIM-Signature: nonsense\r\n", false},
		{"from:", "no field at all\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[2048], zone[8300];
		struct dkim_judgement list[DKIM_SIGNATURES_MAX];
		snprintf(text, sizeof(text),
			"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; h=%s; bh=" ZEROS
			"; b=AAAA\r\n%s" HEADER "\r\n" BODY,
			rows[i].names, rows[i].field);
		zone_of(rsa2048.record, zone, sizeof(zone));
		verify(text, zone, time(NULL), list);
		assert_int_not_equal(list[0].result, DKIM_PASS);
		bool is_withheld = strncmp(list[0].reason, "h= names", 8) == 0;
		if (is_withheld != rows[i].is_withheld)
			fail_msg("h=%s with %s: %s", rows[i].names, rows[i].field, list[0].reason);
		if (is_withheld)
			assert_int_equal(list[0].result, DKIM_PERMERROR);
	}
}

/* Pieces of which the canonical forms make something, or must not. */
static void make_hostile(char *p, const char *const *pieces, size_t count, unsigned *seed)
{
	unsigned n = (unsigned)rand_r(seed) % 24;

	*p = 0;
	while (n--)
		strcat(p, pieces[(size_t)rand_r(seed) % count]);
}

/* What libopendkim signs we find signed, whatever is in it, and nothing else. */
static void test_hostile(void **state)
{
	static const char *const body_pieces[] = {" ", "\t", "\r\n", "\r\n\r\n", "a", "b c",
		" \r\n", "\t\t \r\n", "\x80\xff", ".", "a  b", "\x0b\x0c", "From ", "\r\n \r\n"};
	static const char *const field_pieces[] = {" ", "\t", "\r\n ", "\r\n\t", "a", "b c", ":",
		"  x", "\xc3\xa9", "=?utf-8?q?x?=", " \r\n  \t"};
	static char text[32768], zone[16384], body[1024], subject[1024];
	unsigned seed = 20261124, taken = 0;

	(void)state;
	zone_of(rsa1024.record, zone, sizeof(zone));
	for (unsigned i = 0; i < 400; i++) {
		struct dkim_judgement list[DKIM_SIGNATURES_MAX];
		struct draft m = {"From:a@example.com", subject, body,
			i & 1 ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
			i & 2 ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED, i & 4 ? 100000 : -1};
		strcpy(subject, i & 8 ? "SubJect :" : "Subject:");
		make_hostile(
			subject + strlen(subject), field_pieces, ARRAY_LEN(field_pieces), &seed);
		strcat(subject, "x");
		make_hostile(body, body_pieces, ARRAY_LEN(body_pieces), &seed);
		/* blanks at the end of a body without a last line end: libopendkim signs them,
		 * but it is no mail that SMTP can carry */
		if (*body && strchr(" \t", body[strlen(body) - 1]))
			strcat(body, "\r\n");
		if (!sign_draft(&rsa1024, DKIM_SIGN_RSASHA256, &m, text, 8192))
			continue;
		taken++;
		size_t signature_n = strlen(text);
		snprintf(text + signature_n, sizeof(text) - signature_n, "%s\r\n%s\r\n\r\n%s",
			m.from, subject, body);
		assert_int_equal(verify(text, zone, (int64_t)time(NULL), list), 1);
		if (list[0].result != DKIM_PASS)
			fail_msg("%u: %s (%s)\n%s", i, dkim_result_name(list[0].result),
				list[0].reason, text);
		strcat(text, "\r\n!");
		verify(text, zone, (int64_t)time(NULL), list);
		assert_int_equal(list[0].result, m.limit < 0 ? DKIM_FAIL : DKIM_POLICY);
	}
	print_message("%u of 400 taken\n", taken);
	assert_true(taken >= 300);
}

static void judge(const char *text, const char *zone_text, const char *from, struct evaluation *e,
	unsigned *rounds)
{
	struct judge judge = {.keys = key_cache_new()};
	struct evaluate_request request = {.bytes = span_str(text),
		.envelope = {.ip = "192.0.2.1",
			.helo = "h.example",
			.mail_from = from,
			.receiver = "mx.example",
			.now = time(NULL)},
		.authserv_id = "mx.example",
		.judge = &judge};
	struct evaluator *v = evaluator_new(&request);
	struct dns_table *t = dns_table_new();
	sd_json_variant *zone = zone_parse(zone_text), *json = NULL;
	enum evaluate_state state;

	assert_non_null(zone);
	for (*rounds = 1; (state = evaluator_step(v, t)) != EVALUATE_DONE; ++*rounds)
		if (state == EVALUATE_ASK)
			zone_answer(zone, t);
		else
			assert_true(evaluator_read(v, SIZE_MAX));
	*e = *evaluator_result(v);
	assert_true(evaluation_to_json(e, &json) >= 0);
	sd_json_variant_unref(json);
	sd_json_variant_unref(zone);
	evaluator_free(v);
	key_cache_free(judge.keys);
	dns_table_free(t);
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
	assert_int_equal(rounds, 3); /* all that can be foreseen, then the body */
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
		cmocka_unit_test(test_withheld),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_evaluate),
	};
	key_new(&rsa2048, 2048);
	key_new(&rsa1024, 1024);
	key_new(&rsa512, 512);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
