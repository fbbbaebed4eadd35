/* fuzz_arc: a header with ARC sets and a body that is also the key record of every sealer. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/arc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char trusted[] = "example.org", *sealers[] = {trusted, NULL};
	static struct key_cache *keys;
	struct message m = {0};
	struct arc_judgement j;
	struct dns_answer *a;
	char voucher[DOMAIN_BYTES];

	if (!keys)
		keys = key_cache_new();
	message_read(&m, span_of(data, size));
	struct body *b = body_new(m.body);
	struct dns_table *t = dns_table_new();
	arc_scan(&m, b, &j);
	arc_ask(t, &j);
	for (unsigned i = 0; (a = dns_question(t, i)); i++) {
		dns_answer_add(a, span_take(m.body, 4096));
		dns_answer_end(a, DNS_NXDOMAIN);
	}
	while (!body_step(b, 64))
		;
	arc_judge(&(struct dkim_evidence){t, &m, b, keys, 1800000000, NULL}, &j);
	if (dns_is_open(t) || (j.result == ARC_PASS) != (j.count && !j.reason))
		abort();
	arc_find_voucher(&j, "example.com", sealers, voucher);
	dns_table_free(t);
	body_free(b);
	message_free(&m);
	return 0;
}
