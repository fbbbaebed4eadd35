#define PCRE2_CODE_UNIT_WIDTH 8
#include "update/rule_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "update/rule_match.h"

enum edit_kind {
	EDIT_DISABLE,
	EDIT_ENABLE,
	EDIT_MODIFY,
	EDITS,
};

static const char *const keys[EDITS] = {"disable", "enable", "modify"};

struct edit {
	enum edit_kind kind;
	struct rule_match *match;
	pcre2_code *from; /* of a modification */
	char *to;         /* in PCRE2's spelling */
};

struct edits {
	struct edit *item;
	size_t n, of_kind[EDITS];
};

static void edits_free(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++) {
		rule_match_free(e->item[i].match);
		pcre2_code_free(e->item[i].from);
		free(e->item[i].to);
	}
	free(e->item);
}

static int invalid(char **ret_why, const char *key, struct span text, const char *why)
{
	if (asprintf(ret_why, "%s %.*s: %s", key, (int)text.n, (const char *)text.p, why) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

/* The last "..." of the text, its quotes taken off; the text without it. */
static bool quoted_take(struct span *text, struct span *ret)
{
	*text = span_trim(*text);
	if (text->n < 2 || text->p[text->n - 1] != '"')
		return false;
	for (size_t i = text->n - 1; i > 0; i--)
		if (text->p[i - 1] == '"' && (i < 2 || text->p[i - 2] != '\\')) {
			*ret = span_of(text->p + i, text->n - 1 - i);
			*text = span_take(*text, i - 1);
			return true;
		}
	return false;
}

/* \" is a quote; \1 is written ${1}, a dollar $$: PCRE2's spelling of a replacement. */
static char *replacement_of(struct span s)
{
	char *out = NULL;
	size_t bytes;
	FILE *f = open_memstream(&out, &bytes);

	if (!f)
		return NULL;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t next = i + 1 < s.n ? s.p[i + 1] : 0;
		if (s.p[i] == '$')
			fputs("$$", f);
		else if (s.p[i] == '\\' && next >= '0' && next <= '9')
			fprintf(f, "${%c}", s.p[++i]);
		else if (s.p[i] == '\\' && next)
			fputc(s.p[++i], f);
		else
			fputc(s.p[i], f);
	}
	return fclose(f) == 0 ? out : NULL;
}

/* 2019401 "seconds \d+" "seconds 3600" */
static int modify_read(struct edit *e, struct span text, struct span *ret_match, char **ret_why)
{
	struct span from, to, rest = text;
	int error;
	PCRE2_SIZE at;

	if (!quoted_take(&rest, &to) || !quoted_take(&rest, &from) || rest.n == 0)
		return invalid(ret_why, "modify", text,
			"accepted is a match, then an expression and its replacement in quotes");
	e->from = pcre2_compile(from.p, from.n, 0, &error, &at, NULL);
	if (!e->from)
		return invalid(ret_why, "modify", text, "the expression cannot be read");
	e->to = replacement_of(to);
	*ret_match = rest;
	return e->to ? 0 : -ENOMEM;
}

static int edit_read(struct edits *e, enum edit_kind kind, struct span text, char **ret_why)
{
	struct edit *one = &e->item[e->n++];
	struct span match = text;
	char *why = NULL;

	*one = (struct edit){.kind = kind};
	int r = kind == EDIT_MODIFY ? modify_read(one, text, &match, ret_why) : 0;
	if (r < 0)
		return r;
	one->match = rule_match_new(match, &why);
	if (!one->match)
		r = invalid(ret_why, keys[kind], span_str(why ? why : "?"), "cannot be read");
	free(why);
	e->of_kind[kind]++;
	return r;
}

static int edits_read(sd_json_variant *source, struct edits *e, char **ret_why)
{
	size_t all = 0;
	int r = 0;

	for (int k = 0; k < EDITS; k++) {
		sd_json_variant *list = sd_json_variant_by_key(source, keys[k]);
		all += list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
	}
	if (all > RULE_EDITS_MAX)
		return invalid(ret_why, "disable, enable, modify", span_of("", 0),
			"more than 10000 entries");
	e->item = all ? calloc(all, sizeof(*e->item)) : NULL;
	if (all && !e->item)
		return -ENOMEM;
	for (int k = 0; k < EDITS && e->item; k++) {
		sd_json_variant *list = sd_json_variant_by_key(source, keys[k]);
		size_t n =
			list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
		for (size_t i = 0; i < n && r == 0; i++) {
			const char *text =
				sd_json_variant_string(sd_json_variant_by_index(list, i));
			r = edit_read(e, (enum edit_kind)k, span_str(text), ret_why);
		}
	}
	return r;
}

int rule_edit_check(sd_json_variant *source, char **ret_why)
{
	_cleanup_(edits_free) struct edits e = {0};

	return edits_read(source, &e, ret_why);
}

static bool any_matches(const struct edits *e, enum edit_kind kind, const struct rule_line *rule)
{
	for (size_t i = 0; i < e->n && e->of_kind[kind]; i++)
		if (e->item[i].kind == kind && rule_match_run(e->item[i].match, rule))
			return true;
	return false;
}

/* Every modification that means this rule, one after the other, in place. */
static int rule_modify(
	const struct edits *e, struct rule_line *rule, char text[2][RULE_BYTES], bool *ret_changed)
{
	unsigned turn = 0;

	for (size_t i = 0; i < e->n && e->of_kind[EDIT_MODIFY]; i++) {
		const struct edit *one = &e->item[i];
		PCRE2_SIZE n = RULE_BYTES;
		if (one->kind != EDIT_MODIFY || !rule_match_run(one->match, rule))
			continue;
		int r = pcre2_substitute(one->from, rule->text.p, rule->text.n, 0,
			PCRE2_SUBSTITUTE_GLOBAL, NULL, NULL, (PCRE2_SPTR)one->to,
			PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)text[turn], &n);
		if (r < 0)
			return -EFBIG;
		if (r == 0)
			continue;
		*ret_changed = true;
		rule->text = span_of(text[turn], n);
		turn = !turn;
	}
	return 0;
}

