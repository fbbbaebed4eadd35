/* The commands of configuration mode that change or show the candidate, and those that enter and
 * leave it. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/config_words.h"
#include "lib/cleanup.h"

static const struct arg path_needed[] = {
	{.name = "<setting>", .help = "A setting.", .kind = ARG_PATH, .needed = true}, {0}};
static const struct arg path_optional[] = {
	{.name = "<setting>", .help = "Only what is below it.", .kind = ARG_PATH}, {0}};

static int change(struct cli *c, const char *method, char *const *words)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *path = config_words_json(c, words);
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;

	if (!path || sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path)) < 0)
		return CLI_FAILED;
	return cli_config(c, method, parameters, NULL) < 0 ? CLI_FAILED : 0;
}

static int run_set(struct cli *c, const struct args *a)
{
	return change(c, "Set", a->rest);
}

static int run_delete(struct cli *c, const struct args *a)
{
	return change(c, "Delete", a->rest);
}

/* insert PATH before|after ENTRY: the last two words are not of the path. */
static int run_insert(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *path = NULL, *parameters = NULL;
	char *words[WORDS_MAX + 1] = {0};
	unsigned n = 0;
	const char *where = NULL;

	while (n < WORDS_MAX && a->rest[n]) {
		words[n] = a->rest[n];
		n++;
	}
	if (n >= 3 && (strcmp(words[n - 2], "before") == 0 || strcmp(words[n - 2], "after") == 0))
		where = words[n - 2];
	else if (n < 2 || strcmp(words[n - 1], "first") != 0) {
		fputs("error: where to?\n  accepted: insert <entry> before <entry> | after <entry> "
		      "| "
		      "first\n",
			stderr);
		return CLI_USAGE;
	}
	char *entry = where ? words[n - 1] : NULL;
	words[where ? n - 2 : n - 1] = NULL;
	path = config_words_json(c, words);
	if (!path || sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path),
			     SD_JSON_BUILD_PAIR_CONDITION(
				     !!where, where ? where : "", SD_JSON_BUILD_STRING(entry))) < 0)
		return CLI_FAILED;
	return cli_config(c, "Insert", parameters, NULL) < 0 ? CLI_FAILED : 0;
}

static int get(struct cli *c, char *const *words, const char *source, unsigned long rollback)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *path = config_words_json(c, words);
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	sd_json_variant *reply = NULL;
	bool xml = c->display == DISPLAY_XML, stored = strcmp(source, "rollback") == 0;

	if (!path || sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path),
			     SD_JSON_BUILD_PAIR_STRING("source", source),
			     SD_JSON_BUILD_PAIR_CONDITION(
				     stored, "rollback", SD_JSON_BUILD_UNSIGNED(rollback)),
			     SD_JSON_BUILD_PAIR_CONDITION(
				     xml, "format", SD_JSON_BUILD_STRING("xml"))) < 0)
		return CLI_FAILED;
	if (cli_config(c, "Get", parameters, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(sd_json_variant_by_key(reply, "config"));
	else if (json_str(reply, "text"))
		fputs(json_str(reply, "text"), stdout);
	return 0;
}

static int run_show(struct cli *c, const struct args *a)
{
	return get(c, a->rest, "candidate", 0);
}

static int run_show_configuration(struct cli *c, const struct args *a)
{
	return get(c, a->rest, "running", 0);
}

static int run_show_rollback(struct cli *c, const struct args *a)
{
	return get(c, a->rest, "rollback", a->number[0]);
}

static int run_compare(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	sd_json_variant *reply = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_CONDITION(!!a->value[0], "rollback",
						SD_JSON_BUILD_UNSIGNED(a->number[0]))) < 0)
		return CLI_FAILED;
	if (cli_config(c, "Compare", parameters, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else if (json_str(reply, "diff"))
		fputs(json_str(reply, "diff"), stdout);
	return 0;
}

static int run_discard(struct cli *c, const struct args *a)
{
	(void)a;
	return cli_config(c, "Discard", NULL, NULL) < 0 ? CLI_FAILED : 0;
}

static int run_configure(struct cli *c, const struct args *a)
{
	sd_json_variant *reply = NULL;

	(void)a;
	if (cli_config(c, "Status", NULL, &reply) < 0)
		return CLI_FAILED;
	sd_json_variant *sessions = sd_json_variant_by_key(reply, "sessions");
	for (size_t i = 0; sessions && i < sd_json_variant_elements(sessions); i++) {
		sd_json_variant *one = sd_json_variant_by_index(sessions, i);
		const char *user = json_str(one, "user");
		sd_json_variant *dirty = sd_json_variant_by_key(one, "dirty");
		if (user && dirty && sd_json_variant_boolean(dirty) && c->interactive)
			printf("%s is changing the configuration too.\n", user);
	}
	c->configuring = true;
	return 0;
}

static void levels_drop(struct cli *c, unsigned keep)
{
	while (c->levels > keep)
		free(c->level[--c->levels]);
}

static int run_edit(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *path = NULL, *parameters = NULL;
	sd_json_variant *reply = NULL;
	unsigned before = c->levels;

	/* configd says whether the words lead anywhere below which something can stand. */
	path = config_words_json(c, a->rest);
	if (!path || sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path)) < 0 ||
		cli_config(c, "Describe", parameters, &reply) < 0)
		return CLI_FAILED;
	sd_json_variant *words = sd_json_variant_by_key(reply, "words");
	sd_json_variant *first = words ? sd_json_variant_by_index(words, 0) : NULL;
	const char *kind = json_str(first, "kind");
	if (!first || (kind && strcmp(kind, "placeholder") == 0)) {
		fputs("error: nothing stands below it; 'set' gives it a value\n", stderr);
		return CLI_FAILED;
	}
	for (char *const *w = a->rest; *w; w++) {
		char *copy = c->levels < WORDS_MAX ? strdup(*w) : NULL;
		if (!copy) {
			levels_drop(c, before);
			return CLI_FAILED;
		}
		c->level[c->levels++] = copy;
	}
	return 0;
}

