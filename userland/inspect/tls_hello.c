#include "inspect/tls_hello.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_CURVES = 10,
	EXTENSION_FORMATS = 11,
	EXTENSION_SIGNATURES = 13,
	EXTENSION_ALPN = 16,
	EXTENSION_SUPPORTED_VERSIONS = 43
};

const char *tls_version_name(uint16_t version)
{
	static const char *const names[] = {"SSLv3", "TLSv1", "TLS 1.1", "TLS 1.2", "TLS 1.3"};

	if (version == 0x0200)
		return "SSLv2";
	return version >= 0x0300 && version <= 0x0304 ? names[version - 0x0300] : NULL;
}

static bool is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void list_add(struct tls_list *l, uint16_t v)
{
	if (l->n < TLS_LIST && !is_grease(v))
		l->value[l->n++] = v;
}

static void read_list(struct span bytes, unsigned width, struct tls_list *ret)
{
	struct cursor c = cursor_of(bytes);

	while (cursor_left(&c) >= width)
		list_add(ret, width == 2 ? cursor_be16(&c) : cursor_u8(&c));
}

static void read_server_name(struct span extension, struct tls_hello *h)
{
	struct cursor c = cursor_of(extension);

	if (h->sni.p) {
		event_raise(&h->events, EVENT_TLS_MULTIPLE_SNI_EXTENSIONS);
		return;
	}
	if (extension.n == 0)
		return;
	cursor_skip(&c, 2); /* length of the list, which holds one name of each type */
	if (cursor_u8(&c) != 0) {
		event_raise(&h->events, EVENT_TLS_INVALID_SNI_TYPE);
		return;
	}
	struct span name = cursor_take(&c, cursor_be16(&c));
	if (!cursor_ok(&c) || name.n > 255)
		event_raise(&h->events, EVENT_TLS_INVALID_SNI_LENGTH);
	else
		h->sni = name;
}

static void read_alpn(struct span extension, struct tls_hello *h)
{
	struct cursor c = cursor_of(extension);

	cursor_skip(&c, 2);
	while (cursor_left(&c) && h->alpn_n < TLS_ALPNS) {
		struct span name = cursor_take(&c, cursor_u8(&c));
		if (!cursor_ok(&c))
			return;
		h->alpn[h->alpn_n++] = name;
	}
}

/* A list with a length of two bytes, or one, before it. */
static struct span inner(struct span body, unsigned width)
{
	struct cursor c = cursor_of(body);

	return cursor_take(&c, width == 2 ? cursor_be16(&c) : cursor_u8(&c));
}

static void read_extension(uint16_t type, struct span body, bool is_client, struct tls_hello *h)
{
	list_add(&h->extensions, type);
	switch (type) {
	case EXTENSION_SERVER_NAME:
		if (is_client)
			read_server_name(body, h);
		break;
	case EXTENSION_CURVES:
		read_list(inner(body, 2), 2, &h->curves);
		break;
	case EXTENSION_FORMATS:
		read_list(inner(body, 1), 1, &h->formats);
		break;
	case EXTENSION_SIGNATURES:
		read_list(inner(body, 2), 2, &h->signatures);
		break;
	case EXTENSION_ALPN:
		read_alpn(body, h);
		break;
	case EXTENSION_SUPPORTED_VERSIONS:
		if (is_client)
			read_list(inner(body, 1), 2, &h->versions);
		else if (body.n == 2)
			h->version = (uint16_t)(body.p[0] << 8 | body.p[1]);
		break;
	default:
		break;
	}
}

bool tls_hello_read(struct span body, bool is_client, struct tls_hello *ret)
{
	struct cursor c = cursor_of(body);

	*ret = (struct tls_hello){.version = cursor_be16(&c)};
	ret->legacy_version = ret->version;
	cursor_skip(&c, 32);
	cursor_skip(&c, cursor_u8(&c)); /* session id */
	if (is_client) {
		read_list(cursor_take(&c, cursor_be16(&c)), 2, &ret->ciphers);
		cursor_skip(&c, cursor_u8(&c)); /* compression methods */
	} else {
		list_add(&ret->ciphers, cursor_be16(&c));
		cursor_skip(&c, 1);
	}
	if (!cursor_ok(&c))
		return false;
	if (cursor_left(&c) == 0)
		return true; /* no extensions */
	c = cursor_of(cursor_take(&c, cursor_be16(&c)));
	while (cursor_left(&c)) {
		uint16_t type = cursor_be16(&c);
		struct span extension = cursor_take(&c, cursor_be16(&c));
		if (!cursor_ok(&c))
			return false;
		read_extension(type, extension, is_client, ret);
	}
	return true;
}

struct text {
	char *p;
	size_t n, room;
};

