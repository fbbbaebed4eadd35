/* Which system receives in a network, and so which copy of a byte it takes. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "inspect/settings.h"

/* Names as in Suricata's host-os-policy; systems that do the same share one. */
static const struct {
	const char *name;
	enum stream_policy policy;
} rows[] = {
	{"bsd", STREAM_BSD},
	{"bsd-right", STREAM_LAST},
	{"first", STREAM_FIRST},
	{"hpux10", STREAM_BSD},
	{"hpux11", STREAM_BSD},
	{"irix", STREAM_BSD},
	{"last", STREAM_LAST},
	{"linux", STREAM_LINUX},
	{"macos", STREAM_BSD},
	{"old-linux", STREAM_OLD_LINUX},
	{"old-solaris", STREAM_BSD},
	{"solaris", STREAM_SOLARIS},
	{"vista", STREAM_FIRST},
	{"windows", STREAM_WINDOWS},
	{"windows2k3", STREAM_WINDOWS},
};

static bool prefix_read(struct span text, struct host_policy *ret)
{
	char addr[INET6_ADDRSTRLEN];
	ptrdiff_t slash = span_chr(text, '/');
	struct span bare = span_take(text, slash < 0 ? text.n : (size_t)slash);
	bool six = span_chr(bare, ':') >= 0;
	uint64_t bits = six ? 128 : 32;

	if (bare.n >= sizeof(addr))
		return false;
	memcpy(addr, bare.p, bare.n);
	addr[bare.n] = '\0';
	if (inet_pton(six ? AF_INET6 : AF_INET, addr, ret->network.bytes) != 1)
		return false;
	ret->network.family = six ? 6 : 4;
	if (slash >= 0 && !span_u64(span_skip(text, (size_t)slash + 1), bits, &bits))
		return false;
	ret->bits = (uint8_t)bits;
	return true;
}

int settings_host_add(struct settings *s, struct span network, struct span policy)
{
	struct host_policy *h = &s->hosts[s->n_hosts];

	if (s->n_hosts == SETTINGS_HOSTS)
		return -E2BIG;
	*h = (struct host_policy){};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_eq(policy, span_str(rows[i].name)))
			h->policy = rows[i].policy;
	if (h->policy == STREAM_AS_POOL || !prefix_read(network, h))
		return -EINVAL;
	s->n_hosts++;
	return 0;
}

static bool is_in(const struct host_policy *h, const struct detect_addr *a)
{
	unsigned whole = h->bits / 8, rest = h->bits % 8;

	if (h->network.family != a->family || memcmp(h->network.bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || (h->network.bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

enum stream_policy settings_host_policy(const struct settings *s, const struct detect_addr *a)
{
	const struct host_policy *best = NULL;

	for (unsigned i = 0; i < s->n_hosts; i++)
		if (is_in(&s->hosts[i], a) && (!best || s->hosts[i].bits > best->bits))
			best = &s->hosts[i];
	return best ? best->policy : STREAM_AS_POOL;
}
