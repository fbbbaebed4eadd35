#include "mail/policy_tag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

/* Keeps the ranges ascending; what is left out already stays one range. */
static int range_add(struct findings *f, size_t offset, size_t bytes)
{
	unsigned i = f->remove_count;

	for (unsigned k = 0; k < f->remove_count; k++)
		if (offset >= f->remove[k].offset &&
			offset < f->remove[k].offset + f->remove[k].bytes)
			return 0;
	if (f->remove_count == FINDINGS_REMOVE_MAX)
		return -E2BIG;
	for (; i > 0 && f->remove[i - 1].offset > offset; i--)
		f->remove[i] = f->remove[i - 1];
	f->remove[i].offset = offset;
	f->remove[i].bytes = bytes;
	f->remove_count++;
	return 0;
}

static size_t field_length(struct span text)
{
	size_t n = 0;

	do {
		ptrdiff_t lf = span_chr(span_skip(text, n), '\n');
		n = lf < 0 ? text.n : n + (size_t)lf + 1;
	} while (n < text.n && (text.p[n] == ' ' || text.p[n] == '\t'));
	return n;
}

/* Blanks may stand in front of the colon. */
static bool field_is(struct span field, struct span name, struct span *ret_value)
{
	struct span rest = span_trim(span_skip(field, name.n));

	if (!span_casestarts(field, name) || rest.n == 0 || rest.p[0] != ':')
		return false;
	*ret_value = span_trim(span_skip(rest, 1));
	return true;
}

static int fields_remove(
	struct findings *f, struct span message, struct span name, struct span *ret_first)
{
	struct span value;
	bool seen = false;

	for (size_t at = 0; at < message.n && message.p[at] != '\r';) {
		struct span field = span_skip(message, at);

		field = span_take(field, field_length(field));
		if (field_is(field, name, &value)) {
			int r = range_add(f, at, field.n);
			if (r < 0)
				return r;
			if (!seen)
				*ret_first = value;
			seen = true;
		}
		at += field.n;
	}
	return 0;
}

static bool is_ascii(const char *text)
{
	while (*text && !(*text & 0x80))
		text++;
	return !*text;
}

/* The blank behind the prefix: between two encoded words it has to be in one of them. */
static void prefix_encode(const char *prefix, struct span subject, char *out, size_t cap)
{
	unsigned char base64[4 * (POLICY_PREFIX_BYTES + 4) / 3 + 4];
	char text[POLICY_PREFIX_BYTES + 2];

	if (is_ascii(prefix)) {
		snprintf(out, cap, "%s", prefix);
		return;
	}
	int n = snprintf(text, sizeof(text), "%s%s", prefix,
		span_casestarts(subject, SPAN_LIT("=?")) ? " " : "");
	EVP_EncodeBlock(base64, (unsigned char *)text, n);
	snprintf(out, cap, "=?UTF-8?B?%s?=", (char *)base64);
}

static int header_add(struct findings *f, const char *text, size_t n)
{
	size_t have = f->header ? strlen(f->header) : 0;
	char *header = realloc(f->header, have + n + 1);

	if (!header)
		return -ENOMEM;
	if (n)
		memcpy(header + have, text, n);
	header[have + n] = '\0';
	f->header = header;
	return 0;
}

static int subject_mark(struct findings *f, struct span message, const char *prefix)
{
	struct span subject = {0};
	char first[POLICY_PREFIX_BYTES * 2 + 64], line[sizeof(first) + 16];
	int r = fields_remove(f, message, SPAN_LIT("Subject"), &subject);

	if (r < 0)
		return r;
	prefix_encode(prefix, subject, first, sizeof(first));
	int n = snprintf(line, sizeof(line), "Subject: %s%s", first, subject.n ? " " : "");
	if ((r = header_add(f, line, (size_t)n)) < 0 ||
		(r = header_add(f, (const char *)subject.p, subject.n)) < 0)
		return r;
	return header_add(f, "\r\n", 2);
}

int policy_tag(struct findings *f, struct span message, const struct policy_rule *rule)
{
	struct span forged = {0};
	char line[sizeof(TAG_FIELD) + POLICY_NAME_BYTES + 8];
	int r = fields_remove(f, message, SPAN_LIT(TAG_FIELD), &forged);

	if (r < 0 || !rule)
		return r;
	int n = snprintf(line, sizeof(line), TAG_FIELD ": %s\r\n", rule->name);
	r = header_add(f, line, (size_t)n);
	return r < 0 || !rule->prefix[0] ? r : subject_mark(f, message, rule->prefix);
}
