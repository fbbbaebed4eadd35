/*
 * Numbers in the buffer: byte_test compares one, byte_jump moves on by one, byte_extract and
 * byte_math keep one in a variable for later options. A number that lies outside the buffer makes
 * the rule not match, negated or not.
 */
#include "inspect/detect_scratch.h"
#include "inspect/keyword.h"

#define STRING_BYTES 23 /* digits of 2^64 in octal, and a sign */

enum compare { CMP_LT, CMP_LE, CMP_EQ, CMP_GE, CMP_GT, CMP_AND, CMP_XOR };
enum math { MATH_ADD, MATH_SUB, MATH_MUL, MATH_DIV, MATH_SHL, MATH_SHR };

struct bytes_op {
	uint8_t n, n_var; /* bytes that the number takes */
	uint8_t base;     /* of digits; 0: the bytes are the number */
	bool little, relative, align, from_beginning, from_end, has_mask;
	int32_t offset, post_offset;
	uint8_t offset_var, post_offset_var;
	uint64_t mask;
	uint32_t multiplier;
	enum compare compare;
	bool negated;
	enum math math;
	uint64_t value;
	uint8_t value_var, result;
};

static uint64_t variable_or(const struct detect_scratch *s, uint8_t var, uint64_t number)
{
	return var ? s->variable[var - 1] : number;
}

static bool digits_read(struct span text, unsigned base, uint64_t *ret)
{
	char copy[STRING_BYTES + 1], *end;

	text = span_take(text, STRING_BYTES);
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	*ret = strtoull(copy, &end, (int)base);
	return end != copy;
}

static uint64_t bytes_read(struct span bytes, bool little)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes.n; i++)
		v = v << 8 | bytes.p[little ? bytes.n - 1 - i : i];
	return v;
}

/* The number, and where it ends. */
static bool number_read(const struct bytes_op *op, const struct detect_scratch *s, struct span buf,
	size_t prev, uint64_t *ret, size_t *ret_end)
{
	int64_t at = (int64_t)(int32_t)variable_or(s, op->offset_var, (uint64_t)op->offset);
	uint64_t n = variable_or(s, op->n_var, op->n);

	at += op->relative ? (int64_t)prev : -(int64_t)s->base;
	if (at < 0 || (uint64_t)at > buf.n || n > buf.n - (uint64_t)at ||
		n > (op->base ? STRING_BYTES : 8))
		return false;
	buf = span_take(span_skip(buf, (size_t)at), n);
	*ret_end = (size_t)at + n;
	*ret = 0;
	if (n == 0)
		return true;
	if (!op->base)
		*ret = bytes_read(buf, op->little);
	else if (!digits_read(buf, op->base, ret))
		return false;
	if (op->has_mask)
		*ret = (*ret & op->mask) >> __builtin_ctzll(op->mask);
	return true;
}

static bool compare(enum compare how, uint64_t a, uint64_t b)
{
	switch (how) {
	case CMP_LT:
		return a < b;
	case CMP_LE:
		return a <= b;
	case CMP_EQ:
		return a == b;
	case CMP_GE:
		return a >= b;
	case CMP_GT:
		return a > b;
	case CMP_AND:
		return (a & b) != 0;
	case CMP_XOR:
		return (a ^ b) != 0;
	}
	return false;
}

static bool test_find(const struct step *st, struct detect_scratch *s, struct span buf, size_t prev,
	struct place *place)
{
	const struct bytes_op *op = st->op;
	uint64_t v;
	size_t end;

	(void)place;
	return number_read(op, s, buf, prev, &v, &end) &&
	       compare(op->compare, v, variable_or(s, op->value_var, op->value)) != op->negated;
}

static bool jump_find(const struct step *st, struct detect_scratch *s, struct span buf, size_t prev,
	struct place *place)
{
	const struct bytes_op *op = st->op;
	uint64_t v;
	size_t end;
	int64_t to;

