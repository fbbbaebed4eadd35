#include "config/ranges.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ranges_fini(struct ranges r[RANGES_FAMILIES])
{
	for (int f = 0; f < RANGES_FAMILIES; f++) {
		free(r[f].v);
		r[f] = (struct ranges){0};
	}
}

static int push(struct ranges *r, address_t from, address_t to)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct range *v = reallocarray(r->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct range){from, to};
	return 0;
}

int ranges_add(struct ranges r[RANGES_FAMILIES], const char *text)
{
	bool v6 = strchr(text, ':');
	unsigned width = v6 ? 128 : 32, bits = width;
	char host[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	size_t n = strcspn(text, "/");
	address_t first = 0;

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, bytes) != 1)
		return -EINVAL;
	if (text[n]) {
		char *end;
		unsigned long value = strtoul(text + n + 1, &end, 10);
		if (text[n + 1] < '0' || text[n + 1] > '9' || *end || value > width)
			return -EINVAL;
		bits = (unsigned)value;
	}
	for (unsigned i = 0; i < width / 8; i++)
		first = first << 8 | bytes[i];
	/* a shift by the whole width is undefined */
	address_t all = width == 128 ? ~(address_t)0 : 0xffffffffu;
	address_t rest = bits == 0 ? all : ((address_t)1 << (width - bits)) - 1;
	return push(&r[v6 ? RANGES_V6 : RANGES_V4], first & ~rest, first | rest);
}

int ranges_read(struct ranges r[RANGES_FAMILIES], FILE *in, size_t max, size_t *ret_lines)
{
	char line[RANGES_LINE_BYTES + 2];
	size_t lines = 0;

	while (fgets(line, sizeof(line), in)) {
		size_t n = strlen(line);
		/* also a last line that was cut off */
		if (n == 0 || line[n - 1] != '\n')
			return -EBADMSG;
		if (++lines > max)
			return -E2BIG;
		line[n - 1] = '\0';
		int e = ranges_add(r, line);
		if (e < 0)
			return e == -EINVAL ? -EBADMSG : e;
	}
	*ret_lines = lines;
	return ferror(in) ? -EIO : 0;
}

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void join_one(struct ranges *r)
{
	size_t n = 0;

	if (r->n == 0)
		return;
	qsort(r->v, r->n, sizeof(*r->v), by_first);
	for (size_t i = 1; i < r->n; i++) {
		struct range *last = &r->v[n];
		if (r->v[i].from > last->to && r->v[i].from - 1 > last->to)
			r->v[++n] = r->v[i];
		else if (r->v[i].to > last->to)
			last->to = r->v[i].to;
	}
	r->n = n + 1;
}

void ranges_join(struct ranges r[RANGES_FAMILIES])
{
	for (int f = 0; f < RANGES_FAMILIES; f++)
		join_one(&r[f]);
}

/* What is left of one range when the spared ones from *at on are taken out of it. */
static int subtract_from(
	struct ranges *out, struct range one, const struct ranges *spare, size_t *at)
{
	while (*at < spare->n && spare->v[*at].to < one.from)
		++*at;
	for (size_t i = *at; i < spare->n && spare->v[i].from <= one.to; i++) {
		if (spare->v[i].from > one.from) {
			int e = push(out, one.from, spare->v[i].from - 1);
			if (e < 0)
				return e;
		}
		if (spare->v[i].to >= one.to)
			return 0;
		one.from = spare->v[i].to + 1;
	}
	return push(out, one.from, one.to);
}

int ranges_subtract(struct ranges r[RANGES_FAMILIES], const struct ranges spare[RANGES_FAMILIES])
{
	for (int f = 0; f < RANGES_FAMILIES; f++) {
		struct ranges left = {0};
		size_t at = 0;
		int e = 0;
		for (size_t i = 0; i < r[f].n && e == 0; i++)
			e = subtract_from(&left, r[f].v[i], &spare[f], &at);
		free(e < 0 ? left.v : r[f].v);
		if (e < 0)
			return e;
		r[f] = left;
	}
	return 0;
}

static void put_address(FILE *out, address_t a, bool v6)
{
	char text[INET6_ADDRSTRLEN];
	unsigned width = v6 ? 16 : 4;
	uint8_t bytes[16];

	for (unsigned i = width; i-- > 0; a >>= 8)
		bytes[i] = (uint8_t)a;
	fputs(inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text)), out);
}

void ranges_put(FILE *out, const struct ranges *r, bool v6)
{
	for (size_t i = 0; i < r->n; i++) {
		if (i)
			fputs(", ", out);
		put_address(out, r->v[i].from, v6);
		if (r->v[i].to == r->v[i].from)
			continue;
		fputc('-', out);
		put_address(out, r->v[i].to, v6);
	}
}
