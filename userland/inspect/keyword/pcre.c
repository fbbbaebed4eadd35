/*
 * A regular expression "/re/flags", matched by PCRE2. Match and depth limits keep a hostile buffer
 * from holding the thread: an expression that reaches one does not match, negated or not, and is
 * counted. Without executable memory (a sandbox may refuse it) the interpreter is used instead of
 * the JIT.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

static const struct {
	char letter;
	uint32_t option;
} options[] = {
	{'i', PCRE2_CASELESS}, {'s', PCRE2_DOTALL}, {'m', PCRE2_MULTILINE}, {'x', PCRE2_EXTENDED},
	{'A', PCRE2_ANCHORED}, {'E', PCRE2_DOLLAR_ENDONLY}, {'G', PCRE2_UNGREEDY},
	{'O', 0}, /* lifts Suricata's limit; ours stays */
	{'B', 0}, /* the payload as it is: ours always is */
	{'R', 0}, /* relative */
};

static const struct {
	char letter;
	enum buffer buffer;
} buffers[] = {
	{'U', BUFFER_HTTP_URI},
	{'I', BUFFER_HTTP_URI_RAW},
	{'P', BUFFER_HTTP_REQUEST_BODY},
	{'Q', BUFFER_FILE_DATA},
	{'D', BUFFER_HTTP_HEADER_RAW},
	{'Y', BUFFER_HTTP_STAT_MSG},
	{'Z', BUFFER_HTTP_HOST_RAW},
	{'H', BUFFER_HTTP_HEADER},
	{'M', BUFFER_HTTP_METHOD},
	{'C', BUFFER_HTTP_COOKIE},
	{'S', BUFFER_HTTP_STAT_CODE},
	{'V', BUFFER_HTTP_USER_AGENT},
	{'W', BUFFER_HTTP_HOST},
};

static void capture_all(const struct step *st, struct detect_scratch *s, struct span buf,
	const PCRE2_SIZE *at, int n)
{
	for (unsigned i = 0; i < st->n_captures; i++) {
		unsigned g = st->captures[i].group;

		if ((int)g < n && at[2 * g] != PCRE2_UNSET && at[2 * g] <= at[2 * g + 1])
			capture_keep(s, &st->captures[i],
				span_take(span_skip(buf, at[2 * g]), at[2 * g + 1] - at[2 * g]));
	}
}

static bool pcre_find(const struct step *st, struct detect_scratch *s, struct span buf, size_t prev,
	struct place *place)
{
	pcre2_match_data *data = s->match_data;
	size_t base = st->relative ? prev : 0;
	size_t from = place->again ? place->resume : 0;
	const PCRE2_SIZE *at;
	int r;

	if (base > buf.n || from > buf.n - base || (st->relative && base == buf.n))
		return false;
	/* ^ is the start of the stream, not of the part of it that is looked at */
	r = pcre2_match(st->code, buf.p + base, buf.n - base, from,
		!st->relative && s->base ? PCRE2_NOTBOL : 0, data, s->match_context);
	if (r == PCRE2_ERROR_NOMATCH)
		return false;
	if (r < 0) {
		s->stats.limits++;
		return st->negated; /* "found" what must not be there: no match either way */
	}
	at = pcre2_get_ovector_pointer(data);
	capture_all(st, s, span_skip(buf, base), at, r ? r : 1 + CAPTURE_GROUPS);
	place->again = true;
	place->resume = at[0] + 1;
	place->end = base + at[1]; /* \K may put the start behind the end: only the end counts */
	return true;
}

static int flag_apply(struct rule_build *b, struct step *st, struct span flag, uint32_t *opts)
{
	char c = (char)flag.p[0];

	if (c == 'R') {
		st->relative = true;
		st->bounded = true; /* ^ and look-behinds see where the part begins */
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (options[i].letter == c) {
			*opts |= options[i].option;
			return 0;
		}
	for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
		if (buffers[i].letter != c)
			continue;
		if (st->buffer != BUFFER_PAYLOAD && st->buffer != buffers[i].buffer)
			return rule_fail(b, flag, "flag %c contradicts the sticky buffer %s", c,
				buffer_info[st->buffer].name);
		st->buffer = buffers[i].buffer;
		return 0;
	}
	return rule_fail(b, flag,
		"\"%c\" is no known flag; i s m x A E G O R B U I P Q H D M C S Y V W Z are", c);
}

