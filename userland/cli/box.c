#include "cli/box.h"

#include <stdlib.h>

#include "lib/cleanup.h"

void box_record(struct cli *c, const char *line)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *reply = NULL;
	_cleanup_free_ char *error = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("command", line),
		    SD_JSON_BUILD_PAIR_STRING("from", c->from)) < 0)
		return;
	if (daemon_ask("boxd", "io.sekisho.Box.Record", parameters, CLI_WAIT_MS, &reply, &error) <
		0)
		fprintf(stderr, "warning: this is not recorded: boxd: %s\n",
			error ? error : "no answer");
}

int box_act(const char *method, sd_json_variant *parameters)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	char full[64];

	snprintf(full, sizeof(full), "io.sekisho.Box.%s", method);
	return daemon_call("boxd", full, parameters, CLI_WAIT_LONG_MS, &reply) < 0 ? CLI_FAILED : 0;
}
