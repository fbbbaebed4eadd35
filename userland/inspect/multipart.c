#include "inspect/multipart.h"

/* The value of a parameter "; name=value" or "; name="value"" (RFC 9110, section 5.6.6). */
static struct span parameter(struct span value, struct span name)
{
	struct span rest = value;

	while (rest.n) {
		ptrdiff_t at = span_chr(rest, ';');
		if (at < 0)
			break;
		rest = span_trim(span_skip(rest, (size_t)at + 1));
		if (!span_casestarts(rest, name))
			continue;
		struct span v = span_skip(rest, name.n);
		if (v.n && v.p[0] == '"') {
			v = span_skip(v, 1);
			ptrdiff_t end = span_chr(v, '"');
			return end < 0 ? (struct span){} : span_take(v, (size_t)end);
		}
		ptrdiff_t end = span_chr(v, ';');
		return span_trim(end < 0 ? v : span_take(v, (size_t)end));
	}
	return (struct span){};
}

struct span disposition_name(struct span value)
{
	return parameter(value, SPAN_LIT("filename="));
}

struct span multipart_boundary(struct span content_type)
{
	return parameter(content_type, SPAN_LIT("boundary="));
}

/* Index behind the next "--boundary" at or after `from`; ret_start where it begins. */
static ptrdiff_t find_boundary(
	struct span body, struct span boundary, size_t from, size_t *ret_start)
{
	while (from < body.n) {
		ptrdiff_t at = span_find(span_skip(body, from), SPAN_LIT("--"));
		if (at < 0)
			return -1;
		size_t start = from + (size_t)at;
		struct span rest = span_take(span_skip(body, start + 2), boundary.n);
		if (span_eq(rest, boundary)) {
			*ret_start = start;
			return (ptrdiff_t)(start + 2 + boundary.n);
		}
		from = start + 1;
	}
	return -1;
}

static struct span header_name(struct span headers)
{
	while (headers.n) {
		ptrdiff_t end = span_chr(headers, '\n');
		struct span line = end < 0 ? headers : span_take(headers, (size_t)end);
		if (span_casestarts(line, SPAN_LIT("content-disposition:")))
			return disposition_name(line);
		headers = span_skip(headers, line.n + 1);
	}
	return (struct span){};
}

bool multipart_next(struct span body, struct span boundary, size_t *at, struct multipart *ret)
{
	size_t start, next;
	ptrdiff_t begin = find_boundary(body, boundary, *at, &start);

	if (boundary.n == 0 || begin < 0)
		return false;
	struct span part = span_skip(body, (size_t)begin);
	ptrdiff_t blank = span_find(part, SPAN_LIT("\r\n\r\n"));
	if (blank < 0)
		return false;
	ptrdiff_t end = find_boundary(body, boundary, (size_t)begin, &next);
	struct span all = end < 0 ? part : span_take(part, next - (size_t)begin);
	if ((size_t)blank + 4 > all.n)
		return false;
	ret->name = header_name(span_take(all, (size_t)blank));
	ret->data = span_skip(all, (size_t)blank + 4);
	ret->whole = end >= 0;
	if (ret->whole && ret->data.n >= 2) /* the line end belongs to the boundary */
		ret->data.n -= 2;
	*at = end < 0 ? body.n : next;
	return true;
}