static bool is_rule(struct span s)
{
	static const struct span actions[] = {SPAN_LIT("alert "), SPAN_LIT("drop "),
		SPAN_LIT("pass "), SPAN_LIT("reject"), SPAN_LIT("config ")};

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (span_eq(span_take(s, actions[i].n), actions[i]))
			return span_chr(s, '(') >= 0;
	return false;
}

/* A rule behind any number of "#" and blanks; false when the line is none. */
static bool rule_read(struct span line, struct rule_line *ret)
{
	struct span s = span_trim(line);

	ret->enabled = true;
	while (s.n > 0 && s.p[0] == '#') {
		ret->enabled = false;
		s = span_trim(span_skip(s, 1));
	}
	if (!is_rule(s))
		return false;
	ret->text = s;
	ret->sid = rule_number(s, SPAN_LIT("sid"));
	ret->gid = rule_number(s, SPAN_LIT("gid"));
	if (ret->gid == 0)
		ret->gid = 1;
	return ret->sid != 0;
}

struct pass {
	const struct edits *edits;
	const char *file;
	FILE *out;
	struct rule_edit_counts *counts;
	char text[2][RULE_BYTES];
};

static int line_edit(struct pass *p, struct span line)
{
	struct rule_line rule = {.file = p->file};
	bool changed = false;

	if (!rule_read(line, &rule)) {
		fwrite(line.p, 1, line.n, p->out);
		return 0;
	}
	bool was = rule.enabled;
	if (rule.enabled && any_matches(p->edits, EDIT_DISABLE, &rule))
		rule.enabled = false;
	if (!rule.enabled && any_matches(p->edits, EDIT_ENABLE, &rule))
		rule.enabled = true;
	int r = rule_modify(p->edits, &rule, p->text, &changed);
	if (r < 0)
		return r;
	p->counts->modified += changed;
	p->counts->disabled += was && !rule.enabled;
	p->counts->enabled += !was && rule.enabled;
	fprintf(p->out, "%s%.*s\n", rule.enabled ? "" : "# ", (int)rule.text.n,
		(const char *)rule.text.p);
	return 0;
}

/* A line with those that a backslash at its end adds. */
static struct span line_take(struct span *s)
{
	size_t n = 0;

	for (;;) {
		ptrdiff_t end = span_chr(span_skip(*s, n), '\n');
		n = end < 0 ? s->n : n + (size_t)end + 1;
		if (end <= 0 || s->p[n - 2] != '\\')
			break;
	}
	struct span line = span_take(*s, n);
	*s = span_skip(*s, n);
	return line;
}

/* One rule in one line: the backslashes and the ends of line behind them become blanks. */
static void lines_join(char *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (p[i] == '\\' && p[i + 1] == '\n')
			p[i] = p[i + 1] = ' ';
}

static int file_edit(struct pass *p, int dir_fd)
{
	struct stat st;
	_cleanup_close_ int fd = openat(dir_fd, p->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	size_t bytes = (size_t)st.st_size;
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	int new_fd = openat(dir_fd, ".edited", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	p->out = new_fd < 0 ? NULL : fdopen(new_fd, "w");
	int r = p->out ? 0 : -errno;
	struct span s = span_of(map, bytes);
	while (r == 0 && s.n > 0) {
		struct span line = line_take(&s);
		lines_join(map + (line.p - (const uint8_t *)map), line.n);
		r = line_edit(p, line);
	}
	munmap(map, bytes);
	if (p->out && fclose(p->out) != 0 && r == 0)
		r = -EIO;
	return r == 0 && renameat(dir_fd, ".edited", dir_fd, p->file) < 0 ? -errno : r;
}

int rule_edit_files(sd_json_variant *source, int dir_fd, const struct delivery_names *names,
	struct rule_edit_counts *ret, char **ret_why)
{
	_cleanup_(edits_free) struct edits e = {0};
	_cleanup_free_ struct pass *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	int r = edits_read(source, &e, ret_why);
	if (r < 0 || e.n == 0)
		return r;
	p->edits = &e;
	p->counts = ret;
	for (unsigned i = 0; i < names->n && r == 0; i++) {
		p->file = names->name[i];
		r = file_edit(p, dir_fd);
		if (r == -EFBIG &&
			asprintf(ret_why, "%s: a modified rule is too long", p->file) < 0)
			*ret_why = NULL;
	}
	return r;
}
