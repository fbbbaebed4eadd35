/* config_words: what may stand in a setting, asked of configd. */
#pragma once

#include "cli/command.h"

/* words as a JSON array of strings; NULL when memory ran out. */
sd_json_variant *config_words_json(char *const *words);
void config_words_complete(
	struct cli *c, char *const *words, unsigned n, const char *prefix, struct candidates *ret);
