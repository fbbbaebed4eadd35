#include "scan/fact.h"

#include <stdio.h>

#include "unit.h"

static void test_names(void **state)
{
	static const struct {
		const char *name;
		uint32_t want;
	} rows[] = {
		{"", 0},
		{"a", 0},
		{"report.pdf", 0},
		{"exe", 0},
		{"a.exe", FACT_EXECUTABLE_NAME},
		{"A.EXE", FACT_EXECUTABLE_NAME},
		{"a.exe ", FACT_EXECUTABLE_NAME},
		{"a.exe.", FACT_EXECUTABLE_NAME},
		{"a.js", FACT_EXECUTABLE_NAME},
		{"a.iso", FACT_EXECUTABLE_NAME},
		{"a.img", FACT_EXECUTABLE_NAME},
		{"a.xnk", FACT_EXECUTABLE_NAME},
		{"a.acm", FACT_EXECUTABLE_NAME},
		{"dir.exe/readme.txt", 0},
		{"invoice.pdf.exe", FACT_EXECUTABLE_NAME | FACT_DOUBLE_EXTENSION},
		{"invoice.pdf      .exe", FACT_EXECUTABLE_NAME | FACT_DOUBLE_EXTENSION},
		{"invoice.avi.scr", FACT_EXECUTABLE_NAME | FACT_DOUBLE_EXTENSION},
		{"setup.v2.exe", FACT_EXECUTABLE_NAME},
		{"invoice\xe2\x80\xae"
		 "fdp.exe",
			FACT_EXECUTABLE_NAME | FACT_DOUBLE_EXTENSION},
		{"a.settingcontent-ms", FACT_EXECUTABLE_NAME},
		{"a.averyveryveryverylongextension", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (fact_of_name(rows[i].name) != rows[i].want)
			fail_msg("%s: %x", rows[i].name, fact_of_name(rows[i].name));
}

/* The list is searched by halves: a word out of order would not be found. */
static void test_every_extension(void **state)
{
	static const char *const some[] = {"ade", "appimage", "bat", "cmd", "com", "cpl", "desktop",
		"dll", "gadget", "hta", "inf", "jar", "jse", "lnk", "msi", "mst", "ocx", "pif",
		"ps1", "py", "reg", "scr", "search-ms", "sh", "slk", "tmp", "url", "vbe", "vbs",
		"vhd", "website", "wsf", "xll"};
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		snprintf(name, sizeof(name), "a.%s", some[i]);
		if (fact_of_name(name) != FACT_EXECUTABLE_NAME)
			fail_msg("%s", name);
	}
}

static void test_types(void **state)
{
	(void)state;
	assert_int_equal(fact_of_type("CL_TYPE_MSEXE", false), FACT_EXECUTABLE_CONTENT);
	assert_int_equal(fact_of_type("CL_TYPE_MSEXE", true), FACT_EXECUTABLE_IN_ARCHIVE);
	assert_int_equal(fact_of_type("CL_TYPE_ZIP", true), FACT_ARCHIVE);
	assert_int_equal(fact_of_type("CL_TYPE_TEXT_ASCII", false), 0);
}

static void test_ole2(void **state)
{
	uint8_t file[1024] = {0xd0, 0xcf, 0x11, 0xe0};

	(void)state;
	assert_int_equal(fact_of_ole2(span_of(file, sizeof(file))), 0);
	file[512] = 0xec;
	file[513] = 0xa5;
	assert_int_equal(fact_of_ole2(span_of(file, sizeof(file))), 0);
	file[523] = 1;
	assert_int_equal(fact_of_ole2(span_of(file, sizeof(file))), FACT_ENCRYPTED_DOCUMENT);
	assert_int_equal(fact_of_ole2(span_of(file, 520)), 0);
	file[523] = 0;
	memcpy(file + 700, "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0", 32);
	assert_int_equal(fact_of_ole2(span_of(file, sizeof(file))), FACT_ENCRYPTED_DOCUMENT);
}

static void test_text(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{"The Password for the archive is 1234", true},
		{"swordfish and pass", false},
		{"\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89\xe3\x82\x92", true},
		{"\x1b$B%Q%9%o!<%I\x1b(B", true},
		{"password", true},
		{"passwor", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((fact_of_text(span_str(rows[i].text)) != 0) != rows[i].want)
			fail_msg("%s", rows[i].text);
}

static void test_words(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < FACT_COUNT; bit++)
		assert_true(strlen(fact_name(bit)) > 3);
	assert_string_equal(fact_name(FACT_BIT_PPAP), "ppap");
	assert_string_equal(fact_name(FACT_COUNT), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_every_extension),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_ole2),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
