/* Putting the candidate in force, going back, and whole configurations in and out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/file.h"
#include "cli/table.h"
#include "lib/cleanup.h"

static char *joined(char *const *words)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (unsigned i = 0; words[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", words[i]);
	return fclose(out) == 0 ? text : NULL;
}

/* The prompt shows the name that was just committed. */
static void read_hostname(struct cli *c)
{
	sd_json_variant *reply = NULL;

	if (cli_config_quietly(c, "Status", NULL, &reply) >= 0 && json_str(reply, "hostname"))
		snprintf(c->hostname, sizeof(c->hostname), "%s", json_str(reply, "hostname"));
}

static bool is_true(sd_json_variant *v, const char *key)
{
	sd_json_variant *m = sd_json_variant_by_key(v, key);

	return m && sd_json_variant_is_boolean(m) && sd_json_variant_boolean(m);
}

static int commit_check(struct cli *c)
{
	sd_json_variant *reply = NULL;

	if (cli_config(c, "Check", NULL, &reply) < 0)
		return CLI_FAILED;
	sd_json_variant *warnings = sd_json_variant_by_key(reply, "warnings");
	for (size_t i = 0; warnings && i < sd_json_variant_elements(warnings); i++) {
		fputs("warning: ", stdout);
		print_safe(stdout, sd_json_variant_string(sd_json_variant_by_index(warnings, i)));
		putchar('\n');
	}
	puts("the configuration is good; nothing was changed");
	return 0;
}

enum { COMMIT_CHECK, COMMIT_CONFIRMED, COMMIT_COMMENT };

static int run_commit(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	_cleanup_free_ char *comment = a->value[COMMIT_COMMENT] ? joined(a->rest) : NULL;
	unsigned long minutes = a->number[COMMIT_CONFIRMED];
	sd_json_variant *reply = NULL;

	if (a->value[COMMIT_CHECK])
		return commit_check(c);
	if (sd_json_buildo(&parameters,
		    SD_JSON_BUILD_PAIR_CONDITION(
			    comment && *comment, "comment", SD_JSON_BUILD_STRING(comment)),
		    SD_JSON_BUILD_PAIR_CONDITION(
			    minutes > 0, "confirm_minutes", SD_JSON_BUILD_UNSIGNED(minutes)),
		    SD_JSON_BUILD_PAIR_STRING("from", c->from)) < 0)
		return CLI_FAILED;
	if (cli_config(c, "Commit", parameters, &reply) < 0)
		return CLI_FAILED;
	bool changed = is_true(reply, "changed"), confirmed = is_true(reply, "confirmed");
	if (c->json)
		json_dump(reply);
	else if (changed && minutes)
		printf("committed; in %lu minute%s it is taken back, unless 'commit' confirms it\n",
			minutes, minutes > 1 ? "s" : "");
	else
		puts(changed ? "committed" : confirmed ? "confirmed" : "nothing to commit");
	read_hostname(c);
	return 0;
}

static int run_rollback(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	sd_json_variant *reply = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_UNSIGNED("number", a->number[0])) < 0 ||
		cli_config(c, "Rollback", parameters, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else
		puts("loaded; 'compare' shows it, 'commit' puts it in force");
	return 0;
}

