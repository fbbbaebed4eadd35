/* What is printed: tables, sums, durations, captured packets, messages. */
#include <stdlib.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/cli.h"
#include "cli/message.h"
#include "cli/password.h"
#include "cli/table.h"
#include "cli/tally.h"
#include "lib/cleanup.h"
#include "unit.h"

static char *table_text(const struct column *columns, const char *json)
{
	char *text = NULL;
	size_t size;
	sd_json_variant *rows = NULL;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(sd_json_parse(json, 0, &rows, NULL, NULL), 0);
	table_print(out, columns, rows);
	fclose(out);
	sd_json_variant_unref(rows);
	return text;
}

static void test_table(void **state)
{
	static const struct column columns[] = {
		{"from", "a+p", 8}, {"n", "n", -4}, {"in", "x.y", 4}, {"rest", "r", 0}, {0}};
	_cleanup_free_ char *text =
		table_text(columns, "[{\"a\":\"h\",\"p\":25,\"n\":7,\"x\":{\"y\":true},\"r\":"
				    "\"\\u001b[2Jz\"},{\"r\":[1,2]}]");

	(void)state;
	assert_string_equal(text, "from         n  in    rest\n"
				  "h:25         7  yes   ?[2Jz\n"
				  "-            -  -     1,2\n");
}

/* However long the values, the last column ends at the 79th. */
static void test_table_width(void **state)
{
	static const struct column columns[] = {{"a", "a", 10}, {"b", "b", 0}, {0}};
	char wide[500], json[600];
	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = 0;
	snprintf(json, sizeof(json), "[{\"a\":\"q\",\"b\":\"%s\"}]", wide);
	_cleanup_free_ char *text = table_text(columns, json);
	const char *row = strchr(text, '\n') + 1;

	(void)state;
	assert_int_equal(strcspn(row, "\n"), 79);
}

/* What a word means goes on under itself, and no byte of it steers the terminal. */
static void test_help(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	print_help(out, 6, "word", "A short one.\033[2J");
	print_help(out, 6, "a longer word",
		"One that goes on and on until the line of seventy-nine characters is full.");
	print_help(out, 6, "none", "");
	fclose(out);
	assert_string_equal(text,
		"  word    A short one.?[2J\n"
		"  a longer word  One that goes on and on until the line of seventy-nine\n"
		"          characters is full.\n"
		"  none    \n");
	free(text);
}

static void test_tally(void **state)
{
	struct tally *t = calloc(1, sizeof(*t));
	sd_json_variant *list = NULL;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "host%u", i % 1500);
		tally_add(t, name, 1, i);
	}
	assert_int_equal(t->n, TALLY_MAX);
	assert_int_equal(tally_json(t, 3, &list), 0);
	assert_int_equal(sd_json_variant_elements(list), 3);
	assert_string_equal(json_str(sd_json_variant_by_index(list, 0), "name"), "(others)");
	uint64_t flows = 0;
	for (unsigned i = 0; i < t->n; i++)
		flows += t->row[i].flows;
	assert_int_equal(flows, 2000);
	sd_json_variant_unref(list);
	free(t);
}

static void test_formats(void **state)
{
	char text[32];

	(void)state;
	bytes_format(0, text, sizeof(text));
	assert_string_equal(text, "0");
	bytes_format(1023, text, sizeof(text));
	assert_string_equal(text, "1023");
	bytes_format(1536, text, sizeof(text));
	assert_string_equal(text, "1.5 K");
	bytes_format(~0ULL, text, sizeof(text));
	assert_string_equal(text, "16.0 E");
	duration_format(93784, text, sizeof(text));
	assert_string_equal(text, "1 d 2 h");
}

static void test_capture(void **state)
{
	static const uint8_t tcp4[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0, 0, 5, 8, 0,
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 25, 0x10, 0};
	struct capture c = {0};
	struct capture_packet p;
	char text[160];

	(void)state;
	capture_decode(span_of(tcp4, sizeof(tcp4)), &p);
	capture_describe(&p, text, sizeof(text));
	assert_string_equal(text, "tcp 10.0.0.1:25 > 10.0.0.2:4096");
	assert_true(capture_wants(&c, &p));
	assert_true(capture_address(&c, "10.0.0.2") && capture_wants(&c, &p));
	c.port = 26;
	assert_false(capture_wants(&c, &p));
	c.port = 4096;
	assert_true(capture_wants(&c, &p));
	assert_true(capture_address(&c, "fd00::1") && !capture_wants(&c, &p));
	assert_false(capture_address(&c, "10.0.0"));
	for (size_t n = 0; n < sizeof(tcp4); n++)
		capture_decode(span_of(tcp4, n), &p);
}

static void test_password(void **state)
{
	(void)state;
	assert_non_null(password_fault("123456789", &password_english));
	assert_null(password_fault("1234567890", &password_english));
	/* Ten bytes, five characters. */
	assert_non_null(
		password_fault("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", &password_english));
}

/* Every text of the dialogue is translated, and nothing else stands in the file. */
static void test_messages(void **state)
{
	struct message_language list[MESSAGE_LANGUAGES_MAX] = {0};

	(void)state;
	setenv("SEKISHO_SHARE", "rootfs/overlay/usr/share/sekisho", 1);
	assert_int_equal(messages_load(list, MESSAGE_LANGUAGES_MAX), 1);
	assert_string_equal(list[0].code, "ja");
	assert_true(*list[0].name);
	for (enum message m = 0; m < MESSAGES; m++)
		if (!message_in(m, "ja"))
			fail_msg("no Japanese for: %s", message_in(m, "en"));
	assert_false(messages_choose("xx"));
	assert_true(messages_choose("ja"));
	assert_string_not_equal(message(MESSAGE_REVIEW), message_in(MESSAGE_REVIEW, "en"));
	assert_true(messages_choose("en"));
	assert_string_equal(message(MESSAGE_REVIEW), message_in(MESSAGE_REVIEW, "en"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_width),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_tally),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_capture),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
