#include "mail/policy.h"

#include "unit.h"

static const struct settings strict = {
	.virus_reject = true, .dmarc_reject = true, .unchecked_defer = true};
static const struct settings keeping = {.virus_reject = true,
	.dmarc_reject = true,
	.dmarc_quarantine = true,
	.unchecked_defer = true};
static const struct settings lenient = {0};

#define DEFERRED "451 4.7.1 Sekisho: not now, the message could not be checked\r\n"
#define SCAN(r, s) .scan = {.result = r, .signature = s}

static void test_decide(void **state)
{
	static const struct {
		struct findings f;
		const struct settings *settings;
		enum action want;
		const char *reply;
	} rows[] = {
		{{SCAN("clean", "")}, &strict, ACTION_ACCEPT, ""},
		{{SCAN("infected", "Eicar-Test-Signature")}, &strict, ACTION_REJECT,
			"550 5.7.1 Sekisho: refused, attachment contains Eicar-Test-Signature\r\n"},
		{{SCAN("infected", "X")}, &lenient, ACTION_ACCEPT, ""},
		{{SCAN("clean", ""), .dmarc = {.result = "fail",
					     .domain = "b.example",
					     .disposition = "reject"}},
			&strict, ACTION_REJECT,
			"550 5.7.1 Sekisho: refused, the sender could not be verified and DMARC of "
			"b.example asks to reject\r\n"},
		{{SCAN("clean", ""), .dmarc = {.result = "fail", .disposition = "reject"}},
			&lenient, ACTION_ACCEPT, ""},
		{{SCAN("clean", ""), .dmarc = {.result = "permerror", .disposition = "reject"}},
			&strict, ACTION_REJECT,
			"550 5.7.1 Sekisho: refused, From does not name one sender domain\r\n"},
		{{SCAN("clean", ""), .dmarc = {.result = "fail", .disposition = "quarantine"}},
			&strict, ACTION_ACCEPT, ""},
		{{SCAN("clean", ""), .dmarc = {.disposition = "temperror"}}, &strict, ACTION_DEFER,
			DEFERRED},
		{{SCAN("clean", ""), .dmarc = {.disposition = "temperror"}}, &lenient,
			ACTION_ACCEPT, ""},
		{{.unchecked = "scan: Connection refused"}, &strict, ACTION_DEFER, DEFERRED},
		{{.unchecked = "scan: Connection refused"}, &lenient, ACTION_ACCEPT, ""},
		{{SCAN("error", "")}, &strict, ACTION_DEFER, DEFERRED},
		{{SCAN("limit", "")}, &strict, ACTION_REJECT,
			"550 5.7.1 Sekisho: refused, too large or too deeply packed to be "
			"scanned\r\n"},
		{{SCAN("limit", "")}, &lenient, ACTION_ACCEPT, ""},
		{{SCAN("clean", ""), .dmarc = {.domain = "b.example", .disposition = "quarantine"}},
			&keeping, ACTION_QUARANTINE, ""},
		{{SCAN("infected", "X"), .dmarc = {.disposition = "quarantine"}}, &keeping,
			ACTION_REJECT, "550 5.7.1 Sekisho: refused, attachment contains X\r\n"},
		{{SCAN("error", ""), .dmarc = {.disposition = "quarantine"}}, &keeping,
			ACTION_DEFER, DEFERRED},
		{{SCAN("clean", ""), .refusal = "several From fields"}, &lenient, ACTION_REJECT,
			"550 5.7.1 Sekisho: refused, several From fields\r\n"},
		/* a virus is a virus, whatever else could not be checked */
		{{SCAN("infected", "X"), .unchecked = "auth: timed out"}, &strict, ACTION_REJECT,
			"550 5.7.1 Sekisho: refused, attachment contains X\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct decision d;
		struct envelope e = {0};
		struct policy_subject subject = {.findings = &rows[i].f, .envelope = &e};
		policy_decide(&subject, rows[i].settings, &d);
		assert_int_equal(d.action, rows[i].want);
		assert_string_equal(d.reply, rows[i].reply);
		assert_int_not_equal(d.why[0], '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_decide)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
