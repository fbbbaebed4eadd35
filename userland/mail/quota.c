#include "mail/quota.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS (sizeof(((struct quota *)0)->buckets) / sizeof(struct quota_source *))

struct quota_source {
	struct quota_source *next;
	uint8_t key[16];
	unsigned sessions;
	unsigned begun; /* in this minute */
	uint64_t minute_us;
};

/* IPv4 as it is, of IPv6 the network. */
static void key_of(const char *ip, uint8_t key[16])
{
	memset(key, 0, 16);
	if (inet_pton(AF_INET6, ip, key) == 1)
		memset(key + 8, 0, 8);
	else
		inet_pton(AF_INET, ip, key + 12);
}

/* FNV-1a. Colliding sources cost time only, and there are QUOTA_SOURCES of them at most. */
static size_t bucket_of(const uint8_t key[16])
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < 16; i++)
		h = (h ^ key[i]) * 16777619u;
	return h % BUCKETS;
}

static bool is_over(const struct quota_source *s, uint64_t now_us)
{
	return s->sessions == 0 && now_us >= s->minute_us + QUOTA_MINUTE_US;
}

/* Forgets sources that have neither a session nor a minute running. */
static void sweep(struct quota *q, uint64_t now_us)
{
	if (now_us < q->swept_us + QUOTA_MINUTE_US && q->sources < QUOTA_SOURCES)
		return;
	q->swept_us = now_us;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct quota_source **at = &q->buckets[i];
		while (*at) {
			struct quota_source *s = *at;
			if (is_over(s, now_us)) {
				*at = s->next;
				free(s);
				q->sources--;
			} else {
				at = &s->next;
			}
		}
	}
}

static struct quota_source *source_get(struct quota *q, const uint8_t key[16], uint64_t now_us)
{
	struct quota_source **at = &q->buckets[bucket_of(key)];

	for (struct quota_source *s = *at; s; s = s->next)
		if (memcmp(s->key, key, sizeof(s->key)) == 0)
			return s;
	struct quota_source *s = q->sources < QUOTA_SOURCES ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return NULL;
	memcpy(s->key, key, sizeof(s->key));
	s->minute_us = now_us;
	s->next = *at;
	*at = s;
	q->sources++;
	return s;
}

enum quota_verdict quota_enter(struct quota *q, const char *ip, uint64_t now_us,
	unsigned sessions_max, unsigned rate_max, struct quota_source **ret)
{
	uint8_t key[16];

	*ret = NULL;
	key_of(ip, key);
	sweep(q, now_us);
	struct quota_source *s = source_get(q, key, now_us);
	if (!s) {
		q->untracked++;
		return QUOTA_ENTER;
	}
	if (now_us >= s->minute_us + QUOTA_MINUTE_US) {
		s->minute_us = now_us;
		s->begun = 0;
	}
	if (rate_max && s->begun >= rate_max)
		return QUOTA_TOO_FAST;
	if (sessions_max && s->sessions >= sessions_max)
		return QUOTA_TOO_MANY;
	s->begun++;
	s->sessions++;
	*ret = s;
	return QUOTA_ENTER;
}

void quota_leave(struct quota_source *source)
{
	if (source)
		source->sessions--;
}

void quota_free(struct quota *q)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (q->buckets[i]) {
			struct quota_source *s = q->buckets[i];
			q->buckets[i] = s->next;
			free(s);
		}
	*q = (struct quota){0};
}
