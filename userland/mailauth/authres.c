#include "mailauth/authres.h"

#include <stdio.h>

#define COMMENTS_MAX 16

struct out {
	char *p;
	size_t n;
};

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(".-_", c));
}

bool authres_is_id(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!is_token_char(id[i]))
			return false;
	return n > 0 && n < DOMAIN_BYTES;
}

/* A result is written whole or not at all. */
static void put_line(struct out *o, const char *line)
{
	size_t n = strlen(line);

	if (o->n + n + sizeof("\r\n") > AUTHRES_BYTES)
		return;
	memcpy(o->p + o->n, line, n + 1);
	o->n += n;
}

/* " ptype.property=value"; bytes that would need quoting become "?" in quotes: a stranger wrote
 * them. */
static void add_property(char *line, size_t size, const char *name, const char *value)
{
	char safe[DOMAIN_BYTES];
	bool quote = false;
	size_t n = strlen(line);

	if (!*value)
		return;
	snprintf(safe, sizeof(safe), "%s", value);
	for (char *p = safe; *p; p++) {
		if (is_token_char(*p))
			continue;
		*p = '?';
		quote = true;
	}
	snprintf(line + n, size - n, quote ? " %s=\"%s\"" : " %s=%s", name, safe);
}

static void put_spf(struct out *o, const struct spf_judgement *spf)
{
	char line[512];

	snprintf(line, sizeof(line), ";\r\n\tspf=%s", spf_result_name(spf->result));
	add_property(line, sizeof(line), spf->is_helo ? "smtp.helo" : "smtp.mailfrom", spf->domain);
	put_line(o, line);
}

static void put_dkim(struct out *o, const struct dkim_judgement *j)
{
	char line[1024];

	if (j->reason)
		snprintf(line, sizeof(line), ";\r\n\tdkim=%s reason=\"%.100s\"",
			dkim_result_name(j->result), j->reason);
	else
		snprintf(line, sizeof(line), ";\r\n\tdkim=%s", dkim_result_name(j->result));
	add_property(line, sizeof(line), "header.d", j->domain);
	add_property(line, sizeof(line), "header.s", j->selector);
	put_line(o, line);
}

static void put_dmarc(struct out *o, const struct dmarc_judgement *j)
{
	char line[512];

	snprintf(line, sizeof(line), ";\r\n\tdmarc=%s", dmarc_result_name(j->result));
	if (j->policy != DMARC_POLICY_ABSENT)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " (p=%s)",
			dmarc_policy_name(j->policy));
	if (j->reason)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " reason=\"%.100s\"",
			j->reason);
	add_property(line, sizeof(line), "header.from", j->domain);
	put_line(o, line);
}

void authres_write(const char *id, const struct spf_judgement *spf,
	const struct dkim_judgement *dkim, unsigned dkim_count, const struct dmarc_judgement *dmarc,
	char ret[AUTHRES_BYTES])
{
	struct out o = {.p = ret};
	char line[DOMAIN_BYTES + 32];

	snprintf(line, sizeof(line), "Authentication-Results: %s", id);
	put_line(&o, line);
	put_spf(&o, spf);
	put_dmarc(&o, dmarc);
	if (dkim_count == 0)
		put_line(&o, ";\r\n\tdkim=none");
	for (unsigned i = 0; i < dkim_count; i++)
		put_dkim(&o, &dkim[i]);
	strcpy(ret + o.n, "\r\n");
}

/* Comments and folding white space. False when a comment does not end. */
static bool skip_cfws(struct cursor *c)
{
	unsigned depth = 0;

	while (cursor_left(c)) {
		uint8_t ch = *c->p;
		if (depth == 0 && ch != '(' && ch != ' ' && ch != '\t' && ch != '\r' && ch != '\n')
			return true;
		cursor_skip(c, 1);
		if (ch == '(' && ++depth > COMMENTS_MAX)
			return false;
		if (ch == ')')
			depth--;
		if (ch == '\\' && depth)
			cursor_skip(c, 1);
	}
	return depth == 0 && cursor_ok(c);
}

static bool read_quoted(struct cursor *c, char *ret, size_t size)
{
	size_t n = 0;

	cursor_skip(c, 1);
	while (cursor_left(c)) {
		uint8_t ch = cursor_u8(c);
		if (ch == '"') {
			ret[n] = 0;
			return true;
		}
		if (ch == '\\')
			ch = cursor_u8(c);
		if (ch == '\r' || ch == '\n') /* folding is not content */
			continue;
		if (n + 1 == size || ch == 0)
			return false;
		ret[n++] = (char)ch;
	}
	return false;
}

static bool read_token(struct cursor *c, char *ret, size_t size)
{
	size_t n = 0;

	while (cursor_left(c) && !memchr(" \t\r\n;(", *c->p, 6)) {
		uint8_t ch = cursor_u8(c);
		if (n + 1 == size || ch == 0)
			return false;
		ret[n++] = (char)ch;
	}
	ret[n] = 0;
	return n > 0;
}

/* [CFWS] authserv-id: a token or a quoted string (RFC 8601, section 2.2). */
static bool read_id(struct span value, char *ret, size_t size)
{
	struct cursor c = cursor_of(value);

	if (!skip_cfws(&c) || !cursor_left(&c))
		return false;
	return *c.p == '"' ? read_quoted(&c, ret, size) : read_token(&c, ret, size);
}

/* Equal but for case, blanks at the ends and a final dot. */
static bool is_same_id(const char *theirs, const char *ours)
{
	struct span t = span_trim(span_str(theirs));

	if (t.n && t.p[t.n - 1] == '.')
		t.n--;
	return span_caseeq(t, span_str(ours));
}

unsigned authres_find_forged(
	const struct message *m, const char *id, struct range ret[HEADER_FIELDS_MAX])
{
	const struct field *f;
	unsigned at = 0, n = 0;

	while ((f = message_find(m, "Authentication-Results", &at))) {
		char theirs[4 * DOMAIN_BYTES];
		if (read_id(f->value, theirs, sizeof(theirs)) && !is_same_id(theirs, id))
			continue;
		ret[n++] = (struct range){(size_t)(f->whole.p - m->bytes.p), f->whole.n};
	}
	return n;
}
