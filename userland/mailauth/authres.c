#include "mailauth/authres.h"

#include <stdio.h>

struct out {
	char *p;
	size_t n;
};

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(".-_", c));
}

bool authres_is_id(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!is_token_char(id[i]))
			return false;
	return n > 0 && n < DOMAIN_BYTES;
}

/* A result is written whole or not at all. */
static void put_line(struct out *o, const char *line)
{
	size_t n = strlen(line);

	if (o->n + n + sizeof("\r\n") > AUTHRES_BYTES)
		return;
	memcpy(o->p + o->n, line, n + 1);
	o->n += n;
}

/* " ptype.property=value"; bytes that would need quoting become "?" in quotes: a stranger wrote
 * them. */
static void add_property(char *line, size_t size, const char *name, const char *value)
{
	char safe[DOMAIN_BYTES];
	bool quote = false;
	size_t n = strlen(line);

	if (!*value)
		return;
	snprintf(safe, sizeof(safe), "%s", value);
	for (char *p = safe; *p; p++) {
		if (is_token_char(*p))
			continue;
		*p = '?';
		quote = true;
	}
	snprintf(line + n, size - n, quote ? " %s=\"%s\"" : " %s=%s", name, safe);
}

static void put_spf(struct out *o, const struct spf_judgement *spf)
{
	char line[512];

	snprintf(line, sizeof(line), ";\r\n\tspf=%s", spf_result_name(spf->result));
	add_property(line, sizeof(line), spf->is_helo ? "smtp.helo" : "smtp.mailfrom", spf->domain);
	put_line(o, line);
}

/* The first 8 characters of b= tell signatures of one domain apart (RFC 6008, section 4). They were
 * read as base64: nothing in them ends a quoted string. */
static void add_b(char *line, size_t size, struct span b)
{
	char text[9];
	size_t n = 0, length = strlen(line);

	for (size_t i = 0; i < b.n && n < sizeof(text) - 1; i++)
		if (!memchr(" \t\r\n", b.p[i], 4))
			text[n++] = (char)b.p[i];
	text[n] = 0;
	if (n)
		snprintf(line + length, size - length, " header.b=\"%s\"", text);
}

static void put_dkim(struct out *o, const struct dkim_judgement *j)
{
	char line[1024];

	if (j->reason)
		snprintf(line, sizeof(line), ";\r\n\tdkim=%s reason=\"%.100s\"",
			dkim_result_name(j->result), j->reason);
	else
		snprintf(line, sizeof(line), ";\r\n\tdkim=%s", dkim_result_name(j->result));
	add_property(line, sizeof(line), "header.d", j->signature.domain);
	add_property(line, sizeof(line), "header.s", j->signature.selector);
	if (j->candidate >= 0)
		add_b(line, sizeof(line), j->signature.b);
	put_line(o, line);
}

static void put_dmarc(struct out *o, const struct dmarc_judgement *j)
{
	char line[1024];

	snprintf(line, sizeof(line), ";\r\n\tdmarc=%s", dmarc_result_name(j->result));
	if (j->policy != DMARC_POLICY_ABSENT)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " (p=%s)",
			dmarc_policy_name(j->policy));
	if (j->reason)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " reason=\"%.100s\"",
			j->reason);
	else if (*j->voucher) /* letters, digits, dots and hyphens */
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
			" reason=\"passed at the trusted ARC sealer %s\"", j->voucher);
	add_property(line, sizeof(line), "header.from", j->domain);
	if (*j->voucher)
		add_property(line, sizeof(line), "policy.dmarc", "none");
	put_line(o, line);
}

/* What DNS left open is no result that is registered for ARC: fail, with the reason (RFC 8617,
 * section 10.2). */
static void put_arc(struct out *o, const struct arc_judgement *j)
{
	char line[512];

	snprintf(line, sizeof(line), ";\r\n\tarc=%s",
		arc_result_name(j->result == ARC_TEMPERROR ? ARC_FAIL : j->result));
	if (j->count)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " (i=%u, %s)", j->count,
			j->sealer);
	if (j->reason)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " reason=\"%.100s\"",
			j->reason);
	put_line(o, line);
}

void authres_write(const char *id, const struct authres *a, char ret[AUTHRES_BYTES])
{
	struct out o = {.p = ret};
	char line[DOMAIN_BYTES + 32];

	snprintf(line, sizeof(line), "Authentication-Results: %s", id);
	put_line(&o, line);
	put_spf(&o, a->spf);
	put_dmarc(&o, a->dmarc);
	if (a->arc->result != ARC_NONE)
		put_arc(&o, a->arc);
	if (a->dkim_count == 0)
		put_line(&o, ";\r\n\tdkim=none");
	for (unsigned i = 0; i < a->dkim_count; i++)
		put_dkim(&o, &a->dkim[i]);
	strcpy(ret + o.n, "\r\n");
}
