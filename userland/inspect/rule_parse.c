/* One line: action, header, and options in parentheses, each handed to its keyword. */
#include <errno.h>
#include <stdarg.h>

#include "inspect/keyword.h"

int rule_fail(struct rule_build *b, struct span where, const char *format, ...)
{
	const uint8_t *start = b->line.p;
	va_list ap;

	if (b->reason[0])
		return -EINVAL;
	/* a variable's text is not in the line: then the option or header that names it is */
	if (where.p < start || where.p > start + b->line.n)
		where = b->option;
	b->column = (unsigned)(where.p - start) + 1;
	va_start(ap, format);
	(void)vsnprintf(b->reason, sizeof(b->reason), format, ap);
	va_end(ap);
	for (char *c = b->reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?'; /* quoted from the file: not to be shown raw */
	return -EINVAL;
}

bool span_token(struct span *rest, uint8_t sep, struct span *ret)
{
	ptrdiff_t at;

	if (!rest->n)
		return false;
	at = span_chr(*rest, sep);
	*ret = span_trim(at < 0 ? *rest : span_take(*rest, (size_t)at));
	*rest = at < 0 ? span_skip(*rest, rest->n) : span_skip(*rest, (size_t)at + 1);
	return true;
}

int rule_quoted(struct rule_build *b, struct span arg, bool *negated, struct span *ret)
{
	if (negated && arg.n && arg.p[0] == '!') {
		*negated = true;
		arg = span_trim(span_skip(arg, 1));
	}
	if (arg.n < 2 || arg.p[0] != '"' || arg.p[arg.n - 1] != '"')
		return rule_fail(b, arg, "a text in double quotes is expected");
	*ret = span_of(arg.p + 1, arg.n - 2);
	return 0;
}

struct step *rule_step(struct rule_build *b, struct span pos, step_find_fn *find)
{
	struct step *st = &b->steps[b->n_steps];

	if (b->n_steps == RULE_PATTERNS) {
		rule_fail(b, pos, "more than %d patterns in a rule", RULE_PATTERNS);
		return NULL;
	}
	b->n_steps++;
	st->find = find;
	st->pos = pos;
	st->buffer = b->buffer;
	st->way = b->way;
	if (b->transforms.n && !b->kept)
		b->kept = transforms_keep(b);
	st->transforms = b->kept;
	return st;
}

void *rule_keep(struct rule_build *b, const void *bytes, size_t n)
{
	void *p = ruleset_alloc(b->rs, n);

	if (!p) {
		rule_fail(b, b->option, "out of memory for rules");
		return NULL;
	}
	memcpy(p, bytes, n);
	return p;
}

struct rule_op *rule_op(struct rule_build *b)
{
	if (b->n_ops == RULE_OPS) {
		rule_fail(b, b->option, "more than %d flowbits, xbits and flowints in a rule",
			RULE_OPS);
		return NULL;
	}
	return &b->ops[b->n_ops++];
}

uint8_t rule_variable(const struct rule_build *b, struct span name)
{
	for (unsigned i = 0; i < b->n_variables; i++)
		if (span_eq(b->variable[i], name))
			return (uint8_t)(i + 1);
	return 0;
}

int rule_variable_new(struct rule_build *b, struct span name, uint8_t *ret)
{
	uint8_t known = rule_variable(b, name);

	if (!name.n)
		return rule_fail(b, name, "the name of a variable is expected");
	if (!known && b->n_variables == RULE_VARIABLES)
		return rule_fail(b, name, "more than %d variables in a rule", RULE_VARIABLES);
	if (!known)
		b->variable[b->n_variables++] = name;
	*ret = known ? known : (uint8_t)b->n_variables;
	return 0;
}

/* FNV-1a, 32 bits. */
uint32_t name_hash(struct span name)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 16777619U;
	return h ? h : 1;
}

int rule_bind(struct rule_build *b, struct span where, const char *name, enum rule_proto app,
	unsigned directions)
{
	struct rule *r = &b->rule;
	uint8_t transport = proto_info[r->proto].transport, wanted = proto_info[app].transport;

	if (app != PROTO_IP) {
		if (r->app == PROTO_IP && proto_info[r->proto].is_app)
			r->app = r->proto;
		if (r->app != PROTO_IP && r->app != app)
			return rule_fail(
				b, where, "%s does not occur in %s", name, proto_info[r->app].name);
		if (transport && wanted && transport != wanted)
			return rule_fail(b, where, "%s does not occur in %s", name,
				proto_info[r->proto].name);
		r->app = app;
	}
	if (b->transactional)
		return 0; /* its halves are bound one by one */
	r->directions &= directions;
	if (!r->directions)
		return rule_fail(b, where, "%s occurs %s only, which the rule excludes", name,
			directions == DIR_TO_SERVER ? "to_server" : "to_client");
	return 0;
}

