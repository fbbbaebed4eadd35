#include <stdlib.h>

#include "mail/outgoing.h"

#include "unit.h"

#define S(s) SPAN_LIT(s)

/* Takes `step` bytes of the runs at a time, as a socket would. */
static size_t send_all(struct outgoing *o, size_t step, uint8_t *out)
{
	struct iovec runs[OUTGOING_RUNS];
	size_t n = 0;

	while (!outgoing_is_done(o)) {
		int count = outgoing_runs(o, runs);
		size_t left = step;

		assert_true(count > 0);
		for (int i = 0; i < count && left > 0; i++) {
			size_t part = runs[i].iov_len < left ? runs[i].iov_len : left;
			memcpy(out + n, runs[i].iov_base, part);
			n += part;
			left -= part;
		}
		outgoing_advance(o, runs, count, step - left);
	}
	return n;
}

static void test_wire(void **state)
{
	static const struct {
		const char *header;
		struct span text;
		size_t remove[2][2];
		unsigned removes;
		struct span data, bdat;
	} rows[] = {
		{"", S(""), {{0}}, 0, S(".\r\n"), S("BDAT 0 LAST\r\n")},
		{"H: 1\r\n", S("A: b\r\n\r\nc\r\n"), {{0}}, 0, S("H: 1\r\nA: b\r\n\r\nc\r\n.\r\n"),
			S("BDAT 17 LAST\r\nH: 1\r\nA: b\r\n\r\nc\r\n")},
		{"", S(".\r\n..\r\na.b\r\n"), {{0}}, 0, S("..\r\n...\r\na.b\r\n.\r\n"),
			S("BDAT 12 LAST\r\n.\r\n..\r\na.b\r\n")},
		{"", S("\r\n.\r\n"), {{0}}, 0, S("\r\n..\r\n.\r\n"), S("BDAT 5 LAST\r\n\r\n.\r\n")},
		{"H: 1\r\n", S("x: 1\r\nB: 2\r\ny: 3\r\n.z\r\n"), {{0, 6}, {12, 6}}, 2,
			S("H: 1\r\nB: 2\r\n..z\r\n.\r\n"),
			S("BDAT 16 LAST\r\nH: 1\r\nB: 2\r\n.z\r\n")},
		{"", S("x: 1\r\n"), {{0, 6}}, 1, S(".\r\n"), S("BDAT 0 LAST\r\n")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step < 40; step++) {
			for (int chunked = 0; chunked < 2; chunked++) {
				struct findings *f = calloc(1, sizeof(*f));
				struct outgoing o;
				uint8_t out[128];

				assert_non_null(f);
				f->header = (char *)rows[i].header;
				for (unsigned j = 0; j < rows[i].removes; j++) {
					f->remove[j].offset = rows[i].remove[j][0];
					f->remove[j].bytes = rows[i].remove[j][1];
				}
				f->remove_count = rows[i].removes;
				assert_int_equal(outgoing_init(&o, f, rows[i].text, chunked), 0);
				size_t n = send_all(&o, step, out);
				assert_true(span_eq(
					span_of(out, n), chunked ? rows[i].bdat : rows[i].data));
				outgoing_free(&o);
				free(f);
			}
		}
	}
}

/* More dots than there are runs in one go. */
static void test_many_dots(void **state)
{
	struct findings *f = calloc(1, sizeof(*f));
	uint8_t text[3 * 500], out[4 * 500 + 3];
	struct outgoing o;

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < 500; i++)
		memcpy(text + 3 * i, ".\r\n", 3);
	assert_int_equal(outgoing_init(&o, f, span_of(text, sizeof(text)), false), 0);
	assert_int_equal(send_all(&o, 1000, out), sizeof(out));
	for (size_t i = 0; i < 500; i++)
		assert_memory_equal(out + 4 * i, "..\r\n", 4);
	outgoing_free(&o);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_many_dots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
