/* Sizes of a buffer: of the current one (bsize), of the request URI (urilen). */
#include "inspect/keyword.h"

bool bsize_find(const struct step *st, struct detect_scratch *s, struct span buf, size_t prev,
	struct place *place)
{
	(void)s;
	(void)prev;
	(void)place;
	return number_range_has(&st->range, buf.n);
}

static int bsize_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct step *st;

	(void)k;
	if (b->buffer == BUFFER_PAYLOAD)
		return rule_fail(
			b, arg, "bsize needs a sticky buffer before it; use dsize for the payload");
	st = rule_step(b, arg, bsize_find);
	if (!st)
		return -EINVAL;
	if (!number_range_parse(arg, UINT32_MAX - 1, &st->range))
		return rule_fail(b, arg, "\"%.*s\": N, <N, >N or N<>M is expected", SPAN_ARGS(arg));
	return 0;
}

static int urilen_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, size, form = {0};
	struct step *st;

	(void)k;
	if (!span_token(&rest, ',', &size))
		size = arg;
	(void)span_token(&rest, ',', &form);
	if (form.n && !span_eq(form, SPAN_LIT("raw")) && !span_eq(form, SPAN_LIT("norm")))
		return rule_fail(b, form, "\"%.*s\": raw or norm is expected", SPAN_ARGS(form));
	st = rule_step(b, arg, bsize_find);
	if (!st)
		return -EINVAL;
	st->buffer = span_eq(form, SPAN_LIT("raw")) ? BUFFER_HTTP_URI_RAW : BUFFER_HTTP_URI;
	st->transforms = NULL;
	if (!number_range_parse(size, UINT16_MAX, &st->range))
		return rule_fail(
			b, size, "\"%.*s\": N, <N, >N or N<>M is expected", SPAN_ARGS(size));
	return 0;
}

const struct keyword keyword_bsize[] = {
	{"bsize", ARG_NEEDED, 0, bsize_parse},
	{"urilen", ARG_NEEDED, 0, urilen_parse},
	{0},
};
