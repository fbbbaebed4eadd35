/* The MIME reader: what parts it gives of a message. */
#include "lib/mime.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static const struct mime_limits roomy = {
	.depth = 20, .parts = 200, .header_bytes = 65536, .decoded_bytes = 16 << 20};

struct parts {
	unsigned count;
	enum mime_encoding encoding[64];
	char text[64][256];
	char name[64][MIME_NAME_BYTES];
	unsigned whole; /* base64 parts that begin with "sec" and end with "ret" */
};

static int on_part(void *ctx, const struct mime_part *p)
{
	struct parts *all = ctx;
	struct span c = p->content;

	all->whole += p->encoding == MIME_BASE64 && c.n >= 6 && memcmp(c.p, "sec", 3) == 0 &&
		      memcmp(c.p + c.n - 3, "ret", 3) == 0;
	if (all->count < 64) {
		all->encoding[all->count] = p->encoding;
		snprintf(all->text[all->count], 256, "%.*s",
			(int)(p->content.n < 255 ? p->content.n : 255), (const char *)p->content.p);
		strcpy(all->name[all->count], p->name_count ? p->names[0] : "");
	}
	all->count++;
	return 0;
}

static struct mime_report read_all(
	const char *message, size_t n, const struct mime_limits *limits, struct parts *ret)
{
	struct mime_report r;
	/* Of exact size, so that a read past the end is seen. */
	uint8_t *copy = malloc(n);

	*ret = (struct parts){0};
	memcpy(copy, message, n);
	assert_int_equal(mime_read(span_of(copy, n), limits, on_part, ret, &r), 0);
	free(copy);
	return r;
}

static bool has_part(const struct parts *all, const char *text, const char *name)
{
	for (unsigned i = 0; i < all->count && i < 64; i++)
		if (strcmp(all->text[i], text) == 0 && (!name || strcmp(all->name[i], name) == 0))
			return true;
	return false;
}

#define MULTI "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="
#define PART64 "Content-Transfer-Encoding: base64\r\n\r\n"

