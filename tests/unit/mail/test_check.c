#include <systemd/sd-json.h>

#include "lib/cleanup.h"
#include "mail/check.h"

#include "unit.h"

#define MESSAGE "A: 1\r\nAuthentication-Results: forged\r\nB: 2\r\n\r\nbody\r\n"
#define SPF "\"spf\":{\"result\":\"pass\",\"domain\":\"a.example\"},"
#define DKIM "\"dkim\":[{\"result\":\"pass\",\"domain\":\"a.example\",\"selector\":\"s\"}],"
#define DMARC \
	"\"dmarc\":{\"result\":\"pass\",\"policy\":\"reject\",\"domain\":\"a.example\"," \
	"\"disposition\":\"none\"},"
#define HEADER "\"authentication_results\":\"Authentication-Results: me;\\r\\n\\tspf=pass\\r\\n\","
#define GOOD SPF DKIM DMARC HEADER

static int answer_read(const struct mail_check *check, const char *text, struct findings *f)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *answer = NULL;

	*f = (struct findings){0};
	assert_int_equal(sd_json_parse(text, 0, &answer, NULL, NULL), 0);
	return check->read(answer, SPAN_LIT(MESSAGE), f);
}

static void test_auth(void **state)
{
	static const struct {
		const char *answer;
		bool want;
		unsigned removed;
	} rows[] = {
		{"{" GOOD "\"remove\":[]}", true, 0},
		{"{" GOOD "\"remove\":[[6,32]]}", true, 1},
		{"{" GOOD "\"remove\":[[0,6],[6,32],[38,6]]}", true, 3},
		{"{" GOOD "\"remove\":[[52,0]]}", true, 1},
		/* ranges that are no whole lines, go back, or leave the message */
		{"{" GOOD "\"remove\":[[6,31]]}", false, 0},
		{"{" GOOD "\"remove\":[[5,33]]}", false, 0},
		{"{" GOOD "\"remove\":[[6,32],[0,6]]}", false, 0},
		{"{" GOOD "\"remove\":[[6,32],[6,32]]}", false, 0},
		{"{" GOOD "\"remove\":[[6,1000]]}", false, 0},
		{"{" GOOD "\"remove\":[[6,18446744073709551615]]}", false, 0},
		{"{" GOOD "\"remove\":[[6]]}", false, 0},
		{"{" GOOD "\"remove\":[[-1,6]]}", false, 0},
		{"{" GOOD "\"remove\":7}", false, 0},
		{"{" GOOD "\"other\":1}", false, 0},
		{"{" SPF DKIM HEADER "\"remove\":[]}", false, 0},
		{"{" SPF DMARC HEADER "\"remove\":[]}", false, 0},
		/* a header that would say more than it should */
		{"{" SPF DKIM DMARC "\"authentication_results\":\"X: y\\r\\n\",\"remove\":[]}",
			false, 0},
		{"{" SPF DKIM DMARC
		 "\"authentication_results\":\"Authentication-Results: x\\r\\n\\r\\nbody\\r\\n\","
		 "\"remove\":[]}",
			false, 0},
		{"{" SPF DKIM DMARC
		 "\"authentication_results\":\"Authentication-Results: x\\n\",\"remove\":[]}",
			false, 0},
		{"{" SPF DKIM DMARC
		 "\"authentication_results\":\"Authentication-Results: x\",\"remove\":[]}",
			false, 0},
		{"{}", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct findings f;
		int r = answer_read(&check_auth, rows[i].answer, &f);
		assert_int_equal(r == 0, rows[i].want);
		if (rows[i].want) {
			assert_int_equal(f.remove_count, rows[i].removed);
			assert_string_equal(f.dkim[0].selector, "s");
			assert_non_null(f.header);
		}
		free(f.header);
	}
}

static void test_scan(void **state)
{
	struct findings f;

	(void)state;
	assert_int_equal(answer_read(&check_scan, "{\"result\":\"clean\"}", &f), 0);
	assert_string_equal(f.scan.result, "clean");
	assert_int_equal(answer_read(&check_scan,
				 "{\"result\":\"infected\",\"signature\":\"A\\r\\n250 b\"}", &f),
		0);
	assert_string_equal(f.scan.signature, "A??250 b");
	assert_int_equal(
		answer_read(&check_scan,
			"{\"result\":\"limit\",\"limit\":\"time\",\"facts\":[\"ppap\",7,\"x y\","
			"\"macro\"]}",
			&f),
		0);
	assert_string_equal(f.scan.limit, "time");
	assert_string_equal(f.scan.facts, "ppap macro");
	assert_int_equal(answer_read(&check_scan, "{\"result\":\"ambiguous\",\"facts\":7}", &f), 0);
	assert_string_equal(f.scan.facts, "");
	assert_true(answer_read(&check_scan, "{\"result\":\"fine\"}", &f) < 0);
	assert_string_equal(f.scan.result, "");
	assert_true(answer_read(&check_scan, "{}", &f) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auth), cmocka_unit_test(test_scan)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
