/*
 * Rules found by an address. Lists of bad hosts make a thousand rules of some fifty addresses each:
 * the IPv4 space is cut into segments in which the same rules hold, and an address finds its
 * segment by bisection. What does not fit in ("not", lists that hold much of the space) stays in
 * the list of the group; a rule with IPv6 addresses also stands in a list that only IPv6 packets
 * see.
 */
#include "inspect/keyword.h"

#define ADDRESSES_MAX (1U << 22) /* a list of more is no way to find a rule */

struct cut {
	uint32_t at, rule;
	bool end;
};

struct builder {
	struct cut *cuts;
	size_t n;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* All items are ranges, and those of IPv4 together not too large. */
static bool set_fits(const struct range_set *s)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < s->n; i++) {
		if (!s->items[i].n || s->items[i].negated)
			return false;
		if (s->items[i].n != 4)
			continue;
		total += (uint64_t)be32(s->items[i].hi) - be32(s->items[i].lo) + 1;
	}
	return s->n && total <= ADDRESSES_MAX;
}

static bool set_has_ipv6(const struct range_set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->items[i].n == 16)
			return true;
	return false;
}

static const struct range_set *side_of(const struct rule *r, bool dst)
{
	return dst ? r->dst : r->src;
}

static bool rule_fits(const struct rule *r, bool dst)
{
	return !r->both_ways && set_fits(side_of(r, dst));
}

static int cut_compare(const void *x, const void *y)
{
	const struct cut *a = x, *b = y;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (int)b->end - (int)a->end; /* ends first */
}

static void cuts_add(struct builder *b, const struct range_set *s, uint32_t rule)
{
	for (unsigned i = 0; i < s->n; i++) {
		uint32_t hi = be32(s->items[i].hi);

		if (s->items[i].n != 4)
			continue;
		b->cuts[b->n++] = (struct cut){be32(s->items[i].lo), rule, false};
		if (hi != UINT32_MAX)
			b->cuts[b->n++] = (struct cut){hi + 1, rule, true};
	}
}

/* The rules that are open after the cut; a rule may be so twice, when its items overlap. */
static void open_update(uint32_t *open, uint32_t *n, const struct cut *c)
{
	uint32_t i = 0;

	if (!c->end) {
		open[(*n)++] = c->rule;
		return;
	}
	while (open[i] != c->rule)
		i++;
	open[i] = open[--*n];
}

/* With out == NULL only the sizes are found. */
static void segments_walk(const struct builder *b, uint32_t *open, struct addr_index *out,
	uint32_t *ret_segments, uint32_t *ret_rules)
{
	uint32_t segments = 0, rules = 0, n_open = 0;

	for (size_t i = 0; i < b->n;) {
		uint32_t at = b->cuts[i].at;

		for (; i < b->n && b->cuts[i].at == at; i++)
			open_update(open, &n_open, &b->cuts[i]);
		if (out) {
			out->start[segments] = at;
			out->first[segments] = rules;
			if (n_open)
				memcpy(out->rules + rules, open, n_open * sizeof(*open));
		}
		segments++;
		rules += n_open;
	}
	*ret_segments = segments;
	*ret_rules = rules;
}

static int index_fill(struct ruleset *rs, const struct builder *b, struct addr_index *x)
{
	uint32_t *open = calloc(b->n + 1, sizeof(*open));
	uint32_t segments, rules;
	int err = 0;

	if (!open)
		return -ENOMEM;
	segments_walk(b, open, NULL, &segments, &rules);
	x->start = ruleset_alloc(rs, segments * sizeof(*x->start));
	x->first = ruleset_alloc(rs, (segments + 1UL) * sizeof(*x->first));
	x->rules = ruleset_alloc(rs, rules * sizeof(*x->rules));
	if (!x->start || !x->first || !x->rules) {
		err = -ENOMEM;
	} else {
		segments_walk(b, open, x, &segments, &rules);
		x->first[segments] = rules;
		x->n = segments;
	}
	free(open);
	return err;
}

int addr_index_build(struct ruleset *rs, unsigned group, bool dst)
{
	struct rule_list *list = &rs->always[group], *six = &rs->always_ipv6[group];
	struct builder b = {0};
	size_t items = 0;
	uint32_t left = 0;
	int err;

	for (uint32_t i = 0; i < list->n; i++)
		items += side_of(rs->rules[list->rules[i]], dst)->n;
	b.cuts = calloc(items * 2 + 1, sizeof(*b.cuts));
	if (!six->rules)
		six->rules = ruleset_alloc(rs, (list->n + 1UL) * sizeof(*six->rules));
	if (!b.cuts || !six->rules) {
		free(b.cuts);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < list->n; i++) {
		uint32_t rule = list->rules[i];

		const struct range_set *set = side_of(rs->rules[rule], dst);

		if (!rule_fits(rs->rules[rule], dst)) {
			list->rules[left++] = rule;
			continue;
		}
		cuts_add(&b, set, rule);
		if (set_has_ipv6(set))
			six->rules[six->n++] = rule;
	}
	list->n = left;
	qsort(b.cuts, b.n, sizeof(*b.cuts), cut_compare);
	err = b.n ? index_fill(rs, &b, dst ? &rs->by_dst[group] : &rs->by_src[group]) : 0;
	free(b.cuts);
	return err;
}

struct rule_list addr_index_find(const struct addr_index *x, const struct detect_addr *a)
{
	uint32_t at = be32(a->bytes), lo = 0, hi = x->n;

	if (!x->n || a->family != 4 || at < x->start[0])
		return (struct rule_list){0};
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (x->start[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return (struct rule_list){x->first[lo + 1] - x->first[lo], x->rules + x->first[lo]};
}
