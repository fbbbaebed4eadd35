#include "config/record.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-json.h>
#include <time.h>

#include "lib/cleanup.h"

#define SUM_BYTES 32
#define HEAD_BYTES_MAX 16384 /* a comment of escapes is six times its length */

static bool sum_of(const char *body, size_t size, char out[2 * SUM_BYTES + 1])
{
	unsigned char sum[SUM_BYTES];

	if (EVP_Q_digest(NULL, "SHA256", NULL, body, size, sum, NULL) != 1)
		return false;
	for (int i = 0; i < SUM_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	return true;
}

char *record_print(const struct record *r, const char *body)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *head = NULL;
	_cleanup_free_ char *line = NULL;
	char sum[2 * SUM_BYTES + 1], *text = NULL;

	if (!sum_of(body, strlen(body), sum) ||
		sd_json_buildo(&head, SD_JSON_BUILD_PAIR_UNSIGNED("serial", r->serial),
			SD_JSON_BUILD_PAIR_INTEGER("time", r->time_s),
			SD_JSON_BUILD_PAIR_STRING("user", r->user),
			SD_JSON_BUILD_PAIR_STRING("comment", r->comment),
			SD_JSON_BUILD_PAIR_CONDITION(
				*r->boot, "boot", SD_JSON_BUILD_STRING(r->boot)),
			SD_JSON_BUILD_PAIR_CONDITION(
				*r->boot, "deadline_us", SD_JSON_BUILD_UNSIGNED(r->deadline_us)),
			SD_JSON_BUILD_PAIR_STRING("sha256", sum)) < 0 ||
		sd_json_variant_format(head, 0, &line) < 0 ||
		asprintf(&text, "%s\n%s", line, body) < 0)
		return NULL;
	return text;
}

static uint64_t number(sd_json_variant *head, const char *key)
{
	sd_json_variant *v = sd_json_variant_by_key(head, key);

	return v && sd_json_variant_is_unsigned(v) ? sd_json_variant_unsigned(v) : 0;
}

static void word(sd_json_variant *head, const char *key, char *out, size_t cap)
{
	sd_json_variant *v = sd_json_variant_by_key(head, key);

	snprintf(
		out, cap, "%s", v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "");
}

/* The first line as an object, the byte behind it in *ret_next. */
static sd_json_variant *parse_head(const char *text, size_t size, const char **ret_next)
{
	const char *end = memchr(text, '\n', size < HEAD_BYTES_MAX ? size : HEAD_BYTES_MAX);
	_cleanup_free_ char *line = end ? strndup(text, (size_t)(end - text)) : NULL;
	sd_json_variant *head = NULL;

	if (!line || strlen(line) != (size_t)(end - text) ||
		sd_json_parse(line, 0, &head, NULL, NULL) < 0)
		return NULL;
	*ret_next = end + 1;
	if (sd_json_variant_is_object(head))
		return head;
	return sd_json_variant_unref(head);
}

static bool take_head(sd_json_variant *head, struct record *ret)
{
	*ret = (struct record){
		.serial = number(head, "serial"),
		.time_s = (int64_t)number(head, "time"),
		.deadline_us = number(head, "deadline_us"),
	};
	word(head, "user", ret->user, sizeof(ret->user));
	word(head, "comment", ret->comment, sizeof(ret->comment));
	word(head, "boot", ret->boot, sizeof(ret->boot));
	return ret->serial > 0;
}

bool record_parse_head(const char *text, size_t size, struct record *ret)
{
	const char *next;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *head = parse_head(text, size, &next);

	return head && take_head(head, ret);
}

bool record_parse(const char *text, size_t size, struct record *ret, const char **ret_body)
{
	char have[2 * SUM_BYTES + 1], want[2 * SUM_BYTES + 1];
	const char *body = NULL;

	if (size > RECORD_BYTES_MAX || strlen(text) != size)
		return false;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *head = parse_head(text, size, &body);
	if (!head || !take_head(head, ret))
		return false;
	word(head, "sha256", want, sizeof(want));
	if (!sum_of(body, size - (size_t)(body - text), have) || strcmp(have, want) != 0)
		return false;
	*ret_body = body;
	return true;
}

static uint64_t boottime_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool boot_name(char out[33])
{
	sd_id128_t id;

	if (sd_id128_get_boot(&id) < 0)
		return false;
	sd_id128_to_string(id, out);
	return true;
}

void record_set_deadline(struct record *r, unsigned seconds)
{
	/* Without a boot id a restart takes the deadline for passed: the safe side. */
	if (!boot_name(r->boot))
		strcpy(r->boot, "unknown");
	r->deadline_us = boottime_us() + seconds * 1000000ULL;
}

unsigned record_seconds_left(const struct record *r)
{
	char now[33];
	uint64_t us = boottime_us();

	if (!boot_name(now) || strcmp(now, r->boot) != 0 || us >= r->deadline_us)
		return 0;
	return (unsigned)((r->deadline_us - us + 999999) / 1000000);
}
