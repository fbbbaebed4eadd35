#include "mail/event.h"

#include "mail/words.h"

#define EVENT_RCPT_MAX 32

static void write_known(struct jsonw *w, const char *key, const char *text)
{
	if (*text)
		jsonw_str(w, key, text);
}

static void write_findings(struct jsonw *w, const struct findings *f)
{
	if (f->spf.result[0]) {
		jsonw_object(w, "spf");
		jsonw_str(w, "result", f->spf.result);
		jsonw_str(w, "domain", f->spf.domain);
		jsonw_end(w);
		jsonw_array(w, "dkim");
		for (unsigned i = 0; i < f->dkim_count; i++) {
			jsonw_object(w, NULL);
			jsonw_str(w, "result", f->dkim[i].result);
			jsonw_str(w, "domain", f->dkim[i].domain);
			jsonw_str(w, "selector", f->dkim[i].selector);
			jsonw_end(w);
		}
		jsonw_end(w);
		jsonw_object(w, "dmarc");
		jsonw_str(w, "result", f->dmarc.result);
		jsonw_str(w, "domain", f->dmarc.domain);
		jsonw_str(w, "policy", f->dmarc.policy);
		jsonw_str(w, "disposition", f->dmarc.disposition);
		if (f->dmarc.voucher[0])
			jsonw_str(w, "voucher", f->dmarc.voucher);
		jsonw_end(w);
		if (f->arc.result[0]) {
			jsonw_object(w, "arc");
			jsonw_str(w, "result", f->arc.result);
			jsonw_str(w, "sealer", f->arc.sealer);
			jsonw_end(w);
		}
		if (f->from.address[0])
			jsonw_str(w, "from", f->from.address);
	}
	if (f->scan.result[0]) {
		jsonw_object(w, "scan");
		jsonw_str(w, "result", f->scan.result);
		if (f->scan.signature[0])
			jsonw_str(w, "signature", f->scan.signature);
		jsonw_str(w, "database", f->scan.database);
		write_known(w, "part", f->scan.part);
		write_known(w, "limit", f->scan.limit);
		write_known(w, "reason", f->scan.reason);
		write_known(w, "facts", f->scan.facts);
		jsonw_end(w);
	}
}

static void write_envelope(struct jsonw *w, const struct envelope *e)
{
	jsonw_str(w, "helo", e->helo);
	jsonw_str(w, "mail_from", e->mail_from);
	jsonw_array(w, "rcpt_to");
	for (unsigned i = 0; i < e->rcpt_count && i < EVENT_RCPT_MAX; i++)
		jsonw_str(w, NULL, e->rcpt[i]);
	jsonw_end(w);
	jsonw_u64(w, "rcpt_count", e->rcpt_count);
}

/* As a person reads it, so that the log can be searched for it. */
static void write_field(struct jsonw *w, const char *key, struct span text, struct span name)
{
	char readable[512];

	words_read(words_field(text, name), readable, sizeof(readable));
	write_known(w, key, readable);
}

static void write_decision(struct jsonw *w, const struct decision *d)
{
	write_known(w, "rule", d->rule_name);
	if (d->quarantine_id)
		jsonw_u64(w, "quarantine_id", d->quarantine_id);
	if (!d->would.why[0])
		return;
	jsonw_object(w, "dry_run");
	jsonw_str(w, "action", action_name(d->would.action));
	jsonw_str(w, "why", d->would.why);
	write_known(w, "rule", d->would.rule_name);
	jsonw_end(w);
}

static void write_tls(struct jsonw *w, const char *side, const SSL *tls)
{
	if (!tls)
		return;
	jsonw_object(w, side);
	jsonw_str(w, "version", SSL_get_version(tls));
	jsonw_str(w, "cipher", SSL_get_cipher_name(tls));
	jsonw_end(w);
}

void event_mail(struct eve *eve, const struct mail_event *m)
{
	struct jsonw w;

	eve_begin(eve, &w, "mail", NULL);
	jsonw_str(&w, "src_ip", m->envelope->client.ip);
	jsonw_u64(&w, "src_port", m->envelope->client.port);
	jsonw_str(&w, "dest_ip", m->envelope->server.ip);
	jsonw_u64(&w, "dest_port", m->envelope->server.port);
	jsonw_str(&w, "proto", "TCP");
	if (envelope_vlan(m->envelope->mark)) {
		jsonw_array(&w, "vlan");
		jsonw_u64(&w, NULL, envelope_vlan(m->envelope->mark));
		jsonw_end(&w);
	}
	jsonw_object(&w, "mail");
	jsonw_str(&w, "action", action_name(m->action));
	jsonw_str(&w, "why", m->why);
	if (m->decision)
		write_decision(&w, m->decision);
	write_envelope(&w, m->envelope);
	write_field(&w, "subject", m->text, SPAN_LIT("Subject"));
	write_field(&w, "message_id", m->text, SPAN_LIT("Message-ID"));
	jsonw_u64(&w, "size", m->size_bytes);
	if (m->findings)
		write_findings(&w, m->findings);
	if (m->findings)
		write_known(&w, "refusal", m->findings->refusal);
	jsonw_span(&w, "reply", span_trim(span_take(m->reply, 512)));
	jsonw_u64(&w, "ms", m->ms);
	if (m->client_tls || m->server_tls) {
		jsonw_object(&w, "tls");
		write_tls(&w, "client", m->client_tls);
		write_tls(&w, "server", m->server_tls);
		jsonw_end(&w);
	}
	jsonw_end(&w);
	jsonw_end(&w);
	eve_end(eve, &w);
}