/* One secret, many disguises. name NULL: any. */
static void test_finds(void **state)
{
	static const struct {
		const char *what, *message, *name;
	} rows[] = {
		{"single part", "Subject: x\r\n" PART64 "c2VjcmV0\r\n", NULL},
		{"bare LF", "Subject: x\nContent-Transfer-Encoding: base64\n\nc2VjcmV0\n", NULL},
		{"multipart", MULTI "b\r\n\r\n--b\r\n" PART64 "c2VjcmV0\r\n--b--\r\n", NULL},
		{"quoted boundary",
			MULTI "\"b c\"\r\n\r\n--b c\r\n" PART64 "c2VjcmV0\r\n--b c--\r\n", NULL},
		{"boundary in pieces",
			"Content-Type: multipart/mixed; boundary*1=c; boundary*0=b\r\n\r\n--bc\r\n"
			"X: y\r\n" PART64 "c2VjcmV0\r\n--bc--\r\n",
			NULL},
		{"nested",
			MULTI "a\r\n\r\n--a\r\n" MULTI "b\r\n\r\n--b\r\n" PART64
			      "c2VjcmV0\r\n--b--\r\n--a--\r\n",
			NULL},
		{"no end", MULTI "b\r\n\r\n--b\r\n" PART64 "c2VjcmV0", NULL},
		{"two encodings",
			"Subject: x\r\nContent-Transfer-Encoding: 7bit\r\n" PART64 "c2VjcmV0\r\n",
			NULL},
		{"comment in the encoding",
			"Subject: x\r\nContent-Transfer-Encoding: ba(x)se64\r\n\r\nc2VjcmV0\r\n",
			NULL},
		{"folded in the encoding",
			"Subject: x\r\nContent-Transfer-Encoding:\r\n base64\r\n\r\nc2VjcmV0\r\n",
			NULL},
		{"header hidden behind CR",
			"Subject: x\rContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0\r\n", NULL},
		{"blank before the colon",
			"Subject: x\r\nContent-Transfer-Encoding : base64\r\n\r\nc2VjcmV0\r\n",
			NULL},
		{"junk in base64", "Subject: x\r\n" PART64 "c2V#jc*mV0\r\n", NULL},
		{"padding in the middle", "Subject: x\r\n" PART64 "cw==ZQ==Y3JldA==\r\n", NULL},
		{"no empty line",
			MULTI "b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\nc2VjcmV0\r\n"
			      "--b--\r\n",
			NULL},
		{"quoted-printable",
			"Subject: x\r\nContent-Transfer-Encoding: "
			"quoted-printable\r\n\r\n=73ec=\r\nret",
			NULL},
		{"lower-case digits",
			"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsecre=74",
			NULL},
		{"uuencode", "Subject: x\r\n\r\nbegin 644 a.exe\r\n&<V5C<F5T\r\n`\r\nend\r\n",
			"a.exe"},
		{"uuencode without begin",
			"Subject: x\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n&<V5C<F5T\r\n",
			NULL},
		{"yEnc",
			"Subject: x\r\n\r\n=ybegin line=128 size=6 name=b.exe\r\n"
			"\x9d\x8f\x8d\x9c\x8f\x9e\r\n=yend size=6\r\n",
			"b.exe"},
		{"message in a message",
			MULTI
			"b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n" PART64
			"c2VjcmV0\r\n--b--\r\n",
			NULL},
		{"message in base64",
			"Content-Type: message/rfc822\r\n" PART64
			"U3ViamVjdDogeApDb250ZW50LVRyYW5zZmVyLUVuY29kaW5nOiBiYXNlNjQKCmMyVmpjbVYw\r"
			"\n",
			NULL},
		{"undeclared base64 in an attachment",
			MULTI "b\r\n\r\n--b\r\nContent-Type: application/x\r\n\r\n"
			      "c2VjcmV0AAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n--b--\r\n",
			NULL},
		{"boundary that nobody declared",
			"Subject: x\r\n\r\ntext\r\n--b\r\n" PART64 "c2VjcmV0\r\n--b--\r\n", NULL},
		{"name",
			MULTI "b\r\n\r\n--b\r\nContent-Type: a/b; name=\"x y.exe\"\r\n" PART64
			      "c2VjcmV0\r\n--b--\r\n",
			"x y.exe"},
		{"name of RFC 2231",
			MULTI "b\r\n\r\n--b\r\nContent-Disposition: attachment;\r\n "
			      "filename*0*=UTF-8''a%2e;"
			      "\r\n filename*1=exe\r\n" PART64 "c2VjcmV0\r\n--b--\r\n",
			"a.exe"},
		{"name of RFC 2047",
			MULTI "b\r\n\r\n--b\r\nContent-Type: a/b; name=\"=?utf-8?B?YS5l?= "
			      "=?utf-8?Q?xe?=\"\r\n" PART64 "c2VjcmV0\r\n--b--\r\n",
			"a.exe"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parts all;
		struct mime_report r =
			read_all(rows[i].message, strlen(rows[i].message), &roomy, &all);
		if (r.limit != MIME_LIMIT_NONE || r.ambiguous)
			fail_msg("%s: %s", rows[i].what, mime_limit_name(r.limit));
		bool found = has_part(&all, "secret", rows[i].name);
		for (unsigned k = 0; k < all.count; k++)
			found |= !strncmp(all.text[k], "secret", 6) &&
				 (!rows[i].name || !strcmp(all.name[k], rows[i].name));
		if (!found)
			fail_msg("%s: not among %u parts (%s)", rows[i].what, all.count,
				all.count ? all.name[0] : "");
	}
}

/* A mail without oddities is given once, not in many readings. */
static void test_gives_no_more(void **state)
{
	static const char message[] = MULTI
		"b\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n-- \r\nme\r\n"
		"--b\r\nContent-Type: a/b\r\n" PART64 "c2VjcmV0\r\n--b--\r\nepilogue\r\n";
	struct parts all;

	(void)state;
	read_all(message, sizeof(message) - 1, &roomy, &all);
	assert_int_equal(all.count, 2);
	assert_string_equal(all.text[0], "hello\r\n-- \r\nme");
	assert_int_equal(all.encoding[1], MIME_BASE64);
	assert_string_equal(all.text[1], "secret");
}

static void test_tnef(void **state)
{
	/* signature, key, then title and data of one attachment */
	static const uint8_t tnef[] = "\x78\x9f\x3e\x22\x01\x00"
				      "\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00"
				      "\x02\x10\x80\x01\x00\x06\x00\x00\x00"
				      "x.exe\x00\x00\x00"
				      "\x02\x0f\x80\x06\x00\x06\x00\x00\x00"
				      "secret\x00\x00";
	char message[256] = "Subject: x\r\n\r\n";
	struct parts all;

	(void)state;
	memcpy(message + 14, tnef, sizeof(tnef) - 1);
	read_all(message, 14 + sizeof(tnef) - 1, &roomy, &all);
	assert_true(has_part(&all, "secret", "x.exe"));
}

static void test_limits(void **state)
{
	char nested[8192] = "", many[8192] = MULTI "b\r\n\r\n";
	struct parts all;

	(void)state;
	for (int i = 0; i < 60; i++)
		sprintf(nested + strlen(nested), MULTI "b%d\r\n\r\n--b%d\r\n", i, i);
	for (int i = 0; i < 300; i++)
		sprintf(many + strlen(many), "--b\r\n\r\n%d\r\n", i);
	const struct mime_limits small = {
		.depth = 20, .parts = 20, .header_bytes = 64, .decoded_bytes = 100};
	const struct {
		const char *what, *message;
		const struct mime_limits *limits;
		enum mime_limit want;
	} rows[] = {
		{"depth", nested, &roomy, MIME_LIMIT_DEPTH},
		{"parts", many, &roomy, MIME_LIMIT_PARTS},
		{"header", MULTI "b\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n", &small,
			MIME_LIMIT_HEADER},
		{"size",
			"Subject: x\r\n\r\n"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
			&small, MIME_LIMIT_SIZE},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mime_report r =
			read_all(rows[i].message, strlen(rows[i].message), rows[i].limits, &all);
		if (r.limit != rows[i].want)
			fail_msg("%s: %s", rows[i].what, mime_limit_name(r.limit));
	}
}

/* Lines that are no delimiter for the reader that matters: in front, so that they use up the ways
 * to cut, and in the middle of the base64, so that cutting at all of them breaks it. Such a reader
 * decodes the letters of the line behind, which are made to be zero bytes. */
static void test_decoys(void **state)
{
	static const char exclamations[] =
		"!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!";
	static const char *const heads[] = {
		MULTI "real\r\n\r\n",
		MULTI "\"%72eal\"\r\n\r\n",
		"Content-Type: multipart/mixed; boundary*1=al; boundary*0=re\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=\"!\"\r\n" MULTI "re(x)al\r\n\r\n",
		"Subject: !!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!\r\n" MULTI
		"real\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		for (int decoys = 0; decoys < 60; decoys += 7) {
			char text[8192];
			struct parts all;
			int n = sprintf(text, "%s", heads[i]);
			for (int k = 1; k <= decoys; k++)
				n += sprintf(text + n, "--%.*s\r\nAAAA:\r\n", k, exclamations);
			n += sprintf(text + n, "--real\r\nX-A: b\r\n" PART64 "c2Vj\r\n");
			for (int k = 1; k <= decoys; k++)
				n += sprintf(text + n, "--%.*s\r\nAAAA:\r\n", k, exclamations);
			n += sprintf(text + n, "cmV0\r\n--real--\r\n");
			struct mime_report r = read_all(text, (size_t)n, &roomy, &all);
			if (!r.ambiguous && r.limit == MIME_LIMIT_NONE && all.whole == 0)
				fail_msg("%s: %d decoys, %u parts", heads[i], decoys, all.count);
			if (decoys <= 14 && r.ambiguous)
				fail_msg("%s: %d decoys: %s", heads[i], decoys, r.ambiguous);
		}
	}
}

static void test_ambiguous(void **state)
{
	static const struct {
		const char *message;
		size_t n;
	} rows[] = {
#define ROW(s) {s, sizeof(s) - 1}
		ROW("Subject: x\r\nContent-Type: message/partial; id=1; number=1\r\n\r\nhalf"),
		ROW("Subject: x\0y\r\n\r\nbody"),
		ROW("Subject: x\r\n\r\n(This file must be converted with BinHex 4.0)\r\n\r\n"
		    ":!!3r2cmr2cmr2`!!!!!!&3!!!!!U`8&58N&C+$\"i069K0M3bC$KN0$%i+3!!:\r\n"),
#undef ROW
	};
	struct parts all;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_non_null(read_all(rows[i].message, rows[i].n, &roomy, &all).ambiguous);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds),
		cmocka_unit_test(test_gives_no_more),
		cmocka_unit_test(test_tnef),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_ambiguous),
		cmocka_unit_test(test_decoys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
