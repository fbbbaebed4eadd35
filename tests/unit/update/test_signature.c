#include "unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "update/checksum.h"
#include "update/signature.h"

static void test_checksums(void **state)
{
	static const struct {
		enum checksum_kind kind;
		const char *text, *why; /* NULL: right */
	} rows[] = {
		{CHECKSUM_MD5, "5d41402abc4b2a76b9719d911017c592", NULL},
		{CHECKSUM_MD5, "5D41402ABC4B2A76B9719D911017C592  file\n", NULL},
		{CHECKSUM_MD5, "5d41402abc4b2a76b9719d911017c593\n",
			"the published check sum is another: damaged on the way, or tampered with"},
		{CHECKSUM_MD5, "5d41402abc4b2a76b9719d911017c5921",
			"the published check sum is none"},
		{CHECKSUM_MD5, "", "the published check sum is none"},
		{CHECKSUM_MD5, "<html>", "the published check sum is none"},
		{CHECKSUM_SHA256,
			"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 *x",
			NULL},
		{CHECKSUM_SHA256, "5d41402abc4b2a76b9719d911017c592",
			"the published check sum is none"},
	};
	int fd = memfd_create("file", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, "hello", 5), 5);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = NULL;
		int r = checksum_verify(rows[i].kind, fd, span_str(rows[i].text), &why);
		if ((r == 0) != (rows[i].why == NULL))
			fail_msg("%s: %d %s", rows[i].text, r, why);
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
	}
	close(fd);
}

/* What minisign does, by OpenSSL. */
static struct {
	EVP_PKEY *pair;
	char key[64];
} signer;

static void base64(const void *p, size_t n, char *out)
{
	assert_true(EVP_EncodeBlock((unsigned char *)out, p, (int)n) > 0);
}

static void sign(const void *message, size_t n, uint8_t out[64])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t bytes = 64;

	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, signer.pair), 1);
	assert_int_equal(EVP_DigestSign(c, out, &bytes, message, n), 1);
	EVP_MD_CTX_free(c);
}

static void signature_make(
	const char *file, bool hashed, const char *comment, char *out, size_t cap)
{
	uint8_t mark[74] = "EdNUMBER01", sum[64], message[256], second[64];
	char one[128], two[128];
	unsigned bytes;

	mark[1] = hashed ? 'D' : 'd';
	if (hashed) {
		assert_int_equal(
			EVP_Digest(file, strlen(file), sum, &bytes, EVP_blake2b512(), NULL), 1);
		sign(sum, 64, mark + 10);
	} else {
		sign(file, strlen(file), mark + 10);
	}
	memcpy(message, mark + 10, 64);
	memcpy(message + 64, comment, strlen(comment));
	sign(message, 64 + strlen(comment), second);
	base64(mark, 74, one);
	base64(second, 64, two);
	snprintf(
		out, cap, "untrusted comment: x\n%s\ntrusted comment: %s\n%s\n", one, comment, two);
}

static int verify(const char *file, const char *text, uint64_t *ret_time, const char **why)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(write(fd, file, strlen(file)), strlen(file));
	int r = signature_verify(signer.key, fd, span_str(text), ret_time, why);
	close(fd);
	return r;
}

static void test_signatures(void **state)
{
	char text[1024], other[1024];
	const char *why;
	uint64_t at;

	(void)state;
	for (int hashed = 0; hashed < 2; hashed++) {
		signature_make("hello", hashed, "timestamp:1700000000\tfile:x", text, sizeof(text));
		assert_int_equal(verify("hello", text, &at, &why), 0);
		assert_int_equal(at, 1700000000);
		assert_true(verify("hellp", text, &at, &why) < 0);
		assert_string_equal(
			why, "the signature is wrong: damaged on the way, or tampered with");
		/* The trusted comment is signed: its time cannot be changed. */
		strcpy(other, text);
		memcpy(strstr(other, "1700000000"), "1800000000", 10);
		assert_true(verify("hello", other, &at, &why) < 0);
	}
	signature_make("hello", true, "no time", text, sizeof(text));
	assert_int_equal(verify("hello", text, &at, &why), 0);
	assert_int_equal(at, 0);
	for (size_t cut = 0; cut < strlen(text) - 1; cut++) {
		strcpy(other, text);
		other[cut] = '\0';
		assert_true(verify("hello", other, &at, &why) < 0);
	}
	for (size_t i = 22; i < strlen(text) - 1; i++) {
		strcpy(other, text);
		other[i] = other[i] == 'A' ? 'B' : 'A';
		if (verify("hello", other, &at, &why) == 0)
			fail_msg("byte %zu of the signature does not matter", i);
	}
	strcpy(other, text);
	memcpy(strchr(other, '\n') + 1, "RWQ", 3);
	assert_true(verify("hello", other, &at, &why) < 0);
}

static void test_keys(void **state)
{
	static const char *const keys[] = {"", "RWQ", "x",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"????????????????????????????????????????????????????????"};
	char text[1024], mine[64];
	const char *why;
	uint64_t at;

	(void)state;
	signature_make("hello", true, "x", text, sizeof(text));
	strcpy(mine, signer.key);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		strcpy(signer.key, keys[i]);
		assert_true(verify("hello", text, &at, &why) < 0);
		assert_string_equal(why, "the public key in the settings is none of minisign's");
	}
	strcpy(signer.key, mine);
	signer.key[5] = signer.key[5] == 'A' ? 'B' : 'A'; /* in the key's number */
	assert_true(verify("hello", text, &at, &why) < 0);
	assert_string_equal(why, "the signature is another key's");
	strcpy(signer.key, mine);
}

static int setup(void **state)
{
	uint8_t key[42] = "EdNUMBER01";
	size_t n = 32;

	(void)state;
	signer.pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!signer.pair || EVP_PKEY_get_raw_public_key(signer.pair, key + 10, &n) != 1)
		return -1;
	base64(key, sizeof(key), signer.key);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(signer.pair);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_keys),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
