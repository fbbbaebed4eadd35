/*
 * command: what can be typed, as a table.
 *
 * A command is its words, what it takes after them, who may call it, and a function. commands.def
 * lists them; help, `?`, TAB, the checks of arguments and of the role come from the table. Words
 * and keywords may be shortened to a unique prefix.
 */
#pragma once

#include "cli/cli.h"

enum command_mode { MODE_OPERATION = 1, MODE_CONFIGURE = 2 };

enum command_flags {
	COMMAND_LIVE = 1,    /* talks with the terminal or goes on until Ctrl-C: never paged */
	COMMAND_CHANGES = 2, /* changes something outside the configuration: recorded as an event */
};

struct candidates;

/* What stands after the words of a command. */
enum arg_kind {
	ARG_WORD,      /* anything */
	ARG_NUMBER,    /* min to max */
	ARG_CHOICE,    /* one of choices */
	ARG_INTERFACE, /* a link of this machine */
	ARG_FILE,      /* of the administrators' folder (file.h) */
	ARG_FLAG,      /* the keyword alone */
	ARG_PATH,      /* the rest of the line: words of a setting */
	ARG_TEXT,      /* the rest of the line: free words */
};

struct arg {
	const char *keyword; /* stands in front; NULL: by position, and these come first */
	const char *name;    /* "<host>" */
	const char *help;
	const char *const *choices; /* NULL-terminated */
	/* Values there are at this moment, for ARG_WORD; NULL: nobody knows them. */
	void (*offer)(struct cli *c, const char *prefix, struct candidates *ret);
	unsigned long min, max;
	enum arg_kind kind;
	bool needed;
};

#define ARGS_MAX 8

/* The values of a line, in the order of the command's table. */
struct args {
	const char *value[ARGS_MAX]; /* NULL: not given; the keyword itself of a flag */
	unsigned long number[ARGS_MAX];
	char *const *rest; /* ARG_PATH, ARG_TEXT: NULL-terminated */
};

struct command {
	const char *words; /* "show mail log" */
	const char *help;
	int (*run)(struct cli *c, const struct args *a); /* the exit code */
	const struct arg *args;                          /* ends with a row without name */
	unsigned modes;
	enum role least;
	unsigned flags;
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
/* If it begins with the prefix. */
void candidates_add_if(
	struct candidates *list, const char *prefix, const char *word, const char *help);
void candidates_print(FILE *out, const struct candidates *list);
void candidates_fini(struct candidates *list);

/* Reads the words after a command's own. 0, or -EINVAL with *ret_error (heap) naming the word and
 * what would be accepted. */
int args_read(const struct command *cmd, char *const *words, unsigned n, struct args *ret,
	char **ret_error);
void args_complete(struct cli *c, const struct command *cmd, char *const *words, unsigned n,
	const char *prefix, struct candidates *ret);
