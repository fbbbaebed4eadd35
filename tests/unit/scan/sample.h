/* sample: the EICAR file, and mails that carry it, made in memory so that no file of the tree is
 * one. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define EICAR \
	"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" \
	"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

/* A memfd with these bytes, sealed as maild seals a message. */
static inline int sample_fd(const void *p, size_t n)
{
	int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, p, n), n);
	assert_return_code(
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), errno);
	return fd;
}

static inline uint32_t sample_crc32(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static inline size_t le(uint8_t *out, uint32_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * i));
	return bytes;
}

/* The fields that a local header and a central one have in common (APPNOTE 4.3.7, 4.3.12). */
static inline size_t zip_fields(uint8_t *out, const char *body)
{
	static const uint16_t fixed[] = {20, 0, 0, 0, 0x5821};
	uint32_t size = (uint32_t)strlen(body);
	size_t n = 0;

	for (size_t i = 0; i < 5; i++)
		n += le(out + n, fixed[i], 2);
	n += le(out + n, sample_crc32((const uint8_t *)body, size), 4);
	n += le(out + n, size, 4);
	n += le(out + n, size, 4);
	n += le(out + n, 9, 2);
	return n + le(out + n, 0, 2);
}

/* A ZIP archive with one stored file. */
static inline size_t sample_zip(uint8_t *out, const char *body)
{
	size_t n = le(out, 0x04034b50, 4);

	n += zip_fields(out + n, body);
	n += (size_t)sprintf((char *)out + n, "eicar.com%s", body);
	size_t central = n;
	n += le(out + n, 0x02014b50, 4);
	n += le(out + n, 20, 2);
	n += zip_fields(out + n, body);
	memset(out + n, 0, 14);
	n += 14;
	n += (size_t)sprintf((char *)out + n, "eicar.com");
	size_t length = n - central;
	n += le(out + n, 0x06054b50, 4);
	n += le(out + n, 0, 4);
	n += le(out + n, 0x00010001, 4);
	n += le(out + n, (uint32_t)length, 4);
	n += le(out + n, (uint32_t)central, 4);
	return n + le(out + n, 0, 2);
}

/* The same with the encryption bit set in both headers (APPNOTE 4.4.4). */
static inline size_t sample_zip_encrypted(uint8_t *out, const char *body)
{
	size_t n = sample_zip(out, body);

	for (size_t i = 0; i + 10 < n; i++) {
		if (memcmp(out + i, "PK\3\4", 4) == 0)
			out[i + 6] |= 1;
		else if (memcmp(out + i, "PK\1\2", 4) == 0)
			out[i + 8] |= 1;
	}
	return n;
}

static inline size_t base64(char *out, const uint8_t *p, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *o = out;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*o++ = i + 2 < n ? digits[v & 63] : '=';
		if (i % 54 == 51) {
			*o++ = '\r';
			*o++ = '\n';
		}
	}
	*o = '\0';
	return (size_t)(o - out);
}

/* A mail with a text part and the body zipped in an attachment. */
static inline size_t sample_mail(char *out, size_t cap, const char *body)
{
	uint8_t zip[1024];
	char text[2048];

	base64(text, zip, sample_zip(zip, body));
	int n = snprintf(out, cap,
		"Received: from a.example by b.example; Tue, 24 Nov 2026 09:00:00 +0000\r\n"
		"From: a@a.example\r\nTo: b@b.example\r\nSubject: invoice\r\nMessage-ID: "
		"<1@a.example>\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"cut\"\r\n\r\n"
		"--cut\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n"
		"--cut\r\nContent-Type: application/zip; name=\"invoice.zip\"\r\n"
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; "
		"filename=\"invoice.zip\"\r\n\r\n"
		"%s\r\n--cut--\r\n",
		text);
	return (size_t)n;
}
