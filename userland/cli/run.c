/* run: one line, from what was typed to the exit code. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/box.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "lib/cleanup.h"

void cli_init(struct cli *c)
{
	const struct passwd *account = getpwuid(getuid());
	const char *ssh = getenv("SSH_CONNECTION"), *tty = ttyname(STDIN_FILENO);

	role_init();
	c->role = role_own();
	snprintf(c->hostname, sizeof(c->hostname), "sekisho");
	if (account)
		snprintf(c->user, sizeof(c->user), "%s", account->pw_name);
	else
		snprintf(c->user, sizeof(c->user), "%u", getuid());
	if (ssh)
		snprintf(c->from, sizeof(c->from), "ssh %.*s", (int)strcspn(ssh, " "), ssh);
	else
		snprintf(c->from, sizeof(c->from), "%s",
			!tty                            ? "script"
			: strncmp(tty, "/dev/", 5) == 0 ? tty + 5
							: tty);
}

void cli_fini(struct cli *c)
{
	cli_config_close(c);
	while (c->levels)
		free(c->level[--c->levels]);
}

/* What would have been accepted where the line went wrong, or where it ends too early. */
static void print_accepted(struct cli *c, const char *text, size_t len, bool more)
{
	static struct candidates list;
	struct words w;
	_cleanup_free_ char *line = NULL;

	if (asprintf(&line, "%.*s%s", (int)len, text, more ? " " : "") < 0)
		return;
	len += more;
	/* Back to the first word that cannot be. */
	for (;;) {
		complete_line(c, line, len, &w, &list);
		words_fini(&w);
		if (list.n || len == 0)
			break;
		while (len && line[len - 1] == ' ')
			len--;
		while (len && line[len - 1] != ' ')
			len--;
	}
	if (list.n)
		fputs("  accepted: ", stderr);
	for (unsigned i = 0; i < list.n; i++)
		fprintf(stderr, "%s%s", i ? " | " : "", list.item[i].word);
	if (list.n)
		fputc('\n', stderr);
	candidates_fini(&list);
}

/* A test that wants to know which commands have been run names a file for their words and codes. */
static void take_down(const struct command *cmd, int code)
{
	const char *path = getenv("SEKISHO_COMMANDS");
	_cleanup_fclose_ FILE *f = path ? fopen(path, "ae") : NULL;

	if (f)
		fprintf(f, "%s\t%d\n", cmd->words, code);
}

static int run_command(struct cli *c, const struct command *cmd, char *const *words, unsigned n,
	const char *line, struct output *o)
{
	_cleanup_free_ char *error = NULL;
	struct args a;
	bool json = c->json;

	if (c->role < cmd->least) {
		fprintf(stderr, "error: '%s' is for the role %s; yours is %s\n", cmd->words,
			role_names[cmd->least], role_names[c->role]);
		return CLI_DENIED;
	}
	if (args_read(cmd, words, n, &a, &error) < 0) {
		fprintf(stderr, "error: %s\n", error ? error : "out of memory");
		return CLI_USAGE;
	}
	c->display = o->display;
	c->json = json || o->display == DISPLAY_JSON;
	if (cmd->flags & COMMAND_CHANGES)
		box_record(c, line);
	output_begin(o, c->interactive && isatty(STDOUT_FILENO) && !(cmd->flags & COMMAND_LIVE));
	int code = cmd->run(c, &a);
	output_end(o);
	c->json = json;
	if (interrupted())
		code = CLI_INTERRUPTED;
	take_down(cmd, code);
	return code;
}

static int find_and_run(struct cli *c, const char *line, size_t len, struct output *o)
{
	const struct command *cmd = NULL;
	unsigned used = 0, first;
	struct words w;
	int code = CLI_USAGE;

	if (words_split(line, len, &w) < 0) {
		fputs("error: the line is too long\n", stderr);
		return CLI_USAGE;
	}
	unsigned mode = complete_mode(c, w.word, w.n, &first);
	switch (command_find(mode, w.word + first, w.n - first, &cmd, &used)) {
	case MATCH_OK:
		code = run_command(c, cmd, w.word + first + used, w.n - first - used, line, o);
		break;
	case MATCH_NONE:
		fprintf(stderr, "error: there is no such command: %.*s\n", (int)len, line);
		print_accepted(c, line, len, false);
		break;
	case MATCH_AMBIGUOUS:
		fprintf(stderr, "error: ambiguous: %.*s\n", (int)len, line);
		print_accepted(c, line, len, false);
		break;
	case MATCH_INCOMPLETE:
		fprintf(stderr, "error: incomplete: %.*s ...\n", (int)len, line);
		print_accepted(c, line, len, true);
		break;
	}
	words_fini(&w);
	return code;
}

int cli_run_line(struct cli *c, const char *text)
{
	_cleanup_free_ char *line = strdup(text + strspn(text, " \t\r\n"));
	_cleanup_free_ char *error = NULL;
	_cleanup_(output_fini) struct output o = {0};

	if (!line)
		return CLI_FAILED;
	size_t len = strlen(line);
	while (len && strchr(" \t\r\n", line[len - 1]))
		line[--len] = 0;
	if (len == 0 || line[0] == '#')
		return 0;
	interrupt_clear();
	size_t bar = output_bar(line, len);
	if (bar < len && output_parse(&o, line + bar + 1, &error) < 0) {
		fprintf(stderr, "error: %s\n", error ? error : "out of memory");
		return CLI_USAGE;
	}
	while (bar && line[bar - 1] == ' ')
		bar--;
	return find_and_run(c, line, bar, &o);
}
