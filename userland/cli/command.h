/*
 * command: what can be typed, as a table.
 *
 * A command is its words, what it takes after them, and a function. commands.def lists them; help,
 * `?` and TAB come from the table. Words may be shortened to a unique prefix.
 */
#pragma once

#include "cli/cli.h"

enum command_mode { MODE_OPERATION = 1, MODE_CONFIGURE = 2 };

enum command_args {
	ARGS_NONE,
	ARGS_PATH,    /* words of a setting: configd knows them */
	ARGS_DAEMON,  /* one daemon's name, optional */
	ARGS_COMMENT, /* free words, optional */
};

struct command {
	const char *words; /* "show mail log" */
	const char *help;
	unsigned modes;
	enum command_args args;
	int (*run)(struct cli *c, char *const *args); /* the exit code */
};

#define COMMAND(name) extern const struct command command_##name;
#include "cli/commands.def"
#undef COMMAND

extern const struct command *const commands[]; /* NULL-terminated */

/* Names of the daemons that have a control socket, NULL-terminated. */
extern const char *const daemon_names[];

enum command_match { MATCH_OK, MATCH_NONE, MATCH_AMBIGUOUS, MATCH_INCOMPLETE };

/* Finds the command that the words begin with; *ret_used of them are its own. */
enum command_match command_find(unsigned mode, char *const *words, unsigned n,
	const struct command **ret, unsigned *ret_used);

/* What may stand next. Strings are the candidates' own. */
#define CANDIDATES_MAX 256 /* more are not shown */

struct candidates {
	struct candidate {
		char *word;
		char *help;
		bool placeholder; /* stands for something the administrator makes up */
	} item[CANDIDATES_MAX];
	unsigned n;
};

/* words: the complete ones; prefix: the beginning of the next, may be "". */
void command_complete(
	struct cli *c, char *const *words, unsigned n, const char *prefix, struct candidates *ret);
void candidates_add(struct candidates *list, const char *word, const char *help, bool placeholder);
void candidates_print(FILE *out, const struct candidates *list);
void candidates_fini(struct candidates *list);
