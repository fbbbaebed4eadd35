#include "mailauth/from.h"

#include <stdlib.h>

#include "lib/cleanup.h"

#define MALFORMED "malformed From field"

/* Copies a quoted string with its quotes; inside it nothing is structure. */
static bool copy_quoted(struct cursor *c, char *out, size_t *n)
{
	out[(*n)++] = '"';
	while (cursor_left(c)) {
		char ch = (char)cursor_u8(c);
		if (ch == '"') {
			out[(*n)++] = '"';
			return true;
		}
		if (ch == '\\' && cursor_left(c))
			ch = (char)cursor_u8(c);
		/* what it holds does not matter here, only that it cannot pass for structure */
		out[(*n)++] = strchr("@,:;<>\"", ch) ? '_' : ch;
	}
	return false;
}

static bool skip_comment(struct cursor *c)
{
	unsigned depth = 1;

	while (cursor_left(c)) {
		uint8_t ch = cursor_u8(c);
		if (ch == '\\' && cursor_left(c))
			cursor_skip(c, 1);
		else if (ch == '(' && ++depth > FROM_COMMENTS_MAX)
			return false;
		else if (ch == ')' && --depth == 0)
			return true;
	}
	return false;
}

/* Without comments, folding and blanks at structure characters; quoted strings made harmless. */
static bool flatten(struct span value, char *out)
{
	struct cursor c = cursor_of(value);
	size_t n = 0;

	while (cursor_left(&c)) {
		uint8_t ch = cursor_u8(&c);
		if (ch == 0)
			return false;
		if (ch == '(' && !skip_comment(&c))
			return false;
		if (ch == ')')
			return false;
		if (ch == '"' && !copy_quoted(&c, out, &n))
			return false;
		if (ch == '"' || ch == '\r' || ch == '\n')
			continue;
		out[n++] = ch == '(' || ch == '\t' ? ' ' : (char)ch;
	}
	out[n] = 0;
	return true;
}

/* The text of one address: what is in its angle brackets, or all of it. NULL: malformed. */
static char *addr_spec_of(char *element)
{
	char *open = strchr(element, '<'), *close = strchr(element, '>');

	if (!open)
		return close ? NULL : element;
	if (!close || close < open || strchr(open + 1, '<') || strchr(close + 1, '>'))
		return NULL;
	if (close[1 + strspn(close + 1, " ")] != 0)
		return NULL;
	*close = 0;
	return open + 1;
}

static const char *element_domain(char *element, char ret[DOMAIN_BYTES])
{
	char *spec = addr_spec_of(element);

	if (!spec)
		return MALFORMED;
	struct span s = span_trim(span_str(spec));
	ptrdiff_t at = span_chr(s, '@');
	if (at <= 0)
		return "From address without a domain";
	struct span domain = span_trim(span_skip(s, (size_t)at + 1));
	if (!domain_read(domain, ret))
		return "From address with a malformed domain";
	return NULL;
}

static bool is_empty_name(const char *element)
{
	return !strpbrk(element, "@<>");
}

static const char *list_domain(char *text, char ret[DOMAIN_BYTES])
{
	char *save = NULL;
	bool found = false;

	if (strpbrk(text, ";"))
		return "From field with a group";
	for (char *e = strtok_r(text, ",", &save); e; e = strtok_r(NULL, ",", &save)) {
		char domain[DOMAIN_BYTES];
		if (is_empty_name(
			    e)) /* "Example, Inc. <a@example.com>": a comma that was not quoted */
			continue;
		const char *why = element_domain(e, domain);
		if (why)
			return why;
		if (found && strcmp(domain, ret) != 0)
			return "From addresses of several domains";
		strcpy(ret, domain);
		found = true;
	}
	return found ? NULL : "From field without an address";
}

const char *from_domain(const struct message *m, char ret[DOMAIN_BYTES])
{
	unsigned at = 0;
	const struct field *from = message_find(m, "From", &at);

	if (!from)
		return "no From field";
	if (message_find(m, "From", &at))
		return "several From fields";
	if (from->value.n > FROM_BYTES_MAX)
		return MALFORMED;
	_cleanup_free_ char *text = malloc(from->value.n + 1);
	if (!text || !flatten(from->value, text))
		return MALFORMED;
	return list_domain(text, ret);
}
