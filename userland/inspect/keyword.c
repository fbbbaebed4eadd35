#include "inspect/keyword.h"

#define KEYWORDS(family) extern const struct keyword keyword_##family[];
#include "inspect/keywords.def"
#undef KEYWORDS

static const struct keyword *const families[] = {
#define KEYWORDS(family) keyword_##family,
#include "inspect/keywords.def"
#undef KEYWORDS
};

const struct keyword *keyword_lookup(struct span name)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		for (const struct keyword *k = families[i]; k->name; k++)
			if (span_caseeq(span_str(k->name), name))
				return k;
	return NULL;
}
