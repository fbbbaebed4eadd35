#include "mail/esmtp.h"

#include "mail/smtp.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct {
	struct span name;
	unsigned offer;
} extensions[] = {
	{SPAN_LIT("8BITMIME"), 0},
	{SPAN_LIT("AUTH"), ESMTP_AUTH},
	{SPAN_LIT("CHUNKING"), ESMTP_CHUNKING},
	{SPAN_LIT("DELIVERBY"), 0},
	{SPAN_LIT("DSN"), 0},
	{SPAN_LIT("ENHANCEDSTATUSCODES"), 0},
	{SPAN_LIT("ETRN"), 0},
	{SPAN_LIT("EXPN"), 0},
	{SPAN_LIT("FUTURERELEASE"), 0},
	{SPAN_LIT("HELP"), 0},
	{SPAN_LIT("LIMITS"), 0},
	{SPAN_LIT("MT-PRIORITY"), 0},
	{SPAN_LIT("NO-SOLICITING"), 0},
	{SPAN_LIT("PIPELINING"), ESMTP_PIPELINING},
	{SPAN_LIT("RRVS"), 0},
	{SPAN_LIT("SIZE"), 0},
	{SPAN_LIT("SMTPUTF8"), 0},
	{SPAN_LIT("STARTTLS"), ESMTP_STARTTLS},
	{SPAN_LIT("VRFY"), 0},
};

/* Keyword of "AUTH PLAIN"; "AUTH=LOGIN" is an old spelling of "AUTH LOGIN". */
static struct span keyword_of(struct span text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] != ' ' && text.p[n] != '=')
		n++;
	return span_take(text, n);
}

/* Index in the table, or -1. */
static int extension_find(struct span text)
{
	for (size_t i = 0; i < COUNT(extensions); i++)
		if (span_caseeq(keyword_of(text), extensions[i].name))
			return (int)i;
	return -1;
}

/* The text of the reply's next line, without code, separator and CRLF. */
static bool line_next(struct span *reply, struct span *ret_line, struct span *ret_text)
{
	size_t bytes = 0;

	if (smtp_line(*reply, SMTP_REPLY_LINE_BYTES, &bytes) != SMTP_OK)
		return false;
	*ret_line = span_take(*reply, bytes);
	*ret_text = span_skip(span_take(*reply, bytes - 2), 4);
	*reply = span_skip(*reply, bytes);
	return true;
}

unsigned esmtp_offers(struct span reply)
{
	struct span line, text;
	unsigned offers = 0;

	for (bool greeting = true; line_next(&reply, &line, &text); greeting = false) {
		int i = greeting ? -1 : extension_find(text);
		if (i >= 0)
			offers |= extensions[i].offer;
	}
	return offers;
}

struct span esmtp_greeting(struct span reply)
{
	struct span line, text;
	size_t n = 0;

	if (!line_next(&reply, &line, &text))
		return (struct span){0};
	while (n < text.n && text.p[n] > ' ')
		n++;
	return span_take(text, n <= ESMTP_NAME_BYTES ? n : 0);
}

size_t esmtp_filter(struct span reply, unsigned hide, uint8_t *out)
{
	size_t n = 0, last = 0;
	struct span line, text;

	for (bool greeting = true; line_next(&reply, &line, &text); greeting = false) {
		int i = extension_find(text);
		if (!greeting && (i < 0 || extensions[i].offer & hide))
			continue;
		last = n;
		memcpy(out + n, line.p, line.n);
		if (line.n > 5)
			out[n + 3] = '-';
		n += line.n;
	}
	if (n > last + 5)
		out[last + 3] = ' ';
	return n;
}

enum value { VALUE_NONE, VALUE_NUMBER, VALUE_BODY, VALUE_TEXT };

struct parameter {
	struct span name;
	enum value value;
};

/* RFC 1870, 1652, 4954, 3461, 6531, 2852, 4865, 6710 */
static const struct parameter mail_parameters[] = {
	{SPAN_LIT("SIZE"), VALUE_NUMBER},
	{SPAN_LIT("BODY"), VALUE_BODY},
	{SPAN_LIT("AUTH"), VALUE_TEXT},
	{SPAN_LIT("RET"), VALUE_TEXT},
	{SPAN_LIT("ENVID"), VALUE_TEXT},
	{SPAN_LIT("SMTPUTF8"), VALUE_NONE},
	{SPAN_LIT("BY"), VALUE_TEXT},
	{SPAN_LIT("HOLDFOR"), VALUE_NUMBER},
	{SPAN_LIT("HOLDUNTIL"), VALUE_TEXT},
	{SPAN_LIT("MT-PRIORITY"), VALUE_TEXT},
};

/* RFC 3461, 7293 */
static const struct parameter rcpt_parameters[] = {
	{SPAN_LIT("NOTIFY"), VALUE_TEXT},
	{SPAN_LIT("ORCPT"), VALUE_TEXT},
	{SPAN_LIT("RRVS"), VALUE_TEXT},
};

static const char unknown_parameter[] = "555 5.5.4 Sekisho: this parameter does not pass\r\n";
static const char bad_parameter[] = "501 5.5.4 Sekisho: a parameter has no value it could have\r\n";
static const char too_large[] = "552 5.3.4 Sekisho: refused, the message is too large\r\n";

/* esmtp-value of RFC 5321, section 4.1.2, UTF-8 too (RFC 6531, section 3.3) */
static bool is_value(struct span value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] == '=' || value.p[i] == 0x7f)
			return false;
	return value.n > 0 && smtp_is_utf8(value);
}

static const char *value_check(enum value kind, struct span value, uint64_t max)
{
	uint64_t number;

	switch (kind) {
	case VALUE_NONE:
		return value.p ? bad_parameter : NULL;
	case VALUE_NUMBER:
		if (!value.p || !span_u64(value, UINT64_MAX, &number))
			return bad_parameter;
		return number > max ? too_large : NULL;
	case VALUE_BODY:
		if (!value.p)
			return bad_parameter;
		return span_caseeq(value, SPAN_LIT("7BIT")) ||
				       span_caseeq(value, SPAN_LIT("8BITMIME"))
			       ? NULL
			       : unknown_parameter;
	case VALUE_TEXT:
		return value.p && is_value(value) ? NULL : bad_parameter;
	}
	return bad_parameter;
}

static const char *parameter_check(
	const struct parameter *rows, size_t count, struct span text, uint64_t max)
{
	struct span name = keyword_of(text);
	struct span value = name.n < text.n ? span_skip(text, name.n + 1) : (struct span){0};

	for (size_t i = 0; i < count; i++)
		if (span_caseeq(name, rows[i].name))
			return value_check(rows[i].value, value,
				span_caseeq(name, SPAN_LIT("SIZE")) ? max : UINT64_MAX);
	return unknown_parameter;
}

static const char *parameters_check(
	const struct parameter *rows, size_t count, struct span text, uint64_t max)
{
	const char *refusal = NULL;

	for (text = span_trim(text); text.n && !refusal; text = span_trim(text)) {
		size_t n = 0;
		while (n < text.n && text.p[n] != ' ' && text.p[n] != '\t')
			n++;
		refusal = parameter_check(rows, count, span_take(text, n), max);
		text = span_skip(text, n);
	}
	return refusal;
}

const char *esmtp_mail_parameters(struct span parameters, uint64_t max_message_bytes)
{
	return parameters_check(
		mail_parameters, COUNT(mail_parameters), parameters, max_message_bytes);
}

const char *esmtp_rcpt_parameters(struct span parameters)
{
	return parameters_check(rcpt_parameters, COUNT(rcpt_parameters), parameters, 0);
}
