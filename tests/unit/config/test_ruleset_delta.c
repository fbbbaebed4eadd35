/* What is loaded of a ruleset that differs from the one in force. */
#include <stdlib.h>
#include <string.h>

#include "config/ruleset_delta.h"
#include "lib/cleanup.h"
#include "unit.h"

#define HEAD "# 3 4\n#--\nhost\n#-- base\ntable\n"
#define A "#-- set t a\na 1\n"
#define A2 "#-- set t a\na 1 2\n"
#define B "#-- set t b\nb 1\n"
#define CHAIN "#--\nchain\n"
#define CHAIN2 "#--\nchain 2\n"

static void test_delta(void **state)
{
	static const struct {
		const char *from, *to, *want;
	} rows[] = {
		{NULL, HEAD A, HEAD A}, /* at start */
		{HEAD A B CHAIN, HEAD A B CHAIN, ""},
		{HEAD A B CHAIN, HEAD A2 B CHAIN, "a 1 2\n"},
		{HEAD A B CHAIN, HEAD A B CHAIN2, "chain 2\n"},
		{HEAD A CHAIN, HEAD A B CHAIN2, "b 1\nchain 2\n"},
		{HEAD B CHAIN, HEAD A B CHAIN2, "a 1\nchain 2\n"},
		/* it goes when no rule names it any more */
		{HEAD A B CHAIN, HEAD B CHAIN2, "chain 2\ndestroy set t a\n"},
		{HEAD A B CHAIN, HEAD CHAIN2, "chain 2\ndestroy set t a\ndestroy set t b\n"},
		{HEAD A B CHAIN, HEAD B A CHAIN, ""},
		/* other devices, another table below, other parts */
		{"# 3 4\n#--\nhost\n", "# 3 5\n#--\nhost\n", "# 3 5\n#--\nhost\n"},
		{"# 3\n#-- base\nx\n" A, "# 3\n#-- base\ny\n" A, "# 3\n#-- base\ny\n" A},
		{"# 3\n#--\nx\n", "# 3\n#--\nx\n#--\ny\n", "# 3\n#--\nx\n#--\ny\n"},
		{"# 3\n#--\nx\n#--\ny\n", "# 3\n#--\nx\n", "# 3\n#--\nx\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_free_ char *delta = ruleset_delta(rows[i].from, rows[i].to);
		if (!delta || strcmp(delta, rows[i].want) != 0)
			fail_msg("row %zu: %s", i, delta);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_delta)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
