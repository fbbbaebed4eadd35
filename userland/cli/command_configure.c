/* The commands of configuration mode, and those that enter and leave it. */
#include <string.h>

#include "cli/command.h"
#include "cli/config_words.h"
#include "lib/cleanup.h"

static sd_json_variant *with_path(char *const *args, const char *source)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *path = config_words_json(args);
	sd_json_variant *parameters = NULL;

	if (path && sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path),
			    SD_JSON_BUILD_PAIR_CONDITION(
				    !!source, "source", SD_JSON_BUILD_STRING(source))) < 0)
		return NULL;
	return parameters;
}

static int change(struct cli *c, const char *method, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = with_path(args, NULL);

	return cli_config(c, method, parameters, NULL) < 0 ? CLI_FAILED : 0;
}

static int run_set(struct cli *c, char *const *args)
{
	return change(c, "Set", args);
}

static int run_delete(struct cli *c, char *const *args)
{
	return change(c, "Delete", args);
}

static int get(struct cli *c, char *const *args, const char *source)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = with_path(args, source);
	sd_json_variant *reply = NULL;

	if (cli_config(c, "Get", parameters, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(sd_json_variant_by_key(reply, "config"));
	else
		fputs(json_str(reply, "text"), stdout);
	return 0;
}

static int run_show(struct cli *c, char *const *args)
{
	return get(c, args, "candidate");
}

static int run_show_configuration(struct cli *c, char *const *args)
{
	return get(c, args, "running");
}

static int run_compare(struct cli *c, char *const *args)
{
	sd_json_variant *reply = NULL;

	(void)args;
	if (cli_config(c, "Compare", NULL, &reply) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(reply);
	else
		fputs(json_str(reply, "diff"), stdout);
	return 0;
}

static char *joined(char *const *args)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (unsigned i = 0; args[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", args[i]);
	return fclose(out) == 0 ? text : NULL;
}

/* The prompt shows the name that was just committed. */
static void read_hostname(struct cli *c)
{
	sd_json_variant *reply = NULL;

	if (cli_config_quietly(c, "Status", NULL, &reply) >= 0 && json_str(reply, "hostname"))
		snprintf(c->hostname, sizeof(c->hostname), "%s", json_str(reply, "hostname"));
}

static int run_commit(struct cli *c, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	_cleanup_free_ char *comment = joined(args);
	sd_json_variant *reply = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_CONDITION(comment && *comment, "comment",
						SD_JSON_BUILD_STRING(comment))) < 0)
		return CLI_FAILED;
	if (cli_config(c, "Commit", parameters, &reply) < 0)
		return CLI_FAILED;
	bool changed = sd_json_variant_boolean(sd_json_variant_by_key(reply, "changed"));
	if (c->json)
		json_dump(reply);
	else
		puts(changed ? "committed" : "nothing to commit");
	read_hostname(c);
	return 0;
}

static int run_discard(struct cli *c, char *const *args)
{
	(void)args;
	return cli_config(c, "Discard", NULL, NULL) < 0 ? CLI_FAILED : 0;
}

static int run_configure(struct cli *c, char *const *args)
{
	sd_json_variant *reply = NULL;

	(void)args;
	if (cli_config(c, "Status", NULL, &reply) < 0)
		return CLI_FAILED;
	c->configuring = true;
	return 0;
}

static int run_exit(struct cli *c, char *const *args)
{
	sd_json_variant *reply = NULL;

	(void)args;
	if (!c->configuring) {
		c->leaving = true;
		return 0;
	}
	c->configuring = false;
	if (cli_config_quietly(c, "Status", NULL, &reply) >= 0 &&
		sd_json_variant_boolean(sd_json_variant_by_key(reply, "dirty")))
		puts("The changes are not committed; 'configure' goes back to them, leaving drops "
		     "them.");
	return 0;
}

const struct command command_commit = {"commit", "Check the changes and put them in force.",
	MODE_CONFIGURE, ARGS_COMMENT, run_commit};
const struct command command_compare = {
	"compare", "What a commit would change.", MODE_CONFIGURE, ARGS_NONE, run_compare};
const struct command command_configure = {
	"configure", "Change the configuration.", MODE_OPERATION, ARGS_NONE, run_configure};
const struct command command_delete = {
	"delete", "Take a setting away.", MODE_CONFIGURE, ARGS_PATH, run_delete};
const struct command command_discard = {
	"discard", "Forget the changes.", MODE_CONFIGURE, ARGS_NONE, run_discard};
const struct command command_exit = {"exit", "Leave this mode, or log out.",
	MODE_OPERATION | MODE_CONFIGURE, ARGS_NONE, run_exit};
const struct command command_quit = {"quit", "Leave this mode, or log out.",
	MODE_OPERATION | MODE_CONFIGURE, ARGS_NONE, run_exit};
const struct command command_set = {"set", "Change a setting.", MODE_CONFIGURE, ARGS_PATH, run_set};
const struct command command_show = {"show", "The configuration as it would be after a commit.",
	MODE_CONFIGURE, ARGS_PATH, run_show};
const struct command command_show_configuration = {"show configuration",
	"The configuration in force.", MODE_OPERATION, ARGS_PATH, run_show_configuration};
