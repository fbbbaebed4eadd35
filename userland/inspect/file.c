#include "inspect/file.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct file_hash {
	EVP_MD_CTX *md5, *sha256;
};

static void hash_free(struct file_hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->md5);
	EVP_MD_CTX_free(h->sha256);
	free(h);
}

/* NULL when out of memory: the file then has no hashes. */
static struct file_hash *hash_new(void)
{
	struct file_hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->md5 = EVP_MD_CTX_new();
	h->sha256 = EVP_MD_CTX_new();
	if (h->md5 && h->sha256 && EVP_DigestInit_ex(h->md5, EVP_md5(), NULL) == 1 &&
		EVP_DigestInit_ex(h->sha256, EVP_sha256(), NULL) == 1)
		return h;
	hash_free(h);
	return NULL;
}

static void hex_of(EVP_MD_CTX *ctx, char *text)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(ctx, digest, &n) != 1)
		return;
	for (unsigned i = 0; i < n; i++) {
		*text++ = "0123456789abcdef"[digest[i] >> 4];
		*text++ = "0123456789abcdef"[digest[i] & 15];
	}
	*text = '\0';
}

void file_open(struct file *f, struct span name, bool to_server, uint32_t tx_id, bool hashed)
{
	*f = (struct file){.to_server = to_server, .tx_id = tx_id};
	name = span_take(name, FILE_NAME_BYTES);
	f->name_n = (uint8_t)name.n;
	if (name.n)
		memcpy(f->name, name.p, name.n);
	f->hash = hashed ? hash_new() : NULL;
}

/* Grows with what comes, so that many small files stay small. */
static bool file_grow(struct file *f, size_t *used_bytes, size_t want)
{
	size_t room = f->room ? f->room : 1024;

	while (room < want)
		room *= 2;
	if (room == f->room)
		return true;
	if (*used_bytes + room - f->room > FILES_BYTES)
		return false;
	uint8_t *p = realloc(f->bytes, room);
	if (!p)
		return false;
	*used_bytes += room - f->room;
	f->bytes = p;
	f->room = room;
	return true;
}

void file_append(struct file *f, size_t *used_bytes, struct span data)
{
	struct span keep = span_take(data, FILE_DATA_BYTES - f->n);

	if (f->state != FILE_OPENED || data.n == 0)
		return;
	f->size += data.n;
	if (f->hash) {
		EVP_DigestUpdate(f->hash->md5, data.p, data.n);
		EVP_DigestUpdate(f->hash->sha256, data.p, data.n);
	}
	if (keep.n == 0 || !file_grow(f, used_bytes, f->n + keep.n))
		return;
	memcpy(f->bytes + f->n, keep.p, keep.n);
	f->n += keep.n;
}

void file_close(struct file *f, enum file_state state)
{
	if (f->state != FILE_OPENED)
		return;
	f->state = state;
	if (f->hash && state == FILE_CLOSED && !f->gaps) {
		hex_of(f->hash->md5, f->md5);
		hex_of(f->hash->sha256, f->sha256);
	}
	hash_free(f->hash);
	f->hash = NULL;
}

void file_fini(struct file *f, size_t *used_bytes)
{
	*used_bytes -= f->room;
	free(f->bytes);
	hash_free(f->hash);
	*f = (struct file){};
}

bool file_is_due(const struct file *f)
{
	if (f->n == f->told)
		return false;
	return f->told == 0 || f->state != FILE_OPENED || f->n >= 2 * f->told ||
	       f->n == FILE_DATA_BYTES;
}

void file_put(struct jsonw *w, const struct file *f)
{
	static const char *const states[] = {[FILE_OPENED] = "UNKNOWN",
		[FILE_CLOSED] = "CLOSED",
		[FILE_TRUNCATED] = "TRUNCATED"};

	jsonw_span(w, "filename", file_name(f));
	jsonw_bool(w, "gaps", f->gaps);
	jsonw_str(w, "state", states[f->state]);
	if (f->md5[0])
		jsonw_str(w, "md5", f->md5);
	if (f->sha256[0])
		jsonw_str(w, "sha256", f->sha256);
	jsonw_bool(w, "stored", false);
	jsonw_u64(w, "size", f->size);
	jsonw_u64(w, "tx_id", f->tx_id);
}
