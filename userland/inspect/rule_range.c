/*
 * Address and port lists: any, an item, a [list], a $VARIABLE, each with ! before it for "not".
 * A list is kept by its text in the ruleset, so that the rules of a file share a few of them.
 */
#include <arpa/inet.h>

#include "inspect/keyword.h"

struct range_cache {
	struct range_cache *next;
	struct span text;
	bool ports;
	const struct range_set *set;
};

struct reader {
	struct rule_build *b;
	bool ports;
	unsigned items, depth;
};

bool range_set_has(const struct range_set *s, const uint8_t *bytes, uint8_t n)
{
	bool hit = !s->has_positive;

	if (s->any)
		return true;
	for (unsigned i = 0; i < s->n; i++) {
		const struct range_item *it = &s->items[i];
		bool in;

		if (it->n == 0)
			in = range_set_has(it->list, bytes, n);
		else
			in = it->n == n && memcmp(bytes, it->lo, n) >= 0 &&
			     memcmp(bytes, it->hi, n) <= 0;
		if (in && it->negated)
			return false;
		hit |= in;
	}
	return hit;
}

static bool address(struct span text, uint8_t bytes[16], uint8_t *ret_n)
{
	char s[INET6_ADDRSTRLEN];
	int family = span_chr(text, ':') >= 0 ? AF_INET6 : AF_INET;

	if (!text.n || text.n >= sizeof(s))
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = 0;
	*ret_n = family == AF_INET6 ? 16 : 4;
	return inet_pton(family, s, bytes) == 1;
}

static void prefix_widen(struct range_item *it, unsigned bits)
{
	for (unsigned i = bits; i < it->n * 8U; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		it->lo[i / 8] &= (uint8_t)~bit;
		it->hi[i / 8] |= bit;
	}
}

/* 192.0.2.1, 192.0.2.0/24, 192.0.2.0/255.255.255.0 (contiguous), 192.0.2.1-192.0.2.9, and the same
 * for IPv6. */
static bool address_item(struct span text, struct range_item *it)
{
	ptrdiff_t slash = span_chr(text, '/'), dash = span_chr(text, '-');
	uint8_t mask[16], n;
	uint64_t bits;
	struct span rest;

	if (dash > 0)
		return address(span_trim(span_take(text, (size_t)dash)), it->lo, &it->n) &&
		       address(span_trim(span_skip(text, (size_t)dash + 1)), it->hi, &n) &&
		       n == it->n && memcmp(it->lo, it->hi, n) <= 0;
	if (!address(slash > 0 ? span_take(text, (size_t)slash) : text, it->lo, &it->n))
		return false;
	memcpy(it->hi, it->lo, 16);
	if (slash < 0)
		return true;
	rest = span_skip(text, (size_t)slash + 1);
	if (!span_u64(rest, it->n * 8U, &bits)) {
		if (it->n != 4 || !address(rest, mask, &n) || n != 4)
			return false;
		for (bits = 0; bits < 32 && mask[bits / 8] & 0x80 >> bits % 8;)
			bits++;
		for (uint64_t i = bits; i < 32; i++)
			if (mask[i / 8] & 0x80 >> i % 8)
				return false;
	}
	prefix_widen(it, (unsigned)bits);
	return true;
}

static bool port_item(struct span text, struct range_item *it)
{
	ptrdiff_t colon = span_chr(text, ':');
	struct span lo = span_trim(colon < 0 ? text : span_take(text, (size_t)colon));
	struct span hi = span_trim(colon < 0 ? text : span_skip(text, (size_t)colon + 1));
	uint64_t a = 0, z = UINT16_MAX;

	if ((!lo.n && !hi.n) || (lo.n && !span_u64(lo, UINT16_MAX, &a)) ||
		(hi.n && !span_u64(hi, UINT16_MAX, &z)) || a > z)
		return false;
	it->n = 2;
	it->lo[0] = (uint8_t)(a >> 8);
	it->lo[1] = (uint8_t)a;
	it->hi[0] = (uint8_t)(z >> 8);
	it->hi[1] = (uint8_t)z;
	return true;
}

static int set_read(struct reader *r, struct span text, const struct range_set **ret);

