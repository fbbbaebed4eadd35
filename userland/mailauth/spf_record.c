#include "mailauth/spf_record.h"

#include <arpa/inet.h>

#include "mailauth/spf_macro.h"

#define VERSION "v=spf1"

enum term_argument {
	ARGUMENT_NONE,
	ARGUMENT_DOMAIN,          /* ":" domain-spec */
	ARGUMENT_MAYBE_DOMAIN,    /* [":" domain-spec] */
	ARGUMENT_DOMAIN_AND_CIDR, /* [":" domain-spec] [dual-cidr-length] */
	ARGUMENT_IP4,
	ARGUMENT_IP6,
};

static const struct {
	const char *name;
	enum spf_term_kind kind;
	enum term_argument argument;
} mechanisms[] = {
	{"a", SPF_A, ARGUMENT_DOMAIN_AND_CIDR},
	{"all", SPF_ALL, ARGUMENT_NONE},
	{"exists", SPF_EXISTS, ARGUMENT_DOMAIN},
	{"include", SPF_INCLUDE, ARGUMENT_DOMAIN},
	{"ip4", SPF_IP4, ARGUMENT_IP4},
	{"ip6", SPF_IP6, ARGUMENT_IP6},
	{"mx", SPF_MX, ARGUMENT_DOMAIN_AND_CIDR},
	{"ptr", SPF_PTR, ARGUMENT_MAYBE_DOMAIN},
};

static bool is_alpha(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool spf_record_is_spf(struct span txt)
{
	return span_casestarts(txt, SPAN_LIT(VERSION)) &&
	       (txt.n == strlen(VERSION) || txt.p[strlen(VERSION)] == ' ');
}

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static size_t name_length(struct span s)
{
	size_t n = 0;

	while (n < s.n &&
		(is_alpha(s.p[n]) || (n && (is_digit(s.p[n]) || memchr("-_.", s.p[n], 3)))))
		n++;
	return n;
}

/* toplabel: letters, digits and inner hyphens, not digits alone (section 7.1). */
static bool is_toplabel(struct span s)
{
	bool other = false;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-')
			return false;
		other |= !is_digit(s.p[i]);
	}
	return other;
}

/* domain-spec = macro-string ( "." toplabel [ "." ] / macro-expand ) */
static bool is_domain_spec(struct span s)
{
	size_t literal; /* bytes after the last macro */

	if (s.n == 0 || !spf_macro_is_valid(s, false, &literal))
		return false;
	struct span tail = span_skip(s, s.n - literal);
	if (tail.n == 0)
		return true;
	if (tail.p[tail.n - 1] == '.')
		tail.n--;
	for (size_t dot = tail.n; dot > 0; dot--)
		if (tail.p[dot - 1] == '.')
			return is_toplabel(span_skip(tail, dot));
	return false;
}

/* "0" or a number without leading zeros. */
static bool read_length(struct span s, uint8_t max, uint8_t *ret)
{
	uint64_t v;

	if (!span_u64(s, max, &v) || (s.n > 1 && s.p[0] == '0'))
		return false;
	*ret = (uint8_t)v;
	return true;
}

static size_t trailing_digits(struct span s)
{
	size_t n = 0;

	while (n < s.n && is_digit(s.p[s.n - 1 - n]))
		n++;
	return n;
}

/* Cuts "/12" and "//64" from the end of s. A slash without digits stays, for is_domain_spec() to
 * refuse. */
static bool cut_dual_cidr(struct span *s, struct spf_term *t)
{
	size_t n = trailing_digits(*s);

	if (n && s->n >= n + 2 && s->p[s->n - n - 1] == '/' && s->p[s->n - n - 2] == '/') {
		if (!read_length(span_skip(*s, s->n - n), 128, &t->cidr6))
			return false;
		s->n -= n + 2;
		n = trailing_digits(*s);
	}
	if (n && s->n >= n + 1 && s->p[s->n - n - 1] == '/') {
		if (!read_length(span_skip(*s, s->n - n), 32, &t->cidr4))
			return false;
		s->n -= n + 1;
	}
	return true;
}

