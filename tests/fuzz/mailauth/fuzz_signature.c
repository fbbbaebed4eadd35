/* fuzz_signature: a signature field, an empty line, and a key record, as a stranger writes both. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void verify(const struct message *m, enum signature_kind kind, const struct field *f,
	const struct key *k)
{
	struct signature s;
	struct body *b = body_new(m->body);
	char name[DNS_NAME_BYTES];
	const char *why;
	int want;

	if (!signature_read(&s, kind, f)) {
		signature_key_name(&s, name);
		want = body_want(b, s.body_form, s.digest, s.limit);
		while (!body_step(b, 5))
			;
		if (!k->why && kind == SIGNATURE_ARC_MESSAGE)
			signature_verify(&s, m, k, body_digest(b, want), &why);
		if (!k->why && kind == SIGNATURE_ARC_SEAL)
			signature_verify_hash(
				&s, k, SPAN_LIT("0123456789abcdef0123456789abcdef"), &why);
	}
	body_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_cache *keys;
	struct message m = {0};
	const struct key *k;

	if (!keys)
		keys = key_cache_new();
	message_read(&m, span_of(data, size));
	k = key_read(keys, m.body);
	if (!k->why && (!k->pkey || !k->bits))
		abort();
	for (unsigned i = 0; i < m.count; i++)
		for (enum signature_kind kind = 0; kind <= SIGNATURE_ARC_SEAL; kind++)
			verify(&m, kind, &m.fields[i], k);
	message_free(&m);
	return 0;
}
