#include "config/list_hits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/nft.h"
#include "lib/cleanup.h"

static const struct direction {
	const char *name, *counter;
	char letter;
	bool inbound;
} directions[] = {
	{"inbound", "in", 'i', true},
	{"outbound", "out", 'o', false},
};

#define DIRECTIONS (sizeof(directions) / sizeof(*directions))

struct pair {
	const struct list *list;
	const struct direction *direction;
	const char *listed, *own;
	sd_json_variant *counter; /* {packets, bytes} */
};

typedef int pair_fn(void *ctx, const struct pair *p);

static const char *text_at(sd_json_variant *array, size_t i)
{
	sd_json_variant *v = sd_json_variant_by_index(array, i);

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : NULL;
}

static int set_each(struct pair *p, sd_json_variant *set, pair_fn *fn, void *ctx)
{
	sd_json_variant *one;
	int r = 0;

	config_foreach(one, set, "elem")
	{
		sd_json_variant *both = config_at(one, "elem.val.concat");
		p->listed = both ? text_at(both, 0) : NULL;
		p->own = both ? text_at(both, 1) : NULL;
		p->counter = config_at(one, "elem.counter");
		if (r == 0 && p->listed && p->own)
			r = fn(ctx, p);
	}
	return r;
}

/* Of one list; ends with what fn returns when it is not 0. */
static int pairs_each(const struct list *l, bool routed, pair_fn *fn, void *ctx)
{
	char set[LIST_NAME_CHARS + 8], command[LIST_NAME_CHARS + 64];
	int r = 0;

	for (size_t d = 0; d < 2 * DIRECTIONS && r == 0; d++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
		struct pair p = {.list = l, .direction = &directions[d / 2]};
		if (p.direction->inbound ? !l->inbound : !l->outbound)
			continue;
		snprintf(set, sizeof(set), "h%c%d_%s", p.direction->letter, d % 2 ? 6 : 4, l->name);
		snprintf(command, sizeof(command), "list set %s " LIST_TABLE " %s",
			list_table_family(routed), set);
		if (nft_ask(command, false, &reply) == 0)
			r = set_each(&p, list_table_find(reply, "set", set), fn, ctx);
	}
	return r;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3u; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t hash_pair(const struct pair *p)
{
	uint64_t h = hash_text(0xcbf29ce484222325u, p->list->name);

	return hash_text(hash_text(hash_text(h, p->direction->name), p->listed), p->own);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct telling {
	const struct list_hits *before;
	struct eve *eve;
	uint64_t *now;
	size_t n, cap, events;
};

static void pair_event(struct eve *eve, const struct pair *p)
{
	bool in = p->direction->inbound;
	struct jsonw w;

	eve_begin(eve, &w, "alert", NULL);
	jsonw_str(&w, "src_ip", in ? p->listed : p->own);
	jsonw_str(&w, "dest_ip", in ? p->own : p->listed);
	jsonw_object(&w, "alert");
	jsonw_str(&w, "action", p->list->action == LIST_BLOCK ? "blocked" : "allowed");
	jsonw_fmt(&w, "signature", "address list %s", p->list->name);
	jsonw_str(&w, "category", "Address list");
	jsonw_end(&w);
	jsonw_object(&w, "list");
	jsonw_str(&w, "name", p->list->name);
	jsonw_str(&w, "direction", p->direction->name);
	jsonw_u64(&w, "packets", sd_json_variant_unsigned(config_at(p->counter, "packets")));
	jsonw_end(&w);
	eve_end(eve, &w);
}

static int pair_tell(void *ctx, const struct pair *p)
{
	struct telling *t = ctx;
	uint64_t hash = hash_pair(p);
	const struct list_hits *b = t->before;

	bool known = b->n && bsearch(&hash, b->told, b->n, sizeof(hash), by_value);
	if (!known && t->eve) {
		if (t->events == LIST_HITS_EVENTS)
			return 0; /* it is not among the told ones then */
		pair_event(t->eve, p);
		t->events++;
	}
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		uint64_t *now = reallocarray(t->now, cap, sizeof(*now));
		if (!now)
			return -ENOMEM;
		t->now = now;
		t->cap = cap;
	}
	t->now[t->n++] = hash;
	return 0;
}

static uint64_t packets_of_all(bool routed)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	sd_json_variant *one;
	char command[64];
	uint64_t all = 0;

	snprintf(command, sizeof(command), "list counters table %s " LIST_TABLE,
		list_table_family(routed));
	if (nft_ask(command, true, &reply) < 0)
		return 0;
	config_foreach(one, reply, "nftables")
	{
		sd_json_variant *packets = config_at(one, "counter.packets");
		all += packets ? sd_json_variant_unsigned(packets) : 0;
	}
	return all;
}

