#include "mailauth/domain.h"

#include <idn2.h>
#include <stdio.h>
#include <strings.h>

bool domain_lower(const char *name, char ret[DOMAIN_BYTES])
{
	size_t n = strlen(name), label = 0;

	if (n && name[n - 1] == '.')
		n--;
	if (n == 0 || n >= DOMAIN_BYTES)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		label = c == '.' ? 0 : label + 1;
		if (label > 63 || (c == '.' && (i == 0 || name[i - 1] == '.')))
			return false;
		ret[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	ret[n] = 0;
	return label > 0;
}

static bool is_ldh(const char *s)
{
	for (; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') && !strchr("-_.", *s))
			return false;
	return true;
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] & 0x80)
			return false;
	return true;
}

bool domain_read(struct span s, char ret[DOMAIN_BYTES])
{
	char text[4 * DOMAIN_BYTES]; /* UTF-8 of a name whose A-labels fit */
	uint8_t *ascii = NULL;
	bool ok;

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (is_ascii(s))
		return domain_lower(text, ret) && is_ldh(ret);
	if (idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	ok = domain_lower((const char *)ascii, ret) && is_ldh(ret);
	idn2_free(ascii);
	return ok;
}

unsigned domain_labels(const char *name)
{
	unsigned n = *name != 0;

	for (; *name; name++)
		n += *name == '.' && name[1] != 0;
	return n;
}

const char *domain_parent(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && dot[1] ? dot + 1 : NULL;
}

bool domain_is_within(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	if (n < d || strcasecmp(name + n - d, domain) != 0)
		return false;
	return n == d || name[n - d - 1] == '.';
}