static bool read_network(
	struct span s, int family, uint8_t max, uint8_t *ret_cidr, uint8_t *network)
{
	char text[INET6_ADDRSTRLEN];
	ptrdiff_t slash = span_chr(s, '/');

	if (slash >= 0 && !read_length(span_skip(s, (size_t)slash + 1), max, ret_cidr))
		return false;
	s = span_take(s, slash >= 0 ? (size_t)slash : s.n);
	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	return inet_pton(family, text, network) == 1;
}

/* argument is what follows the mechanism's name, with its ":" or "/". */
static bool read_argument(struct spf_term *t, enum term_argument kind, struct span argument)
{
	bool has_colon = argument.n && argument.p[0] == ':';

	if (kind == ARGUMENT_NONE)
		return argument.n == 0;
	if (kind == ARGUMENT_DOMAIN_AND_CIDR && !cut_dual_cidr(&argument, t))
		return false;
	if (argument.n == 0)
		return kind == ARGUMENT_MAYBE_DOMAIN || kind == ARGUMENT_DOMAIN_AND_CIDR;
	if (!has_colon)
		return false;
	struct span value = span_skip(argument, 1);
	if (kind == ARGUMENT_IP4)
		return read_network(value, AF_INET, 32, &t->cidr4, t->network);
	if (kind == ARGUMENT_IP6)
		return read_network(value, AF_INET6, 128, &t->cidr6, t->network);
	t->domain_spec = value;
	return is_domain_spec(value);
}

static bool read_modifier(struct spf_term *t, struct span name, struct span value)
{
	size_t literal;

	t->kind = span_caseeq(name, SPAN_LIT("redirect")) ? SPF_REDIRECT
		  : span_caseeq(name, SPAN_LIT("exp"))    ? SPF_EXP
							  : SPF_UNKNOWN_MODIFIER;
	t->domain_spec = value;
	if (t->kind == SPF_UNKNOWN_MODIFIER)
		return spf_macro_is_valid(value, false, &literal);
	return is_domain_spec(value);
}

static bool read_mechanism(struct spf_term *t, struct span text)
{
	t->qualifier = '+';
	if (text.n && memchr("+-~?", text.p[0], 4)) {
		t->qualifier = (char)text.p[0];
		text = span_skip(text, 1);
	}
	struct span name = span_take(text, name_length(text));
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(*mechanisms); i++) {
		if (!span_caseeq(name, span_str(mechanisms[i].name)))
			continue;
		t->kind = mechanisms[i].kind;
		return read_argument(t, mechanisms[i].argument, span_skip(text, name.n));
	}
	return false;
}

static bool read_term(struct spf_term *t, struct span text)
{
	size_t n = name_length(text);

	*t = (struct spf_term){.cidr4 = 32, .cidr6 = 128};
	if (n && n < text.n && text.p[n] == '=')
		return read_modifier(t, span_take(text, n), span_skip(text, n + 1));
	return read_mechanism(t, text);
}

bool spf_term_next(struct span *rest, struct spf_term *t, bool *ret_bad)
{
	size_t n = 0;

	*ret_bad = false;
	if (spf_record_is_spf(*rest))
		*rest = span_skip(*rest, strlen(VERSION));
	while (rest->n && rest->p[0] == ' ')
		*rest = span_skip(*rest, 1);
	while (n < rest->n && rest->p[n] != ' ')
		n++;
	if (n == 0)
		return false;
	*ret_bad = !read_term(t, span_take(*rest, n));
	*rest = span_skip(*rest, n);
	return !*ret_bad;
}

bool spf_record_is_valid(struct span txt)
{
	unsigned redirects = 0, exps = 0;
	struct spf_term t;
	bool bad;

	while (spf_term_next(&txt, &t, &bad)) {
		redirects += t.kind == SPF_REDIRECT;
		exps += t.kind == SPF_EXP;
	}
	return !bad && redirects <= 1 && exps <= 1;
}
