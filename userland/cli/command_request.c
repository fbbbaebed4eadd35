/* Acts on the appliance: passwords, the clock, off and on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/box.h"
#include "cli/command.h"
#include "cli/config_words.h"
#include "cli/password.h"
#include "lib/cleanup.h"

/* Asks on a terminal; a script has said it already. */
static bool is_sure(const struct cli *c, const char *what)
{
	char line[16];

	if (!c->interactive)
		return true;
	printf("%s Are you sure? [yes/no] ", what);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin) || strcmp(line, "yes\n") != 0) {
		clearerr(stdin);
		puts("Nothing was done.");
		return false;
	}
	return true;
}

static int run_request_password(struct cli *c, const struct args *a)
{
	return password_request(c, a->value[0] ? a->value[0] : "admin", &password_english);
}

static int run_request_reboot(struct cli *c, const struct args *a)
{
	(void)a;
	return is_sure(c, "The appliance starts anew; traffic stops meanwhile.")
		       ? box_act("Reboot", NULL)
		       : CLI_FAILED;
}

static int run_request_shutdown(struct cli *c, const struct args *a)
{
	(void)a;
	return is_sure(c, "The appliance goes off; no traffic passes until it is on again.")
		       ? box_act("Shutdown", NULL)
		       : CLI_FAILED;
}

static int run_request_factory_reset(struct cli *c, const struct args *a)
{
	(void)a;
	return is_sure(c, "Configuration, passwords, keys, logs and quarantine are erased, and the "
			  "appliance starts anew.")
		       ? box_act("FactoryReset", NULL)
		       : CLI_FAILED;
}

/* The image has none (ADR 0016); on one that does it is this user's, with no more rights. */
static int run_request_shell(struct cli *c, const struct args *a)
{
	int status = 0;

	(void)a;
	if (access("/bin/sh", X_OK) < 0) {
		fputs("error: there is no shell on this image. 'show', 'monitor', 'capture', "
		      "'ping', "
		      "'traceroute'\n  and 'diagnose' are what there is to look with.\n",
			stderr);
		return CLI_FAILED;
	}
	if (c->interactive)
		puts("'exit' comes back.");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	interrupt_clear();
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

/* 2026-11-24T12:00:00, or with a blank, in the appliance's own zone. */
static int run_set_clock(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	struct tm tm = {.tm_isdst = -1};
	char text[64];

	(void)c;
	snprintf(text, sizeof(text), "%s%s%s", a->value[0], a->value[1] ? "T" : "",
		a->value[1] ? a->value[1] : "");
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t at = end && !*end ? mktime(&tm) : (time_t)-1;
	if (at < 0) {
		fprintf(stderr, "error: not a time: \"%s\"\n  accepted: YYYY-MM-DD HH:MM:SS\n",
			text);
		return CLI_USAGE;
	}
	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_UNSIGNED("time", (uint64_t)at)) < 0)
		return CLI_FAILED;
	return box_act("SetClock", parameters);
}

static void offer_users(struct cli *c, const char *prefix, struct candidates *ret)
{
	char *path[] = {(char *)"system", (char *)"user", NULL};
	unsigned levels = c->levels;

	c->levels = 0; /* `do` below an `edit` */
	config_words_complete(c, path, 2, prefix, ret);
	c->levels = levels;
}

static const struct arg args_of_password[] = {{.name = "<user>",
						      .help = "Whose; admin's when none is named.",
						      .kind = ARG_WORD,
						      .offer = offer_users},
	{0}};
static const struct arg args_of_clock[] = {
	{.name = "<date>", .help = "YYYY-MM-DD", .kind = ARG_WORD, .needed = true},
	{.name = "<time>", .help = "HH:MM:SS", .kind = ARG_WORD}, {0}};

const struct command command_request_factory_reset = {"request factory-reset",
	"Erase everything and start as new.", run_request_factory_reset, NULL, MODE_OPERATION,
	ROLE_ADMIN, COMMAND_LIVE | COMMAND_CHANGES};
const struct command command_request_password = {"request password", "Set the password of a user.",
	run_request_password, args_of_password, MODE_OPERATION, ROLE_ADMIN, COMMAND_LIVE};
const struct command command_request_reboot = {"request reboot", "Start the appliance anew.",
	run_request_reboot, NULL, MODE_OPERATION, ROLE_ADMIN, COMMAND_LIVE | COMMAND_CHANGES};
const struct command command_request_shell = {"request shell",
	"A shell, where the image has one; recorded.", run_request_shell, NULL, MODE_OPERATION,
	ROLE_ADMIN, COMMAND_LIVE | COMMAND_CHANGES};
const struct command command_request_shutdown = {"request shutdown", "Switch the appliance off.",
	run_request_shutdown, NULL, MODE_OPERATION, ROLE_ADMIN, COMMAND_LIVE | COMMAND_CHANGES};
const struct command command_set_clock = {"set clock", "Set date and time by hand.", run_set_clock,
	args_of_clock, MODE_OPERATION, ROLE_ADMIN, COMMAND_CHANGES};
