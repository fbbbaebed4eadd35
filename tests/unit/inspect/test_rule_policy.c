#include <errno.h>

#include "inspect/rule_policy.h"

#include "unit.h"

#define HIGH SPAN_LIT("created_at 2020_01_01, signature_severity Major, confidence High")
#define LOW SPAN_LIT("signature_severity Critical, confidence Low")

static void test_profiles(void **state)
{
	static const struct {
		struct policy_subject subject;
		int want[POLICY_PROFILES]; /* enum rule_action; -1: off */
	} rows[] = {
		{{.sid = 1, .written = RULE_ALERT, .classtype = SPAN_LIT("domain-c2")},
			{RULE_ALERT, RULE_DROP, RULE_DROP}},
		{{.sid = 1,
			 .written = RULE_ALERT,
			 .classtype = SPAN_LIT("domain-c2"),
			 .metadata = LOW},
			{RULE_ALERT, RULE_ALERT, RULE_ALERT}},
		{{.sid = 1,
			 .written = RULE_ALERT,
			 .classtype = SPAN_LIT("web-application-attack"),
			 .metadata = HIGH},
			{RULE_ALERT, RULE_DROP, RULE_DROP}},
		{{.sid = 1, .written = RULE_ALERT, .classtype = SPAN_LIT("web-application-attack")},
			{RULE_ALERT, RULE_ALERT, RULE_DROP}},
		{{.sid = 1, .written = RULE_ALERT, .classtype = SPAN_LIT("misc-activity")},
			{RULE_ALERT, RULE_ALERT, RULE_ALERT}},
		{{.sid = 1, .written = RULE_ALERT, .category = SPAN_LIT("deleted")}, {-1, -1, -1}},
		{{.sid = 1, .written = RULE_DROP}, {RULE_ALERT, RULE_DROP, RULE_DROP}},
		{{.sid = 1, .written = RULE_REJECT}, {RULE_ALERT, RULE_REJECT, RULE_REJECT}},
		{{.sid = 1, .written = RULE_PASS}, {RULE_PASS, RULE_PASS, RULE_PASS}},
		{{.sid = 1,
			 .written = RULE_ALERT,
			 .noalert = true,
			 .classtype = SPAN_LIT("domain-c2")},
			{RULE_ALERT, RULE_ALERT, RULE_ALERT}},
	};

	(void)state;
	for (unsigned profile = 0; profile < POLICY_PROFILES; profile++) {
		struct rule_policy *p = rule_policy_new((enum policy_profile)profile);

		assert_non_null(p);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			enum rule_action got;
			bool on = rule_policy_apply(p, &rows[i].subject, &got);

			assert_int_equal(on ? (int)got : -1, rows[i].want[profile]);
		}
		rule_policy_free(p);
	}
}

/* Without a policy a rule does what it says. */
static void test_none(void **state)
{
	struct policy_subject s = {
		.sid = 1, .written = RULE_ALERT, .classtype = SPAN_LIT("domain-c2")};
	enum rule_action got;

	(void)state;
	assert_true(rule_policy_apply(NULL, &s, &got));
	assert_int_equal(got, RULE_ALERT);
}

static void test_overrides(void **state)
{
	struct rule_policy *p = rule_policy_new(POLICY_BALANCED);
	struct policy_subject s = {.sid = 2000500,
		.written = RULE_ALERT,
		.classtype = SPAN_LIT("misc-activity"),
		.category = SPAN_LIT("games")};
	enum rule_action got;

	(void)state;
	assert_non_null(p);
	assert_int_equal(
		rule_policy_add(p, POLICY_BY_CATEGORY, SPAN_LIT("games"), POLICY_REJECT), 0);
	assert_true(rule_policy_apply(p, &s, &got));
	assert_int_equal(got, RULE_REJECT);
	assert_int_equal(
		rule_policy_add(p, POLICY_BY_CLASSTYPE, SPAN_LIT("misc-activity"), POLICY_DROP), 0);
	assert_true(rule_policy_apply(p, &s, &got));
	assert_int_equal(got, RULE_DROP);
	assert_int_equal(
		rule_policy_add(p, POLICY_BY_SID, SPAN_LIT("2000000-2000999"), POLICY_OFF), 0);
	assert_false(rule_policy_apply(p, &s, &got));
	assert_int_equal(rule_policy_add(p, POLICY_BY_SID, SPAN_LIT("2000500"), POLICY_ALERT), 0);
	assert_true(rule_policy_apply(p, &s, &got)); /* the narrower range counts */
	assert_int_equal(got, RULE_ALERT);
	assert_int_equal(rule_policy_add(p, POLICY_BY_SID, SPAN_LIT("9-5"), POLICY_OFF), -EINVAL);
	assert_int_equal(rule_policy_add(p, POLICY_BY_SID, SPAN_LIT("x"), POLICY_OFF), -EINVAL);
	rule_policy_free(p);
}

static void test_category(void **state)
{
	(void)state;
	assert_true(span_eq(policy_category("/a/emerging-malware.rules"), SPAN_LIT("malware")));
	assert_true(span_eq(policy_category("drop.rules"), SPAN_LIT("drop")));
	assert_true(span_eq(policy_category("x"), SPAN_LIT("x")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_category),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
