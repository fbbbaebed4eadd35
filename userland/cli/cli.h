/*
 * cli: one administrator at one terminal.
 *
 * The command line knows commands (commands.def) and no settings: what may stand after `set` it
 * asks configd, which reads it from the schema. One connection to configd is one session with one
 * candidate, so it is kept until the command line ends.
 *
 * What this process refuses to an operator or auditor is courtesy: the daemons know the role of
 * their peer from the kernel (lib/role.h) and refuse by themselves.
 *
 * Exit codes: 0 done; CLI_FAILED what was asked for failed; CLI_USAGE there is no such command, or
 * a word of it is wrong; CLI_DENIED the role does not allow it; CLI_INTERRUPTED (interrupt.h)
 * Ctrl-C.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-json.h>
#include <systemd/sd-varlink.h>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/words.h"
#include "lib/role.h"

#define CLI_FAILED 1
#define CLI_USAGE 2
#define CLI_DENIED 3
#define CLI_WAIT_MS 3000        /* for an answer to Status */
#define CLI_WAIT_LONG_MS 120000 /* for commits and updates */

struct cli {
	sd_varlink *config;     /* session with configd, made when first needed */
	sd_json_variant *reply; /* the last of configd */
	char *level[WORDS_MAX]; /* `edit`: words in front of every path */
	unsigned levels;
	enum role role;
	enum display display; /* wished by this line */
	bool configuring;     /* configuration mode */
	bool json;
	bool interactive;
	bool leaving;
	char hostname[64];
	char user[33];
	char from[80]; /* "ssh 10.0.0.2", "ttyS0" */
};

/* Who, from where, in which role: of this process. */
void cli_init(struct cli *c);
void cli_fini(struct cli *c);
/* Calls configd in this command line's session. 0 with *ret valid until the next call; otherwise
 * the error has been printed. Ctrl-C does not end it: configd would go on. */
int cli_config(
	struct cli *c, const char *method, sd_json_variant *parameters, sd_json_variant **ret);
void cli_config_close(struct cli *c);
/* Like cli_config(), but prints nothing. */
int cli_config_quietly(
	struct cli *c, const char *method, sd_json_variant *parameters, sd_json_variant **ret);

/* Calls a daemon's control socket on a connection of its own. 0 with *ret for the caller to unref;
 * -errno with *ret_error on the heap (may be NULL) saying what went wrong: -ENOTSUP when this
 * daemon has no such method, or none for this role, -EINTR after Ctrl-C. */
int daemon_ask(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret, char **ret_error);
/* The same with a descriptor of the daemon's, *ret_fd, and without *ret. */
int daemon_ask_fd(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, int *ret_fd, char **ret_error);
/* daemon_call() with descriptors of ours, which stay ours. */
int daemon_call_with(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, const int *fds, unsigned n, sd_json_variant **ret);
/* daemon_ask() with the failure printed. */
int daemon_call(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret);

/* Member as text, or NULL; as number, or 0. */
const char *json_str(sd_json_variant *v, const char *key);
uint64_t json_u64(sd_json_variant *v, const char *key);
/* "key value, key value" of the scalar members; nested objects by their names in front. */
void json_print_line(FILE *out, sd_json_variant *v);
/* One member a line, indented. */
void json_print_tree(FILE *out, sd_json_variant *v, int indent);
void json_dump(sd_json_variant *v);
/* 93784 as "1 d 2 h". */
void duration_format(uint64_t seconds, char *out, size_t cap);
/* 1536 as "1.5 K". */
void bytes_format(uint64_t bytes, char *out, size_t cap);

/* Runs one line; the exit code. */
int cli_run_line(struct cli *c, const char *line);

/* The interactive loop (editor.c); the exit code. */
int editor_run(struct cli *c);

/* Data from daemons and logs on a terminal: no byte may steer it. */
void print_safe(FILE *out, const char *text);
/* A word and what it means, in two columns; what it means goes on in the next line at
 * OUTPUT_COLUMNS. */
void print_help(FILE *out, size_t width, const char *word, const char *help);
