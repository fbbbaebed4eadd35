#include "mailauth/cache.h"

#include <stdlib.h>

#define BUCKETS 2048

struct entry {
	struct entry *next;            /* in its bucket */
	struct entry *older, *younger; /* by use */
	int64_t good_until;
	size_t bytes;
	struct dns_answer answer;
};

struct cache {
	struct entry *buckets[BUCKETS];
	struct entry *oldest, *youngest;
	size_t bytes;
};

struct cache *cache_new(void)
{
	return calloc(1, sizeof(struct cache));
}

static struct entry **bucket_of(struct cache *c, const struct dns_answer *a)
{
	uint32_t h = 2166136261u ^ (uint32_t)a->type; /* FNV-1a */

	for (const char *p = a->name; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &c->buckets[(h ^ h >> 16) % BUCKETS];
}

static void list_remove(struct cache *c, struct entry *e)
{
	*(e->older ? &e->older->younger : &c->oldest) = e->younger;
	*(e->younger ? &e->younger->older : &c->youngest) = e->older;
}

static void list_add(struct cache *c, struct entry *e)
{
	e->older = c->youngest;
	e->younger = NULL;
	*(c->youngest ? &c->youngest->younger : &c->oldest) = e;
	c->youngest = e;
}

static void entry_free(struct cache *c, struct entry *e)
{
	struct entry **at = bucket_of(c, &e->answer);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_remove(c, e);
	c->bytes -= e->bytes;
	dns_answer_clear(&e->answer);
	free(e);
}

void cache_free(struct cache *c)
{
	while (c && c->oldest)
		entry_free(c, c->oldest);
	free(c);
}

static struct entry *find(struct cache *c, const struct dns_answer *a)
{
	for (struct entry *e = *bucket_of(c, a); e; e = e->next)
		if (e->answer.type == a->type && strcmp(e->answer.name, a->name) == 0)
			return e;
	return NULL;
}

bool cache_get(struct cache *c, struct dns_answer *a, int64_t now)
{
	struct entry *e = find(c, a);

	if (e && e->good_until <= now) {
		entry_free(c, e);
		e = NULL;
	}
	if (!e)
		return false;
	list_remove(c, e);
	list_add(c, e);
	dns_answer_copy(a, &e->answer);
	return true;
}

static int64_t time_to_live(const struct dns_answer *a, int64_t ttl_s)
{
	int64_t most = a->status == DNS_FOUND      ? CACHE_TTL_MAX_S
		       : a->status == DNS_TEMPFAIL ? CACHE_FAILURE_TTL_S
						   : CACHE_NEGATIVE_TTL_S;

	if (a->status == DNS_TEMPFAIL)
		return most;
	return ttl_s < most ? ttl_s : most;
}

void cache_put(struct cache *c, const struct dns_answer *a, int64_t ttl_s, int64_t now)
{
	struct entry *e = find(c, a), **bucket;
	int64_t ttl = time_to_live(a, ttl_s);

	if (e)
		entry_free(c, e);
	if (ttl <= 0)
		return;
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	memcpy(e->answer.name, a->name, sizeof(a->name));
	e->answer.type = a->type;
	dns_answer_copy(&e->answer, a);
	e->good_until = now + ttl;
	e->bytes = sizeof(*e) + a->bytes + a->count * (sizeof(struct span) + 32);
	bucket = bucket_of(c, &e->answer);
	e->next = *bucket;
	*bucket = e;
	list_add(c, e);
	c->bytes += e->bytes;
	while (c->bytes > CACHE_BYTES)
		entry_free(c, c->oldest);
}
