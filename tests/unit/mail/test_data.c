#include "mail/data.h"

#include "unit.h"

#define S(s) SPAN_LIT(s)

static const struct {
	struct span in, want;
	enum data_flaw flaw;
	bool end;
	size_t rest; /* bytes behind the end */
} rows[] = {
	{S(".\r\n"), S(""), DATA_FINE, true, 0},
	{S("a\r\n.\r\n"), S("a\r\n"), DATA_FINE, true, 0},
	{S("a\r\n.\r\nQUIT\r\n"), S("a\r\n"), DATA_FINE, true, 6},
	{S("..\r\n...b\r\n.\r\n"), S(".\r\n..b\r\n"), DATA_FINE, true, 0},
	{S(".a\r\n.\r\n"), S("a\r\n"), DATA_FINE, true, 0},
	{S("a.\r\nb\r\n.\r\n"), S("a.\r\nb\r\n"), DATA_FINE, true, 0},
	{S("a\r\n"), S("a\r\n"), DATA_FINE, false, 0},
	{S("a\r\n.\r"), S("a\r\n"), DATA_FINE, false, 0},
	/* the ends that some server somewhere believes in (SMTP smuggling) */
	{S("a\n.\nMAIL\r\n.\r\n"), S("a"), DATA_BARE_LF, true, 0},
	{S("a\n.\r\nMAIL\r\n.\r\n"), S("a"), DATA_BARE_LF, true, 0},
	{S("a\r\n.\nMAIL\r\n.\r\n"), S("a\r\n"), DATA_BARE_LF, true, 0},
	{S("a\r.\r\nMAIL\r\n.\r\n"), S("a"), DATA_BARE_CR, true, 0},
	{S("a\r\n.\rMAIL\r\n.\r\n"), S("a\r\n"), DATA_BARE_CR, true, 0},
	{S("a\r.\rMAIL\r\n.\r\n"), S("a"), DATA_BARE_CR, true, 0},
	{S("a\r\r\n.\r\n"), S("a"), DATA_BARE_CR, true, 0},
	{S("a\r\n.\r\r\n.\r\n"), S("a\r\n"), DATA_BARE_CR, true, 0},
	{S("a\0b\r\n.\r\n"), S("a"), DATA_NUL, true, 0},
	{S("a\r\0\n.\r\n"), S("a"), DATA_BARE_CR, false, 0},
	{S("\n.\r\n"), S(""), DATA_BARE_LF, false, 0},
};

static void decode_in_pieces(size_t i, size_t step)
{
	struct data_decoder d = {0};
	uint8_t out[256];
	size_t n = 0, at = 0;

	while (at < rows[i].in.n && !d.end) {
		size_t got = 0;
		at += data_decode(&d, span_take(span_skip(rows[i].in, at), step), out + n, &got);
		n += got;
	}
	assert_true(span_eq(span_of(out, n), rows[i].want));
	assert_int_equal(d.flaw, rows[i].flaw);
	assert_int_equal(d.end, rows[i].end);
	assert_int_equal(rows[i].in.n - at, rows[i].rest);
}

static void test_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step <= 16; step++)
			decode_in_pieces(i, step);
}

/* BDAT: a dot is a dot, and the end is where the last chunk ends. */
static void test_raw(void **state)
{
	static const struct {
		struct span in, want;
		enum data_flaw flaw;
	} texts[] = {
		{S(""), S(""), DATA_FINE},
		{S("a\r\n"), S("a\r\n"), DATA_FINE},
		{S("a"), S("a\r\n"), DATA_FINE},
		{S(".\r\n..\r\n"), S(".\r\n..\r\n"), DATA_FINE},
		{S("a\r\n.\r\nb"), S("a\r\n.\r\nb\r\n"), DATA_FINE},
		{S("a\n.\nb"), S("a"), DATA_BARE_LF},
		{S("a\r"), S("a"), DATA_BARE_CR},
		{S("a\r.\r"), S("a"), DATA_BARE_CR},
		{S("a\0"), S("a"), DATA_NUL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t step = 1; step <= 8; step++) {
			struct data_decoder d = {.raw = true};
			uint8_t out[64];
			size_t n = 0, got = 0;

			for (size_t at = 0; at < texts[i].in.n; at += step, n += got)
				data_decode(&d, span_take(span_skip(texts[i].in, at), step),
					out + n, &got);
			n += data_finish(&d, out + n);
			assert_true(span_eq(span_of(out, n), texts[i].want));
			assert_int_equal(d.flaw, texts[i].flaw);
			assert_true(d.end);
		}
	}
}

/* Mended, an end that was none stays none: it is text, and will be stuffed. */
static void test_normalise(void **state)
{
	static const struct {
		struct span in, want;
		bool end;
	} texts[] = {
		{S("a\nb\r\n.\r\n"), S("a\r\nb\r\n"), true},
		{S("a\n.\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), true},
		{S("a\n.\r\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), true},
		{S("a\r.\rb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), true},
		{S("a\r\n.\nb\r\n.\r\n"), S("a\r\n\r\nb\r\n"), true},
		{S("a\0b\r\n.\r\n"), S("ab\r\n"), true},
		{S("a\r\r\n.\r\n"), S("a\r\n\r\n"), true},
		{S("a\n.\n"), S("a\r\n.\r\n"), false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t step = 1; step <= 8; step++) {
			struct data_decoder d = {.normalise = true};
			uint8_t out[64];
			size_t n = 0, got = 0;

			for (size_t at = 0; at < texts[i].in.n; at += step, n += got)
				data_decode(&d, span_take(span_skip(texts[i].in, at), step),
					out + n, &got);
			assert_true(span_eq(span_of(out, n), texts[i].want));
			assert_int_equal(d.end, texts[i].end);
			assert_int_not_equal(d.flaw, DATA_FINE);
		}
	}
}

static void test_longest_line(void **state)
{
	struct data_decoder d = {0};
	uint8_t out[64];
	size_t n;

	(void)state;
	data_decode(&d, S("abc\r\nabcde\r\n..\r\n.\r\n"), out, &n);
	assert_int_equal(d.line_bytes_max, 5);
}

static void test_canonical(void **state)
{
	(void)state;
	assert_true(data_is_canonical(S("")));
	assert_true(data_is_canonical(S("a: b\r\n\tc\r\n")));
	assert_false(data_is_canonical(S("a: b")));
	assert_false(data_is_canonical(S("a\nb\r\n")));
	assert_false(data_is_canonical(S("a\rb\r\n")));
	assert_false(data_is_canonical(S("\n")));
	assert_false(data_is_canonical(S("a\0\r\n")));
	assert_false(data_is_canonical(S("a\r\n\r")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_normalise),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
