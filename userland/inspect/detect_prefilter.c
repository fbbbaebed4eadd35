/*
 * One Vectorscan database for the patterns of a group. Rules with the same piece share a pattern.
 *
 * The database is kept in cache_dir as <group>.hsdb: magic, key, SHA-256 of what follows, and the
 * serialised database. The key is a SHA-256 over Vectorscan's version and the patterns in order, so
 * a file of other patterns, another version or another CPU, or a damaged one, is not used and
 * written anew. One file a group: the cache does not grow with the number of updates. That it
 * cannot be written is no error.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include "inspect/detect_scratch.h"
#include "lib/cleanup.h"

#define CACHE_MAGIC "SKSHHS01"
#define CACHE_BYTES_MAX (512UL << 20)

struct cache_header {
	char magic[8];
	uint8_t key[SHA256_DIGEST_LENGTH];
	uint8_t digest[SHA256_DIGEST_LENGTH];
};

struct piece {
	struct span bytes;
	bool nocase;
	uint32_t rule;
};

/* What hs_compile_multi() takes: expressions of \xNN only. Its sister for literals refuses those
 * that begin with NUL. */
struct patterns {
	unsigned n;
	const char **expressions;
	char *text; /* theirs */
	unsigned *flags, *ids;
};

static void patterns_fini(struct patterns *t)
{
	free(t->expressions);
	free(t->text);
	free(t->flags);
	free(t->ids);
}

static void pattern_append(struct patterns *t, const struct piece *piece, char **text)
{
	t->expressions[t->n] = *text;
	t->flags[t->n] = HS_FLAG_SINGLEMATCH | (piece->nocase ? HS_FLAG_CASELESS : 0);
	t->ids[t->n] = t->n;
	t->n++;
	for (size_t i = 0; i < piece->bytes.n; i++)
		*text += sprintf(*text, "\\x%02x", piece->bytes.p[i]);
	*(*text)++ = 0;
}

static int pattern_compare(const struct piece *a, const struct piece *b)
{
	if (a->nocase != b->nocase)
		return a->nocase ? 1 : -1;
	if (a->bytes.n != b->bytes.n)
		return a->bytes.n < b->bytes.n ? -1 : 1;
	return memcmp(a->bytes.p, b->bytes.p, a->bytes.n);
}

static int piece_compare(const void *x, const void *y)
{
	const struct piece *a = x, *b = y;
	int c = pattern_compare(a, b);

	return c ? c : a->rule < b->rule ? -1 : a->rule > b->rule;
}

static int pieces_collect(
	const struct ruleset *rs, unsigned group, struct piece **ret, uint32_t *ret_n)
{
	struct piece *pieces = calloc(rs->n_rules + 1, sizeof(*pieces));
	uint32_t n = 0;

	if (!pieces)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->n_rules; i++) {
		const struct rule *r = rs->rules[i];

		if (r->fast.n && rule_in_group(r, group))
			pieces[n++] = (struct piece){r->fast, r->fast_nocase, i};
	}
	qsort(pieces, n, sizeof(*pieces), piece_compare);
	*ret = pieces;
	*ret_n = n;
	return 0;
}

/* Equal pieces become one pattern; p maps it back to its rules. */
static int patterns_build(struct ruleset *rs, const struct piece *pieces, uint32_t n,
	struct prefilter *p, struct patterns *t)
{
	size_t room = 0;
	char *text;

	for (uint32_t i = 0; i < n; i++)
		room += pieces[i].bytes.n * strlen("\\xNN") + 1;
	p->first = ruleset_alloc(rs, (n + 1) * sizeof(*p->first));
	p->rules = ruleset_alloc(rs, n * sizeof(*p->rules));
	t->expressions = calloc(n, sizeof(*t->expressions));
	t->text = text = malloc(room);
	t->flags = calloc(n, sizeof(*t->flags));
	t->ids = calloc(n, sizeof(*t->ids));
	if (!p->first || !p->rules || !t->expressions || !t->text || !t->flags || !t->ids)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		p->rules[i] = pieces[i].rule;
		if (i && pattern_compare(&pieces[i - 1], &pieces[i]) == 0)
			continue;
		p->first[t->n] = i;
		pattern_append(t, &pieces[i], &text);
	}
	p->first[t->n] = n;
	p->n = t->n;
	return 0;
}

static int patterns_compile(const struct patterns *t, hs_database_t **ret)
{
	hs_compile_error_t *error = NULL;

	if (hs_compile_multi(t->expressions, t->flags, t->ids, t->n, HS_MODE_BLOCK, NULL, ret,
		    &error) == HS_SUCCESS)
		return 0;
	hs_free_compile_error(error);
	return -ENOTSUP; /* literals always compile: the CPU lacks what Vectorscan needs, or memory
			    ran out */
}

