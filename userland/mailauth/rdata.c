#include "mailauth/rdata.h"

#include <stdlib.h>

#include "lib/cleanup.h"

/* A name in wire form, uncompressed, as text. False when a label is not plain text. */
static bool read_name(struct cursor *c, char ret[DNS_NAME_BYTES])
{
	size_t n = 0;
	uint8_t length;

	ret[0] = 0;
	while ((length = cursor_u8(c)) != 0) {
		struct span label = cursor_take(c, length);
		if (!cursor_ok(c) || length > 63 || n + length + 2 > DNS_NAME_BYTES)
			return false;
		if (n)
			ret[n++] = '.';
		for (size_t i = 0; i < label.n; i++) {
			if (label.p[i] <= ' ' || label.p[i] > '~' || label.p[i] == '.')
				return false;
			ret[n++] = (char)label.p[i];
		}
		ret[n] = 0;
	}
	return cursor_ok(c);
}

static void add_text(struct dns_answer *a, struct span rdata)
{
	struct cursor c = cursor_of(rdata);
	_cleanup_free_ uint8_t *joined = malloc(rdata.n + 1);
	size_t n = 0;

	while (joined && cursor_left(&c)) {
		struct span part = cursor_take(&c, cursor_u8(&c));
		if (!cursor_ok(&c))
			return;
		memcpy(joined + n, part.p, part.n);
		n += part.n;
	}
	if (joined)
		dns_answer_add(a, span_of(joined, n));
}

void rdata_add(struct dns_answer *a, struct span rdata)
{
	struct cursor c = cursor_of(rdata);
	char name[DNS_NAME_BYTES];

	switch (a->type) {
	case DNS_A:
	case DNS_AAAA:
		if (rdata.n == (a->type == DNS_A ? 4 : 16))
			dns_answer_add(a, rdata);
		return;
	case DNS_MX:
		cursor_skip(&c, 2); /* preference */
		break;
	case DNS_PTR:
		break;
	case DNS_TXT:
		add_text(a, rdata);
		return;
	}
	if (read_name(&c, name))
		dns_answer_add(a, span_str(name));
}
