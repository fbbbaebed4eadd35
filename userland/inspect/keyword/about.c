/* What a rule says about itself: it changes what is reported, not what matches. */
#include "inspect/keyword.h"

static int number(struct rule_build *b, struct span arg, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (!span_u64(arg, max, ret) || *ret < min)
		return rule_fail(b, arg, "\"%.*s\": a number from %llu to %llu is expected",
			SPAN_ARGS(arg), (unsigned long long)min, (unsigned long long)max);
	return 0;
}

enum id { ID_SID, ID_REV, ID_GID };

static int id_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	uint64_t v;

	if (number(b, arg, k->value == ID_SID ? 1 : 0, UINT32_MAX, &v) < 0)
		return -EINVAL;
	*(uint32_t *[]){&b->rule.sid, &b->rule.rev, &b->rule.gid}[k->value] = (uint32_t)v;
	return 0;
}

static int priority_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	uint64_t v;

	(void)k;
	if (number(b, arg, 1, 255, &v) < 0)
		return -EINVAL;
	b->rule.priority = (uint8_t)v;
	b->has_priority = true;
	return 0;
}

static int msg_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct span text;
	char *to;

	(void)k;
	if (rule_quoted(b, arg, NULL, &text) < 0)
		return -EINVAL;
	to = ruleset_alloc(b->rs, text.n + 1);
	if (!to)
		return rule_fail(b, arg, "out of memory for rules");
	b->rule.msg = to;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\\' && i + 1 < text.n)
			i++;
		*to++ = (char)text.p[i];
	}
	return 0;
}

static int classtype_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	const struct rule_class *c = rule_class_lookup(arg);

	(void)k;
	b->classtype = arg;
	if (!c)
		return 0; /* a classtype of the author's own: no text, usual priority */
	b->rule.class_desc = c->text;
	if (!b->has_priority)
		b->rule.priority = c->priority;
	return 0;
}

static int text_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)b;
	(void)k;
	(void)arg;
	return 0;
}

/* Authors write it more than once; the policy looks at the first. */
static int metadata_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)k;
	if (!b->metadata.n)
		b->metadata = arg;
	return 0;
}

static int target_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)k;
	if (!span_eq(arg, SPAN_LIT("src_ip")) && !span_eq(arg, SPAN_LIT("dest_ip")))
		return rule_fail(b, arg, "\"%.*s\": src_ip or dest_ip is expected", SPAN_ARGS(arg));
	return 0;
}

const struct keyword keyword_about[] = {
	{"classtype", ARG_NEEDED, 0, classtype_parse},
	{"gid", ARG_NEEDED, ID_GID, id_parse},
	{"metadata", ARG_NEEDED, 0, metadata_parse},
	{"msg", ARG_NEEDED, 0, msg_parse},
	{"priority", ARG_NEEDED, 0, priority_parse},
	{"reference", ARG_NEEDED, 0, text_parse},
	{"rev", ARG_NEEDED, ID_REV, id_parse},
	{"sid", ARG_NEEDED, ID_SID, id_parse},
	{"target", ARG_NEEDED, 0, target_parse},
	{0},
};
