/*
 * sekisho: the administrator's shell, on the serial console and over SSH.
 *
 *	sekisho				interactive; lines from standard input when that is no
 *terminal sekisho [--json] -c LINE...	runs each line and ends, with the first code that is not 0
 *
 * As login shell it is called with -c by sshd for `ssh admin@box show status`.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/cleanup.h"

#define LINES_MAX 64
#define FIRST_LOGIN_TRIES 5 /* then the login ends, and getty starts over */

static int usage(FILE *out, int code)
{
	fputs("usage: sekisho [--json] [-c LINE]...\n"
	      "  -c, --command LINE  run a command and end; may be repeated\n"
	      "  --json              print JSON\n"
	      "  -h, --help          this text; 'help' lists the commands\n",
		out);
	return code;
}

/* On a box without a password nothing else is done before there is one. */
static int first_login(struct cli *c)
{
	sd_json_variant *reply = NULL, *set;

	if (cli_config(c, "Status", NULL, &reply) < 0)
		return 0; /* without configd nothing can be set; what can be shown can be shown */
	if (json_str(reply, "hostname"))
		snprintf(c->hostname, sizeof(c->hostname), "%s", json_str(reply, "hostname"));
	set = sd_json_variant_by_key(reply, "password_set");
	if (!set || sd_json_variant_boolean(set))
		return 0;
	puts("This appliance has no password yet. Set one to go on; SSH is refused until then.");
	for (int i = 0; i < FIRST_LOGIN_TRIES; i++)
		if (password_request(c) == 0)
			return 0;
	return CLI_FAILED;
}

static int run_input(struct cli *c)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int code = 0;

	setvbuf(stdin, NULL, _IONBF, 0); /* `request password` reads the same descriptor */
	while (code == 0 && !c->leaving && getline(&line, &size, stdin) > 0) {
		code = cli_run_line(c, line);
		fflush(stdout); /* whoever drives us through a pipe waits for it */
	}
	return code;
}

static int run_terminal(struct cli *c)
{
	c->interactive = true;
	int code = first_login(c);
	return code ? code : editor_run(c);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"command", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct cli cli = {.hostname = "sekisho"};
	const char *lines[LINES_MAX];
	unsigned n = 0;
	int o, code = 0;

	signal(SIGPIPE, SIG_IGN);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) >= 0) {
		if (o == 'h')
			return usage(stdout, 0);
		if (o == '?' || (o == 'c' && n == LINES_MAX))
			return usage(stderr, CLI_USAGE);
		if (o == 'c')
			lines[n++] = optarg;
		else
			cli.json = true;
	}
	if (optind < argc)
		return usage(stderr, CLI_USAGE);
	for (unsigned i = 0; i < n && code == 0; i++)
		code = cli_run_line(&cli, lines[i]);
	if (n == 0)
		code = isatty(STDIN_FILENO) ? run_terminal(&cli) : run_input(&cli);
	cli_config_close(&cli);
	if (fflush(stdout) != 0 && code == 0)
		code = CLI_FAILED;
	return code;
}
