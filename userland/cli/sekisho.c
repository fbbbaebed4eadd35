/*
 * sekisho: the administrator's shell, on the serial console and over SSH.
 *
 *	sekisho				interactive; lines from standard input when that is no
 *terminal sekisho [--json] -c LINE...	runs each line and ends, with the first code that is not 0
 *
 * As login shell it is called with -c by sshd for `ssh admin@box show status`.
 */
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/setup.h"
#include "lib/cleanup.h"

#define LINES_MAX 64

static int usage(FILE *out, int code)
{
	fputs("usage: sekisho [--json] [--setup FILE] [-c LINE]...\n"
	      "  -c, --command LINE  run a command and end; may be repeated\n"
	      "  --json              print JSON\n"
	      "  --setup FILE        the answers of the first boot as JSON, - for standard input:\n"
	      "                      language, password, mode, lan, wan, management, lan-address,\n"
	      "                      wan-address, gateway, dns\n"
	      "  -h, --help          this text; 'help' lists the commands\n"
	      "Without -c and --setup it reads lines from the terminal or standard input.\n"
	      "Exit codes: 0 done, 1 it failed, 2 no such command or a wrong word in it,\n"
	      "3 your role does not allow it, 130 interrupted. Of several lines the first\n"
	      "that fails ends the run, and its code is the result.\n",
		out);
	return code;
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
	interrupt_init(true);
	int code = setup_first_login(c);
	return code ? code : editor_run(c);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"command", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'}, {"setup", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'}, {0}};
	static struct cli cli;
	const char *lines[LINES_MAX], *answers = NULL;
	unsigned n = 0;
	int o, code = 0;

	setlocale(LC_CTYPE, "C.UTF-8"); /* the serial line and SSH carry UTF-8 */
	interrupt_init(false);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) >= 0) {
		if (o == 'h')
			return usage(stdout, 0);
		if (o == '?' || (o == 'c' && n == LINES_MAX))
			return usage(stderr, CLI_USAGE);
		if (o == 'c')
			lines[n++] = optarg;
		else if (o == 's')
			answers = optarg;
		else
			cli.json = true;
	}
	if (optind < argc)
		return usage(stderr, CLI_USAGE);
	cli_init(&cli);
	if (answers)
		code = setup_from_file(&cli, answers);
	for (unsigned i = 0; i < n && code == 0; i++)
		code = cli_run_line(&cli, lines[i]);
	if (n == 0 && !answers)
		code = isatty(STDIN_FILENO) ? run_terminal(&cli) : run_input(&cli);
	cli_fini(&cli);
	if (fflush(stdout) != 0 && code == 0)
		code = CLI_FAILED;
	return code;
}
