/*
 * span: a run of bytes that somebody else owns, and a cursor that reads one without leaving it.
 *
 * Everything that comes from the wire is a span: it may hold NUL bytes and has no terminator. A
 * cursor carries a sticky fail flag: after a read past the end every read gives 0 and cursor_ok()
 * is false, so a parser checks once, where it decides.
 *
 * Refuses: nothing; an out-of-bounds request yields an empty span or 0 and sets the flag.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t n; /* bytes */
};

#define SPAN_LIT(s) ((struct span){(const uint8_t *)(s), sizeof(s) - 1})

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){p, n};
}

static inline struct span span_str(const char *s)
{
	return (struct span){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline struct span span_skip(struct span s, size_t n)
{
	return n > s.n ? (struct span){s.p + s.n, 0} : (struct span){s.p + n, s.n - n};
}

static inline struct span span_take(struct span s, size_t n)
{
	return (struct span){s.p, n < s.n ? n : s.n};
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case only: the locale has no say over protocols. */
bool span_caseeq(struct span a, struct span b);
bool span_casestarts(struct span s, struct span prefix);
/* Index of the first byte c, or -1. */
ptrdiff_t span_chr(struct span s, uint8_t c);
/* Index of needle in s, or -1; an empty needle is found at 0. */
ptrdiff_t span_find(struct span s, struct span needle);
/* Without blanks, tabs, CR and LF at both ends. */
struct span span_trim(struct span s);
/* Decimal, whole span; false when empty, not a number, or over max. */
bool span_u64(struct span s, uint64_t max, uint64_t *ret);
/* A NUL-terminated copy on the heap; NULL when out of memory or the span holds a NUL. */
char *span_dup(struct span s);

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	bool fail;
};

static inline struct cursor cursor_of(struct span s)
{
	return (struct cursor){s.p, s.p + s.n, false};
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->fail;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->fail ? 0 : (size_t)(c->end - c->p);
}

static inline bool cursor_has(struct cursor *c, size_t n)
{
	if (cursor_left(c) < n)
		c->fail = true;
	return !c->fail;
}

static inline struct span cursor_take(struct cursor *c, size_t n)
{
	if (!cursor_has(c, n))
		return (struct span){c->end, 0};
	struct span s = {c->p, n};
	c->p += n;
	return s;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
	(void)cursor_take(c, n);
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	return cursor_has(c, 1) ? *c->p++ : 0;
}

static inline uint16_t cursor_be16(struct cursor *c)
{
	struct span s = cursor_take(c, 2);
	return (uint16_t)(s.n ? s.p[0] << 8 | s.p[1] : 0);
}

static inline uint32_t cursor_be24(struct cursor *c)
{
	struct span s = cursor_take(c, 3);
	return s.n ? (uint32_t)s.p[0] << 16 | (uint32_t)s.p[1] << 8 | s.p[2] : 0;
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	struct span s = cursor_take(c, 4);
	return s.n ? (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 |
			       s.p[3]
		   : 0;
}

/* The rest of what the cursor has not read yet. */
static inline struct span cursor_rest(const struct cursor *c)
{
	return (struct span){c->p, cursor_left(c)};
}
