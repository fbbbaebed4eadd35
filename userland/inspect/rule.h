/*
 * rule: reads rule files into an immutable ruleset.
 *
 * A file is lines; a line is empty, a comment, or a rule: action, header and options in
 * parentheses. A rule that cannot be loaded is refused alone, with file, line, column and reason;
 * the others load. Variables (HOME_NET, HTTP_PORTS, ...) come from struct rule_vars, with
 * Suricata's usual defaults. Each option is one descriptor, struct keyword (keyword.h), listed in
 * keywords.def.
 *
 * Limits: RULE_LINE_BYTES a rule, RULE_MAX rules, RULE_PATTERNS patterns a rule. Beyond: refused,
 * said.
 */
#pragma once

#include "inspect/detect.h"

#define RULE_LINE_BYTES 65536
#define RULE_MAX 200000
#define RULE_PATTERNS 64

struct rule_var {
	const char *name; /* without $ */
	const char *value;
};

struct rule_policy;

/* What decides beside the files. */
struct rule_vars {
	const struct rule_var *vars; /* override the defaults */
	size_t n;
	const struct rule_policy *policy; /* NULL: rules do what they say (rule_policy.h) */
	const char *threshold_file;       /* NULL: none (rule_threshold.c) */
	const uint8_t *action_rank;       /* by enum rule_action; NULL: their order there */
};

/* Called once for each refused rule; sid is 0 when it could not be read. */
typedef void rule_refused_fn(void *ctx, const char *file, unsigned line, unsigned column,
	uint32_t sid, const char *reason);

struct rule_load_stats {
	unsigned loaded, refused;
	unsigned off; /* by policy: not loaded, not refused */
};

/* Loads all files into one generation. 0, or -errno (-ENOENT: a file cannot be opened, named by the
 * callback with line 0). Refused rules are not an error. cache_dir is where compiled prefilters are
 * kept, or NULL. */
int ruleset_load(const char *const *files, size_t n_files, const struct rule_vars *vars,
	const char *cache_dir, rule_refused_fn *refused, void *ctx, struct ruleset **ret,
	struct rule_load_stats *stats);

/* Reference counting: a generation dies with its last flow. Thread-safe. */
struct ruleset *ruleset_get(struct ruleset *rs);
void ruleset_put(struct ruleset *rs);
unsigned ruleset_count(const struct ruleset *rs);
