#include "mailauth/canon.h"

static void simple(struct digest *d, const struct field *f, struct span cut)
{
	const uint8_t *end = f->value.p + f->value.n;

	if (!cut.n) {
		digest_put(d, span_of(f->whole.p, (size_t)(end - f->whole.p)));
		return;
	}
	digest_put(d, span_of(f->whole.p, (size_t)(cut.p - f->whole.p)));
	digest_put(d, span_of(cut.p + cut.n, (size_t)(end - cut.p - (ptrdiff_t)cut.n)));
}

static void put_lower(struct digest *d, struct span name)
{
	uint8_t buf[64];

	while (name.n) {
		size_t n = name.n < sizeof(buf) ? name.n : sizeof(buf);
		for (size_t i = 0; i < n; i++)
			buf[i] =
				name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i];
		digest_put(d, span_of(buf, n));
		name = span_skip(name, n);
	}
}

/* A fold is CRLF; what message.c took for one is LF alone as well. A CR elsewhere is content. */
static bool is_blank(struct span s, size_t i)
{
	uint8_t c = s.p[i];

	return c == ' ' || c == '\t' || c == '\n' ||
	       (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n');
}

/* *pending: blanks were seen since the last content. *any: there was content. */
static void put_relaxed(struct digest *d, struct span s, bool *pending, bool *any)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		if (is_blank(s, i)) {
			*pending = true;
			i++;
			continue;
		}
		while (i < s.n && !is_blank(s, i))
			i++;
		if (*pending && *any)
			digest_put(d, SPAN_LIT(" "));
		digest_put(d, span_of(s.p + from, i - from));
		*pending = false;
		*any = true;
	}
}

static void relaxed(struct digest *d, const struct field *f, struct span cut)
{
	bool pending = false, any = false;
	size_t before = cut.n ? (size_t)(cut.p - f->value.p) : f->value.n;

	put_lower(d, f->name);
	digest_put(d, SPAN_LIT(":"));
	put_relaxed(d, span_take(f->value, before), &pending, &any);
	put_relaxed(d, span_skip(f->value, before + cut.n), &pending, &any);
}

void canon_field(
	struct digest *d, const struct field *f, enum canon form, struct span cut, bool has_end)
{
	if (form == CANON_RELAXED)
		relaxed(d, f, cut);
	else
		simple(d, f, cut);
	if (has_end)
		digest_put(d, SPAN_LIT("\r\n"));
}
