/* fuzz_dmarc: policy records, one a line, from the author's domain up to the top. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/dmarc.h"

#define QUESTIONS_WALK 8 /* RFC 9989, section 4.10 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct dns_answer *a, struct span text)
{
	unsigned labels = domain_labels(a->name);

	if (a->type == DNS_TXT) {
		while (labels-- > 2) { /* _dmarc.com has the first line */
			ptrdiff_t line = span_chr(text, '\n');
			text = span_skip(text, line < 0 ? text.n : (size_t)line + 1);
		}
		ptrdiff_t end = span_chr(text, '\n');
		dns_answer_add(a, span_take(text, end < 0 ? text.n : (size_t)end));
	}
	dns_answer_end(a, DNS_NXDOMAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char author[] = "a.mail.example.com";
	struct spf_judgement spf = {.result = SPF_PASS, .domain = "b.example.com"};
	struct dkim_judgement dkim = {
		.result = DKIM_PASS, .signature.domain = "c.mail.example.com"};
	struct dmarc_evidence e = {&spf, &dkim, 1};
	struct dns_table *t = dns_table_new();
	struct dmarc_judgement j;
	struct dns_answer *a;

	for (dmarc_ask(t, author, &e); dns_is_open(t); dmarc_ask(t, author, &e))
		for (unsigned i = 0; (a = dns_question(t, i)); i++)
			if (a->status == DNS_OPEN)
				answer(a, span_of(data, size));
	dmarc_judge(t, author, &e, &j);
	if (dns_is_open(t) || dns_question(t, 3 * QUESTIONS_WALK + 1))
		abort();
	if (j.result == DMARC_PASS && j.disposition != DISPOSITION_NONE)
		abort();
	if (j.disposition == DISPOSITION_REJECT && j.policy != DMARC_POLICY_REJECT)
		abort();
	dns_table_free(t);
	return 0;
}