struct check *rule_check(struct rule_build *b)
{
	if (b->n_checks == RULE_CHECKS) {
		rule_fail(b, b->option, "more than %d conditions on the packet in a rule",
			RULE_CHECKS);
		return NULL;
	}
	return &b->checks[b->n_checks++];
}

static bool number_bound(struct span text, uint32_t limit, uint32_t *ret)
{
	uint64_t v;

	if (!span_u64(span_trim(text), limit, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool number_range_parse(struct span text, uint32_t limit, struct number_range *ret)
{
	struct number_range r = {0, limit, false};
	ptrdiff_t between = span_find(text, SPAN_LIT("<>"));
	bool less = text.n && text.p[0] == '<', more = text.n && text.p[0] == '>';
	bool or_equal = text.n > 1 && text.p[1] == '=';

	if (between > 0) {
		if (!number_bound(span_take(text, (size_t)between), limit, &r.min) ||
			!number_bound(span_skip(text, (size_t)between + 2), limit, &r.max) ||
			r.max < r.min + 2)
			return false;
		r.min++;
		r.max--;
	} else if (less || more) {
		uint32_t *bound = less ? &r.max : &r.min;

		if (!number_bound(span_skip(text, or_equal ? 2 : 1), limit, bound))
			return false;
		if (!or_equal && *bound == (less ? 0 : limit))
			return false; /* nothing is below 0 */
		if (!or_equal)
			*bound += less ? UINT32_MAX : 1U;
		if (more)
			r.max = UINT32_MAX;
	} else {
		r.negated = text.n && text.p[0] == '!';
		text = span_skip(text, r.negated ? (or_equal ? 2 : 1) : 0);
		if (!number_bound(text, limit, &r.min))
			return false;
		r.max = r.min;
	}
	*ret = r;
	return true;
}

/* Index of the semicolon that ends the option at the start of text, or -1. One behind a backslash
 * does not. */
static ptrdiff_t option_end(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == ';' && (i == 0 || text.p[i - 1] != '\\'))
			return (ptrdiff_t)i;
	return -1;
}

/* Of a rule that has failed only the sid is still read: whoever reports the refusal names it. */
static int option_apply(struct rule_build *b, struct span option)
{
	ptrdiff_t colon = span_chr(option, ':');
	struct span name = span_trim(colon < 0 ? option : span_take(option, (size_t)colon));
	struct span arg = colon < 0 ? span_skip(option, option.n)
				    : span_trim(span_skip(option, (size_t)colon + 1));
	const struct keyword *k = keyword_lookup(name);

	b->option = option;
	if (b->reason[0] && !span_caseeq(name, SPAN_LIT("sid")))
		return -EINVAL;
	if (!k)
		return rule_fail(b, name, "keyword \"%.*s\" is not supported", SPAN_ARGS(name));
	if (k->arg == ARG_NONE && arg.n)
		return rule_fail(b, arg, "%s takes no value", k->name);
	if (k->arg == ARG_NEEDED && !arg.n)
		return rule_fail(b, name, "%s needs a value", k->name);
	return k->parse(b, k, arg);
}

static void options_parse(struct rule_build *b, struct span options)
{
	for (options = span_trim(options); options.n;) {
		ptrdiff_t end = option_end(options);

		if (end < 0) {
			rule_fail(b, options, "the option \"%.*s\" has no ; at its end",
				SPAN_ARGS(options));
			return;
		}
		(void)option_apply(b, span_trim(span_take(options, (size_t)end)));
		options = span_trim(span_skip(options, (size_t)end + 1));
	}
}

int rule_parse(struct rule_build *b)
{
	struct span line = span_trim(b->line);
	ptrdiff_t open = span_chr(line, '(');

	b->option = line;
	b->rule.gid = 1;
	b->rule.priority = 3;
	b->rule.msg = b->rule.class_desc = "";
	b->rule.directions = DIR_TO_CLIENT | DIR_TO_SERVER;
	if (line.n > RULE_LINE_BYTES)
		return rule_fail(b, line, "the line is longer than %d bytes", RULE_LINE_BYTES);
	if (open < 0)
		return rule_fail(b, line,
			"a rule is expected: action protocol source port -> destination port "
			"(options)");
	if (line.p[line.n - 1] != ')')
		return rule_fail(b, span_skip(line, line.n - 1),
			"the closing parenthesis is missing at the end");
	(void)rule_header(b, span_take(line, (size_t)open));
	options_parse(b, span_of(line.p + open + 1, line.n - (size_t)open - 2));
	return b->reason[0] ? -EINVAL : 0;
}
