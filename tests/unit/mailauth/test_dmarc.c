#include "mailauth/dmarc.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"
#include "zone_text.h"

#define ORG "\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; sp=quarantine; np=none\"}]"

static void judge(const char *zone_text, const char *author, const struct dmarc_evidence *e,
	struct dmarc_judgement *j)
{
	sd_json_variant *zone = zone_parse(zone_text);
	struct dns_table *t = dns_table_new();

	assert_non_null(zone);
	for (dmarc_ask(t, author, e); dns_is_open(t); dmarc_ask(t, author, e))
		zone_answer(zone, t);
	dmarc_judge(t, author, e, j);
	assert_false(dns_is_open(t)); /* dmarc_ask() foresaw everything */
	dns_table_free(t);
	sd_json_variant_unref(zone);
}

static void test_judgement(void **state)
{
	static const struct {
		const char *zone, *author;
		const char *spf, *dkim; /* passing domains, NULL: fail */
		enum dmarc_result result;
		enum disposition disposition;
	} rows[] = {
		/* no policy */
		{"{}", "example.com", NULL, NULL, DMARC_NONE, DISPOSITION_NONE},
		{"{\"_dmarc.example.com\": [{\"TXT\": \"v=dmarc1; p=reject\"}]}", "example.com",
			NULL, NULL, DMARC_NONE, DISPOSITION_NONE},
		{"{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject\"}, {\"TXT\": "
		 "\"v=DMARC1; p=none\"}]}",
			"example.com", NULL, NULL, DMARC_NONE, DISPOSITION_NONE},
		{"{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=bogus\"}]}", "example.com",
			NULL, NULL, DMARC_NONE, DISPOSITION_NONE},
		{"{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=bogus; "
		 "rua=mailto:a@b.example\"}]}",
			"example.com", NULL, NULL, DMARC_FAIL, DISPOSITION_NONE},
		/* policies */
		{"{" ORG "}", "example.com", NULL, NULL, DMARC_FAIL, DISPOSITION_REJECT},
		{"{" ORG ", \"a.example.com\": [{\"A\": \"192.0.2.1\"}]}", "a.example.com", NULL,
			NULL, DMARC_FAIL, DISPOSITION_QUARANTINE},
		{"{" ORG "}", "a.example.com", NULL, NULL, DMARC_FAIL, DISPOSITION_NONE},
		{"{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; t=y\"}]}",
			"example.com", NULL, NULL, DMARC_FAIL, DISPOSITION_QUARANTINE},
		{"{\"_dmarc.com\": [{\"TXT\": \"v=DMARC1; psd=y; p=reject\"}]}", "a.example.com",
			NULL, NULL, DMARC_FAIL, DISPOSITION_REJECT},
		/* alignment */
		{"{" ORG "}", "example.com", "example.com", NULL, DMARC_PASS, DISPOSITION_NONE},
		{"{" ORG "}", "example.com", "mail.example.com", NULL, DMARC_PASS,
			DISPOSITION_NONE},
		{"{" ORG "}", "a.example.com", NULL, "b.example.com", DMARC_PASS, DISPOSITION_NONE},
		{"{" ORG "}", "example.com", "example.net", "example.org", DMARC_FAIL,
			DISPOSITION_REJECT},
		{"{" ORG "}", "example.com", "notexample.com", NULL, DMARC_FAIL,
			DISPOSITION_REJECT},
		{"{\"_dmarc.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; aspf=s; adkim=s\"}]}",
			"example.com", "mail.example.com", "mail.example.com", DMARC_FAIL,
			DISPOSITION_REJECT},
		{"{" ORG ", \"_dmarc.b.example.com\": [{\"TXT\": \"v=DMARC1; p=reject; psd=n\"}]}",
			"x.b.example.com", "example.com", NULL, DMARC_FAIL, DISPOSITION_REJECT},
		{"{\"_dmarc.com\": [{\"TXT\": \"v=DMARC1; psd=y; p=reject\"}]}", "a.example.com",
			"b.example.com", NULL, DMARC_PASS, DISPOSITION_NONE},
		{"{\"_dmarc.com\": [{\"TXT\": \"v=DMARC1; psd=y; p=reject\"}]}", "a.example.com",
			"other.com", NULL, DMARC_FAIL, DISPOSITION_REJECT},
		/* DNS errors */
		{"{\"_dmarc.example.com\": [\"TIMEOUT\"]}", "example.com", NULL, NULL,
			DMARC_TEMPERROR, DISPOSITION_TEMPERROR},
		{"{\"_dmarc.example.com\": [\"TIMEOUT\"]}", "a.example.com", NULL, NULL,
			DMARC_TEMPERROR, DISPOSITION_TEMPERROR},
		{"{" ORG ", \"_dmarc.m.example.com\": [\"TIMEOUT\"]}", "example.com",
			"m.example.com", NULL, DMARC_TEMPERROR, DISPOSITION_TEMPERROR},
		{"{" ORG ", \"_dmarc.example.net\": [\"TIMEOUT\"]}", "example.com", "example.net",
			NULL, DMARC_FAIL, DISPOSITION_REJECT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spf_judgement spf = {.result = rows[i].spf ? SPF_PASS : SPF_FAIL};
		struct dkim_judgement dkim = {.result = rows[i].dkim ? DKIM_PASS : DKIM_FAIL};
		struct dmarc_evidence e = {.spf = &spf, .dkim = &dkim, .dkim_count = 1};
		struct dmarc_judgement j;
		snprintf(spf.domain, sizeof(spf.domain), "%s", rows[i].spf ? rows[i].spf : "");
		snprintf(dkim.signature.domain, sizeof(dkim.signature.domain), "%s",
			rows[i].dkim ? rows[i].dkim : "");
		judge(rows[i].zone, rows[i].author, &e, &j);
		if (j.result != rows[i].result || j.disposition != rows[i].disposition)
			fail_msg("row %zu %s: %s, %s", i, rows[i].author,
				dmarc_result_name(j.result), disposition_name(j.disposition));
	}
}

/* A key that DNS does not give: neither pass nor fail, when the signature would be aligned. */
static void test_temperror_below(void **state)
{
	struct spf_judgement spf = {.result = SPF_FAIL};
	struct dkim_judgement dkim = {.result = DKIM_TEMPERROR, .signature.domain = "example.com"};
	struct dmarc_evidence e = {.spf = &spf, .dkim = &dkim, .dkim_count = 1};
	struct dmarc_judgement j;

	(void)state;
	judge("{" ORG "}", "example.com", &e, &j);
	assert_int_equal(j.disposition, DISPOSITION_TEMPERROR);
	strcpy(dkim.signature.domain, "example.net");
	judge("{" ORG "}", "example.com", &e, &j);
	assert_int_equal(j.disposition, DISPOSITION_REJECT);
}

/* Eight queries, however many labels (RFC 9989, section 4.10). */
static void test_walk_limit(void **state)
{
	struct spf_judgement spf = {.result = SPF_FAIL};
	struct dmarc_evidence e = {.spf = &spf};
	struct dns_table *t = dns_table_new();

	(void)state;
	dmarc_ask(t, "a.b.c.d.e.f.g.h.i.j.mail.example.com", &e);
	assert_string_equal(
		dns_question(t, 0)->name, "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com");
	assert_string_equal(dns_question(t, 1)->name, "_dmarc.g.h.i.j.mail.example.com");
	assert_string_equal(dns_question(t, 7)->name, "_dmarc.com");
	assert_null(dns_question(t, 8));
	dns_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_temperror_below),
		cmocka_unit_test(test_walk_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
