#include "cli/config_words.h"

#include <string.h>

#include "lib/cleanup.h"

sd_json_variant *config_words_json(char *const *words)
{
	sd_json_variant *array = NULL;

	return sd_json_variant_new_array_strv(&array, (char **)words) < 0 ? NULL : array;
}

void config_words_complete(
	struct cli *c, char *const *words, unsigned n, const char *prefix, struct candidates *ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *path = NULL;
	sd_json_variant *reply = NULL, *list;
	char *head[WORDS_MAX + 1] = {0};

	memcpy(head, words, n * sizeof(*head));
	path = config_words_json(head);
	if (!path || sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path)) < 0)
		return;
	if (cli_config_quietly(c, "Describe", parameters, &reply) < 0)
		return; /* what was typed so far leads nowhere: the command itself will say so */
	list = sd_json_variant_by_key(reply, "words");
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		sd_json_variant *one = sd_json_variant_by_index(list, i);
		const char *word = json_str(one, "word"), *kind = json_str(one, "kind");
		bool placeholder = kind && strcmp(kind, "placeholder") == 0;
		if (word && (placeholder || strncmp(word, prefix, strlen(prefix)) == 0))
			candidates_add(ret, word, json_str(one, "help"), placeholder);
	}
}
