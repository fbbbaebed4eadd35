/* fuzz_spf: an SPF record, its macros and its sender. The first line is the sender, the rest the
 * record. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/spf.h"

#define QUESTIONS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct dns_answer *a, struct span record)
{
	if (a->type == DNS_TXT)
		dns_answer_add(a, record);
	if (a->type == DNS_A || a->type == DNS_AAAA)
		dns_answer_add(a, span_of("\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0",
					  a->type == DNS_A ? 4 : 16));
	if (a->type == DNS_MX || a->type == DNS_PTR)
		dns_answer_add(a, SPAN_LIT("mail.example.com"));
	dns_answer_end(a, DNS_NODATA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	ptrdiff_t line = span_chr(input, '\n');
	char *sender = line < 0 ? NULL : span_dup(span_take(input, (size_t)line));
	struct span record = span_skip(input, (size_t)(line + 1));
	struct envelope e = {.ip = "2001:db8::1",
		.helo = "helo.example.com",
		.receiver = "mx.example",
		.now = 1};
	struct dns_table *t = dns_table_new();
	struct spf_judgement j;
	struct dns_answer *a;

	e.mail_from = sender ? sender : "a@example.com";
	do {
		spf_check(t, &e, &j);
		for (unsigned i = 0; (a = dns_question(t, i)); i++)
			if (a->status == DNS_OPEN)
				answer(a, record);
		if (dns_question(t, QUESTIONS_MAX))
			dns_table_close(t);
	} while (j.result == SPF_MORE);
	dns_table_free(t);
	free(sender);
	return 0;
}
