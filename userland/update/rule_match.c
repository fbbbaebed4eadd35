#define PCRE2_CODE_UNIT_WIDTH 8
#include "update/rule_match.h"

#include <fnmatch.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"

enum kind {
	KIND_SID,
	KIND_GROUP,
	KIND_FILENAME,
	KIND_METADATA,
	KIND_RE,
};

struct rule_match {
	enum kind kind;
	uint64_t sid, gid;
	char *text;
	pcre2_code *re;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

static const struct {
	struct span name;
	enum kind kind;
} kinds[] = {
	{{(const uint8_t *)"group:", 6}, KIND_GROUP},
	{{(const uint8_t *)"filename:", 9}, KIND_FILENAME},
	{{(const uint8_t *)"metadata:", 9}, KIND_METADATA},
	{{(const uint8_t *)"re:", 3}, KIND_RE},
};

void rule_match_free(struct rule_match *m)
{
	if (!m)
		return;
	pcre2_code_free(m->re);
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->limits);
	free(m->text);
	free(m);
}

static struct rule_match *refuse(
	struct rule_match *m, struct span text, const char *why, char **ret_why)
{
	rule_match_free(m);
	if (asprintf(ret_why, "%.*s: %s", (int)text.n, (const char *)text.p, why) < 0)
		*ret_why = NULL;
	return NULL;
}

static bool sid_read(struct rule_match *m, struct span s)
{
	ptrdiff_t colon = span_chr(s, ':');

	m->gid = 1;
	if (colon >= 0 && !span_u64(span_take(s, (size_t)colon), UINT32_MAX, &m->gid))
		return false;
	return span_u64(colon < 0 ? s : span_skip(s, (size_t)colon + 1), UINT32_MAX, &m->sid);
}

static const char *re_read(struct rule_match *m)
{
	static char why[128];
	int error;
	PCRE2_SIZE at;

	m->re = pcre2_compile(
		(PCRE2_SPTR)m->text, PCRE2_ZERO_TERMINATED, PCRE2_CASELESS, &error, &at, NULL);
	if (!m->re) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
		return why;
	}
	m->data = pcre2_match_data_create_from_pattern(m->re, NULL);
	m->limits = pcre2_match_context_create(NULL);
	if (!m->data || !m->limits)
		return "out of memory";
	pcre2_set_match_limit(m->limits, RULE_MATCH_STEPS);
	pcre2_set_depth_limit(m->limits, RULE_MATCH_STEPS);
	return NULL;
}

struct rule_match *rule_match_new(struct span text, char **ret_why)
{
	struct rule_match *m = calloc(1, sizeof(*m));
	struct span s = span_trim(text);

	*ret_why = NULL;
	if (!m)
		return NULL;
	if (sid_read(m, s)) {
		m->kind = KIND_SID;
		return m;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!span_casestarts(s, kinds[i].name))
			continue;
		m->kind = kinds[i].kind;
		m->text = span_dup(span_trim(span_skip(s, kinds[i].name.n)));
		if (!m->text || !*m->text)
			return refuse(m, text, "nothing follows the colon", ret_why);
		const char *why = m->kind == KIND_RE ? re_read(m) : NULL;
		return why ? refuse(m, text, why, ret_why) : m;
	}
	return refuse(m, text,
		"accepted are SID, GID:SID, group:, filename:, metadata: and re:", ret_why);
}

/* What follows "option:" at the beginning of an option, up to its semicolon. */
static struct span option_value(struct span rule, struct span option)
{
	for (struct span s = rule;;) {
		ptrdiff_t at = span_find(s, option);
		if (at < 0)
			return span_of(NULL, 0);
		struct span rest = span_skip(s, (size_t)at + option.n);
		uint8_t before = at > 0 ? s.p[at - 1] : ' ';
		if ((before == ' ' || before == ';' || before == '(') && rest.n &&
			rest.p[0] == ':') {
			rest = span_skip(rest, 1);
			ptrdiff_t end = span_chr(rest, ';');
			return span_trim(end < 0 ? rest : span_take(rest, (size_t)end));
		}
		s = rest;
	}
}

uint64_t rule_number(struct span rule, struct span option)
{
	uint64_t n = 0;

	return span_u64(option_value(rule, option), UINT32_MAX, &n) ? n : 0;
}

static bool group_matches(const struct rule_match *m, const char *file)
{
	size_t n = strlen(m->text), file_n = strlen(file);

	if (strncmp(file, m->text, n) != 0)
		return false;
	return file_n == n || strcmp(file + n, ".rules") == 0;
}

/* "key value", one of those between commas. */
static bool metadata_matches(const struct rule_match *m, struct span rule)
{
	struct span s = option_value(rule, SPAN_LIT("metadata")), want = span_str(m->text);

	while (s.n > 0) {
		ptrdiff_t comma = span_chr(s, ',');
		struct span pair = span_trim(comma < 0 ? s : span_take(s, (size_t)comma));
		if (span_caseeq(pair, want))
			return true;
		s = comma < 0 ? span_of(NULL, 0) : span_skip(s, (size_t)comma + 1);
	}
	return false;
}

bool rule_match_run(const struct rule_match *m, const struct rule_line *rule)
{
	switch (m->kind) {
	case KIND_SID:
		return rule->sid == m->sid && rule->gid == m->gid;
	case KIND_GROUP:
		return group_matches(m, rule->file);
	case KIND_FILENAME:
		return fnmatch(m->text, rule->file, 0) == 0;
	case KIND_METADATA:
		return metadata_matches(m, rule->text);
	case KIND_RE:
		return pcre2_match(m->re, rule->text.p, rule->text.n, 0, 0, m->data, m->limits) >=
		       0;
	}
	return false;
}
