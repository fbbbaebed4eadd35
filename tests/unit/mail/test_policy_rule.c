#include "mail/policy_rule.h"

#include "lib/cleanup.h"
#include "mail/policy_tag.h"

#include "unit.h"

static struct policy policy;

static int parse(const char *text)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;

	assert_int_equal(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	return policy_parse(v, &policy);
}

#define LISTS \
	"{\"name\":\"nets\",\"address\":[\"10.0.0.0/8\",\"192.0.2.128/25\"]}," \
	"{\"name\":\"senders\",\"domain\":[\"EXAMPLE.org\"]}," \
	"{\"name\":\"authors\",\"domain\":[\"x.example\",\"bank.example\"]}," \
	"{\"name\":\"names\",\"domain\":[\"host.example\"]}," \
	"{\"name\":\"others\",\"address\":[\"2001:db8::/32\"]," \
	"\"domain\":[\"nk.example\",\"a.mail.example.org\"]}"

/* One condition against one message. */
static void test_holds(void **state)
{
	static const struct {
		const char *rule;
		bool want;
	} rows[] = {
		{"", true},
		{"\"spf\":[\"pass\",\"fail\"]", true},
		{"\"spf\":[\"pass\"]", false},
		{"\"dkim\":[\"none\"]", false},
		{"\"dkim\":[\"permerror\"]", true},
		{"\"dmarc\":[\"fail\"],\"dmarc-policy\":[\"quarantine\"]", true},
		{"\"dmarc\":[\"fail\"],\"dmarc-policy\":[\"reject\"]", false},
		{"\"arc\":[\"pass\"]", false},
		{"\"fact\":[\"archive\"]", false}, /* a part of a word is none */
		{"\"fact\":[\"ppap\"]", true},
		{"\"client\":[\"192.0.2.128/25\"]", true},
		{"\"client\":[\"192.0.2.0/25\",\"2001:db8::/32\"]", false},
		{"\"client\":[\"192.0.2.200\"]", true},
		{"\"client\":[\"0.0.0.0/0\"]", true},
		{"\"client\":[\"::/0\"]", false},
		{"\"sender\":[\"example.org\"]", true},
		{"\"sender\":[\"@example.org\"]", false},
		{"\"sender\":[\"@MAIL.example.org\"]", true},
		{"\"sender\":[\"le.org\"]", false},
		{"\"sender\":[\"a@mail.example.org\"]", true},
		{"\"sender\":[\"<>\"]", false},
		{"\"recipient\":[\"second.example\"]", true},
		{"\"recipient\":[\"third.example\"]", false},
		{"\"author\":[\"boss@bank.example\"]", true},
		{"\"attachment-name\":[\"*.EXE\"]", true},
		{"\"attachment-name\":[\"*.iso\"]", false},
		{"\"attachment-type\":[\"application/*\"]", true},
		{"\"attachment-type\":[\"image/*\"]", false},
		{"\"list\":[\"nets\"]", true},
		{"\"list\":[\"senders\"]", true},
		{"\"list\":[\"authors\"]", true},
		{"\"list\":[\"names\"]", true},
		{"\"list\":[\"others\"]", false},
		{"\"list\":[\"others\",\"nets\"]", true},
		{"\"list\":[\"unknown\"]", false},
		{"\"larger-than\":10", true},
		{"\"larger-than\":100000", false},
		{"\"smaller-than\":10", false},
	};
	static const char text[] =
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: application/x-x;\r\n name=\"a.exe\"\r\n\r\nx\r\n--b--\r\n";
	const struct findings f = {.spf = {.result = "fail"},
		.dkim = {{.result = "permerror"}},
		.dkim_count = 1,
		.dmarc = {.result = "fail", .policy = "quarantine"},
		.from = {.address = "boss@bank.example", .domain = "bank.example"},
		.scan = {.result = "clean", .facts = "encrypted-archive ppap"}};
	char *rcpt[] = {"a@first.example", "b@second.example"};
	const struct envelope e = {.client = {.ip = "192.0.2.200"},
		.helo = "MX.host.example",
		.mail_from = "A@mail.example.org",
		.rcpt = rcpt,
		.rcpt_count = 2};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_subject s = {.findings = &f, .envelope = &e, .text = SPAN_LIT(text)};
		char config[1024];

		snprintf(config, sizeof(config),
			"{\"list\":[" LISTS "],\"rule\":[{\"name\":\"r\",\"action\":\"tag\"%s%s}]}",
			rows[i].rule[0] ? "," : "", rows[i].rule);
		assert_int_equal(parse(config), 0);
		assert_int_equal(policy.rule_count, 1);
		if (policy_rule_holds(&policy, &policy.rules[0], &s) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].rule);
	}
}

