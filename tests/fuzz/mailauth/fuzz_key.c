/* fuzz_key: the key record of a signer, as DNS gives it (RFC 6376, section 3.6.1). */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mailauth/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is a key can be used, what is none says why; and the cache gives the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_cache *keys;

	if (!keys)
		keys = key_cache_new();
	const struct key *k = key_read(keys, span_of(data, size));
	bool has_why = k->why != NULL;

	if (!has_why && (!k->pkey || !k->bits || k->bits > KEY_BITS_MAX || size > KEY_BYTES_MAX))
		abort();
	if (!has_why && k->type == KEY_RSA && EVP_PKEY_get_base_id(k->pkey) != EVP_PKEY_RSA)
		abort();
	if (key_read(keys, span_of(data, size)) != k || (k->why != NULL) != has_why)
		abort();
	return 0;
}
