#include "scan/cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

struct entry {
	uint8_t key[CACHE_KEY_BYTES];
	struct scan_verdict verdict;
	uint16_t next;         /* in the bucket, 0: none; index + 1 */
	uint16_t older, newer; /* in the order of use, index + 1 */
};

struct cache {
	uint16_t bucket[BUCKETS];
	struct entry entries[CACHE_ENTRIES];
	unsigned used;
	uint16_t oldest, newest;
};

struct cache *cache_new(void)
{
	return calloc(1, sizeof(struct cache));
}

void cache_free(struct cache *c)
{
	free(c);
}

static uint16_t *bucket_of(struct cache *c, const uint8_t *key)
{
	return &c->bucket[(key[0] | (unsigned)key[1] << 8) % BUCKETS];
}

static uint16_t *link_of(struct cache *c, const uint8_t *key)
{
	uint16_t *p = bucket_of(c, key);

	while (*p && memcmp(c->entries[*p - 1].key, key, CACHE_KEY_BYTES) != 0)
		p = &c->entries[*p - 1].next;
	return p;
}

static void unchain(struct cache *c, uint16_t at)
{
	struct entry *e = &c->entries[at - 1];

	*(e->older ? &c->entries[e->older - 1].newer : &c->oldest) = e->newer;
	*(e->newer ? &c->entries[e->newer - 1].older : &c->newest) = e->older;
}

static void chain_newest(struct cache *c, uint16_t at)
{
	struct entry *e = &c->entries[at - 1];

	e->older = c->newest;
	e->newer = 0;
	*(c->newest ? &c->entries[c->newest - 1].newer : &c->oldest) = at;
	c->newest = at;
}

const struct scan_verdict *cache_get(struct cache *c, const uint8_t key[CACHE_KEY_BYTES])
{
	uint16_t at = *link_of(c, key);

	if (!at)
		return NULL;
	unchain(c, at);
	chain_newest(c, at);
	return &c->entries[at - 1].verdict;
}

static uint16_t entry_take(struct cache *c)
{
	if (c->used < CACHE_ENTRIES)
		return (uint16_t)++c->used;
	uint16_t at = c->oldest;
	uint16_t *link = link_of(c, c->entries[at - 1].key);
	*link = c->entries[at - 1].next;
	unchain(c, at);
	return at;
}

void cache_put(
	struct cache *c, const uint8_t key[CACHE_KEY_BYTES], const struct scan_verdict *verdict)
{
	if (*link_of(c, key))
		return;
	uint16_t at = entry_take(c);
	struct entry *e = &c->entries[at - 1];
	memcpy(e->key, key, CACHE_KEY_BYTES);
	e->verdict = *verdict;
	uint16_t *bucket = bucket_of(c, key);
	e->next = *bucket;
	*bucket = at;
	chain_newest(c, at);
}
