/* What the appliance says of itself: status, version, users; and help. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "cli/command.h"
#include "cli/table.h"
#include "lib/cleanup.h"

const char *const daemon_names[] = {
	"inspectd", "maild", "maildial", "mailauthd", "scand", "updated", "configd", "boxd", NULL};

static int ask_status(const char *daemon, sd_json_variant **ret, char **ret_error)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	int r = daemon_ask(
		daemon, "io.sekisho.Daemon.Status", NULL, CLI_WAIT_MS, &reply, ret_error);

	if (r < 0)
		return r;
	*ret = sd_json_variant_ref(sd_json_variant_by_key(reply, "status"));
	return *ret ? 0 : -EPROTO;
}

/* One line of the terminal; all of it is shown for one daemon. */
static void print_daemon(const char *daemon, sd_json_variant *status)
{
	_cleanup_free_ char *text = NULL;
	char up[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	duration_format(json_u64(status, "uptime_s"), up, sizeof(up));
	fprintf(out, "%-10s running for %s: ", daemon, up);
	json_print_line(out, status);
	if (fclose(out) != 0)
		return;
	if (size < OUTPUT_COLUMNS)
		puts(text);
	else
		printf("%.*s ...\n", OUTPUT_COLUMNS - 5, text);
}

/* Exit code 1 when one of them is down: a script's health check. */
static int run_show_status(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	int code = 0;

	for (const char *const *d = daemon_names; *d; d++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *status = NULL;
		_cleanup_free_ char *error = NULL;
		if (a->value[0] && strcmp(a->value[0], *d) != 0)
			continue;
		if (ask_status(*d, &status, &error) < 0) {
			code = CLI_FAILED;
			sd_json_variant_set_fieldbo(&all, *d,
				SD_JSON_BUILD_PAIR_STRING("error", error ? error : "no answer"));
			if (!c->json)
				printf("%-10s DOWN: %s\n", *d, error ? error : "no answer");
			continue;
		}
		sd_json_variant_set_field(&all, *d, status);
		if (!c->json && a->value[0])
			json_print_tree(stdout, status, 0);
		else if (!c->json)
			print_daemon(*d, status);
	}
	if (c->json)
		json_dump(all);
	return code;
}

/* Value of a KEY="value" line of os-release(5). */
static void read_release(const char *key, char *out, size_t cap)
{
	char line[512];
	size_t n = strlen(key);
	_cleanup_fclose_ FILE *f = fopen("/etc/os-release", "re");

	snprintf(out, cap, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) != 0 || line[n] != '=')
			continue;
		char *value = line + n + 1 + (line[n + 1] == '"');
		value[strcspn(value, "\"\n")] = 0;
		snprintf(out, cap, "%s", value);
	}
}

static int run_show_version(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	char release[256], up[64];
	struct utsname kernel = {0};
	struct sysinfo info = {0};

	(void)a;
	read_release("PRETTY_NAME", release, sizeof(release));
	uname(&kernel);
	sysinfo(&info);
	duration_format((uint64_t)info.uptime, up, sizeof(up));
	if (c->json) {
		if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("release", release),
			    SD_JSON_BUILD_PAIR_STRING("kernel", kernel.release),
			    SD_JSON_BUILD_PAIR_STRING("machine", kernel.machine),
			    SD_JSON_BUILD_PAIR_UNSIGNED("uptime_s", (uint64_t)info.uptime)) < 0)
			return CLI_FAILED;
		json_dump(v);
		return 0;
	}
	printf("%s\nkernel %s, %s\nrunning for %s\n", release, kernel.release, kernel.machine, up);
	return 0;
}

/* Accounts of the configuration, and who has a configuration session open. */
static int run_show_users(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {
		{"user", "name", 20}, {"role", "role", 10}, {"keys", "keys", -5}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *rows = NULL;
	sd_json_variant *reply = NULL;

	(void)a;
	if (sd_json_buildo(&parameters,
		    SD_JSON_BUILD_PAIR_ARRAY(
			    "path", SD_JSON_BUILD_STRING("system"), SD_JSON_BUILD_STRING("user")),
		    SD_JSON_BUILD_PAIR_STRING("source", "running")) < 0 ||
		sd_json_variant_new_array(&rows, NULL, 0) < 0 ||
		cli_config(c, "Get", parameters, &reply) < 0)
		return CLI_FAILED;
	sd_json_variant *config = sd_json_variant_by_key(reply, "config");
	sd_json_variant *system = sd_json_variant_by_key(config, "sekisho:system");
	sd_json_variant *list = sd_json_variant_by_key(
		system ? system : sd_json_variant_by_key(config, "system"), "user");
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		sd_json_variant *one = sd_json_variant_by_index(list, i);
		const char *name = json_str(one, "name"), *role = json_str(one, "role");
		sd_json_variant *keys = sd_json_variant_by_key(one, "ssh-key");
		if (name && sd_json_variant_append_arraybo(&rows,
				    SD_JSON_BUILD_PAIR_STRING("name", name),
				    SD_JSON_BUILD_PAIR_STRING("role", role ? role : "admin"),
				    SD_JSON_BUILD_PAIR_UNSIGNED(
					    "keys", keys ? sd_json_variant_elements(keys) : 0)) < 0)
			return CLI_FAILED;
	}
	if (c->json) {
		json_dump(rows);
		return 0;
	}
	table_print(stdout, columns, rows);
	printf("You are %s (%s), from %s.\n", c->user, role_names[c->role], c->from);
	return 0;
}

static int run_help(struct cli *c, const struct args *a)
{
	unsigned mode = c->configuring ? MODE_CONFIGURE : MODE_OPERATION;

	(void)a;
	for (const struct command *const *cmd = commands; *cmd; cmd++)
		if ((*cmd)->modes & mode && c->role >= (*cmd)->least)
			print_help(stdout, 24, (*cmd)->words, (*cmd)->help);
	if (c->interactive)
		puts("'?' says what may stand at the cursor, TAB completes, words may be "
		     "shortened.\n"
		     "A line may end in '| match x', '| except x', '| last n', '| count',\n"
		     "'| no-more' or '| display json'.");
	return 0;
}

static const struct arg args_of_status[] = {{.name = "<daemon>",
						    .help = "Only of this daemon: all it says.",
						    .kind = ARG_CHOICE,
						    .choices = daemon_names},
	{0}};
const struct command command_help = {
	"help", "This list.", run_help, NULL, MODE_OPERATION | MODE_CONFIGURE, ROLE_AUDITOR, 0};
const struct command command_show_status = {"show status",
	"Is everything running? One daemon: all it says.", run_show_status, args_of_status,
	MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_users = {"show users", "Accounts and their roles.",
	run_show_users, NULL, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_version = {"show version", "Release and kernel.",
	run_show_version, NULL, MODE_OPERATION, ROLE_AUDITOR, 0};
