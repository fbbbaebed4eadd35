#include "mailauth/tags.h"

bool tags_next(struct span *rest, struct span *ret_name, struct span *ret_value, bool *ret_bad)
{
	*ret_bad = false;
	while (rest->n) {
		ptrdiff_t semicolon = span_chr(*rest, ';');
		size_t n = semicolon < 0 ? rest->n : (size_t)semicolon;
		struct span pair = span_trim(span_take(*rest, n));
		*rest = span_skip(*rest, semicolon < 0 ? n : n + 1);
		if (pair.n == 0)
			continue;
		ptrdiff_t equals = span_chr(pair, '=');
		*ret_bad = equals <= 0;
		if (*ret_bad)
			return false;
		*ret_name = span_trim(span_take(pair, (size_t)equals));
		*ret_value = span_trim(span_skip(pair, (size_t)equals + 1));
		return true;
	}
	return false;
}

bool tags_find(struct span list, const char *name, struct span *ret_value)
{
	struct span n;
	bool bad;

	do {
		while (tags_next(&list, &n, ret_value, &bad))
			if (span_eq(n, span_str(name)))
				return true;
	} while (bad);
	return false;
}