/* One item without its !; any and lists end up as a list of their own. */
static int item_read(struct reader *r, struct span text, struct range_item *it)
{
	const char *value;

	if (text.n && text.p[0] == '$') {
		value = rule_var_lookup(r->b->vars, span_skip(text, 1));
		if (!value)
			return rule_fail(
				r->b, text, "variable \"%.*s\" is not set", SPAN_ARGS(text));
		return set_read(r, span_str(value), &it->list);
	}
	if (text.n && text.p[0] == '[' && text.p[text.n - 1] != ']')
		return rule_fail(r->b, text, "a comma is expected behind the ] of \"%.*s\"",
			SPAN_ARGS(text));
	if (text.n && (text.p[0] == '[' || span_caseeq(text, SPAN_LIT("any"))))
		return set_read(r, text, &it->list);
	if (r->ports ? port_item(text, it) : address_item(text, it))
		return 0;
	return rule_fail(r->b, text,
		r->ports ? "\"%.*s\": any, a port, first:last, a [list] or a $VARIABLE is expected"
			 : "\"%.*s\": any, an address, address/length, first-last, a [list] or a "
			   "$VARIABLE is expected",
		SPAN_ARGS(text));
}

/* Length of the item that text begins with: up to a comma outside brackets. -1: brackets do not
 * pair. */
static ptrdiff_t item_length(struct span text)
{
	int depth = 0;
	size_t n = 0;

	for (; n < text.n && (depth || text.p[n] != ','); n++) {
		depth += text.p[n] == '[' ? 1 : text.p[n] == ']' ? -1 : 0;
		if (depth < 0)
			return -1;
	}
	return depth ? -1 : (ptrdiff_t)n;
}

static int items_read(struct reader *r, struct span text, struct range_set *set)
{
	struct range_item *items;
	unsigned room = 1;

	for (size_t i = 0; i < text.n; i++)
		room += text.p[i] == ',';
	r->items += room;
	if (r->items > RANGE_ITEMS)
		return rule_fail(r->b, text, "more than %d items in a list", RANGE_ITEMS);
	items = ruleset_alloc(r->b->rs, room * sizeof(*items));
	if (!items)
		return rule_fail(r->b, text, "out of memory for rules");
	set->items = items;
	for (;;) {
		ptrdiff_t n = item_length(text);
		struct range_item *it = &items[set->n++];
		struct span item;

		if (n < 0)
			return rule_fail(r->b, text, "the brackets of \"%.*s\" do not pair",
				SPAN_ARGS(text));
		item = span_trim(span_take(text, (size_t)n));
		if (item.n && item.p[0] == '!') {
			it->negated = true;
			item = span_trim(span_skip(item, 1));
			if (span_caseeq(item, SPAN_LIT("any")))
				return rule_fail(r->b, item, "!any can never match");
		}
		if (item_read(r, item, it) < 0)
			return -EINVAL;
		set->has_positive |= !it->negated;
		if ((size_t)n == text.n)
			return 0;
		text = span_skip(text, (size_t)n + 1);
	}
}

static int set_read(struct reader *r, struct span text, const struct range_set **ret)
{
	struct range_set *set;
	int err;

	if (++r->depth > RANGE_DEPTH)
		return rule_fail(
			r->b, text, "lists or variables are nested more than %d deep", RANGE_DEPTH);
	set = ruleset_alloc(r->b->rs, sizeof(*set));
	if (!set)
		return rule_fail(r->b, text, "out of memory for rules");
	*ret = set;
	text = span_trim(text);
	set->any = span_caseeq(text, SPAN_LIT("any"));
	if (set->any) {
		r->depth--;
		return 0;
	}
	if (text.n >= 2 && text.p[0] == '[' && item_length(text) == (ptrdiff_t)text.n &&
		text.p[text.n - 1] == ']')
		text = span_trim(span_of(text.p + 1, text.n - 2));
	err = items_read(r, text, set);
	r->depth--;
	return err;
}

int rule_ranges(struct rule_build *b, struct span text, bool ports, const struct range_set **ret)
{
	struct reader r = {b, ports, 0, 0};
	struct range_cache *c;
	uint8_t *copy;
	int err;

	for (c = b->rs->ranges; c; c = c->next)
		if (c->ports == ports && span_eq(c->text, text)) {
			*ret = c->set;
			return 0;
		}
	b->option = text;
	err = set_read(&r, text, ret);
	if (err < 0)
		return err;
	if (b->rs->n_ranges == RANGE_CACHE)
		return 0;
	c = ruleset_alloc(b->rs, sizeof(*c));
	copy = ruleset_alloc(b->rs, text.n);
	if (!c || !copy)
		return rule_fail(b, text, "out of memory for rules");
	memcpy(copy, text.p, text.n);
	*c = (struct range_cache){b->rs->ranges, span_of(copy, text.n), ports, *ret};
	b->rs->ranges = c;
	b->rs->n_ranges++;
	return 0;
}
