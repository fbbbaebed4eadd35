#include "unit.h"

#include "update/dns_version.h"

#define NOW 1732440600

static void test_read(void **state)
{
	static const char good[] = "0.103.8:62:27477:1732440600:1:90:49192:335";
	static const struct {
		const char *text, *stem;
		uint64_t now, want; /* 0: it does not say */
	} rows[] = {
		{good, "main", NOW, 62},
		{good, "daily", NOW, 27477},
		{good, "bytecode", NOW, 335},
		{good, "daily", NOW + DNS_VERSION_OLD_S, 27477},
		{good, "daily", NOW + DNS_VERSION_OLD_S + 1, 0}, /* an old record */
		{good, "daily", NOW - DNS_VERSION_OLD_S - 1, 0}, /* from the future: our clock */
		{good, "daily", 0, 0},
		{good, "own", NOW, 0},
		{"0.103.8:62:x:1732440600:1:90:49192:335", "daily", NOW, 0},
		{"0.103.8:62:27477:1732440600", "bytecode", NOW, 0},
		{"0.103.8:62:27477:1732440600", "daily", NOW, 27477},
		{"0.103.8:62", "main", NOW, 0},
		{"", "main", NOW, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 0;
		bool ok = dns_version_read(span_str(rows[i].text), rows[i].stem, rows[i].now, &got);
		if (ok != (rows[i].want != 0) || (ok && got != rows[i].want))
			fail_msg("row %zu: %d %llu", i, ok, (unsigned long long)got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
