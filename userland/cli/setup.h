/*
 * setup: the dialogue of the first boot: language, password, mode, ports, addresses; ends in a
 * commit.
 *
 * The password is committed as soon as it is given, so that a line that breaks later does not leave
 * the appliance open. The rest is asked in the order of a table, collected in a candidate, shown,
 * and committed at once. `setup` asks again at any time; `sekisho --setup FILE` and `sekisho -c
 * "setup FILE"` take the answers from a JSON object instead: {language, password, mode, lan, wan,
 * management, lan-address, wan-address, gateway, dns}, each of which may be left out.
 *
 * Refuses: an answer that the table does not accept is asked again, or ends a setup from a file;
 * nothing is changed then. A configuration session of its own keeps what else is being changed out
 * of the commit.
 */
#pragma once

#include "cli/cli.h"

/* On a box without a password: language, password, and the dialogue if it is wanted. An exit code
 * other than 0 ends the login. */
int setup_first_login(struct cli *c);
/* answers NULL: asks. The exit code. */
int setup_run(struct cli *c, sd_json_variant *answers);
/* Answers from a file of any folder; "-" is standard input. */
int setup_from_file(struct cli *c, const char *path);
