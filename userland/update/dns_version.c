#include "update/dns_version.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stddef.h>

#define FIELDS 8
#define FIELD_TIME 3

static const struct {
	const char *stem;
	unsigned field;
} databases[] = {
	{"main", 1},
	{"daily", 2},
	{"bytecode", 7},
};

static bool number_at(struct span text, unsigned field, uint64_t *ret)
{
	for (; field > 0; field--) {
		ptrdiff_t colon = span_chr(text, ':');
		if (colon < 0)
			return false;
		text = span_skip(text, (size_t)colon + 1);
	}
	ptrdiff_t end = span_chr(text, ':');
	return span_u64(end < 0 ? text : span_take(text, (size_t)end), UINT32_MAX, ret);
}

bool dns_version_read(struct span text, const char *stem, uint64_t now, uint64_t *ret)
{
	uint64_t at;

	if (!number_at(text, FIELD_TIME, &at) || at > now + DNS_VERSION_OLD_S ||
		now > at + DNS_VERSION_OLD_S)
		return false;
	for (size_t i = 0; i < sizeof(databases) / sizeof(*databases); i++)
		if (strcmp(databases[i].stem, stem) == 0)
			return number_at(text, databases[i].field, ret);
	return false;
}

/* The first string of a TXT record: a byte of length, and that many (RFC 1035, section 3.3.14). */
static bool txt_read(ns_msg *m, int i, struct span *ret)
{
	ns_rr rr;

	if (ns_parserr(m, ns_s_an, i, &rr) < 0 || ns_rr_type(rr) != ns_t_txt)
		return false;
	struct cursor c = cursor_of(span_of(ns_rr_rdata(rr), ns_rr_rdlen(rr)));
	*ret = cursor_take(&c, cursor_u8(&c));
	return cursor_ok(&c);
}

bool dns_version_get(const char *name, const char *stem, uint64_t now, uint64_t *ret)
{
	struct __res_state state = {0};
	uint8_t answer[2048];
	bool found = false;
	struct span text;
	ns_msg m;

	if (res_ninit(&state) < 0)
		return false;
	state.retrans = DNS_VERSION_WAIT_S;
	state.retry = 1;
	int n = res_nquery(&state, name, ns_c_in, ns_t_txt, answer, sizeof(answer));
	if (n > 0 && n <= (int)sizeof(answer) && ns_initparse(answer, n, &m) == 0)
		for (int i = 0; i < ns_msg_count(m, ns_s_an) && !found; i++)
			found = txt_read(&m, i, &text) && dns_version_read(text, stem, now, ret);
	res_nclose(&state);
	return found;
}
