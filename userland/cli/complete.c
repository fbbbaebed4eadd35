#include "cli/complete.h"

#include <string.h>

unsigned complete_mode(const struct cli *c, char *const *words, unsigned n, unsigned *ret_first)
{
	*ret_first = c->configuring && n && strcmp(words[0], "do") == 0;
	return c->configuring && !*ret_first ? MODE_CONFIGURE : MODE_OPERATION;
}

const char *complete_prefix(const struct words *w)
{
	return w->n && !w->blank ? w->word[w->n - 1] : "";
}

static void complete_filter(
	char *const *words, unsigned n, const char *prefix, struct candidates *ret)
{
	const struct filter_help *h = filter_helps;

	if (n == 0) {
		for (; h->word; h++)
			candidates_add_if(ret, prefix, h->word, h->help);
		return;
	}
	while (h->word && strncmp(h->word, words[0], strlen(words[0])) != 0)
		h++;
	if (n > 1 || !h->word)
		return;
	for (unsigned i = 0; strcmp(h->word, "display") == 0 && display_words[i]; i++)
		candidates_add_if(ret, prefix, display_words[i], h->help);
	if (h->value)
		candidates_add(ret, h->value, h->help, true);
}

void complete_line(
	struct cli *c, const char *line, size_t len, struct words *w, struct candidates *ret)
{
	bool filter = false;
	char *kept = NULL;

	ret->n = 0;
	for (size_t bar; (bar = output_bar(line, len)) < len; filter = true) {
		line += bar + 1;
		len -= bar + 1;
	}
	if (words_split(line, len, w) < 0) {
		*w = (struct words){0};
		return;
	}
	/* The word under the cursor is taken off, so that the rest ends with NULL. */
	unsigned n = w->n - (w->n && !w->blank);
	const char *prefix = complete_prefix(w);
	if (n < w->n) {
		kept = w->word[n];
		w->word[n] = NULL;
	}
	if (filter)
		complete_filter(w->word, n, prefix, ret);
	else
		command_complete(c, w->word, n, prefix, ret);
	if (kept)
		w->word[n] = kept;
}
