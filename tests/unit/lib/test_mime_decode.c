/* The decoders, and the ways in which they may differ. */
#include "lib/mime_decode.h"

#include "unit.h"

static void check(const char *what, const struct mime_buffer *b, const char *want)
{
	if (b->n != strlen(want) || (b->n && memcmp(b->p, want, b->n) != 0))
		fail_msg("%s: %.*s", what, (int)b->n, b->n ? (const char *)b->p : "");
}

static void test_base64(void **state)
{
	static const struct {
		const char *in;
		unsigned way;
		const char *want;
	} rows[] = {
		{"", 0, ""},
		{"YWJj", 0, "abc"},
		{"YWI=", 0, "ab"},
		{"YWI", 0, "ab"},
		{"Y", 0, ""},
		{"YWJj\r\nYWJj", 0, "abcabc"},
		{"YW Jj", 0, "abc"},
		{"YQ==Yg==", 0, "ab"},
		{"YQ==Yg==", BASE64_STOP, "a"},
		{"Y=WJj", BASE64_NO_PAD, "abc"},
		{"Y=Q=Yg==", BASE64_QUADS, "ab"},
		{"A\nYWJj", BASE64_LINES, "abc"},
		{"YWJ#junk\nj", BASE64_JUNK_EOL, "abc"},
		{"YWJj#YWJj", BASE64_JUNK_END, "abc"},
		{"YWJj\n\nYWJj", BASE64_BLANK, "abc"},
		{"fn5-", BASE64_URL, "~~~"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mime_buffer b = {.max = 100};
		struct span in = span_str(rows[i].in);
		/* A way other than the plain one is tried only where it makes a difference. */
		if ((base64_survey(in) & rows[i].way) != rows[i].way)
			fail_msg("%s: survey %x", rows[i].in, base64_survey(in));
		base64_decode(in, rows[i].way, &b);
		check(rows[i].in, &b, rows[i].want);
		mime_buffer_free(&b);
	}
	assert_int_equal(base64_survey(SPAN_LIT("YWJj\r\nYWJj\r\nYQ==\r\n")), 0);
}

static void test_base64_likely(void **state)
{
	(void)state;
	assert_true(base64_likely(SPAN_LIT("UEsDBBQAAgAIABFKjkk8z1FoRgAAAEQA\r\nAAAJ\r\n")));
	assert_false(base64_likely(SPAN_LIT("Dear all, this is a letter.\r\n")));
	assert_false(base64_likely(SPAN_LIT("short\r\n")));
}

static void test_qp(void **state)
{
	static const struct {
		const char *in;
		unsigned way;
		const char *want;
	} rows[] = {
		{"a=3Db", 0, "a=b"},
		{"a=3db", 0, "a=b"},
		{"a=\r\nb", 0, "ab"},
		{"a= \t\r\nb", 0, "ab"},
		{"a \r\nb", 0, "a\r\nb"},
		{"a \r\nb", QP_KEEP, "a \r\nb"},
		{"a=Xb", 0, "a=Xb"},
		{"a=Xb", QP_DROP, "aXb"},
		{"=0P=0K=0==0\n=41", QP_SKIP, "PKA"},
		{"a=", 0, "a"},
		{"a=4", 0, "a=4"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mime_buffer b = {.max = 100};
		struct span in = span_str(rows[i].in);
		if ((qp_survey(in) & rows[i].way) != rows[i].way)
			fail_msg("%s: survey %x", rows[i].in, qp_survey(in));
		qp_decode(in, rows[i].way, &b);
		check(rows[i].in, &b, rows[i].want);
		mime_buffer_free(&b);
	}
	assert_int_equal(qp_survey(SPAN_LIT("a=3D=\r\nb\r\n")), 0);
}

static void test_uu(void **state)
{
	struct mime_buffer b = {.max = 100};

	(void)state;
	/* The second line has lost the blanks at its end. */
	assert_int_equal(uu_decode(SPAN_LIT("&<V5C<F5T\n#(\nend\nrest"), &b), 17);
	assert_int_equal(b.n, 9);
	assert_memory_equal(b.p, "secret \0\0", 9);
	mime_buffer_free(&b);
}

static void test_binhex(void **state)
{
	struct mime_buffer b = {.max = 100};

	(void)state;
	binhex_decode(
		SPAN_LIT(":!!3r2cmr2cmr2`!!!!!!&3!!!!!U`8&58N&C+$\"i069K0M3bC$KN0$%i+3!!:"), &b);
	check("binhex", &b, "ARRAY(0x55a642d8d418)");
	assert_true(b.damaged);
	mime_buffer_free(&b);
}

/* A decoder whose output does not fit says so instead of giving half. */
static void test_full(void **state)
{
	struct mime_buffer b = {.max = 5};

	(void)state;
	base64_decode(SPAN_LIT("YWJjYWJj"), 0, &b);
	assert_true(b.full);
	mime_buffer_free(&b);
}

static void test_line(void **state)
{
	struct span rest = SPAN_LIT("a\r\nb\nc\rd"), line;

	(void)state;
	assert_true(mime_next_line(&rest, true, &line));
	assert_true(span_eq(line, SPAN_LIT("a")));
	assert_true(mime_next_line(&rest, true, &line));
	assert_true(span_eq(line, SPAN_LIT("b")));
	struct span again = rest;
	assert_true(mime_next_line(&again, false, &line));
	assert_true(span_eq(line, SPAN_LIT("c\rd")));
	assert_true(mime_next_line(&rest, true, &line));
	assert_true(span_eq(line, SPAN_LIT("c")));
	assert_true(mime_next_line(&rest, true, &line));
	assert_true(span_eq(line, SPAN_LIT("d")));
	assert_false(mime_next_line(&rest, true, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_likely),
		cmocka_unit_test(test_qp),
		cmocka_unit_test(test_uu),
		cmocka_unit_test(test_binhex),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
