#include "inspect/app_policy.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/span.h"

bool app_source_parse(const char *text, struct app_source *ret)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;

	*ret = (struct app_source){};
	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	ret->family = strchr(addr, ':') ? 6 : 4;
	if (inet_pton(ret->family == 6 ? AF_INET6 : AF_INET, addr, ret->bytes) != 1)
		return false;
	bits = ret->family == 6 ? 128 : 32;
	if (slash && !span_u64(span_str(slash + 1), bits, &bits))
		return false;
	ret->bits = (uint8_t)bits;
	return true;
}

bool app_day_parse(const char *text, unsigned *ret)
{
	static const char *const days[] = {
		"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

	for (unsigned i = 0; i < 7; i++)
		if (strcmp(days[i], text) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

bool app_time_parse(const char *text, uint16_t *ret)
{
	uint64_t hours, minutes;
	struct span s = span_str(text);

	if (s.n != 5 || s.p[2] != ':' || !span_u64(span_take(s, 2), 24, &hours) ||
		!span_u64(span_skip(s, 3), 59, &minutes) || (hours == 24 && minutes))
		return false;
	*ret = (uint16_t)(hours * 60 + minutes);
	return true;
}

static bool source_has(const struct app_source *s, const struct detect_addr *a)
{
	unsigned whole = s->bits / 8, rest = s->bits % 8;

	if (s->family != a->family || memcmp(s->bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || (s->bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

/* days: those on which it begins. */
bool app_policy_is_due(const struct app_policy *p, const struct tm *now)
{
	unsigned day = (unsigned)(now->tm_wday + 6) % 7, before = (day + 6) % 7;
	unsigned minute = (unsigned)(now->tm_hour * 60 + now->tm_min);
	uint8_t days = p->days ? p->days : 0x7f;

	if (p->from < p->to)
		return days & 1u << day && minute >= p->from && minute < p->to;
	return (days & 1u << day && minute >= p->from) || (days & 1u << before && minute < p->to);
}

static bool names_app(const struct app_policy *p, uint16_t id)
{
	return id && p->apps[id / 64] >> (id % 64) & 1;
}

static bool fits(const struct app_policy *p, const struct app_flow *f,
	const struct detect_addr *client, const struct tm *now)
{
	bool source = p->sources == 0;

	if (!p->any_app && !names_app(p, f->id) && !names_app(p, f->carrier))
		return false;
	for (unsigned i = 0; i < p->sources && !source; i++)
		source = source_has(&p->source[i], client);
	return source && app_policy_is_due(p, now);
}

const struct app_policy *app_policy_find(const struct app_policy *rows, unsigned n,
	const struct app_flow *f, const struct detect_addr *client, time_t now)
{
	struct tm tm;

	if (n == 0 || !localtime_r(&now, &tm))
		return NULL;
	for (unsigned i = 0; i < n; i++)
		if (fits(&rows[i], f, client, &tm))
			return &rows[i];
	return NULL;
}
