#include "mailauth/cfws.h"

/* The opening parenthesis has been read. */
static bool skip_comment(struct cursor *c)
{
	unsigned depth = 1;

	while (cursor_left(c)) {
		uint8_t ch = cursor_u8(c);
		if (ch == '\\' && cursor_left(c))
			cursor_skip(c, 1);
		else if (ch == '(' && ++depth > CFWS_COMMENTS_MAX)
			return false;
		else if (ch == ')' && --depth == 0)
			return true;
	}
	return false;
}

bool cfws_skip(struct cursor *c)
{
	while (cursor_left(c)) {
		if (!memchr(" \t\r\n(", *c->p, 5))
			return true;
		if (cursor_u8(c) == '(' && !skip_comment(c))
			return false;
	}
	return true;
}

bool cfws_read_quoted(struct cursor *c, char *ret, size_t size)
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
		if (ch == 0)
			return false;
		out[(*n)++] = strchr("@,:;<>\"()=\r\n", ch) ? '_' : ch;
	}
	return false;
}

bool cfws_flatten(struct span value, char *out)
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
