/*
 * cli: one administrator at one terminal.
 *
 * The command line knows commands (commands.def) and no settings: what may stand after `set` it
 * asks configd, which reads it from the schema. One connection to configd is one session with one
 * candidate, so it is kept until the command line ends.
 *
 * Exit codes: 0 done; CLI_FAILED what was asked for failed; CLI_USAGE there is no such command.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-json.h>
#include <systemd/sd-varlink.h>

#include "cli/words.h"

#define CLI_FAILED 1
#define CLI_USAGE 2
#define CLI_WAIT_MS 3000        /* for an answer to Status */
#define CLI_WAIT_LONG_MS 120000 /* for commits and updates */

struct cli {
	sd_varlink *config; /* session with configd, made when first needed */
	bool configuring;   /* configuration mode */
	bool json;
	bool interactive;
	bool leaving;
	char hostname[64];
};

/* Calls configd in this command line's session. 0 with *ret owned by the connection; otherwise the
 * error has been printed. */
int cli_config(
	struct cli *c, const char *method, sd_json_variant *parameters, sd_json_variant **ret);
void cli_config_close(struct cli *c);
/* Like cli_config(), but prints nothing. */
int cli_config_quietly(
	struct cli *c, const char *method, sd_json_variant *parameters, sd_json_variant **ret);

/* Calls a daemon's control socket on a connection of its own. 0 with *ret for the caller to unref;
 * -errno with *ret_error on the heap (may be NULL) saying what went wrong. */
int daemon_ask(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret, char **ret_error);

/* Member as text, or NULL. */
const char *json_str(sd_json_variant *v, const char *key);
/* "key value, key value" of the scalar members; nested objects by their names in front. */
void json_print_line(FILE *out, sd_json_variant *v);
/* One member a line, indented. */
void json_print_tree(FILE *out, sd_json_variant *v, int indent);
void json_dump(sd_json_variant *v);
/* 93784 as "1 d 2 h". */
void duration_format(uint64_t seconds, char *out, size_t cap);

/* Runs one line; the exit code. */
int cli_run_line(struct cli *c, const char *line);

/* The interactive loop (editor.c); the exit code. */
int editor_run(struct cli *c);

/* Asks for a new password of admin twice and has configd take it; the exit code. */
int password_request(struct cli *c);

/* Data from daemons and logs on a terminal: no byte may steer it. */
void print_safe(FILE *out, const char *text);