/* A message with more parts than are looked at has every name that a rule asks for. */
static void test_too_many_parts(void **state)
{
	static char text[PARTS_BLOCKS * 24 + 200];
	static struct parts p;
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < PARTS_BLOCKS + 4; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "A: b\r\n\r\n--b\r\n");
	parts_read(&p, span_of(text, n));
	assert_true(p.full);
	parts_read(&p, SPAN_LIT("A: b\r\n\r\n--b\r\nA: b\r\n"));
	assert_false(p.full);
}

static void test_tag(void **state)
{
	static const struct {
		const char *in, *prefix, *header;
		unsigned removed;
	} rows[] = {
		{"A: b\r\n\r\nx\r\n", "", "X-Sekisho: r\r\n", 0},
		{"A: b\r\nSubject: s\r\n\r\nx\r\n", "[x]", "X-Sekisho: r\r\nSubject: [x] s\r\n", 1},
		{"Subject:\r\n \r\n\r\nx\r\n", "[x]", "X-Sekisho: r\r\nSubject: [x]\r\n", 1},
		{"\r\nSubject: body\r\n", "[x]", "X-Sekisho: r\r\nSubject: [x]\r\n", 0},
		{"X-Sekisho: no\r\nSUBJECT : s\r\n t\r\nx-sekisho:\r\n y\r\n\r\n", "[x]",
			"X-Sekisho: r\r\nSubject: [x] s\r\n t\r\n", 3},
		{"Subject: =?utf-8?q?a?=\r\n\r\n", "\xc3\xa9",
			"X-Sekisho: r\r\nSubject: =?UTF-8?B?w6kg?= =?utf-8?q?a?=\r\n", 1},
		{"Subject: a\r\n\r\n", "\xc3\xa9",
			"X-Sekisho: r\r\nSubject: =?UTF-8?B?w6k=?= a\r\n", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct findings f;
		struct policy_rule rule = {.name = "r", .action = ACTION_TAG};

		f = (struct findings){0};
		strcpy(rule.prefix, rows[i].prefix);
		assert_int_equal(policy_tag(&f, span_str(rows[i].in), &rule), 0);
		assert_string_equal(f.header, rows[i].header);
		assert_int_equal(f.remove_count, rows[i].removed);
		for (unsigned k = 1; k < f.remove_count; k++)
			assert_true(f.remove[k].offset >=
				    f.remove[k - 1].offset + f.remove[k - 1].bytes);
		free(f.header);
	}
}

static void test_limits(void **state)
{
	static char text[POLICY_RULES * 64 + 64];
	size_t n = 0;

	(void)state;
	n += (size_t)snprintf(text, sizeof(text), "{\"rule\":[");
	for (unsigned i = 0; i <= POLICY_RULES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"%s{\"name\":\"r%u\",\"action\":\"tag\"}", i ? "," : "", i);
	snprintf(text + n, sizeof(text) - n, "]}");
	assert_int_not_equal(parse(text), 0);
	assert_int_not_equal(parse("{\"rule\":[{\"name\":\"r\"}]}"), 0);
	assert_int_not_equal(parse("{\"rule\":[{\"name\":\"r\",\"action\":\"tag\",\"client\":[\"1."
				   "2.3.4/40\"]}]}"),
		0);
	assert_int_not_equal(
		parse("{\"rule\":[{\"name\":\"r\",\"action\":\"tag\",\"spf\":[\"\"]}]}"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_holds),
		cmocka_unit_test(test_too_many_parts), cmocka_unit_test(test_tag),
		cmocka_unit_test(test_limits)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
