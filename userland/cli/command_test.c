/* Self-tests: does a drop really drop? */
#include <errno.h>

#include "cli/command.h"
#include "lib/cleanup.h"

static int run_test_inspect(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;

	(void)a;
	if (daemon_call("boxd", "io.sekisho.Box.TestInspect", NULL, CLI_WAIT_LONG_MS, &reply) < 0)
		return CLI_FAILED;
	sd_json_variant *passed = sd_json_variant_by_key(reply, "passed");
	sd_json_variant *steps = sd_json_variant_by_key(reply, "steps");
	bool ok = passed && sd_json_variant_boolean(passed);
	if (c->json) {
		json_dump(reply);
		return ok ? 0 : CLI_FAILED;
	}
	for (size_t i = 0; steps && i < sd_json_variant_elements(steps); i++) {
		sd_json_variant *one = sd_json_variant_by_index(steps, i);
		sd_json_variant *good = sd_json_variant_by_key(one, "ok");
		const char *what = json_str(one, "what"), *seen = json_str(one, "seen");
		printf("%-6s  ", good && sd_json_variant_boolean(good) ? "ok" : "not ok");
		print_safe(stdout, what ? what : "");
		fputs(": ", stdout);
		print_safe(stdout, seen ? seen : "");
		putchar('\n');
	}
	puts(ok ? "a drop drops" : "the test failed: see above");
	return ok ? 0 : CLI_FAILED;
}

const struct command command_test_inspect = {"test inspect",
	"Send a forbidden request through the engine and see that it is dropped.", run_test_inspect,
	NULL, MODE_OPERATION, ROLE_ADMIN, COMMAND_CHANGES};
