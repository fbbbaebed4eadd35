/* A generation of rules: its memory, its life, and how files become one. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <fcntl.h>
#include <pcre2.h>
#include <sys/stat.h>

#include "inspect/keyword.h"
#include "inspect/rule_policy.h"
#include "lib/cleanup.h"

#define CHUNK_BYTES (256UL << 10)

struct arena_chunk {
	struct arena_chunk *before;
	size_t used, size;
	max_align_t bytes[];
};

void *ruleset_alloc(struct ruleset *rs, size_t bytes)
{
	size_t n = (bytes + sizeof(max_align_t)) / sizeof(max_align_t) * sizeof(max_align_t);
	struct arena_chunk *c = rs->chunks;
	void *p;

	if (bytes > RULESET_BYTES)
		return NULL;
	if (!c || c->size - c->used < n) {
		size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;

		if (rs->arena_bytes + size > RULESET_BYTES)
			return NULL;
		c = calloc(1, sizeof(*c) + size);
		if (!c)
			return NULL;
		c->size = size;
		c->before = rs->chunks;
		rs->chunks = c;
		rs->arena_bytes += size;
	}
	p = (char *)c->bytes + c->used;
	c->used += n;
	return p;
}

struct arena_mark ruleset_mark(const struct ruleset *rs)
{
	return (struct arena_mark){rs->chunks, rs->chunks ? rs->chunks->used : 0, rs->ranges,
		rs->n_ranges, rs->transforms};
}

void ruleset_release(struct ruleset *rs, struct arena_mark mark)
{
	while (rs->chunks != mark.chunk) {
		struct arena_chunk *c = rs->chunks;

		rs->chunks = c->before;
		rs->arena_bytes -= c->size;
		free(c);
	}
	if (rs->chunks) {
		memset((char *)rs->chunks->bytes + mark.used, 0, rs->chunks->used - mark.used);
		rs->chunks->used = mark.used;
	}
	rs->ranges = mark.ranges;
	rs->n_ranges = mark.n_ranges;
	rs->transforms = mark.transforms;
}

struct ruleset *ruleset_new(void)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));

	if (rs)
		atomic_init(&rs->refs, 1);
	return rs;
}

struct ruleset *ruleset_get(struct ruleset *rs)
{
	atomic_fetch_add_explicit(&rs->refs, 1, memory_order_relaxed);
	return rs;
}

static void rule_fini(struct rule *r)
{
	for (unsigned g = 0; g < r->n_groups; g++)
		for (unsigned i = 0; i < r->groups[g].n; i++)
			pcre2_code_free(r->groups[g].steps[i].code);
}

void ruleset_put(struct ruleset *rs)
{
	if (!rs || atomic_fetch_sub_explicit(&rs->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < rs->n_rules; i++)
		rule_fini(rs->rules[i]);
	for (unsigned i = 0; i < GROUP_SCANNED; i++)
		prefilter_fini(&rs->prefilter[i]);
	ruleset_release(rs, (struct arena_mark){0});
	free(rs->rules);
	free(rs->sids);
	free(rs);
}

unsigned ruleset_count(const struct ruleset *rs)
{
	return rs->n_rules;
}

/* Slot of the key in the table of size slots (a power of two): where it is, or would be. */
static size_t sid_slot(const uint64_t *table, size_t size, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 20) & (size - 1);

	while (table[i] && table[i] != key)
		i = (i + 1) & (size - 1);
	return i;
}

static int sids_grow(struct ruleset *rs)
{
	size_t size = rs->sids_size ? rs->sids_size * 2 : 1024;
	uint64_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < rs->sids_size; i++)
		if (rs->sids[i])
			table[sid_slot(table, size, rs->sids[i])] = rs->sids[i];
	free(rs->sids);
	rs->sids = table;
	rs->sids_size = size;
	return 0;
}

static int rules_append(struct rule_build *b, struct rule *r)
{
	struct ruleset *rs = b->rs;
	uint64_t key = (uint64_t)r->gid << 32 | r->sid;
	size_t slot;

	if (rs->n_rules == RULE_MAX)
		return rule_fail(b, b->line, "more than %d rules", RULE_MAX);
	if ((size_t)rs->n_rules * 2 >= rs->sids_size && sids_grow(rs) < 0)
		return rule_fail(b, b->line, "out of memory for rules");
	if (rs->n_rules == rs->rules_size) {
		uint32_t size = rs->rules_size ? rs->rules_size * 2 : 256;
		struct rule **rules = reallocarray(rs->rules, size, sizeof(struct rule *));

		if (!rules)
			return rule_fail(b, b->line, "out of memory for rules");
		rs->rules = rules;
		rs->rules_size = size;
	}
	slot = sid_slot(rs->sids, rs->sids_size, key);
	if (rs->sids[slot] && r->half != HALF_RESPONSE)
		return rule_fail(b, b->line, "sid %u is loaded already", r->sid);
	rs->sids[slot] = key;
	rs->rules[rs->n_rules++] = r;
	return 0;
}