	if (place->again || !number_read(op, s, buf, prev, &v, &end))
		return false;
	place->again = true;
	v *= op->multiplier;
	if (op->align)
		v = (v + 3) & ~UINT64_C(3);
	if (v > INT32_MAX)
		return false;
	to = (int64_t)v +
	     (int64_t)(int32_t)variable_or(s, op->post_offset_var, (uint64_t)op->post_offset);
	to += op->from_beginning ? -(int64_t)s->base : (int64_t)(op->from_end ? buf.n : end);
	if (to < 0)
		to = 0;
	if ((uint64_t)to > buf.n)
		return false;
	place->end = (size_t)to;
	return true;
}

static bool extract_find(const struct step *st, struct detect_scratch *s, struct span buf,
	size_t prev, struct place *place)
{
	const struct bytes_op *op = st->op;
	uint64_t v;

	if (place->again || !number_read(op, s, buf, prev, &v, &place->end))
		return false;
	place->again = true;
	v *= op->multiplier;
	s->variable[op->result - 1] = op->align ? (v + 3) & ~UINT64_C(3) : v;
	return true;
}

static bool math_find(const struct step *st, struct detect_scratch *s, struct span buf, size_t prev,
	struct place *place)
{
	const struct bytes_op *op = st->op;
	uint64_t v, by = variable_or(s, op->value_var, op->value);

	if (place->again || !number_read(op, s, buf, prev, &v, &place->end))
		return false;
	place->again = true;
	switch (op->math) {
	case MATH_ADD:
		v += by;
		break;
	case MATH_SUB:
		v -= by;
		break;
	case MATH_MUL:
		v *= by;
		break;
	case MATH_DIV:
		if (!by)
			return false;
		v /= by;
		break;
	case MATH_SHL:
		v = by < 64 ? v << by : 0;
		break;
	case MATH_SHR:
		v = by < 64 ? v >> by : 0;
		break;
	}
	s->variable[op->result - 1] = v;
	return true;
}

static bool number_parse(struct span text, uint64_t *ret)
{
	char copy[32], *end;

	if (!text.n || text.n >= sizeof(copy) || text.p[0] == '-')
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	*ret = strtoull(copy, &end, 0);
	return !*end;
}

/* A number, or the name of a variable. */
static int operand_parse(struct rule_build *b, struct span text, uint64_t *ret, uint8_t *ret_var)
{
	if (number_parse(text, ret))
		return 0;
	*ret_var = rule_variable(b, text);
	return *ret_var ? 0
			: rule_fail(b, text,
				  "\"%.*s\": a number or a variable of the rule is expected",
				  SPAN_ARGS(text));
}

static int signed_parse(struct rule_build *b, struct span text, int32_t *ret, uint8_t *ret_var)
{
	bool minus = text.n && text.p[0] == '-';
	uint64_t v = 0;

	if (operand_parse(b, minus || (text.n && text.p[0] == '+') ? span_skip(text, 1) : text, &v,
		    ret_var) < 0)
		return -EINVAL;
	if (v > INT32_MAX)
		return rule_fail(b, text, "a number up to %d is expected", INT32_MAX);
	*ret = minus ? -(int32_t)v : (int32_t)v;
	return 0;
}

static int size_parse(struct rule_build *b, struct span text, struct bytes_op *op)
{
	uint64_t v = 0;

	if (operand_parse(b, text, &v, &op->n_var) < 0)
		return -EINVAL;
	if (v > STRING_BYTES)
		return rule_fail(b, text, "a number of up to %d bytes is expected", STRING_BYTES);
	op->n = (uint8_t)v;
	return 0;
}

/* Words without a value. */
static bool flag_apply(struct span word, struct bytes_op *op)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"relative", &op->relative},
		{"little", &op->little},
		{"dce", &op->little}, /* as nearly all of them are */
		{"align", &op->align},
		{"from_beginning", &op->from_beginning},
		{"from_end", &op->from_end},
	};
	static const struct {
		const char *name;
		uint8_t base;
	} bases[] = {{"hex", 16}, {"dec", 10}, {"oct", 8}};

	if (span_caseeq(word, SPAN_LIT("big")))
		return true;
	if (span_caseeq(word, SPAN_LIT("string"))) {
		op->base = op->base ? op->base : 10;
		return true;
	}
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++)
		if (span_caseeq(word, span_str(bases[i].name))) {
			op->base = bases[i].base;
			return true;
		}
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (span_caseeq(word, span_str(flags[i].name))) {
			*flags[i].flag = true;
			return true;
		}
	return false;
}

