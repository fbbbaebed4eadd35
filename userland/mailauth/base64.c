#include "mailauth/base64.h"

static int sextet(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ptrdiff_t base64_decode(struct span text, uint8_t *ret, size_t size)
{
	uint32_t bits = 0;
	size_t n = 0, pad = 0;

	if (text.n % 4 != 0)
		return -1;
	while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < text.n; i++) {
		int v = i < text.n - pad ? sextet(text.p[i]) : 0;
		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 3)
			continue;
		size_t whole = i + 1 == text.n ? 3 - pad : 3;
		if (whole > size - n)
			return -1;
		for (size_t k = 0; k < whole; k++)
			ret[n++] = (uint8_t)(bits >> (16 - 8 * k));
	}
	return (ptrdiff_t)n;
}
