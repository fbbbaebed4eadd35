#include "scan/report.h"

#include "lib/cleanup.h"

/* Names come from the message: what is not printable ASCII would make the JSON invalid. */
static const char *printable(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; text[n] && n + 1 < cap; n++)
		out[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	out[n] = '\0';
	return out;
}

static int facts_build(uint32_t facts, sd_json_variant **ret)
{
	char *words[FACT_COUNT + 1];
	unsigned n = 0;

	for (unsigned bit = 0; bit < FACT_COUNT; bit++)
		if (facts & 1u << bit)
			words[n++] = (char *)fact_name(bit);
	words[n] = NULL;
	return sd_json_variant_new_array_strv(ret, words);
}

static int detail_append(const struct report_detail *d, sd_json_variant **array)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *facts = NULL, *entry = NULL;
	char part[MESSAGE_PART_BYTES], text[96];
	int r = facts_build(d->facts, &facts);

	if (r >= 0)
		r = sd_json_buildo(&entry,
			SD_JSON_BUILD_PAIR_STRING("part", printable(d->part, part, sizeof(part))),
			SD_JSON_BUILD_PAIR_VARIANT("facts", facts),
			SD_JSON_BUILD_PAIR_STRING("name", printable(d->text, text, sizeof(text))));
	return r < 0 ? r : sd_json_variant_append_array(array, entry);
}

int report_build(const struct report *r, const char *database, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *facts = NULL, *details = NULL;
	char part[MESSAGE_PART_BYTES], signature[96];
	int e = facts_build(r->verdict.facts, &facts);

	if (e >= 0)
		e = sd_json_variant_new_array(&details, NULL, 0);
	for (unsigned i = 0; i < r->detail_count && e >= 0; i++)
		e = detail_append(&r->details[i], &details);
	if (e < 0)
		return e;
	return sd_json_buildo(ret,
		SD_JSON_BUILD_PAIR_STRING("result", scan_result_name(r->verdict.result)),
		SD_JSON_BUILD_PAIR_STRING(
			"signature", printable(r->verdict.signature, signature, sizeof(signature))),
		SD_JSON_BUILD_PAIR_STRING("database", database),
		SD_JSON_BUILD_PAIR_STRING("part", printable(r->part, part, sizeof(part))),
		SD_JSON_BUILD_PAIR_STRING("limit", r->verdict.limit),
		SD_JSON_BUILD_PAIR_STRING("reason", r->reason ? r->reason : ""),
		SD_JSON_BUILD_PAIR_VARIANT("facts", facts),
		SD_JSON_BUILD_PAIR_VARIANT("details", details),
		SD_JSON_BUILD_PAIR_UNSIGNED("parts", r->parts),
		SD_JSON_BUILD_PAIR_UNSIGNED("cached", r->cached),
		SD_JSON_BUILD_PAIR_UNSIGNED("bytes", r->bytes));
}