/* False: the policy has it off. */
static bool policy_apply(struct rule_build *b, const char *file)
{
	struct policy_subject s = {
		.sid = b->rule.sid,
		.written = b->rule.written,
		.noalert = b->rule.noalert,
		.classtype = b->classtype,
		.metadata = b->metadata,
		.category = policy_category(file),
	};
	bool on = rule_policy_apply(b->vars ? b->vars->policy : NULL, &s, &b->rule.action);
	const uint8_t *ranks = b->vars ? b->vars->action_rank : NULL;

	b->rule.rank = ranks ? ranks[b->rule.action] : (uint8_t)b->rule.action;
	if (b->rule.action == RULE_REJECT && b->rule.written != RULE_REJECT)
		b->rule.reject_src = b->rule.reject_dst = true;
	return on;
}

/* One rule; b tells why it was refused. 1: it is off. */
static int line_add(struct rule_build *b, const char *file, unsigned line)
{
	struct arena_mark mark = ruleset_mark(b->rs);
	uint32_t before = b->rs->n_rules;
	struct rule *rules[2];
	unsigned n;

	if (rule_parse(b) < 0)
		goto refused;
	if (!policy_apply(b, file)) {
		rule_abandon(b);
		ruleset_release(b->rs, mark);
		return 1;
	}
	if (rule_finish_halves(b, rules, &n) < 0)
		goto refused;
	for (unsigned i = 0; i < n; i++) {
		rules[i]->file = file;
		rules[i]->line = line;
		if (rules_append(b, rules[i]) < 0)
			goto refused;
	}
	return 0;
refused:
	b->rs->n_rules = before;
	rule_abandon(b);
	ruleset_release(b->rs, mark);
	return -EINVAL;
}

static bool is_blank(struct span line)
{
	struct span text = span_trim(line);

	return !text.n || text.p[0] == '#';
}

int ruleset_add(struct ruleset *rs, const char *file, struct span text,
	const struct rule_vars *vars, rule_refused_fn *refused, void *ctx,
	struct rule_load_stats *stats)
{
	_cleanup_free_ struct rule_build *b = malloc(sizeof(*b));
	char *name = ruleset_alloc(rs, strlen(file) + 1);
	unsigned number = 0;
	int added;

	if (!b || !name)
		return -ENOMEM;
	strcpy(name, file);
	while (text.n) {
		ptrdiff_t end = span_chr(text, '\n');
		struct span line = end < 0 ? text : span_take(text, (size_t)end);

		text = span_skip(text, line.n + 1);
		number++;
		if (is_blank(line))
			continue;
		memset(b, 0, sizeof(*b));
		b->rs = rs;
		b->vars = vars;
		b->line = line;
		added = line_add(b, name, number);
		stats->loaded += added == 0;
		stats->off += added == 1;
		if (added >= 0)
			continue;
		stats->refused++;
		if (refused)
			refused(ctx, file, number, b->column, b->rule.sid, b->reason);
	}
	return 0;
}

static int file_read(const char *path, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > RULE_FILE_BYTES)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (n < (size_t)st.st_size) {
		ssize_t r = read(fd, text + n, (size_t)st.st_size - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*ret = take_ptr(text);
	*ret_n = n;
	return 0;
}

static int file_add(struct ruleset *rs, const char *file, const struct rule_vars *vars,
	rule_refused_fn *refused, void *ctx, struct rule_load_stats *stats)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int err = file_read(file, &text, &n);

	if (err < 0) {
		if (refused)
			refused(ctx, file, 0, 0, 0, strerror(-err));
		return err;
	}
	return ruleset_add(rs, file, span_of(text, n), vars, refused, ctx, stats);
}

static int thresholds_add(
	struct ruleset *rs, const struct rule_vars *vars, rule_refused_fn *refused, void *ctx)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int err = file_read(vars->threshold_file, &text, &n);

	if (err < 0) {
		if (refused)
			refused(ctx, vars->threshold_file, 0, 0, 0, strerror(-err));
		return err;
	}
	return ruleset_thresholds(rs, vars->threshold_file, span_of(text, n), vars, refused, ctx);
}

int ruleset_load(const char *const *files, size_t n_files, const struct rule_vars *vars,
	const char *cache_dir, rule_refused_fn *refused, void *ctx, struct ruleset **ret,
	struct rule_load_stats *stats)
{
	struct ruleset *rs = ruleset_new();
	int err = rs ? 0 : -ENOMEM;

	*stats = (struct rule_load_stats){0};
	for (size_t i = 0; !err && i < n_files; i++)
		err = file_add(rs, files[i], vars, refused, ctx, stats);
	if (!err && vars && vars->threshold_file)
		err = thresholds_add(rs, vars, refused, ctx);
	if (!err)
		err = ruleset_finish(rs, cache_dir);
	if (err) {
		ruleset_put(rs);
		return err;
	}
	*ret = rs;
	return 0;
}
