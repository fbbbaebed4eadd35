#include "unit.h"

#include "tarball.h"
#include "update/tar.h"

struct seen {
	char text[256]; /* name=body; of each wanted file */
};

static int on_file(void *ctx, const char *name, uint64_t bytes, const char **why)
{
	struct seen *s = ctx;

	(void)bytes;
	(void)why;
	if (strncmp(name, "skip", 4) == 0)
		return 0;
	strcat(s->text, name);
	strcat(s->text, "=");
	return 1;
}

static int on_data(void *ctx, struct span body, const char **why)
{
	struct seen *s = ctx;

	(void)why;
	strncat(s->text, (const char *)body.p, body.n);
	return 0;
}

static int on_done(void *ctx, const char **why)
{
	(void)why;
	strcat(((struct seen *)ctx)->text, ";");
	return 0;
}

static const struct tar_ops ops = {.file = on_file, .data = on_data, .done = on_done};

/* Fed in pieces of that size: the outcome must not depend on it. */
static enum tar_result run(
	const struct tarball *in, size_t n, size_t piece, struct seen *seen, const char **why)
{
	struct tar t;
	enum tar_result r = TAR_MORE;

	*seen = (struct seen){0};
	tar_init(&t, &ops, seen, 256 << 20);
	for (size_t at = 0; at < n && r == TAR_MORE; at += piece)
		r = tar_feed(&t, span_of(in->p + at, n - at < piece ? n - at : piece));
	*why = t.why;
	return r;
}

static void test_archives(void **state)
{
	static const struct {
		const char *label;
		struct {
			const char *name;
			char type;
			const char *body;
		} entry[3];
		enum tar_result want;
		const char *seen;
	} rows[] = {
		{"two files", {{"a", '0', "one"}, {"d/b", '\0', "two"}}, TAR_END, "a=one;d/b=two;"},
		{"an empty file", {{"a", '0', ""}}, TAR_END, "a=;"},
		{"an unwanted one", {{"skip", '0', "one"}, {"b", '0', "two"}}, TAR_END, "b=two;"},
		{"a folder", {{"d", '5', ""}, {"d/b", '0', "two"}}, TAR_END, "d/b=two;"},
		{"a pax header", {{"x", 'x', "12 path=evil\n"}, {"b", '0', "two"}}, TAR_END,
			"b=two;"},
		{"nothing", {{0}}, TAR_END, ""},
		{"a symbolic link", {{"a", '2', ""}}, TAR_BAD, ""},
		{"a hard link", {{"a", '1', ""}}, TAR_BAD, ""},
		{"a device", {{"a", '3', ""}}, TAR_BAD, ""},
		{"an absolute name", {{"/a", '0', "x"}}, TAR_BAD, ""},
		{"a way out", {{"d/../../a", '0', "x"}}, TAR_BAD, ""},
		{"a way out at the end", {{"d/..", '0', "x"}}, TAR_BAD, ""},
		{"dots in a name", {{"..a/b..", '0', "x"}}, TAR_END, "..a/b..=x;"},
	};
	static const size_t pieces[] = {1, 7, 512, 100000};
	static struct tarball t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t.n = 0;
		for (size_t k = 0; k < 3 && rows[i].entry[k].name; k++)
			tarball_add(&t, rows[i].entry[k].name, rows[i].entry[k].type,
				rows[i].entry[k].body);
		tarball_end(&t);
		for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
			struct seen seen;
			const char *why;
			enum tar_result r = run(&t, t.n, pieces[k], &seen, &why);
			if (r != rows[i].want || strcmp(seen.text, rows[i].seen) != 0)
				fail_msg("%s by %zu: %d %s", rows[i].label, pieces[k], (int)r,
					seen.text);
			assert_int_equal(r == TAR_BAD, why != NULL);
		}
	}
}

static void test_damage(void **state)
{
	static struct tarball t;
	struct seen seen;
	const char *why;

	(void)state;
	t.n = 0;
	tarball_add(&t, "a", '0', "one");
	assert_int_equal(run(&t, t.n, 512, &seen, &why), TAR_MORE); /* no end marker */
	assert_int_equal(run(&t, 514, 512, &seen, &why), TAR_MORE); /* in the body */
	tarball_end(&t);
	t.p[3] ^= 1;
	assert_int_equal(run(&t, t.n, 512, &seen, &why), TAR_BAD);
	assert_string_equal(why, "a header with a wrong checksum");
}

/* Sizes are checked before anything is counted on them. */
static void test_limits(void **state)
{
	static struct tarball t;
	struct seen seen;
	const char *why;

	(void)state;
	t.n = 0;
	tarball_add(&t, "a", '0', "");
	unsigned sum = 0;
	memcpy(t.p + 124, "77777777777", 11);
	memset(t.p + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += t.p[i];
	snprintf((char *)t.p + 148, 8, "%06o", sum & 0777777);
	assert_int_equal(run(&t, t.n, 512, &seen, &why), TAR_BAD);
	assert_string_equal(why, "more unpacked than the limit");

	struct tar many;
	enum tar_result r = TAR_MORE;
	unsigned fed = 0;
	t.n = 0;
	seen = (struct seen){0};
	tarball_add(&t, "skip", '0', "");
	tar_init(&many, &ops, &seen, 256 << 20);
	while (r == TAR_MORE && fed++ < 5000)
		r = tar_feed(&many, span_of(t.p, t.n));
	assert_int_equal(r, TAR_BAD);
	assert_int_equal(fed, TAR_ENTRIES + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_archives),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
