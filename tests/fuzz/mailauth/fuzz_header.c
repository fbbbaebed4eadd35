/* fuzz_header: a whole message through the header reader, From, Authentication-Results and both
 * libraries' paths. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/evaluate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message m;
	static struct evaluation e;
	struct envelope envelope = {.ip = "192.0.2.1",
		.helo = "h.example",
		.mail_from = "a@b.example",
		.receiver = "mx.example",
		.now = 1800000000};
	struct dns_table *t = dns_table_new();
	struct dns_answer *a;

	message_read(&m, span_of(data, size));
	while (!evaluate(t, &m, &envelope, "mx.example", &e))
		for (unsigned i = 0; (a = dns_question(t, i)); i++) {
			if (a->status != DNS_OPEN)
				continue;
			if (a->type == DNS_TXT) /* the body is also what DNS says: keys and policies
						   are hostile too */
				dns_answer_add(a, span_take(m.body, 16384));
			dns_answer_end(a, DNS_NXDOMAIN);
		}
	for (unsigned i = 0; i < e.remove_count; i++)
		if (e.remove[i].offset + e.remove[i].length > size)
			abort();
	dns_table_free(t);
	return 0;
}
