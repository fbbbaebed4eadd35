#include "update/signature.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "update/file.h"

#define KEY_NUMBER_BYTES 8
#define KEY_BYTES 32
#define SIGNATURE_BYTES 64
#define BLAKE2B_BYTES 64
#define COMMENT_BYTES 1024
#define BASE64_BYTES 96 /* the longest text that is read, in bytes */

struct key {
	uint8_t algorithm[2];
	uint8_t number[KEY_NUMBER_BYTES];
	uint8_t key[KEY_BYTES];
};

struct mark {
	uint8_t algorithm[2];
	uint8_t number[KEY_NUMBER_BYTES];
	uint8_t bytes[SIGNATURE_BYTES];
};

static bool base64_read(struct span text, void *out, size_t bytes)
{
	uint8_t buffer[BASE64_BYTES], again[BASE64_BYTES / 3 * 4 + 1];

	text = span_trim(text);
	if (bytes > BASE64_BYTES || (bytes + 2) / 3 * 4 != text.n ||
		EVP_DecodeBlock(buffer, text.p, (int)text.n) < (int)bytes)
		return false;
	/* OpenSSL takes any bits for padding: there is one spelling. */
	EVP_EncodeBlock(again, buffer, (int)bytes);
	memcpy(out, buffer, bytes);
	return memcmp(again, text.p, text.n) == 0;
}

static struct span line_take(struct span *s)
{
	ptrdiff_t end = span_chr(*s, '\n');
	struct span line = end < 0 ? *s : span_take(*s, (size_t)end);

	*s = span_skip(*s, end < 0 ? s->n : (size_t)end + 1);
	return span_trim(line);
}

static bool ed25519_verify(const struct key *k, const uint8_t *mark, struct span message)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k->key, KEY_BYTES);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = key && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(c, mark, SIGNATURE_BYTES, message.p, message.n) == 1;

	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	return ok;
}

static bool hashed_verify(const struct key *k, const struct mark *m, int fd)
{
	uint8_t sum[BLAKE2B_BYTES];

	return file_digest_raw(fd, "BLAKE2b512", sum, sizeof(sum)) == 0 &&
	       ed25519_verify(k, m->bytes, span_of(sum, sizeof(sum)));
}

static bool plain_verify(const struct key *k, const struct mark *m, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return false;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	bool ok = ed25519_verify(k, m->bytes, span_of(p, (size_t)st.st_size));
	munmap(p, (size_t)st.st_size);
	return ok;
}

static bool comment_verify(
	const struct key *k, const struct mark *m, struct span comment, struct span second)
{
	uint8_t message[SIGNATURE_BYTES + COMMENT_BYTES], mark[SIGNATURE_BYTES];

	if (comment.n > COMMENT_BYTES || !base64_read(second, mark, sizeof(mark)))
		return false;
	memcpy(message, m->bytes, SIGNATURE_BYTES);
	memcpy(message + SIGNATURE_BYTES, comment.p, comment.n);
	return ed25519_verify(k, mark, span_of(message, SIGNATURE_BYTES + comment.n));
}

static uint64_t comment_time(struct span comment)
{
	static const struct span word = SPAN_LIT("timestamp:");
	ptrdiff_t at = span_find(comment, word);
	uint64_t time = 0;

	if (at < 0)
		return 0;
	struct span digits = span_skip(comment, (size_t)at + word.n);
	size_t n = 0;
	while (n < digits.n && digits.p[n] >= '0' && digits.p[n] <= '9')
		n++;
	return span_u64(span_take(digits, n), UINT32_MAX, &time) ? time : 0;
}

int signature_verify(
	const char *key, int fd, struct span text, uint64_t *ret_time, const char **ret_why)
{
	static const struct span trusted = SPAN_LIT("trusted comment: ");
	struct key k;
	struct mark m;

	*ret_time = 0;
	*ret_why = "the public key in the settings is none of minisign's";
	if (!base64_read(span_str(key), &k, sizeof(k)) || memcmp(k.algorithm, "Ed", 2) != 0)
		return -EBADMSG;
	line_take(&text);
	struct span first = line_take(&text), comment = line_take(&text), second = line_take(&text);
	*ret_why = "the signature is none of minisign's";
	if (!base64_read(first, &m, sizeof(m)) ||
		!span_eq(span_take(comment, trusted.n), trusted) || m.algorithm[0] != 'E')
		return -EBADMSG;
	comment = span_skip(comment, trusted.n);
	*ret_why = "the signature is another key's";
	if (memcmp(m.number, k.number, sizeof(m.number)) != 0)
		return -EBADMSG;
	*ret_why = "the signature is wrong: damaged on the way, or tampered with";
	bool ok = m.algorithm[1] == 'D'   ? hashed_verify(&k, &m, fd)
		  : m.algorithm[1] == 'd' ? plain_verify(&k, &m, fd)
					  : false;
	if (!ok || !comment_verify(&k, &m, comment, second))
		return -EBADMSG;
	*ret_time = comment_time(comment);
	return 0;
}
