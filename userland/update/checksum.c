#include "update/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <strings.h>

#include "update/file.h"

static const struct {
	const char *name, *suffix, *digest;
} kinds[CHECKSUM_KINDS] = {
	[CHECKSUM_NONE] = {"none", "", NULL},
	[CHECKSUM_MD5] = {"md5", ".md5", "MD5"},
	[CHECKSUM_SHA256] = {"sha256", ".sha256", "SHA256"},
};

int checksum_kind_find(const char *name)
{
	for (int i = 0; i < CHECKSUM_KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	return -1;
}

const char *checksum_suffix(enum checksum_kind kind)
{
	return kinds[kind].suffix;
}

static bool is_word_end(struct span s)
{
	return s.n == 0 || s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n';
}

int checksum_verify(enum checksum_kind kind, int fd, struct span text, const char **ret_why)
{
	char sum[DIGEST_CHARS + 1];
	int r = file_digest(fd, kinds[kind].digest, sum);

	*ret_why = "the check sum cannot be made";
	if (r < 0)
		return r;
	size_t n = strlen(sum);
	*ret_why = "the published check sum is none";
	if (text.n < n || !is_word_end(span_skip(text, n)))
		return -EBADMSG;
	*ret_why = "the published check sum is another: damaged on the way, or tampered with";
	return strncasecmp((const char *)text.p, sum, n) == 0 ? 0 : -EBADMSG;
}