static int run_up(struct cli *c, const struct args *a)
{
	unsigned long n = a->value[0] ? a->number[0] : 1;

	levels_drop(c, n >= c->levels ? 0 : c->levels - (unsigned)n);
	return 0;
}

static int run_top(struct cli *c, const struct args *a)
{
	(void)a;
	levels_drop(c, 0);
	return 0;
}

static int run_exit(struct cli *c, const struct args *a)
{
	sd_json_variant *reply = NULL;

	(void)a;
	if (!c->configuring) {
		c->leaving = true;
		return 0;
	}
	if (c->levels) {
		levels_drop(c, 0);
		return 0;
	}
	c->configuring = false;
	if (cli_config_quietly(c, "Status", NULL, &reply) >= 0 &&
		sd_json_variant_boolean(sd_json_variant_by_key(reply, "dirty")))
		puts("The changes are not committed; 'configure' goes back to them, leaving drops "
		     "them.");
	return 0;
}

static const struct arg rollback_of_compare[] = {
	{.keyword = "rollback",
		.name = "<0..49>",
		.help = "Against an earlier configuration.",
		.kind = ARG_NUMBER,
		.max = 49},
	{0}};
static const struct arg rollback_of_show[] = {{.name = "<0..49>",
						      .help = "Which one; 0 is in force.",
						      .kind = ARG_NUMBER,
						      .max = 49,
						      .needed = true},
	{.name = "<setting>", .help = "Only what is below it.", .kind = ARG_PATH}, {0}};
static const struct arg levels_of_up[] = {
	{.name = "<1..63>", .help = "How many levels.", .kind = ARG_NUMBER, .min = 1, .max = 63},
	{0}};

const struct command command_compare = {"compare", "What a commit would change.", run_compare,
	rollback_of_compare, MODE_CONFIGURE, ROLE_AUDITOR, 0};
const struct command command_configure = {"configure", "Change the configuration.", run_configure,
	NULL, MODE_OPERATION, ROLE_ADMIN, 0};
const struct command command_delete = {
	"delete", "Take a setting away.", run_delete, path_needed, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_discard = {
	"discard", "Forget the changes.", run_discard, NULL, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_edit = {"edit", "Go down to a part of the configuration.", run_edit,
	path_needed, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_exit = {"exit", "Leave this level or mode, or log out.", run_exit,
	NULL, MODE_OPERATION | MODE_CONFIGURE, ROLE_AUDITOR, 0};
const struct command command_insert = {"insert",
	"Move an entry of an ordered list: <entry> before|after <entry>, or first.", run_insert,
	path_needed, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_quit = {"quit", "Leave this level or mode, or log out.", run_exit,
	NULL, MODE_OPERATION | MODE_CONFIGURE, ROLE_AUDITOR, 0};
const struct command command_set = {
	"set", "Change a setting.", run_set, path_needed, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_show = {"show", "The configuration as it would be after a commit.",
	run_show, path_optional, MODE_CONFIGURE, ROLE_AUDITOR, 0};
const struct command command_show_configuration = {"show configuration",
	"The configuration in force.", run_show_configuration, path_optional, MODE_OPERATION,
	ROLE_AUDITOR, 0};
const struct command command_show_rollback = {"show rollback", "A configuration that was in force.",
	run_show_rollback, rollback_of_show, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_top = {
	"top", "Go up to the whole configuration.", run_top, NULL, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_up = {
	"up", "Go up one level, or more.", run_up, levels_of_up, MODE_CONFIGURE, ROLE_ADMIN, 0};
