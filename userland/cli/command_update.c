/* Signatures and rules: what is in force, and fetching, confirming or bringing new ones. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/file.h"
#include "cli/table.h"
#include "lib/cleanup.h"

static void put_pair(const char *key, sd_json_variant *source, const char *unit)
{
	const char *text = json_str(source, key);

	if (text && *text) {
		printf("  %s: ", unit);
		print_safe(stdout, text);
		putchar('\n');
	}
}

static int run_show_update(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"source", "name", 20}, {"type", "type", 10},
		{"version", "version", 16}, {"entries", "count", -9}, {"result", "result", 0}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;

	(void)a;
	if (daemon_call("updated", "io.sekisho.Update.Sources", NULL, CLI_WAIT_MS, &reply) < 0)
		return CLI_FAILED;
	if (c->json) {
		json_dump(reply);
		return 0;
	}
	sd_json_variant *sources = sd_json_variant_by_key(reply, "sources");
	size_t n = sources ? sd_json_variant_elements(sources) : 0;
	if (n == 0)
		puts("no source is configured; what came with the image is in force");
	else
		table_head(stdout, columns);
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *one = sd_json_variant_by_index(sources, i);
		table_row(stdout, columns, one);
		put_pair("why", one, "why");
		put_pair("last_success", one, "last success");
	}
	sd_json_variant *warnings = sd_json_variant_by_key(reply, "warnings");
	for (size_t i = 0; warnings && i < sd_json_variant_elements(warnings); i++) {
		fputs("warning: ", stdout);
		print_safe(stdout, sd_json_variant_string(sd_json_variant_by_index(warnings, i)));
		putchar('\n');
	}
	return 0;
}

static int print_result(sd_json_variant *one)
{
	const char *name = json_str(one, "name"), *result = json_str(one, "result");
	const char *why = json_str(one, "why"), *version = json_str(one, "version");

	print_safe(stdout, name ? name : "?");
	fputs(": ", stdout);
	print_safe(stdout, result ? result : "no result");
	if (version) {
		fputs(", version ", stdout);
		print_safe(stdout, version);
	}
	if (why) {
		fputs(": ", stdout);
		print_safe(stdout, why);
	}
	putchar('\n');
	return result && strcmp(result, "failed") == 0 ? CLI_FAILED : 0;
}

static int print_results(struct cli *c, sd_json_variant *reply)
{
	sd_json_variant *results = sd_json_variant_by_key(reply, "results");
	int code = 0;

	if (c->json)
		json_dump(reply);
	else if (!results || sd_json_variant_elements(results) == 0)
		puts("no source is configured");
	for (size_t i = 0; results && i < sd_json_variant_elements(results); i++) {
		sd_json_variant *one = sd_json_variant_by_index(results, i);
		const char *result = json_str(one, "result");
		if (!c->json)
			code |= print_result(one);
		else if (result && strcmp(result, "failed") == 0)
			code = CLI_FAILED;
	}
	return code;
}

static sd_json_variant *with_source(const char *source)
{
	sd_json_variant *parameters = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_CONDITION(!!source, "source",
						SD_JSON_BUILD_STRING(source))) < 0)
		return NULL;
	return parameters;
}

static int run_update_now(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = with_source(a->value[0]);
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;

	if (daemon_call("updated", "io.sekisho.Update.Now", parameters, CLI_WAIT_LONG_MS, &reply) <
		0)
		return CLI_FAILED;
	return print_results(c, reply);
}

static int run_update_confirm(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = with_source(a->value[0]);
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;

	if (daemon_call("updated", "io.sekisho.Update.Confirm", parameters, CLI_WAIT_LONG_MS,
		    &reply) < 0)
		return CLI_FAILED;
	return print_results(c, reply);
}

/* The file, and its signature NAME.minisig where there is one. */
static int run_update_import(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = with_source(a->value[1]);
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	_cleanup_fclose_ FILE *f = file_open(a->value[0], "re"), *signature = NULL;
	char name[160];
	int fds[2];
	unsigned n = 0;

	if (!f)
		return CLI_FAILED;
	fds[n++] = fileno(f);
	snprintf(name, sizeof(name), "%s.minisig", a->value[0]);
	if (file_exists(name) && (signature = file_open(name, "re")))
		fds[n++] = fileno(signature);
	if (daemon_call_with("updated", "io.sekisho.Update.Import", parameters, CLI_WAIT_LONG_MS,
		    fds, n, &reply) < 0)
		return CLI_FAILED;
	return print_results(c, reply);
}

static void offer_sources(struct cli *c, const char *prefix, struct candidates *ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	_cleanup_free_ char *error = NULL;

	(void)c;
	if (daemon_ask("updated", "io.sekisho.Update.Sources", NULL, CLI_WAIT_MS, &reply, &error) <
		0)
		return;
	sd_json_variant *sources = sd_json_variant_by_key(reply, "sources");
	for (size_t i = 0; sources && i < sd_json_variant_elements(sources); i++) {
		sd_json_variant *one = sd_json_variant_by_index(sources, i);
		const char *name = json_str(one, "name"), *url = json_str(one, "url");
		if (name)
			candidates_add_if(ret, prefix, name, url ? url : "");
	}
}

static const struct arg args_of_now[] = {
	{.name = "<source>", .help = "Only this one.", .kind = ARG_WORD, .offer = offer_sources},
	{0}};
static const struct arg args_of_confirm[] = {{.name = "<source>",
						     .help = "What of it waits; 'show update' says "
							     "why.",
						     .kind = ARG_WORD,
						     .needed = true,
						     .offer = offer_sources},
	{0}};
static const struct arg args_of_import[] = {
	{.name = "<file>", .help = "A saved file.", .kind = ARG_FILE, .needed = true},
	{.name = "<source>",
		.help = "The source that it is for.",
		.kind = ARG_WORD,
		.needed = true,
		.offer = offer_sources},
	{0}};

const struct command command_show_update = {"show update",
	"Signatures and rules: what is in force, what was tried.", run_show_update, NULL,
	MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_update_confirm = {"update confirm",
	"Take what is smaller or older than what is installed all the same.", run_update_confirm,
	args_of_confirm, MODE_OPERATION, ROLE_ADMIN, COMMAND_CHANGES};
const struct command command_update_import = {"update import",
	"Install a saved file as if it had been fetched.", run_update_import, args_of_import,
	MODE_OPERATION, ROLE_ADMIN, COMMAND_CHANGES};
const struct command command_update_now = {"update now", "Fetch signatures and rules at once.",
	run_update_now, args_of_now, MODE_OPERATION, ROLE_ADMIN, COMMAND_CHANGES};
