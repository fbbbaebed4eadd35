/* TCP flags: F S R P A U, C (CWR), E (ECE); + all of these, * any of these, ! not all of these. */
#include "inspect/keyword.h"

enum how { HOW_EXACT = 0, HOW_ALL = '+', HOW_ANY = '*', HOW_NOT = '!' };

#define TCP_SYN 0x02

static const struct {
	char letter;
	uint8_t bit;
} letters[] = {
	{'F', 0x01},
	{'S', 0x02},
	{'R', 0x04},
	{'P', 0x08},
	{'A', 0x10},
	{'U', 0x20},
	{'E', 0x40},
	{'2', 0x40},
	{'C', 0x80},
	{'1', 0x80},
	{'0', 0x00},
};

static bool flags_hold(const struct check *c, const struct detect_input *in)
{
	uint8_t flags = in->tcp_flags & (uint8_t)~c->ignore;

	if (in->ip_proto != IPPROTO_TCP)
		return false;
	switch ((enum how)c->how) {
	case HOW_ALL:
		return (flags & c->want) == c->want;
	case HOW_ANY:
		return (flags & c->want) != 0;
	case HOW_NOT:
		return (flags & c->want) != c->want;
	case HOW_EXACT:
		break;
	}
	return flags == c->want;
}

static int bits(struct rule_build *b, struct span text, uint8_t *ret)
{
	for (size_t i = 0; i < text.n; i++) {
		size_t l = 0;

		while (l < sizeof(letters) / sizeof(*letters) &&
			letters[l].letter != (text.p[i] & ~0x20) && letters[l].letter != text.p[i])
			l++;
		if (l == sizeof(letters) / sizeof(*letters))
			return rule_fail(b, span_skip(text, i),
				"\"%c\" is no TCP flag; F S R P A U E C or 0 is expected",
				text.p[i]);
		*ret |= letters[l].bit;
	}
	return 0;
}

static int flags_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span rest = arg, want = {0}, ignore = {0};
	struct check *c = rule_check(b);

	(void)k;
	if (!c)
		return -EINVAL;
	(void)span_token(&rest, ',', &want);
	(void)span_token(&rest, ',', &ignore);
	if (want.n && (want.p[0] == '+' || want.p[0] == '*' || want.p[0] == '!')) {
		c->how = want.p[0];
		want = span_skip(want, 1);
	}
	if (!want.n)
		return rule_fail(b, arg, "TCP flags are expected, such as S or SA,12");
	c->holds = flags_hold;
	c->fixed = true;
	b->rule.units = UNITS_PACKET;
	if (bits(b, want, &c->want) < 0 || bits(b, ignore, &c->ignore) < 0)
		return -EINVAL;
	if ((c->want & TCP_SYN) && (c->how == HOW_EXACT || c->how == HOW_ALL))
		b->rule.first_packet = true;
	return 0;
}

const struct keyword keyword_flags[] = {
	{"flags", ARG_NEEDED, 0, flags_parse},
	{"tcp.flags", ARG_NEEDED, 0, flags_parse},
	{0},
};
