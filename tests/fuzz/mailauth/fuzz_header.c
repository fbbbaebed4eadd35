/* fuzz_header: a whole message through the header reader, From, Authentication-Results, signatures
 * and seals. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/evaluate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct dns_table *t, struct span text)
{
	struct dns_answer *a;

	for (unsigned i = 0; (a = dns_question(t, i)); i++) {
		if (a->status != DNS_OPEN)
			continue;
		if (a->type == DNS_TXT) /* the body is also what DNS says: keys and policies are
					   hostile too */
			dns_answer_add(a, span_take(text, 16384));
		dns_answer_end(a, DNS_NXDOMAIN);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char trusted[] = "b.example", *sealers[] = {trusted, NULL};
	struct judge judge = {.keys = key_cache_new(), .trusted_sealers = sealers};
	struct span bytes = span_of(data, size);
	ptrdiff_t end = span_find(bytes, SPAN_LIT("\n\n"));
	struct evaluator *v = evaluator_new(&(struct evaluate_request){
		.bytes = bytes,
		.envelope = {.ip = "192.0.2.1",
			.helo = "h.example",
			.mail_from = "a@b.example",
			.receiver = "mx.example",
			.now = 1800000000},
		.authserv_id = "mx.example",
		.judge = &judge,
	});
	struct dns_table *t = dns_table_new();
	enum evaluate_state state;

	while ((state = evaluator_step(v, t)) != EVALUATE_DONE)
		if (state == EVALUATE_ASK)
			answer(t, span_skip(bytes, end < 0 ? size : (size_t)end + 2));
		else
			evaluator_read(v, 11);
	const struct evaluation *e = evaluator_result(v);
	for (unsigned i = 0; i < e->remove_count; i++)
		if (e->remove[i].offset + e->remove[i].length > size)
			abort();
	evaluator_free(v);
	key_cache_free(judge.keys);
	dns_table_free(t);
	return 0;
}
