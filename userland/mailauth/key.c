#include "mailauth/key.h"

#include <openssl/x509.h>
#include <stdlib.h>

#include "mailauth/base64.h"
#include "mailauth/tags.h"

#define WAYS 4
#define ROWS (KEY_CACHE_MAX / WAYS)

struct entry {
	struct span record;
	uint64_t used;
	struct key key;
};

struct key_cache {
	uint64_t clock;
	struct entry rows[ROWS][WAYS];
};

struct key_cache *key_cache_new(void)
{
	return calloc(1, sizeof(struct key_cache));
}

static void entry_clear(struct entry *e)
{
	EVP_PKEY_free(e->key.pkey);
	free((void *)e->record.p);
	*e = (struct entry){0};
}

void key_cache_free(struct key_cache *c)
{
	if (!c)
		return;
	for (size_t r = 0; r < ROWS; r++)
		for (size_t w = 0; w < WAYS; w++)
			entry_clear(&c->rows[r][w]);
	free(c);
}

/* Is word in a list with colons? Blanks around its items do not count. */
static bool list_has(struct span list, const char *word)
{
	while (list.n) {
		ptrdiff_t colon = span_chr(list, ':');
		size_t n = colon < 0 ? list.n : (size_t)colon;
		if (span_eq(span_trim(span_take(list, n)), span_str(word)))
			return true;
		list = span_skip(list, colon < 0 ? n : n + 1);
	}
	return false;
}

/* As certificates carry it, or the bare PKCS#1 form that some publish (RFC 6376, erratum 3017). */
static const char *read_rsa(struct key *k, const uint8_t *der, long n)
{
	const uint8_t *p = der;

	k->pkey = d2i_PUBKEY(NULL, &p, n);
	if (!k->pkey) {
		p = der;
		k->pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, n);
	}
	if (!k->pkey || EVP_PKEY_get_base_id(k->pkey) != EVP_PKEY_RSA)
		return "key is not an RSA key";
	k->bits = (unsigned)EVP_PKEY_get_bits(k->pkey);
	return k->bits > KEY_BITS_MAX ? "RSA key too long" : NULL;
}

static const char *read_ed25519(struct key *k, const uint8_t *raw, size_t n)
{
	k->pkey = n == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, n) : NULL;
	k->bits = 256;
	return k->pkey ? NULL : "key is not an Ed25519 key";
}

static const char *read_data(struct key *k, struct span p)
{
	char text[KEY_BYTES_MAX + 1];
	uint8_t data[KEY_BYTES_MAX];
	ptrdiff_t n;

	if (p.n == 0)
		return "key revoked";
	if (!tags_compact(p, text, sizeof(text)))
		return "key too long";
	n = base64_decode(span_str(text), data, sizeof(data));
	if (n < 0)
		return "key is not base64";
	return k->type == KEY_RSA ? read_rsa(k, data, (long)n) : read_ed25519(k, data, (size_t)n);
}

static const char *read_type(struct key *k, const struct tags *t)
{
	struct span v;

	if (!tags_get(t, "k", &v) || span_eq(v, SPAN_LIT("rsa")))
		k->type = KEY_RSA;
	else if (span_eq(v, SPAN_LIT("ed25519")))
		k->type = KEY_ED25519;
	else
		return "unknown key type";
	return NULL;
}

static const char *read_record(struct key *k, struct span record)
{
	struct tags t;
	struct span v;
	const char *why;

	if (record.n > KEY_BYTES_MAX)
		return "key record too long";
	if (!tags_read(&t, record))
		return "malformed key record";
	if (tags_get(&t, "v", &v) &&
		(!span_eq(v, SPAN_LIT("DKIM1")) || !span_eq(t.list[0].name, SPAN_LIT("v"))))
		return "key record of an unknown version";
	k->takes[DIGEST_SHA1] = !tags_get(&t, "h", &v) || list_has(v, "sha1");
	k->takes[DIGEST_SHA256] = !tags_get(&t, "h", &v) || list_has(v, "sha256");
	if (tags_get(&t, "s", &v) && !list_has(v, "email") && !list_has(v, "*"))
		return "key is not for mail";
	k->is_strict = tags_get(&t, "t", &v) && list_has(v, "s");
	k->is_test = tags_get(&t, "t", &v) && list_has(v, "y");
	why = read_type(k, &t);
	if (why)
		return why;
	return tags_get(&t, "p", &v) ? read_data(k, v) : "key record without p=";
}

static uint64_t hash(struct span s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

const struct key *key_read(struct key_cache *c, struct span record)
{
	static const struct key no_memory = {.why = "out of memory"};
	struct entry *row = c->rows[hash(record) % ROWS], *oldest = row;

	for (size_t w = 0; w < WAYS; w++) {
		if (row[w].record.p && span_eq(row[w].record, record)) {
			row[w].used = ++c->clock;
			return &row[w].key;
		}
		if (row[w].used < oldest->used)
			oldest = &row[w];
	}
	uint8_t *copy = malloc(record.n + 1);
	if (!copy)
		return &no_memory;
	if (record.n)
		memcpy(copy, record.p, record.n);
	entry_clear(oldest);
	oldest->record = span_of(copy, record.n);
	oldest->used = ++c->clock;
	oldest->key.why = read_record(&oldest->key, oldest->record);
	return &oldest->key;
}
