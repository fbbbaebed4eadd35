#include "inspect/x509.h"

#include <stdio.h>

enum {
	TAG_INTEGER = 0x02,
	TAG_OID = 0x06,
	TAG_UTC_TIME = 0x17,
	TAG_GENERALIZED_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_VERSION = 0xa0
};

/* One element; false at the end or when it does not fit. */
static bool der_next(struct cursor *c, uint8_t *ret_tag, struct span *ret)
{
	if (cursor_left(c) == 0)
		return false;
	*ret_tag = cursor_u8(c);
	size_t n = cursor_u8(c);
	if (n & 0x80) {
		unsigned bytes = n & 0x7f;
		if (bytes == 0 || bytes > 3)
			return false;
		for (n = 0; bytes; bytes--)
			n = n << 8 | cursor_u8(c);
	}
	*ret = cursor_take(c, n);
	return cursor_ok(c);
}

static bool der_expect(struct cursor *c, uint8_t tag, struct span *ret)
{
	uint8_t got;

	return der_next(c, &got, ret) && got == tag;
}

/* Attribute types, RFC 4519 and RFC 2985, by the DER of their object identifier. */
static const struct {
	const char *oid;
	const char *name;
} attributes[] = {
	{"\x55\x04\x03", "CN"},
	{"\x55\x04\x04", "SN"},
	{"\x55\x04\x05", "serialNumber"},
	{"\x55\x04\x06", "C"},
	{"\x55\x04\x07", "L"},
	{"\x55\x04\x08", "ST"},
	{"\x55\x04\x09", "street"},
	{"\x55\x04\x0a", "O"},
	{"\x55\x04\x0b", "OU"},
	{"\x55\x04\x0c", "title"},
	{"\x55\x04\x0d", "description"},
	{"\x55\x04\x0f", "businessCategory"},
	{"\x55\x04\x11", "postalCode"},
	{"\x55\x04\x2a", "GN"},
	{"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "emailAddress"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"},
	{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID"},
};

struct text {
	char *p;
	size_t n, room;
};

static void text_add(struct text *t, const char *s, size_t n)
{
	n = n < t->room - t->n ? n : t->room - t->n;
	memcpy(t->p + t->n, s, n);
	t->n += n;
}

static void text_add_type(struct text *t, struct span oid)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
		if (span_eq(oid, span_str(attributes[i].oid))) {
			text_add(t, attributes[i].name, strlen(attributes[i].name));
			return;
		}
	char number[12];
	uint32_t v = 0;
	for (size_t i = 0; i < oid.n; i++) { /* arcs in base 128, X.690, section 8.19 */
		v = v << 7 | (oid.p[i] & 0x7f);
		if (oid.p[i] & 0x80)
			continue;
		int n = i == 0 ? snprintf(number, sizeof(number), "%u.%u", v / 40, v % 40)
			       : snprintf(number, sizeof(number), ".%u", v);
		text_add(t, number, (size_t)n);
		v = 0;
	}
}

static void read_attribute(struct text *t, struct span attribute)
{
	struct cursor c = cursor_of(attribute);
	struct span oid, value;
	uint8_t tag;

	if (!der_expect(&c, TAG_OID, &oid) || !der_next(&c, &tag, &value))
		return;
	if (t->n)
		text_add(t, ", ", 2);
	text_add_type(t, oid);
	text_add(t, "=", 1);
	text_add(t, (const char *)value.p, value.n);
}

static uint16_t read_name(struct span name, char *buf)
{
	struct text t = {buf, 0, X509_NAME_BYTES};
	struct cursor sets = cursor_of(name);
	struct span set, attribute;

	while (der_expect(&sets, TAG_SET, &set)) {
		struct cursor in = cursor_of(set);
		while (der_expect(&in, TAG_SEQUENCE, &attribute))
			read_attribute(&t, attribute);
	}
	return (uint16_t)t.n;
}

static void read_serial(struct span serial, char *buf)
{
	char *at = buf;

	for (size_t i = 0; i < serial.n && i < X509_SERIAL_BYTES; i++)
		at += sprintf(at, "%s%02X", i ? ":" : "", serial.p[i]);
}

/* YYMMDDhhmmssZ or YYYYMMDDhhmmssZ; years from 50 on are of the last century (RFC 5280, section
 * 4.1.2.5.1). */
static void read_time(uint8_t tag, struct span time, char *buf, size_t n)
{
	const char *p = (const char *)time.p;
	size_t year = tag == TAG_UTC_TIME ? 2 : 4;

	if ((tag != TAG_UTC_TIME && tag != TAG_GENERALIZED_TIME) || time.n < year + 10)
		return;
	for (size_t i = 0; i < year + 10; i++)
		if (p[i] < '0' || p[i] > '9')
			return;
	const char *century = tag != TAG_UTC_TIME ? "" : p[0] >= '5' ? "19" : "20";
	const char *rest = p + year;
	snprintf(buf, n, "%s%.*s-%.2s-%.2sT%.2s:%.2s:%.2s", century, (int)year, p, rest, rest + 2,
		rest + 4, rest + 6, rest + 8);
}

bool x509_read(struct span der, struct x509 *ret)
{
	struct cursor c = cursor_of(der);
	struct span certificate, body, element;
	uint8_t tag;

	*ret = (struct x509){};
	if (!der_expect(&c, TAG_SEQUENCE, &certificate))
		return false;
	c = cursor_of(certificate);
	if (!der_expect(&c, TAG_SEQUENCE, &body))
		return false;
	c = cursor_of(body);
	if (!der_next(&c, &tag, &element))
		return false;
	if (tag == TAG_VERSION && !der_next(&c, &tag, &element))
		return false;
	if (tag != TAG_INTEGER)
		return false;
	read_serial(element, ret->serial);
	if (!der_expect(&c, TAG_SEQUENCE, &element)) /* signature algorithm */
		return false;
	if (!der_expect(&c, TAG_SEQUENCE, &element))
		return false;
	ret->issuer_n = read_name(element, ret->issuer);
	if (!der_expect(&c, TAG_SEQUENCE, &element))
		return false;
	struct cursor times = cursor_of(element);
	if (!der_next(&times, &tag, &body))
		return false;
	read_time(tag, body, ret->not_before, sizeof(ret->not_before));
	if (!der_next(&times, &tag, &body))
		return false;
	read_time(tag, body, ret->not_after, sizeof(ret->not_after));
	if (!der_expect(&c, TAG_SEQUENCE, &element))
		return false;
	ret->subject_n = read_name(element, ret->subject);
	return true;
}