static int run_update(struct cli *c, const struct args *a)
{
	sd_json_variant *reply = NULL;

	(void)a;
	if (cli_config(c, "Update", NULL, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else if (json_str(reply, "diff"))
		fputs(json_str(reply, "diff"), stdout);
	return 0;
}

/* Of what begins with a brace, an angle bracket, or a word. */
static const char *format_of(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '{' ? "json" : *text == '<' ? "xml" : "set";
}

static int run_load(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	_cleanup_free_ char *text = NULL;
	sd_json_variant *reply = NULL;
	bool terminal = strcmp(a->value[1], "terminal") == 0;

	if (terminal && c->interactive)
		puts("Paste; a line with a single dot, or Ctrl-D, ends it, Ctrl-C forgets it.");
	text = terminal ? file_read_stream(stdin) : file_read(a->value[1]);
	if (terminal)
		clearerr(stdin);
	if (!text)
		return CLI_FAILED;
	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("text", text),
		    SD_JSON_BUILD_PAIR_STRING("mode", a->value[0]),
		    SD_JSON_BUILD_PAIR_STRING("format", format_of(text))) < 0 ||
		cli_config(c, "Load", parameters, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else
		puts("loaded; 'compare' shows it, 'commit' puts it in force");
	return 0;
}

static const char *format_of_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && strcmp(dot, ".json") == 0  ? "json"
	       : dot && strcmp(dot, ".xml") == 0 ? "xml"
						 : "set";
}

static int save_text(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *f = file_open(name, "we");

	if (!f)
		return CLI_FAILED;
	if (fputs(text, f) < 0 || fflush(f) != 0) {
		fprintf(stderr, "error: %s: it could not be written whole\n", name);
		return CLI_FAILED;
	}
	printf("saved as %s, without secrets\n", name);
	return 0;
}

static int run_save(struct cli *c, const struct args *a)
{
	static const char *const formats[] = {
		[DISPLAY_SET] = "set", [DISPLAY_JSON] = "json", [DISPLAY_XML] = "xml"};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	sd_json_variant *reply = NULL;
	bool terminal = strcmp(a->value[0], "terminal") == 0;
	const char *format = c->display != DISPLAY_TEXT ? formats[c->display]
			     : c->json                  ? "json"
							: format_of_name(a->value[0]);

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("source", "candidate"),
		    SD_JSON_BUILD_PAIR_STRING("format", format)) < 0 ||
		cli_config(c, "Export", parameters, &reply) < 0)
		return CLI_FAILED;
	const char *text = json_str(reply, "text");
	if (!text)
		return CLI_FAILED;
	if (!terminal)
		return save_text(a->value[0], text);
	fputs(text, stdout);
	return 0;
}

static int run_show_commits(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"#", "number", 3}, {"time", "time", 20},
		{"user", "user", 12}, {"comment", "comment", 0}, {0}};
	sd_json_variant *reply = NULL;

	(void)a;
	if (cli_config(c, "History", NULL, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else
		table_print(stdout, columns, sd_json_variant_by_key(reply, "commits"));
	return 0;
}

static const struct arg args_of_commit[] = {[COMMIT_CHECK] = {.keyword = "check",
						    .name = "check",
						    .help = "Only say whether it would work.",
						    .kind = ARG_FLAG},
	[COMMIT_CONFIRMED] = {.keyword = "confirmed",
		.name = "<minutes>",
		.help = "Take it back after so many minutes unless it is confirmed.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = 1440},
	[COMMIT_COMMENT] = {.keyword = "comment",
		.name = "<text>",
		.help = "Recorded with the commit.",
		.kind = ARG_TEXT},
	{0}};
static const struct arg number_of_rollback[] = {{.name = "<0..49>",
							.help = "Which one; 0 is in force.",
							.kind = ARG_NUMBER,
							.max = 49,
							.needed = true},
	{0}};
static const char *const load_modes[] = {"merge", "replace", "set", NULL};
static const struct arg args_of_load[] = {{.name = "<mode>",
						  .help = "Add to it, be it, or lines of set and "
							  "delete.",
						  .choices = load_modes,
						  .kind = ARG_CHOICE,
						  .needed = true},
	{.name = "<file>",
		.help = "A saved file, or 'terminal' to paste.",
		.kind = ARG_FILE,
		.needed = true},
	{0}};
static const struct arg args_of_save[] = {{.name = "<file>",
						  .help = "NAME, NAME.json or NAME.xml, or "
							  "'terminal'.",
						  .kind = ARG_FILE,
						  .needed = true},
	{0}};

const struct command command_commit = {"commit", "Check the changes and put them in force.",
	run_commit, args_of_commit, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_load = {"load", "Take over settings from a file or the terminal.",
	run_load, args_of_load, MODE_CONFIGURE, ROLE_ADMIN, COMMAND_LIVE};
const struct command command_rollback = {"rollback",
	"Load a configuration that was in force; 'commit' comes after.", run_rollback,
	number_of_rollback, MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_save = {"save",
	"Write the configuration into a file, without secrets.", run_save, args_of_save,
	MODE_CONFIGURE, ROLE_ADMIN, 0};
const struct command command_show_commits = {"show commits", "Who has committed what, and when.",
	run_show_commits, NULL, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_update = {"update",
	"Redo the changes on what somebody else has committed meanwhile.", run_update, NULL,
	MODE_CONFIGURE, ROLE_ADMIN, 0};
