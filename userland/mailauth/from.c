#include "mailauth/from.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "mailauth/cfws.h"

#define MALFORMED "malformed From field"

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

/* An encoded word is decoded by some readers wherever it stands. */
static bool is_plain_local(struct span s)
{
	return s.n > 0 && span_find(s, SPAN_LIT("=?")) < 0 && !memchr(s.p, ' ', s.n);
}

static const char *read_element(char *element, struct from *ret)
{
	char *text = addr_spec_of(element);

	if (!text)
		return MALFORMED;
	struct span s = span_trim(span_str(text));
	ptrdiff_t at = span_chr(s, '@');
	if (at <= 0)
		return "From address without a domain";
	struct span domain = span_trim(span_skip(s, (size_t)at + 1));
	struct span local = span_trim(span_take(s, (size_t)at));
	if (!domain_read(domain, ret->domain))
		return "From address with a malformed domain";
	/* blanks in quotes are the sender's own; elsewhere they part what readers put together */
	if (local.p && local.n && local.p[0] != '"' && !is_plain_local(local))
		return "From address with a malformed local part";
	phrase_print(span_take(s, sizeof(ret->address) - 1), ret->address, sizeof(ret->address));
	return NULL;
}

static bool is_empty_name(const char *element)
{
	return !strpbrk(element, "@<>");
}

static const char *read_list(char *text, struct from *ret)
{
	char *save = NULL;
	bool found = false;

	if (strpbrk(text, ";"))
		return "From field with a group";
	for (char *e = strtok_r(text, ",", &save); e; e = strtok_r(NULL, ",", &save)) {
		struct from one;
		if (is_empty_name(
			    e)) /* "Example, Inc. <a@example.com>": a comma that was not quoted */
			continue;
		const char *why = read_element(e, &one);
		if (why)
			return why;
		if (found && strcmp(one.domain, ret->domain) != 0)
			return "From addresses of several domains";
		if (found)
			continue;
		memcpy(ret->domain, one.domain, sizeof(ret->domain));
		memcpy(ret->address, one.address, sizeof(ret->address));
		found = true;
	}
	return found ? NULL : "From field without an address";
}

/* Folds and tabs apart; some readers end the field at a control byte, others do not. */
static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && !memchr("\t\r\n", s.p[i], 3)) || s.p[i] == 0x7f ||
			(s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n')))
			return true;
	return false;
}

const char *from_read(const struct message *m, struct from *ret)
{
	unsigned at = 0;
	const struct field *field = message_find(m, "From", &at);
	const char *why;

	*ret = (struct from){0};
	if (!field)
		return "no From field";
	if (message_find(m, "From", &at))
		return "several From fields";
	if (field->value.n > FROM_BYTES_MAX || has_control(field->value))
		return MALFORMED;
	_cleanup_free_ char *text = malloc(field->value.n + 1);
	if (!text || !cfws_flatten(field->value, text))
		return MALFORMED;
	why = read_list(text, ret);
	if (why)
		*ret = (struct from){0};
	else
		phrase_read(field->value, ret->display_name);
	return why;
}
