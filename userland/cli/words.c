#include "cli/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void words_fini(struct words *w)
{
	for (unsigned i = 0; i < w->n; i++)
		free(w->word[i]);
	*w = (struct words){0};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Reads one word from *p into out; true when its quotes are still open at the end. */
static bool read_word(const char **p, const char *end, char *out)
{
	bool quoted = false;

	for (; *p < end && (quoted || !is_blank(**p)); ++*p) {
		if (**p == '"') {
			quoted = !quoted;
			continue;
		}
		if (**p == '\\' && *p + 1 < end)
			++*p;
		*out++ = **p;
	}
	*out = 0;
	return quoted;
}

int words_split(const char *line, size_t len, struct words *ret)
{
	const char *p = line, *end = line + len;

	*ret = (struct words){.blank = true};
	for (;;) {
		while (p < end && is_blank(*p))
			p++;
		if (p == end)
			return 0;
		char *word = ret->n == WORDS_MAX ? NULL : malloc((size_t)(end - p) + 1);
		if (!word) {
			int r = ret->n == WORDS_MAX ? -E2BIG : -ENOMEM;
			words_fini(ret);
			return r;
		}
		ret->quoted = read_word(&p, end, word);
		ret->word[ret->n++] = word;
		ret->blank = p < end;
	}
}