void list_hits_tell(
	struct list_hits *h, const struct list *lists, size_t n, bool routed, struct eve *eve)
{
	struct telling t = {.before = h, .eve = eve};
	uint64_t packets = n ? packets_of_all(routed) : 0;

	if (packets == h->packets)
		return; /* nobody met anybody */
	for (size_t i = 0; i < n; i++)
		pairs_each(&lists[i], routed, pair_tell, &t);
	if (eve)
		eve_flush(eve);
	if (t.n)
		qsort(t.now, t.n, sizeof(*t.now), by_value);
	free(h->told);
	h->told = t.now;
	h->n = t.n;
	/* with events left over it looks again */
	h->packets = t.events == LIST_HITS_EVENTS ? 0 : packets;
}

static int pair_report(void *ctx, const struct pair *p)
{
	sd_json_variant **all = ctx;

	return sd_json_variant_append_arraybo(all, SD_JSON_BUILD_PAIR_STRING("listed", p->listed),
		SD_JSON_BUILD_PAIR_STRING("own", p->own),
		SD_JSON_BUILD_PAIR_STRING("direction", p->direction->name),
		SD_JSON_BUILD_PAIR_UNSIGNED(
			"packets", sd_json_variant_unsigned(config_at(p->counter, "packets"))),
		SD_JSON_BUILD_PAIR_UNSIGNED(
			"bytes", sd_json_variant_unsigned(config_at(p->counter, "bytes"))));
}

static int counter_add(
	sd_json_variant **one, const struct list *l, sd_json_variant *kernel, size_t d)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *value = NULL;
	char name[LIST_NAME_CHARS + 8];

	snprintf(name, sizeof(name), "%s_%s", directions[d].counter, l->name);
	sd_json_variant *c = list_table_find(kernel, "counter", name);
	if (!c)
		return 0;
	int r = sd_json_buildo(&value,
		SD_JSON_BUILD_PAIR_UNSIGNED(
			"packets", sd_json_variant_unsigned(config_at(c, "packets"))),
		SD_JSON_BUILD_PAIR_UNSIGNED(
			"bytes", sd_json_variant_unsigned(config_at(c, "bytes"))));
	return r < 0 ? r : sd_json_variant_set_field(one, directions[d].name, value);
}

int list_hits_report(const struct list *l, sd_json_variant *kernel, bool routed, bool with_pairs,
	sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *pairs = NULL;
	int r = sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("name", l->name),
		SD_JSON_BUILD_PAIR_STRING("action", l->action == LIST_BLOCK ? "block" : "alert"),
		SD_JSON_BUILD_PAIR_STRING("direction", l->inbound && l->outbound ? "both"
						       : l->inbound              ? "inbound"
										 : "outbound"),
		SD_JSON_BUILD_PAIR_BOOLEAN("in_force", l->in_force),
		SD_JSON_BUILD_PAIR_UNSIGNED("entries", l->in_force ? l->lines : 0),
		SD_JSON_BUILD_PAIR_UNSIGNED("ranges", l->in_force ? l->elements : 0),
		SD_JSON_BUILD_PAIR_CONDITION(!!l->why, "why", SD_JSON_BUILD_STRING(l->why)));

	for (size_t d = 0; d < DIRECTIONS && r >= 0; d++)
		r = counter_add(ret, l, kernel, d);
	if (r < 0 || !with_pairs)
		return r;
	r = sd_json_variant_new_array(&pairs, NULL, 0);
	if (r >= 0)
		r = pairs_each(l, routed, pair_report, &pairs);
	return r < 0 ? r : sd_json_variant_set_field(ret, "hits", pairs);
}
