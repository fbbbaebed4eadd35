#include "cli/config_words.h"

#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"

sd_json_variant *config_words_json(const struct cli *c, char *const *words)
{
	const char *all[2 * WORDS_MAX + 1] = {0};
	sd_json_variant *array = NULL;
	unsigned n = 0;

	for (unsigned i = 0; c->configuring && i < c->levels; i++)
		all[n++] = c->level[i];
	for (; *words && n < 2 * WORDS_MAX; words++)
		all[n++] = *words;
	return sd_json_variant_new_array_strv(&array, (char **)all) < 0 ? NULL : array;
}

/* configd's answer to Describe, or NULL. */
static sd_json_variant *describe(struct cli *c, char *const *words, unsigned n)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *path = NULL;
	sd_json_variant *reply = NULL;
	char *head[WORDS_MAX + 1] = {0};

	memcpy(head, words, n * sizeof(*head));
	path = config_words_json(c, head);
	if (!path || sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path)) < 0)
		return NULL;
	/* What was typed so far may lead nowhere: the command itself will say so. */
	if (cli_config_quietly(c, "Describe", parameters, &reply) < 0)
		return NULL;
	return sd_json_variant_by_key(reply, "words");
}

static void add(sd_json_variant *one, const char *prefix, struct candidates *ret)
{
	const char *word = json_str(one, "word"), *kind = json_str(one, "kind");
	const char *help = json_str(one, "help"), *value = json_str(one, "default");
	const char *units = json_str(one, "units");
	bool placeholder = kind && strcmp(kind, "placeholder") == 0;
	char text[512];

	if (!word || (!placeholder && strncmp(word, prefix, strlen(prefix)) != 0))
		return;
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", help ? help : "", units ? " In " : "",
		units ? units : "", units ? "." : "", value ? " Default: " : "",
		value ? value : "");
	candidates_add(ret, word, text, placeholder);
}

void config_words_complete(
	struct cli *c, char *const *words, unsigned n, const char *prefix, struct candidates *ret)
{
	sd_json_variant *list = describe(c, words, n);

	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++)
		add(sd_json_variant_by_index(list, i), prefix, ret);
}

bool config_words_secret(struct cli *c, char *const *words, unsigned n)
{
	static const char *const names[] = {"password", "secret", "private-key", "passphrase"};
	sd_json_variant *list;

	for (unsigned i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
			if (strcasestr(words[i], names[k]))
				return true;
	/* The schema knows: ask what stood in the place of the last word. */
	list = n > 1 ? describe(c, words, n - 1) : NULL;
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		sd_json_variant *secret =
			sd_json_variant_by_key(sd_json_variant_by_index(list, i), "secret");
		if (secret && sd_json_variant_boolean(secret))
			return true;
	}
	return false;
}