/* "multiplier 2" and the like; a number behind align says 2 or 4, of which 4 is used. */
static int value_apply(struct rule_build *b, struct span word, struct bytes_op *op)
{
	ptrdiff_t blank = span_chr(word, ' ');
	struct span key = span_take(word, blank < 0 ? word.n : (size_t)blank);
	struct span value = span_trim(span_skip(word, key.n));
	uint64_t v;

	if (span_caseeq(key, SPAN_LIT("post_offset")))
		return signed_parse(b, value, &op->post_offset, &op->post_offset_var);
	if (span_caseeq(key, SPAN_LIT("multiplier")) && number_parse(value, &v) && v &&
		v <= UINT16_MAX) {
		op->multiplier = (uint32_t)v;
		return 0;
	}
	if (span_caseeq(key, SPAN_LIT("align")) && number_parse(value, &v)) {
		op->align = true;
		return 0;
	}
	if (span_caseeq(key, SPAN_LIT("endian")))
		return flag_apply(value, op) ? 0 : rule_fail(b, value, "big or little is expected");
	if (span_caseeq(key, SPAN_LIT("string")) && flag_apply(value, op))
		return 0;
	if (span_caseeq(key, SPAN_LIT("bitmask")) && number_parse(value, &v) && v) {
		op->has_mask = true;
		op->mask = v;
		return 0;
	}
	return rule_fail(b, word,
		"\"%.*s\": relative, little, big, string, hex, dec, oct, align, from_beginning, "
		"from_end, multiplier, post_offset or bitmask is expected",
		SPAN_ARGS(word));
}

static int words_parse(struct rule_build *b, struct span rest, struct bytes_op *op)
{
	struct span word;

	while (span_token(&rest, ',', &word))
		if (!flag_apply(word, op) && value_apply(b, word, op) < 0)
			return -EINVAL;
	return 0;
}

static int op_finish(struct rule_build *b, struct span arg, const struct bytes_op *op,
	step_find_fn *find, bool moves)
{
	struct step *st = rule_step(b, arg, find);

	if (!st)
		return -EINVAL;
	if (!op->base && op->n > 8)
		return rule_fail(b, arg, "a number of up to 8 bytes is expected without string");
	st->op = rule_keep(b, op, sizeof(*op));
	st->relative = op->relative;
	st->bounded = true;
	st->moves = moves;
	st->uses_variable = op->n_var || op->offset_var || op->value_var || op->post_offset_var;
	/* without a sticky buffer, older modifiers may have moved what it is relative to */
	if (st->relative && b->buffer == BUFFER_PAYLOAD && st > b->steps)
		st->buffer = st[-1].buffer;
	b->content = NULL;
	return st->op ? 0 : -EINVAL;
}

static int compare_parse(struct rule_build *b, struct span text, struct bytes_op *op)
{
	static const struct {
		const char *name;
		enum compare compare;
	} rows[] = {{"<", CMP_LT}, {"<=", CMP_LE}, {"=", CMP_EQ}, {"==", CMP_EQ}, {">=", CMP_GE},
		{">", CMP_GT}, {"&", CMP_AND}, {"^", CMP_XOR}};
	struct span name = text;

	if (name.n && name.p[0] == '!') {
		op->negated = true;
		name = span_trim(span_skip(name, 1));
		if (!name.n)
			return 0; /* ! alone is != */
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_eq(span_str(rows[i].name), name)) {
			op->compare = rows[i].compare;
			return 0;
		}
	return rule_fail(b, text, "\"%.*s\": < <= = >= > & or ^ is expected", SPAN_ARGS(text));
}

