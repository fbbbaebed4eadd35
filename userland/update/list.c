#include "update/list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define IPV4_PREFIX_MIN 8
#define IPV6_PREFIX_MIN 16
#define LABEL_CHARS 63
#define BAD_MIN 10 /* a few odd lines are no sign of anything */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span comment_drop(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '#' || s.p[i] == ';' ||
			(s.p[i] == '/' && i + 1 < s.n && s.p[i + 1] == '/'))
			return span_take(s, i);
	return s;
}

/* The wanted column, from 1, without quotes. */
static struct span column_take(struct span s, unsigned column)
{
	for (;;) {
		ptrdiff_t comma = span_chr(s, ',');
		struct span field = comma < 0 ? s : span_take(s, (size_t)comma);
		if (column-- == 1) {
			field = span_trim(field);
			if (field.n >= 2 && field.p[0] == '"' && field.p[field.n - 1] == '"')
				field = span_trim(span_of(field.p + 1, field.n - 2));
			return field;
		}
		if (comma < 0)
			return span_of(s.p + s.n, 0);
		s = span_skip(s, (size_t)comma + 1);
	}
}

static struct span word_last(struct span s)
{
	for (size_t i = s.n; i > 0; i--)
		if (is_blank(s.p[i - 1]))
			return span_skip(s, i);
	return s;
}

static struct span word_first(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_blank(s.p[i]))
			return span_take(s, i);
	return s;
}

static void host_bits_clear(uint8_t *address, unsigned bytes, unsigned bits)
{
	for (unsigned i = 0; i < bytes; i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
		if (keep < 8)
			address[i] &= (uint8_t)(0xff00u >> keep);
	}
}

static enum list_line address_read(struct span s, char out[LIST_ENTRY_CHARS + 1])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	ptrdiff_t slash = span_chr(s, '/');
	struct span host = slash < 0 ? s : span_take(s, (size_t)slash);
	bool six = span_chr(host, ':') >= 0;
	unsigned bytes = six ? 16 : 4;
	uint64_t bits = 8 * bytes;

	if (host.n == 0 || host.n >= sizeof(text) ||
		(slash >= 0 && !span_u64(span_skip(s, (size_t)slash + 1), 8 * bytes, &bits)))
		return LIST_BAD;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(six ? AF_INET6 : AF_INET, text, address) != 1 || strlen(text) != host.n)
		return LIST_BAD;
	if (bits < (six ? IPV6_PREFIX_MIN : IPV4_PREFIX_MIN))
		return LIST_TOO_WIDE;
	host_bits_clear(address, bytes, (unsigned)bits);
	inet_ntop(six ? AF_INET6 : AF_INET, address, text, sizeof(text));
	if (bits == 8 * bytes)
		snprintf(out, LIST_ENTRY_CHARS + 1, "%s", text);
	else
		snprintf(out, LIST_ENTRY_CHARS + 1, "%s/%u", text, (unsigned)bits);
	return LIST_ENTRY;
}

static bool is_label_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool labels_ok(struct span s)
{
	bool digits_only = true;
	size_t label = 0, dots = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			dots++;
			digits_only = true;
			continue;
		}
		if (!is_label_char(s.p[i]) || ++label > LABEL_CHARS)
			return false;
		digits_only &= s.p[i] >= '0' && s.p[i] <= '9';
	}
	/* The last label tells a name from an address (RFC 1123, section 2.1). */
	return label > 0 && dots > 0 && !digits_only;
}

static enum list_line domain_read(struct span s, char out[LIST_ENTRY_CHARS + 1])
{
	if (span_eq(span_take(s, 2), SPAN_LIT("||")))
		s = span_skip(s, 2);
	if (s.n > 0 && s.p[s.n - 1] == '^')
		s.n--;
	if (span_eq(span_take(s, 2), SPAN_LIT("*.")))
		s = span_skip(s, 2);
	else if (s.n > 0 && s.p[0] == '.')
		s = span_skip(s, 1);
	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	if (s.n > 253 || !labels_ok(s))
		return LIST_BAD;
	for (size_t i = 0; i < s.n; i++)
		out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
	out[s.n] = '\0';
	return LIST_ENTRY;
}

enum list_line list_line_read(
	enum list_kind kind, unsigned column, struct span line, char out[LIST_ENTRY_CHARS + 1])
{
	struct span s = span_trim(comment_drop(line));

	/* "! Title" heads the lists of ad blockers, "[Adblock Plus]" too */
	if (s.n == 0 || s.p[0] == '!' || s.p[0] == '[')
		return LIST_EMPTY;
	s = column_take(s, column);
	if (kind == LIST_ADDRESSES)
		return address_read(word_first(s), out);
	return domain_read(word_last(s), out);
}

struct copy {
	enum list_kind kind;
	unsigned column;
	FILE *out;
	uint64_t lines, entries, bad;
	char *why;
	size_t why_cap;
};

static int refuse(struct copy *c, const char *why)
{
	snprintf(c->why, c->why_cap, "line %llu: %s", (unsigned long long)c->lines, why);
	return -EBADMSG;
}

static int line_copy(struct copy *c, struct span line)
{
	char entry[LIST_ENTRY_CHARS + 1];

	c->lines++;
	if (line.n > LIST_LINE_BYTES)
		return refuse(c, "too long a line");
	switch (list_line_read(c->kind, c->column, line, entry)) {
	case LIST_EMPTY:
		return 0;
	case LIST_BAD:
		c->bad++;
		return 0;
	case LIST_TOO_WIDE:
		return refuse(c, "a prefix that takes in half the world");
	case LIST_ENTRY:
		break;
	}
	if (++c->entries > LIST_ENTRIES_MAX)
		return refuse(c, "more than 1000000 entries");
	return fprintf(c->out, "%s\n", entry) < 0 ? -EIO : 0;
}

static int lines_copy(struct copy *c, int from)
{
	_cleanup_free_ uint8_t *buffer = malloc(65536);
	size_t have = 0;
	off_t at = 0;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t n = pread(from, buffer + have, 65536 - have, at);
		if (n < 0)
			return -errno;
		at += n;
		struct span s = span_of(buffer, have + (size_t)n);
		ptrdiff_t end;
		int r = 0;
		while (r == 0 && (end = span_chr(s, '\n')) >= 0) {
			r = line_copy(c, span_take(s, (size_t)end));
			s = span_skip(s, (size_t)end + 1);
		}
		if (r == 0 && (n == 0 || s.n > LIST_LINE_BYTES))
			return s.n ? line_copy(c, s) : 0;
		if (r < 0)
			return r;
		memmove(buffer, s.p, s.n);
		have = s.n;
	}
}

int list_copy(enum list_kind kind, unsigned column, int from, int to, uint64_t *ret_count,
	char *why, size_t why_cap)
{
	int fd = dup(to);
	struct copy c = {.kind = kind,
		.column = column,
		.out = fd < 0 ? NULL : fdopen(fd, "w"),
		.why = why,
		.why_cap = why_cap};

	if (!c.out)
		return -errno;
	int r = lines_copy(&c, from);
	if (r == 0 && c.bad > BAD_MIN && c.bad > (c.entries + c.bad) / 10) {
		snprintf(why, why_cap, "%llu of %llu lines are no %s: another kind of file?",
			(unsigned long long)c.bad, (unsigned long long)c.lines,
			kind == LIST_ADDRESSES ? "address" : "domain name");
		r = -EBADMSG;
	}
	if (fclose(c.out) != 0 && r == 0)
		r = -EIO;
	*ret_count = c.entries;
	return r;
}