static void patterns_key(const struct patterns *t, uint8_t key[SHA256_DIGEST_LENGTH])
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	memset(key, 0, SHA256_DIGEST_LENGTH);
	if (!f)
		return;
	fprintf(f, "%s\n", hs_version());
	for (unsigned i = 0; i < t->n; i++)
		fprintf(f, "%u %s\n", t->flags[i], t->expressions[i]);
	if (fclose(f) == 0)
		SHA256((const uint8_t *)text, n, key);
}

static bool all_read(int fd, void *to, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t r = read(fd, (char *)to + at, n - at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static hs_database_t *cache_read(const char *path, const uint8_t key[SHA256_DIGEST_LENGTH])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *bytes = NULL;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct cache_header h;
	hs_database_t *db = NULL;
	struct stat st;
	size_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		(size_t)st.st_size <= sizeof(h) || (size_t)st.st_size > CACHE_BYTES_MAX)
		return NULL;
	n = (size_t)st.st_size - sizeof(h);
	if (!all_read(fd, &h, sizeof(h)) || memcmp(h.magic, CACHE_MAGIC, sizeof(h.magic)) != 0 ||
		memcmp(h.key, key, sizeof(h.key)) != 0)
		return NULL;
	bytes = malloc(n);
	if (!bytes || !all_read(fd, bytes, n))
		return NULL;
	SHA256((const uint8_t *)bytes, n, digest);
	if (memcmp(digest, h.digest, sizeof(digest)) != 0 ||
		hs_deserialize_database(bytes, n, &db) != HS_SUCCESS)
		return NULL;
	return db;
}

static bool all_write(int fd, const void *from, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t r = write(fd, (const char *)from + at, n - at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static void cache_write(
	const char *path, const hs_database_t *db, const uint8_t key[SHA256_DIGEST_LENGTH])
{
	_cleanup_free_ char *bytes = NULL, *temp = NULL;
	struct cache_header h = {.magic = CACHE_MAGIC};
	size_t n;
	bool good;
	int fd;

	if (asprintf(&temp, "%s.new", path) < 0) {
		temp = NULL;
		return;
	}
	if (hs_serialize_database(db, &bytes, &n) != HS_SUCCESS)
		return;
	memcpy(h.key, key, sizeof(h.key));
	SHA256((const uint8_t *)bytes, n, h.digest);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	good = all_write(fd, &h, sizeof(h)) && all_write(fd, bytes, n);
	if (close(fd) < 0 || !good || rename(temp, path) < 0)
		(void)unlink(temp);
}

static const char *group_name(unsigned group)
{
	if (group == GROUP_PACKET_TCP)
		return "payload.tcp";
	return group == GROUP_DATAGRAM ? "payload.datagram" : buffer_info[group].name;
}

/* From the cache if it holds just these patterns, else compiled and put there. */
static int database_get(
	const struct patterns *t, unsigned group, const char *cache_dir, hs_database_t **ret)
{
	_cleanup_free_ char *path = NULL;
	uint8_t key[SHA256_DIGEST_LENGTH];
	int err;

	if (!cache_dir)
		return patterns_compile(t, ret);
	if (asprintf(&path, "%s/%s.hsdb", cache_dir, group_name(group)) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	patterns_key(t, key);
	*ret = cache_read(path, key);
	if (*ret)
		return 0;
	err = patterns_compile(t, ret);
	if (!err)
		cache_write(path, *ret, key);
	return err;
}

int prefilter_build(struct ruleset *rs, unsigned group, const char *cache_dir)
{
	struct prefilter *p = &rs->prefilter[group];
	_cleanup_free_ struct piece *pieces = NULL;
	struct patterns t = {0};
	uint32_t n = 0;
	int err = pieces_collect(rs, group, &pieces, &n);

	if (err < 0 || n == 0)
		return err;
	err = patterns_build(rs, pieces, n, p, &t);
	if (!err)
		err = database_get(&t, group, cache_dir, &p->db);
	patterns_fini(&t);
	return err;
}

void prefilter_fini(struct prefilter *p)
{
	(void)hs_free_database(p->db);
}

struct scan {
	const struct prefilter *p;
	struct detect_scratch *s;
};

static int on_match(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
	const struct scan *scan = ctx;

	(void)from;
	(void)to;
	(void)flags;
	if (id >= scan->p->n)
		return 0;
	for (uint32_t i = scan->p->first[id]; i < scan->p->first[id + 1]; i++)
		candidate_add(scan->s, scan->p->rules[i]);
	return 0;
}

void prefilter_scan(const struct prefilter *p, struct detect_scratch *s, struct span buf)
{
	struct scan scan = {p, s};

	if (!p->db || !buf.n)
		return;
	(void)hs_scan(p->db, (const char *)buf.p, buf.n > UINT_MAX ? UINT_MAX : (unsigned)buf.n, 0,
		s->hs, on_match, &scan);
}
