#include "inspect/detect_memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct entry {
	struct memory_key key;
	struct memory_value value;
};

struct detect_memory {
	pthread_mutex_t lock;
	uint64_t seed, evicted;
	struct entry *entries;
};

int detect_memory_new(struct detect_memory **ret)
{
	struct detect_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->entries = calloc(MEMORY_ENTRIES, sizeof(*m->entries)); /* touched as it fills */
	if (!m->entries || getrandom(&m->seed, sizeof(m->seed), 0) != sizeof(m->seed)) {
		free(m->entries);
		free(m);
		return -ENOMEM;
	}
	pthread_mutex_init(&m->lock, NULL);
	*ret = m;
	return 0;
}

void detect_memory_free(struct detect_memory *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m->entries);
	free(m);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v;
	h *= 0xff51afd7ed558ccdULL;
	return h ^ h >> 32;
}

static uint64_t addr_mix(uint64_t h, const struct detect_addr *a)
{
	uint64_t words[2];

	memcpy(words, a->bytes, sizeof(words));
	return mix(mix(mix(h, a->family), words[0]), words[1]);
}

static bool addr_eq(const struct detect_addr *a, const struct detect_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool key_eq(const struct memory_key *a, const struct memory_key *b)
{
	return a->kind == b->kind && a->id == b->id && a->gid == b->gid && addr_eq(&a->a, &b->a) &&
	       addr_eq(&a->b, &b->b);
}

static struct entry *bucket_of(struct detect_memory *m, const struct memory_key *key)
{
	uint64_t h = mix(mix(m->seed, (uint64_t)key->kind << 32 | key->id), key->gid);

	h = addr_mix(addr_mix(h, &key->a), &key->b);
	return &m->entries[h % (MEMORY_ENTRIES / MEMORY_WAYS) * MEMORY_WAYS];
}

struct memory_value *detect_memory_enter(
	struct detect_memory *m, const struct memory_key *key, uint64_t now_us, bool make)
{
	struct entry *bucket, *worst;

	pthread_mutex_lock(&m->lock);
	bucket = worst = bucket_of(m, key);
	for (unsigned i = 0; i < MEMORY_WAYS; i++) {
		struct entry *e = &bucket[i];

		if (e->key.kind && key_eq(&e->key, key)) {
			if (e->value.until_us > now_us)
				return &e->value;
			worst = e;
			break;
		}
		if (e->value.until_us < worst->value.until_us)
			worst = e;
	}
	if (!make) {
		pthread_mutex_unlock(&m->lock);
		return NULL;
	}
	m->evicted += worst->value.until_us > now_us;
	*worst = (struct entry){.key = *key};
	return &worst->value;
}

void detect_memory_leave(struct detect_memory *m)
{
	pthread_mutex_unlock(&m->lock);
}

void detect_memory_forget(struct memory_value *v)
{
	v->until_us = 0;
}

uint64_t detect_memory_evicted(struct detect_memory *m)
{
	uint64_t n;

	pthread_mutex_lock(&m->lock);
	n = m->evicted;
	pthread_mutex_unlock(&m->lock);
	return n;
}
