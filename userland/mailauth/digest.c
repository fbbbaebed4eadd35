#include "mailauth/digest.h"

size_t digest_bytes(enum digest_kind kind)
{
	return kind == DIGEST_SHA1 ? 20 : 32;
}

void digest_init(struct digest *d, enum digest_kind kind)
{
	const EVP_MD *md = kind == DIGEST_SHA1 ? EVP_sha1() : EVP_sha256();

	d->n = 0;
	d->md = EVP_MD_CTX_new();
	d->failed = !d->md || EVP_DigestInit_ex(d->md, md, NULL) != 1;
}

static void flush(struct digest *d)
{
	if (d->n && !d->failed)
		d->failed = EVP_DigestUpdate(d->md, d->held, d->n) != 1;
	d->n = 0;
}

void digest_put(struct digest *d, struct span s)
{
	if (s.n > sizeof(d->held) - d->n)
		flush(d);
	if (s.n > sizeof(d->held)) {
		if (!d->failed)
			d->failed = EVP_DigestUpdate(d->md, s.p, s.n) != 1;
		return;
	}
	if (s.n)
		memcpy(d->held + d->n, s.p, s.n);
	d->n += s.n;
}

size_t digest_peek(struct digest *d, uint8_t ret[DIGEST_BYTES_MAX])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	unsigned n = 0;

	flush(d);
	if (!copy || d->failed || EVP_MD_CTX_copy_ex(copy, d->md) != 1 ||
		EVP_DigestFinal_ex(copy, ret, &n) != 1)
		n = 0;
	EVP_MD_CTX_free(copy);
	return n;
}

void digest_fini(struct digest *d)
{
	EVP_MD_CTX_free(d->md);
	d->md = NULL;
}

void digest_copy(struct digest *ret, const struct digest *d)
{
	*ret = *d;
	ret->md = EVP_MD_CTX_new();
	if (!ret->failed)
		ret->failed = !ret->md || EVP_MD_CTX_copy_ex(ret->md, d->md) != 1;
}
