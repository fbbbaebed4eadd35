/* Address lists: what is in force of them, and who has met whom. */
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"
#include "lib/cleanup.h"

static sd_json_variant *lists_of(sd_json_variant *reply)
{
	return sd_json_variant_by_key(reply, "lists");
}

static void put_hits(sd_json_variant *list)
{
	static const struct column columns[] = {{"listed", "listed", 28}, {"own", "own", 28},
		{"began", "direction", 9}, {"packets", "packets", -8}, {0}};
	sd_json_variant *hits = sd_json_variant_by_key(list, "hits");

	if (!hits)
		return;
	if (sd_json_variant_elements(hits) == 0)
		puts("nobody has met a listed address in the last hour");
	else
		table_print(stdout, columns, hits);
}

static void put_list(const struct column *columns, sd_json_variant *list)
{
	const char *why = json_str(list, "why");

	table_row(stdout, columns, list);
	if (why) {
		fputs("  ", stdout);
		print_safe(stdout, why);
		putchar('\n');
	}
}

static int run_show_lists(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"list", "name", 20}, {"action", "action", 6},
		{"direction", "direction", 9}, {"entries", "entries", -8},
		{"in packets", "inbound.packets", -12}, {"out packets", "outbound.packets", -12},
		{0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL, *parameters = NULL;
	const char *name = a->value[0];

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_CONDITION(
						!!name, "value", SD_JSON_BUILD_STRING(name))) < 0 ||
		daemon_call("configd", "io.sekisho.Config.Lists", parameters, CLI_WAIT_MS, &reply) <
			0)
		return CLI_FAILED;
	if (c->json) {
		json_dump(reply);
		return 0;
	}
	sd_json_variant *lists = lists_of(reply);
	size_t n = lists ? sd_json_variant_elements(lists) : 0;
	if (n == 0) {
		puts(name ? "no such list is in use"
			  : "no list is in use;\n'set update source NAME action block' makes one "
			    "of "
			    "type addresses act");
		return name ? CLI_FAILED : 0;
	}
	table_head(stdout, columns);
	for (size_t i = 0; i < n; i++)
		put_list(columns, sd_json_variant_by_index(lists, i));
	if (name)
		put_hits(sd_json_variant_by_index(lists, 0));
	return 0;
}

static void offer_lists(struct cli *c, const char *prefix, struct candidates *ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	_cleanup_free_ char *error = NULL;

	(void)c;
	if (daemon_ask("configd", "io.sekisho.Config.Lists", NULL, CLI_WAIT_MS, &reply, &error) < 0)
		return;
	sd_json_variant *lists = lists_of(reply);
	for (size_t i = 0; lists && i < sd_json_variant_elements(lists); i++) {
		sd_json_variant *one = sd_json_variant_by_index(lists, i);
		const char *name = json_str(one, "name"), *action = json_str(one, "action");
		if (name)
			candidates_add_if(ret, prefix, name, action ? action : "");
	}
}

static const struct arg args_of_lists[] = {{.name = "<list>",
						   .help = "Who has met whom of this list lately.",
						   .kind = ARG_WORD,
						   .offer = offer_lists},
	{0}};

const struct command command_show_lists = {"show lists",
	"Address lists in force, and how often they were met.", run_show_lists, args_of_lists,
	MODE_OPERATION, ROLE_AUDITOR, 0};
