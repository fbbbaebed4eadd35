/* Who really sent it: SPF, DKIM, DMARC and ARC, evaluated by mailauthd. */
#include <errno.h>
#include <string.h>

#include "mail/check.h"
#include "mail/data.h"

static void ask(struct jsonw *w, const struct envelope *e, const char *authserv_id)
{
	jsonw_str(w, "ip", e->client.ip);
	jsonw_str(w, "helo", e->helo);
	jsonw_str(w, "mail_from", e->mail_from);
	jsonw_str(w, "authserv_id", authserv_id);
}

static int read_dkim(sd_json_variant *list, struct findings *f)
{
	if (!list || !sd_json_variant_is_array(list))
		return -EBADMSG;
	for (size_t i = 0; i < sd_json_variant_elements(list) && i < FINDINGS_DKIM_MAX; i++) {
		sd_json_variant *one = sd_json_variant_by_index(list, i);
		struct finding_dkim *d = &f->dkim[f->dkim_count];

		if (!check_text(one, "result", d->result, sizeof(d->result)))
			return -EBADMSG;
		check_text(one, "domain", d->domain, sizeof(d->domain));
		check_text(one, "selector", d->selector, sizeof(d->selector));
		f->dkim_count++;
	}
	return 0;
}

/* It is put in front of what the sender wrote, so it must be header fields and nothing else: no
 * bare CR or LF, no empty line that would end the header. */
static int read_header(sd_json_variant *answer, struct findings *f)
{
	sd_json_variant *v = sd_json_variant_by_key(answer, "authentication_results");
	struct span text;

	if (!v || !sd_json_variant_is_string(v))
		return -EBADMSG;
	text = span_str(sd_json_variant_string(v));
	if (text.n > FINDINGS_HEADER_BYTES || !data_is_canonical(text) ||
		!span_casestarts(text, SPAN_LIT("Authentication-Results:")) ||
		span_find(text, SPAN_LIT("\r\n\r\n")) >= 0)
		return -EBADMSG;
	f->header = span_dup(text);
	return f->header ? 0 : -ENOMEM;
}

/* A line begins at offset, or the message ends there. */
static bool is_line_start(struct span message, size_t offset)
{
	return offset == 0 || (offset <= message.n && message.p[offset - 1] == '\n');
}

static int read_range(sd_json_variant *pair, struct span message, struct findings *f)
{
	size_t least = 0;

	if (!sd_json_variant_is_array(pair) || sd_json_variant_elements(pair) != 2 ||
		f->remove_count == FINDINGS_REMOVE_MAX)
		return -EBADMSG;
	sd_json_variant *first = sd_json_variant_by_index(pair, 0);
	sd_json_variant *second = sd_json_variant_by_index(pair, 1);
	if (!sd_json_variant_is_unsigned(first) || !sd_json_variant_is_unsigned(second))
		return -EBADMSG;
	uint64_t offset = sd_json_variant_unsigned(first), bytes = sd_json_variant_unsigned(second);
	if (f->remove_count)
		least = f->remove[f->remove_count - 1].offset +
			f->remove[f->remove_count - 1].bytes;
	if (offset < least || offset > message.n || bytes > message.n - offset ||
		!is_line_start(message, (size_t)offset) ||
		!is_line_start(message, (size_t)(offset + bytes)))
		return -EBADMSG;
	f->remove[f->remove_count].offset = (size_t)offset;
	f->remove[f->remove_count++].bytes = (size_t)bytes;
	return 0;
}

static int read_remove(sd_json_variant *list, struct span message, struct findings *f)
{
	int r = list && sd_json_variant_is_array(list) ? 0 : -EBADMSG;

	for (size_t i = 0; r == 0 && i < sd_json_variant_elements(list); i++)
		r = read_range(sd_json_variant_by_index(list, i), message, f);
	if (r < 0)
		f->remove_count = 0;
	return r;
}

/* Like check_text(), but letters of all scripts stay. sd-json has checked that it is UTF-8. */
static void copy_utf8(sd_json_variant *object, const char *key, char *out, size_t cap)
{
	sd_json_variant *v = sd_json_variant_by_key(object, key);
	const char *text = v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
	size_t n = strnlen(text, cap - 1);

	while (n && (text[n] & 0xc0) == 0x80) /* not in the middle of a character */
		n--;
	memcpy(out, text, n);
	out[n] = 0;
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

static void read_author(sd_json_variant *answer, struct findings *f)
{
	sd_json_variant *from = sd_json_variant_by_key(answer, "from");
	sd_json_variant *arc = sd_json_variant_by_key(answer, "arc");

	check_text(from, "domain", f->from.domain, sizeof(f->from.domain));
	copy_utf8(from, "address", f->from.address, sizeof(f->from.address));
	copy_utf8(from, "display_name", f->from.display_name, sizeof(f->from.display_name));
	check_text(arc, "result", f->arc.result, sizeof(f->arc.result));
	check_text(arc, "sealer", f->arc.sealer, sizeof(f->arc.sealer));
	check_text(answer, "refusal", f->refusal, sizeof(f->refusal));
}

static int read_answer(sd_json_variant *answer, struct span message, struct findings *f)
{
	sd_json_variant *spf = sd_json_variant_by_key(answer, "spf");
	sd_json_variant *dmarc = sd_json_variant_by_key(answer, "dmarc");

	if (!check_text(spf, "result", f->spf.result, sizeof(f->spf.result)) ||
		!check_text(dmarc, "result", f->dmarc.result, sizeof(f->dmarc.result)))
		return -EBADMSG;
	check_text(spf, "domain", f->spf.domain, sizeof(f->spf.domain));
	check_text(dmarc, "domain", f->dmarc.domain, sizeof(f->dmarc.domain));
	check_text(dmarc, "policy", f->dmarc.policy, sizeof(f->dmarc.policy));
	check_text(dmarc, "disposition", f->dmarc.disposition, sizeof(f->dmarc.disposition));
	check_text(dmarc, "voucher", f->dmarc.voucher, sizeof(f->dmarc.voucher));
	read_author(answer, f);
	int r = read_dkim(sd_json_variant_by_key(answer, "dkim"), f);
	if (r == 0)
		r = read_remove(sd_json_variant_by_key(answer, "remove"), message, f);
	return r < 0 ? r : read_header(answer, f);
}

const struct mail_check check_auth = {
	.name = "auth",
	.socket = "mailauth.varlink",
	.method = "io.sekisho.MailAuth.Evaluate",
	.keeps = true,
	.ask = ask,
	.read = read_answer,
};