/* size, operator, value, offset[, words] */
static int test_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct bytes_op op = {.multiplier = 1, .compare = CMP_EQ};
	struct span rest = arg, size = {0}, how = {0}, value = {0}, offset = {0};

	(void)k;
	(void)span_token(&rest, ',', &size);
	(void)span_token(&rest, ',', &how);
	(void)span_token(&rest, ',', &value);
	if (!span_token(&rest, ',', &offset))
		return rule_fail(b, arg, "size, operator, value and offset are expected");
	if (size_parse(b, size, &op) < 0 || compare_parse(b, how, &op) < 0 ||
		operand_parse(b, value, &op.value, &op.value_var) < 0 ||
		signed_parse(b, offset, &op.offset, &op.offset_var) < 0 ||
		words_parse(b, rest, &op) < 0)
		return -EINVAL;
	return op_finish(b, arg, &op, test_find, false);
}

/* size, offset[, words] */
static int jump_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct bytes_op op = {.multiplier = 1};
	struct span rest = arg, size = {0}, offset = {0};

	(void)k;
	(void)span_token(&rest, ',', &size);
	if (!span_token(&rest, ',', &offset))
		return rule_fail(b, arg, "size and offset are expected");
	if (size_parse(b, size, &op) < 0 ||
		signed_parse(b, offset, &op.offset, &op.offset_var) < 0 ||
		words_parse(b, rest, &op) < 0)
		return -EINVAL;
	return op_finish(b, arg, &op, jump_find, true);
}

/* size, offset, name[, words] */
static int extract_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct bytes_op op = {.multiplier = 1};
	struct span rest = arg, size = {0}, offset = {0}, name = {0};

	(void)k;
	(void)span_token(&rest, ',', &size);
	(void)span_token(&rest, ',', &offset);
	if (!span_token(&rest, ',', &name))
		return rule_fail(b, arg, "size, offset and the name of a variable are expected");
	if (size_parse(b, size, &op) < 0 ||
		signed_parse(b, offset, &op.offset, &op.offset_var) < 0 ||
		words_parse(b, rest, &op) < 0 || rule_variable_new(b, name, &op.result) < 0)
		return -EINVAL;
	return op_finish(b, arg, &op, extract_find, true);
}

static int math_word(struct rule_build *b, struct span word, struct bytes_op *op)
{
	static const struct {
		const char *name;
		enum math math;
	} rows[] = {{"+", MATH_ADD}, {"-", MATH_SUB}, {"*", MATH_MUL}, {"/", MATH_DIV},
		{"<<", MATH_SHL}, {">>", MATH_SHR}};
	ptrdiff_t blank = span_chr(word, ' ');
	struct span key = span_take(word, blank < 0 ? word.n : (size_t)blank);
	struct span value = span_trim(span_skip(word, key.n));

	if (span_caseeq(key, SPAN_LIT("bytes")))
		return size_parse(b, value, op);
	if (span_caseeq(key, SPAN_LIT("offset")))
		return signed_parse(b, value, &op->offset, &op->offset_var);
	if (span_caseeq(key, SPAN_LIT("rvalue")))
		return operand_parse(b, value, &op->value, &op->value_var);
	if (span_caseeq(key, SPAN_LIT("result")))
		return rule_variable_new(b, value, &op->result);
	if (!span_caseeq(key, SPAN_LIT("oper")))
		return flag_apply(word, op) ? 0 : value_apply(b, word, op);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_eq(span_str(rows[i].name), value)) {
			op->math = rows[i].math;
			return 0;
		}
	return rule_fail(b, value, "\"%.*s\": + - * / << or >> is expected", SPAN_ARGS(value));
}

/* bytes N, offset N, oper +, rvalue N, result name[, words] */
static int math_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct bytes_op op = {.multiplier = 1};
	struct span rest = arg, word;

	(void)k;
	while (span_token(&rest, ',', &word))
		if (math_word(b, word, &op) < 0)
			return -EINVAL;
	if (!op.result || (!op.n && !op.n_var))
		return rule_fail(b, arg, "bytes, offset, oper, rvalue and result are expected");
	return op_finish(b, arg, &op, math_find, true);
}

const struct keyword keyword_bytes[] = {
	{"byte_extract", ARG_NEEDED, 0, extract_parse},
	{"byte_jump", ARG_NEEDED, 0, jump_parse},
	{"byte_math", ARG_NEEDED, 0, math_parse},
	{"byte_test", ARG_NEEDED, 0, test_parse},
	{0},
};
