#include "mail/event.h"

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
		jsonw_end(w);
	}
	if (f->scan.result[0]) {
		jsonw_object(w, "scan");
		jsonw_str(w, "result", f->scan.result);
		if (f->scan.signature[0])
			jsonw_str(w, "signature", f->scan.signature);
		jsonw_str(w, "database", f->scan.database);
		jsonw_end(w);
	}
}

static void write_envelope(struct jsonw *w, const struct envelope *e)
{
	jsonw_str(w, "helo", e->helo);
	jsonw_str(w, "mail_from", e->mail_from);
	jsonw_array(w, "rcpt_to");
	for (unsigned i = 0; i < e->rcpt_count && i < ENVELOPE_RCPT_KEPT; i++)
		jsonw_str(w, NULL, e->rcpt[i]);
	jsonw_end(w);
	jsonw_u64(w, "rcpt_count", e->rcpt_count);
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
	jsonw_object(&w, "mail");
	jsonw_str(&w, "action", action_name(m->action));
	jsonw_str(&w, "why", m->why);
	write_envelope(&w, m->envelope);
	jsonw_u64(&w, "size", m->size_bytes);
	if (m->findings)
		write_findings(&w, m->findings);
	jsonw_span(&w, "reply", span_trim(span_take(m->reply, 512)));
	jsonw_u64(&w, "ms", m->ms);
	jsonw_end(&w);
	jsonw_end(&w);
	eve_end(eve, &w);
}
