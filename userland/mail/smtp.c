#include "mail/smtp.h"

static const struct {
	struct span name;
	enum smtp_verb verb;
} verbs[] = {
	{SPAN_LIT("AUTH"), SMTP_AUTH},
	{SPAN_LIT("BDAT"), SMTP_BDAT},
	{SPAN_LIT("DATA"), SMTP_DATA},
	{SPAN_LIT("EHLO"), SMTP_EHLO},
	{SPAN_LIT("ETRN"), SMTP_ETRN},
	{SPAN_LIT("EXPN"), SMTP_EXPN},
	{SPAN_LIT("HELO"), SMTP_HELO},
	{SPAN_LIT("HELP"), SMTP_HELP},
	{SPAN_LIT("MAIL"), SMTP_MAIL},
	{SPAN_LIT("NOOP"), SMTP_NOOP},
	{SPAN_LIT("QUIT"), SMTP_QUIT},
	{SPAN_LIT("RCPT"), SMTP_RCPT},
	{SPAN_LIT("RSET"), SMTP_RSET},
	{SPAN_LIT("STARTTLS"), SMTP_STARTTLS},
	{SPAN_LIT("VRFY"), SMTP_VRFY},
};

static bool has_control(struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return true;
	return false;
}

enum smtp_parse smtp_line(struct span in, size_t max, size_t *ret_bytes)
{
	ptrdiff_t lf = span_chr(span_take(in, max), '\n');

	if (lf < 0)
		return in.n >= max ? SMTP_TOOLONG : SMTP_MORE;
	*ret_bytes = (size_t)lf + 1;
	if (lf == 0 || in.p[lf - 1] != '\r')
		return SMTP_BAD;
	return has_control(span_take(in, (size_t)lf - 1)) ? SMTP_BAD : SMTP_OK;
}

static enum smtp_verb verb_lookup(struct span word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (span_caseeq(word, verbs[i].name))
			return verbs[i].verb;
	return SMTP_UNKNOWN;
}

enum smtp_parse smtp_command_parse(struct span in, struct smtp_command *ret)
{
	*ret = (struct smtp_command){0};
	enum smtp_parse r = smtp_line(in, SMTP_COMMAND_BYTES, &ret->bytes);

	if (r != SMTP_OK)
		return r;
	struct span line = span_take(in, ret->bytes - 2);
	size_t word = 0;
	while (word < line.n && line.p[word] != ' ' && line.p[word] != '\t')
		word++;
	ret->verb = verb_lookup(span_take(line, word));
	ret->argument = span_trim(span_skip(line, word));
	return SMTP_OK;
}

/* Length of the path that starts behind '<', up to its '>'; a quoted local part may hold one. */
static bool path_end(struct span s, size_t *ret)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s.p[i] == '>') {
			*ret = i;
			return true;
		}
	}
	return false;
}

static struct span route_cut(struct span path)
{
	ptrdiff_t colon = path.n && path.p[0] == '@' ? span_chr(path, ':') : -1;
	return colon < 0 ? path : span_skip(path, (size_t)colon + 1);
}

bool smtp_path(
	struct span argument, struct span prefix, struct span *ret, struct span *ret_parameters)
{
	size_t end = 0;

	if (!span_casestarts(argument, prefix))
		return false;
	struct span s = span_trim(span_skip(argument, prefix.n));
	if (s.n && s.p[0] == '<') {
		s = span_skip(s, 1);
		if (!path_end(s, &end) ||
			(end + 1 < s.n && s.p[end + 1] != ' ' && s.p[end + 1] != '\t'))
			return false;
		*ret = route_cut(span_take(s, end));
		*ret_parameters = span_skip(s, end + 1);
		return true;
	}
	/* Without brackets: some servers take it, so it must be seen as they see it. One that looks
	 * for brackets further on would see another address. */
	while (end < s.n && s.p[end] != ' ' && s.p[end] != '\t')
		if (memchr("<>\"(),;\\", s.p[end++], 8))
			return false;
	*ret = span_take(s, end);
	*ret_parameters = span_skip(s, end);
	return end > 0;
}

bool smtp_chunk(struct span argument, uint64_t *ret_bytes, bool *ret_last)
{
	ptrdiff_t blank = span_chr(argument, ' ');
	struct span number = blank < 0 ? argument : span_take(argument, (size_t)blank);
	struct span rest = span_trim(span_skip(argument, number.n));

	*ret_last = rest.n > 0;
	return span_u64(number, UINT32_MAX, ret_bytes) &&
	       (rest.n == 0 || span_caseeq(rest, SPAN_LIT("LAST")));
}

/* Length of a sequence by its first byte, and the least code point that needs so many (RFC 3629).
 */
static size_t utf8_length(uint8_t first, uint32_t *ret_point, uint32_t *ret_least)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} rows[] = {
		{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t i = 0; i < 4; i++) {
		if ((first & rows[i].mask) == rows[i].lead) {
			*ret_point = first & (uint8_t)~rows[i].mask;
			*ret_least = rows[i].least;
			return i + 1;
		}
	}
	return 0;
}

bool smtp_is_utf8(struct span text)
{
	while (text.n) {
		uint32_t point = 0, least = 0;
		size_t n = utf8_length(text.p[0], &point, &least);

		if (n == 0 || n > text.n)
			return false;
		for (size_t i = 1; i < n; i++) {
			if ((text.p[i] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (text.p[i] & 0x3f);
		}
		if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return false;
		text = span_skip(text, n);
	}
	return true;
}

/* Code and separator of one line: "250-" or "250 ", or "250" alone. */
static bool reply_code(struct span line, unsigned *ret_code, bool *ret_last)
{
	if (line.n < 3)
		return false;
	for (int i = 0; i < 3; i++)
		if (line.p[i] < '0' || line.p[i] > '9')
			return false;
	*ret_code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 +
		    (unsigned)(line.p[2] - '0');
	*ret_last = line.n == 3 || line.p[3] == ' ';
	return *ret_code >= 200 && *ret_code < 600 && (*ret_last || line.p[3] == '-');
}

enum smtp_parse smtp_reply_parse(struct span in, struct smtp_reply *ret)
{
	size_t at = 0;

	*ret = (struct smtp_reply){0};
	for (;;) {
		size_t bytes = 0;
		unsigned code = 0;
		bool last = false;
		struct span rest = span_skip(in, at);
		enum smtp_parse r = smtp_line(rest, SMTP_REPLY_LINE_BYTES, &bytes);

		if (r == SMTP_MORE)
			return in.n >= SMTP_REPLY_BYTES ? SMTP_BAD : SMTP_MORE;
		if (r != SMTP_OK || at + bytes > SMTP_REPLY_BYTES)
			return SMTP_BAD;
		if (!reply_code(span_take(rest, bytes - 2), &code, &last))
			return SMTP_BAD;
		if (at > 0 && code != ret->code)
			return SMTP_BAD;
		ret->code = code;
		at += bytes;
		if (last) {
			ret->bytes = at;
			return SMTP_OK;
		}
	}
}