/* (?P<flow_name>...) */
static int captures_named(struct rule_build *b, struct step *st, struct capture_name *names)
{
	PCRE2_SPTR table;
	uint32_t n = 0, size = 0;

	pcre2_pattern_info(st->code, PCRE2_INFO_NAMECOUNT, &n);
	pcre2_pattern_info(st->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(st->code, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; i < n && st->n_captures < CAPTURE_GROUPS; i++, table += size) {
		struct capture_name *name = &names[st->n_captures];
		unsigned group = (unsigned)(table[0] << 8 | table[1]);

		if (!capture_name_read(span_str((const char *)table + 2), '_', name))
			continue;
		if (group > CAPTURE_GROUPS)
			return rule_fail(b, b->option, "more than 8 groups before %s",
				(const char *)table + 2);
		name->group = (uint8_t)group;
		st->n_captures++;
	}
	return 0;
}

/* "/expression/, flow:name, pkt:name": of its groups, one after the other */
static int captures_listed(
	struct rule_build *b, struct step *st, struct span list, struct capture_name *names)
{
	struct span word;

	for (uint8_t group = 1; span_token(&list, ',', &word); group++) {
		if (st->n_captures == CAPTURE_GROUPS || group > CAPTURE_GROUPS)
			return rule_fail(b, word, "more than 8 groups");
		if (!capture_name_read(word, ':', &names[st->n_captures]))
			return rule_fail(b, word, "alert:NAME, flow:NAME or pkt:NAME is expected");
		names[st->n_captures++].group = group;
	}
	return 0;
}

static int captures_parse(struct rule_build *b, struct step *st, struct span list)
{
	struct capture_name names[CAPTURE_GROUPS] = {};

	if (st->negated)
		return 0;
	if (captures_named(b, st, names) < 0 || captures_listed(b, st, list, names) < 0)
		return -EINVAL;
	if (!st->n_captures)
		return 0;
	st->captures = rule_keep(b, names, st->n_captures * sizeof(*names));
	return st->captures ? 0 : -EINVAL;
}

static int pcre_compile(struct rule_build *b, struct step *st, struct span re, uint32_t opts)
{
	PCRE2_UCHAR text[120];
	PCRE2_SIZE at;
	int error;

	st->code = pcre2_compile(re.p, re.n, opts, &error, &at, NULL);
	if (!st->code) {
		pcre2_get_error_message(error, text, sizeof(text));
		return rule_fail(b, span_skip(re, at), "pcre: %s", (const char *)text);
	}
	(void)pcre2_jit_compile(st->code, PCRE2_JIT_COMPLETE);
	return 0;
}

/* Old rules leave the quotes out. */
static int pcre_text(struct rule_build *b, struct span arg, bool *negated, struct span *ret)
{
	bool bang = arg.n && arg.p[0] == '!';
	struct span text = span_trim(span_skip(arg, bang));

	if (!text.n || text.p[0] != '/')
		return rule_quoted(b, arg, negated, ret);
	*negated = bang;
	*ret = text;
	return 0;
}

static int pcre_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span text;
	struct step *st;
	uint32_t opts = 0;
	bool negated = false;
	size_t end;

	(void)k;
	if (pcre_text(b, arg, &negated, &text) < 0)
		return -EINVAL;
	end = text.n;
	while (end && text.p[end - 1] != '/')
		end--;
	if (end < 2 || text.p[0] != '/')
		return rule_fail(b, text, "\"/expression/flags\" is expected");
	st = rule_step(b, arg, pcre_find);
	if (!st)
		return -EINVAL;
	st->negated = negated;
	st->moves = !negated;
	b->content = NULL;
	struct span flags = span_skip(text, end), list = {};
	ptrdiff_t comma = span_chr(flags, ',');
	if (comma >= 0) {
		list = span_skip(flags, (size_t)comma + 1);
		flags = span_take(flags, (size_t)comma);
	}
	for (; flags.n; flags = span_skip(flags, 1))
		if (flag_apply(b, st, flags, &opts) < 0)
			return -EINVAL;
	if (pcre_compile(b, st, span_of(text.p + 1, end - 2), opts) < 0)
		return -EINVAL;
	return captures_parse(b, st, list);
}

const struct keyword keyword_pcre[] = {
	{"pcre", ARG_NEEDED, 0, pcre_parse},
	{0},
};
