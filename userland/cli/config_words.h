/* config_words: what may stand in a setting, asked of configd. */
#pragma once

#include "cli/command.h"

/* The words of `edit` and these as a JSON array of strings; NULL when memory ran out. */
sd_json_variant *config_words_json(const struct cli *c, char *const *words);
void config_words_complete(
	struct cli *c, char *const *words, unsigned n, const char *prefix, struct candidates *ret);
/* Does the line give the value of a secret? Such lines are not kept in the history. */
bool config_words_secret(struct cli *c, char *const *words, unsigned n);
