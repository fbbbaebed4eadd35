#include "mailauth/results.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "mailauth/cfws.h"
#include "mailauth/domain.h"

#define FIELD "Authentication-Results"
#define ID_BYTES (4 * DOMAIN_BYTES)

/* What ends a token (RFC 2045, section 5.1). */
static bool is_token_end(uint8_t c)
{
	return c <= ' ' || c == 0x7f || strchr("()<>@,;:\\\"/[]?=", c);
}

static bool read_token(struct cursor *c, char *ret, size_t size)
{
	size_t n = 0;

	while (cursor_left(c) && !is_token_end(*c->p)) {
		if (n + 1 == size)
			return false;
		ret[n++] = (char)cursor_u8(c);
	}
	ret[n] = 0;
	return n > 0;
}

/* [CFWS] authserv-id: a token or a quoted string (section 2.2). */
static bool read_id(struct span value, char *ret, size_t size)
{
	struct cursor c = cursor_of(value);

	if (!cfws_skip(&c) || !cursor_left(&c))
		return false;
	return *c.p == '"' ? cfws_read_quoted(&c, ret, size) : read_token(&c, ret, size);
}

/* Equal but for case, blanks at the ends, a final dot, and the script of its letters. */
static bool is_same_id(const char *theirs, const char *ours)
{
	struct span t = span_trim(span_str(theirs));
	char ascii[DOMAIN_BYTES];

	if (t.n && t.p[t.n - 1] == '.')
		t.n--;
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] & 0x80)
			return !domain_read(t, ascii) || strcasecmp(ascii, ours) == 0;
	return span_caseeq(t, span_str(ours));
}

/* What a careless reader makes of it: all before the first semicolon, without comments, blanks and
 * quotes. False: too long to be our name. */
static bool read_carelessly(struct span value, char *ret, size_t size)
{
	struct cursor c = cursor_of(value);
	size_t n = 0;

	while (cfws_skip(&c) && cursor_left(&c)) {
		uint8_t ch = cursor_u8(&c);
		if (ch == ';')
			break;
		if (ch == '"' || ch == '\\')
			continue;
		if (n + 1 == size || ch == 0)
			return false;
		ret[n++] = (char)ch;
	}
	ret[n] = 0;
	return true;
}

/* Ours, or ours with a version behind it. */
static bool is_careless_match(const char *text, const char *id)
{
	size_t n = strlen(id);

	return strncasecmp(text, id, n) == 0 && text[n + strspn(text + n, "0123456789.")] == 0;
}

static bool is_forged(struct span value, const char *id)
{
	char theirs[ID_BYTES];

	if (!read_id(value, theirs, sizeof(theirs)) || is_same_id(theirs, id))
		return true;
	/* an encoded word in front of the first semicolon has no business there */
	ptrdiff_t semicolon = span_chr(value, ';');
	struct span head = span_take(value, semicolon < 0 ? value.n : (size_t)semicolon);
	if (span_find(head, SPAN_LIT("=?")) >= 0)
		return true;
	return read_carelessly(value, theirs, sizeof(theirs)) && is_careless_match(theirs, id);
}

/* A line without a colon that is the name: some readers take what is folded under it. */
static bool is_bare_name(const struct field *f)
{
	ptrdiff_t lf = span_chr(f->value, '\n');
	struct span line = span_take(f->value, lf < 0 ? f->value.n : (size_t)lf);

	return f->name.n == 0 && span_caseeq(span_trim(line), SPAN_LIT(FIELD));
}

unsigned results_find_forged(const struct message *m, const char *id, struct range *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->count; i++) {
		const struct field *f = &m->fields[i];
		bool is_named = span_caseeq(f->name, SPAN_LIT(FIELD));
		if ((is_named && is_forged(f->value, id)) || is_bare_name(f))
			ret[n++] = (struct range){(size_t)(f->whole.p - m->bytes.p), f->whole.n};
	}
	return n;
}

struct span results_instance(struct span value, struct span *ret_rest)
{
	const struct span none = {0};
	ptrdiff_t semicolon = span_chr(value, ';'), equals = span_chr(value, '=');

	if (ret_rest)
		*ret_rest = none;
	if (semicolon < 0 || equals < 0 || equals > semicolon)
		return none;
	struct cursor c = cursor_of(span_take(value, (size_t)equals));
	if (!cfws_skip(&c) || !span_eq(span_trim(cursor_rest(&c)), SPAN_LIT("i")))
		return none;
	if (ret_rest)
		*ret_rest = span_skip(value, (size_t)semicolon + 1);
	return span_trim(span_of(value.p + equals + 1, (size_t)(semicolon - equals - 1)));
}

/* "dmarc=pass" and its properties: header.from, when it is given, is the author. */
static bool is_dmarc_pass(char *item, const char *author)
{
	char *save = NULL, *word = strtok_r(item, " ", &save);

	if (!word || (strcasecmp(word, "dmarc=pass") != 0 && strcasecmp(word, "dmarc/1=pass") != 0))
		return false;
	while ((word = strtok_r(NULL, " ", &save)))
		if (strncasecmp(word, "header.from=", 12) == 0 &&
			strcasecmp(word + 12, author) != 0)
			return false;
	return true;
}

bool results_pass_dmarc(struct span value, const char *author)
{
	char *save = NULL;

	if (!value.n || value.n > RESULTS_BYTES_MAX)
		return false;
	_cleanup_free_ char *text = malloc(value.n + 1);
	if (!text || !cfws_flatten(value, text) || !strtok_r(text, ";", &save))
		return false;
	for (char *item = strtok_r(NULL, ";", &save); item; item = strtok_r(NULL, ";", &save))
		if (is_dmarc_pass(item, author))
			return true;
	return false;
}