static void add_number(struct text *t, const char *before, unsigned v)
{
	int n = snprintf(t->p + t->n, t->room - t->n, "%s%u", before, v);

	if (n > 0 && (size_t)n < t->room - t->n)
		t->n += (size_t)n;
	t->p[t->n] = '\0';
}

static void add_list(struct text *t, const struct tls_list *l)
{
	if (t->n + 1 < t->room)
		t->p[t->n++] = ',';
	t->p[t->n] = '\0';
	for (unsigned i = 0; i < l->n; i++)
		add_number(t, i ? "-" : "", l->value[i]);
}

size_t tls_ja3(const struct tls_hello *h, bool is_client, char text[static TLS_JA3_BYTES])
{
	struct text t = {text, 0, TLS_JA3_BYTES};

	add_number(&t, "", h->legacy_version);
	add_list(&t, &h->ciphers);
	add_list(&t, &h->extensions);
	if (is_client) {
		add_list(&t, &h->curves);
		add_list(&t, &h->formats);
	}
	return t.n;
}

static void digest_hex(const EVP_MD *md, struct span text, size_t bytes, char *hex)
{
	uint8_t digest[EVP_MAX_MD_SIZE] = {};

	*hex = '\0';
	if (EVP_Digest(text.p, text.n, digest, NULL, md, NULL) != 1)
		return;
	for (size_t i = 0; i < bytes; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
}

void tls_ja3_hash(struct span text, char hash[static 33])
{
	digest_hex(EVP_md5(), text, 16, hash);
}

static int by_value(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Values in hexadecimal, joined by commas, sorted, without SNI and ALPN for extensions. */
static void add_sorted(struct text *t, const struct tls_list *l, bool extensions)
{
	struct tls_list sorted = {};

	for (unsigned i = 0; i < l->n; i++)
		if (!extensions ||
			(l->value[i] != EXTENSION_SERVER_NAME && l->value[i] != EXTENSION_ALPN))
			sorted.value[sorted.n++] = l->value[i];
	qsort(sorted.value, sorted.n, sizeof(*sorted.value), by_value);
	for (unsigned i = 0; i < sorted.n; i++)
		t->n += (size_t)sprintf(t->p + t->n, "%s%04x", i ? "," : "", sorted.value[i]);
}

static const char *ja4_version(const struct tls_hello *h)
{
	static const struct {
		uint16_t version;
		const char *name;
	} rows[] = {{0x0304, "13"}, {0x0303, "12"}, {0x0302, "11"}, {0x0301, "10"}, {0x0300, "s3"}};
	uint16_t version = h->versions.n ? 0 : h->legacy_version;

	for (unsigned i = 0; i < h->versions.n; i++)
		if (h->versions.value[i] > version)
			version = h->versions.value[i];
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].version == version)
			return rows[i].name;
	return "00";
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* First and last character of the first ALPN value; of its hexadecimal form when they are not
 * letters or digits. */
static void ja4_alpn(const struct tls_hello *h, char two[static 3])
{
	struct span a = h->alpn_n ? h->alpn[0] : (struct span){};

	if (a.n == 0)
		memcpy(two, "00", 3);
	else if (is_alnum(a.p[0]) && is_alnum(a.p[a.n - 1]))
		snprintf(two, 3, "%c%c", a.p[0], a.p[a.n - 1]);
	else
		snprintf(two, 3, "%x%x", a.p[0] >> 4, a.p[a.n - 1] & 15);
}

void tls_ja4(const struct tls_hello *h, char text[static TLS_JA4_BYTES])
{
	char buf[2 * TLS_LIST * 5 + 2], two[3], ciphers[13], extensions[13];
	struct text t = {buf, 0, sizeof(buf)};

	add_sorted(&t, &h->ciphers, false);
	digest_hex(EVP_sha256(), span_of(buf, t.n), 6, ciphers);
	if (h->ciphers.n == 0)
		memcpy(ciphers, "000000000000", 13);
	t.n = 0;
	add_sorted(&t, &h->extensions, true);
	for (unsigned i = 0; i < h->signatures.n; i++)
		t.n += (size_t)sprintf(buf + t.n, "%s%04x", i ? "," : "_", h->signatures.value[i]);
	digest_hex(EVP_sha256(), span_of(buf, t.n), 6, extensions);
	if (t.n == 0)
		memcpy(extensions, "000000000000", 13);
	ja4_alpn(h, two);
	snprintf(text, TLS_JA4_BYTES, "t%s%c%02u%02u%s_%s_%s", ja4_version(h), h->sni.p ? 'd' : 'i',
		h->ciphers.n < 99 ? h->ciphers.n : 99u,
		h->extensions.n < 99 ? h->extensions.n : 99u, two, ciphers, extensions);
}
