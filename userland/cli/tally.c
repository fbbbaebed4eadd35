#include "cli/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

void tally_add(struct tally *t, const char *name, uint64_t flows, uint64_t bytes)
{
	unsigned i = 0;

	if (strlen(name) >= sizeof(t->row->name))
		name = "(others)";
	while (i < t->n && strcmp(t->row[i].name, name) != 0)
		i++;
	/* The last row is kept for the others. */
	if (i == t->n && i >= TALLY_MAX - 1) {
		i = TALLY_MAX - 1;
		name = "(others)";
	}
	if (i == t->n)
		t->n++;
	struct tally_row *row = &t->row[i];
	if (!*row->name)
		snprintf(row->name, sizeof(row->name), "%s", name);
	row->flows += flows;
	row->bytes += bytes;
}

static int by_bytes(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

int tally_json(struct tally *t, unsigned limit, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	qsort(t->row, t->n, sizeof(t->row[0]), by_bytes);
	for (unsigned i = 0; i < t->n && i < limit && r >= 0; i++)
		r = sd_json_variant_append_arraybo(&list,
			SD_JSON_BUILD_PAIR_STRING("name", t->row[i].name),
			SD_JSON_BUILD_PAIR_UNSIGNED("flows", t->row[i].flows),
			SD_JSON_BUILD_PAIR_UNSIGNED("bytes", t->row[i].bytes));
	if (r >= 0)
		*ret = take_ptr(list);
	return r;
}
