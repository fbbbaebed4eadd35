#include "inspect/keyword.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#define KEYWORDS(family) extern const struct keyword keyword_##family[];
#include "inspect/keywords.def"
#undef KEYWORDS

static const struct keyword *const families[] = {
#define KEYWORDS(family) keyword_##family,
#include "inspect/keywords.def"
#undef KEYWORDS
};

#define KEYWORDS_MAX 512

/* By name: a rule set asks some 300,000 times. */
static const struct keyword *sorted[KEYWORDS_MAX];
static size_t sorted_n;
static pthread_once_t sorted_once = PTHREAD_ONCE_INIT;

static int keyword_compare(const void *a, const void *b)
{
	return strcasecmp((*(const struct keyword *const *)a)->name,
		(*(const struct keyword *const *)b)->name);
}

static void keywords_sort(void)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		for (const struct keyword *k = families[i]; k->name; k++) {
			if (sorted_n == KEYWORDS_MAX)
				abort(); /* make the table larger */
			sorted[sorted_n++] = k;
		}
	qsort(sorted, sorted_n, sizeof(*sorted), keyword_compare);
}

static int name_compare(const void *key, const void *element)
{
	const struct span *name = key;
	const char *have = (*(const struct keyword *const *)element)->name;
	int r = strncasecmp((const char *)name->p, have, name->n);

	return r == 0 && have[name->n] ? -1 : r;
}

const struct keyword *keyword_lookup(struct span name)
{
	pthread_once(&sorted_once, keywords_sort);
	const struct keyword *const *found =
		bsearch(&name, sorted, sorted_n, sizeof(*sorted), name_compare);
	return found ? *found : NULL;
}
