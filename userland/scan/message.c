#include "scan/message.h"

#include <clamav.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/mime_header.h"

struct inner_mail {
	uint8_t *p;
	size_t n;
	unsigned level; /* archives around it */
};

struct scan {
	const struct scanner *scanner;
	struct report *report;
	uint64_t deadline_ms;
	struct inner_mail inner[MESSAGE_INNER_MAX];
	unsigned inner_count, inner_done;
	size_t inner_bytes;
	unsigned level;
	bool unchecked_inner;
};

void message_limits_defaults(struct message_limits *limits)
{
	*limits = (struct message_limits){
		.mime = {.depth = 20,
			.parts = 2000,
			.header_bytes = 256u << 10,
			.decoded_bytes = 400u << 20},
		.time_ms = 40000,
	};
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void limit_set(struct scan *s, const char *limit, const char *part)
{
	struct report *r = s->report;

	if (r->verdict.result >= SCAN_LIMIT)
		return;
	r->verdict.result = SCAN_LIMIT;
	snprintf(r->verdict.limit, sizeof(r->verdict.limit), "%s", limit);
	snprintf(r->part, sizeof(r->part), "%s", part);
}

/* A mail in an archive: kept for after this call, when the engine is free again. */
static void on_mail(void *ctx, struct span mail)
{
	struct scan *s = ctx;

	if (s->inner_count == MESSAGE_INNER_MAX || mail.n > MESSAGE_INNER_BYTES - s->inner_bytes) {
		s->unchecked_inner = true;
		return;
	}
	uint8_t *copy = malloc(mail.n ? mail.n : 1);
	if (!copy) {
		s->unchecked_inner = true;
		return;
	}
	memcpy(copy, mail.p, mail.n);
	s->inner_bytes += mail.n;
	s->inner[s->inner_count++] = (struct inner_mail){copy, mail.n, s->level + 1};
}

static void verdict_of(struct scan *s, struct span bytes, bool parse_mail, struct scan_verdict *ret)
{
	const struct scanner *scanner = s->scanner;
	uint8_t key[CACHE_KEY_BYTES];
	unsigned key_bytes = 0, mails = s->inner_count;

	bool keyed = scanner->cache && cl_sha256(bytes.p, bytes.n, key, &key_bytes);
	const struct scan_verdict *known = keyed ? cache_get(scanner->cache, key) : NULL;
	if (known) {
		*ret = *known;
		s->report->cached++;
		return;
	}
	struct engine_call call = {
		.bytes = bytes, .parse_mail = parse_mail, .on_mail = on_mail, .ctx = s};
	engine_scan(scanner->engine, &call, ret);
	/* With a mail inside, the verdict is not yet complete. */
	bool complete = (ret->result == SCAN_CLEAN || ret->result == SCAN_INFECTED) &&
			s->inner_count == mails && !s->unchecked_inner;
	if (keyed && complete)
		cache_put(scanner->cache, key, ret);
}

/* Facts of a part go into the list once for each set of facts and part. */
static void detail_add(struct report *r, uint32_t facts, const char *part, const char *text)
{
	if (facts == 0 || r->detail_count == REPORT_DETAILS_MAX)
		return;
	struct report_detail *d = &r->details[r->detail_count++];
	d->facts = facts;
	snprintf(d->part, sizeof(d->part), "%s", part);
	snprintf(d->text, sizeof(d->text), "%s", text);
}

static void verdict_merge(struct report *r, const struct scan_verdict *v, const char *part)
{
	uint32_t facts = r->verdict.facts | v->facts;

	if (v->result > r->verdict.result) {
		r->verdict = *v;
		snprintf(r->part, sizeof(r->part), "%s", part);
	}
	r->verdict.facts = facts;
}

static void part_label(const struct mime_part *part, unsigned number, char *out)
{
	snprintf(out, MESSAGE_PART_BYTES, "%u%s%.150s", number, part->name_count ? " " : "",
		part->name_count ? part->names[0] : "");
}

static uint32_t facts_of_part(const struct mime_part *part)
{
	uint32_t facts = 0;

	for (unsigned i = 0; i < part->name_count; i++)
		facts |= fact_of_name(part->names[i]);
	/* Only what is shown as text: the word in an attached manual is no notice. */
	if (part->name_count == 0 &&
		(part->type[0] == '\0' || strncmp(part->type, "text/", 5) == 0))
		facts |= fact_of_text(part->content);
	return facts;
}

static int on_part(void *ctx, const struct mime_part *part)
{
	struct scan *s = ctx;
	struct report *r = s->report;
	char label[MESSAGE_PART_BYTES];
	struct scan_verdict v;

	r->parts++;
	part_label(part, r->parts, label);
	if (now_ms() > s->deadline_ms) {
		limit_set(s, "time", label);
		return 1;
	}
	if (s->scanner->on_part)
		s->scanner->on_part(s->scanner->ctx, label);
	verdict_of(s, part->content, !header_is_message(part->content), &v);
	uint32_t named = facts_of_part(part);
	v.facts |= named;
	detail_add(r, v.facts, label, v.detail);
	r->bytes += part->content.n;
	verdict_merge(r, &v, label);
	return r->verdict.result == SCAN_INFECTED;
}

static void mail_read(struct scan *s, struct span mail)
{
	const struct mime_limits *limits = &s->scanner->limits.mime;
	struct report *r = s->report;
	struct mime_report m;
	struct mime_limits left = *limits;

	left.parts = limits->parts > r->parts ? limits->parts - r->parts : 0;
	left.decoded_bytes =
		limits->decoded_bytes > r->bytes ? limits->decoded_bytes - r->bytes : 0;
	mime_read(mail, &left, on_part, s, &m);
	if (r->verdict.result == SCAN_INFECTED)
		return;
	if (m.ambiguous && r->verdict.result < SCAN_AMBIGUOUS) {
		r->verdict.result = SCAN_AMBIGUOUS;
		r->reason = m.ambiguous;
		*r->part = '\0';
	}
	if (m.limit != MIME_LIMIT_NONE)
		limit_set(s, mime_limit_name(m.limit), "");
}

/* Mails that lay in archives, and those that lay in archives in them. */
static void inner_read(struct scan *s)
{
	for (; s->inner_done < s->inner_count; s->inner_done++) {
		struct inner_mail *m = &s->inner[s->inner_done];
		s->level = m->level;
		if (m->level > s->scanner->limits.mime.depth)
			limit_set(s, "depth", "");
		else if (s->report->verdict.result != SCAN_INFECTED)
			mail_read(s, span_of(m->p, m->n));
		free(m->p);
	}
	if (s->unchecked_inner)
		limit_set(s, "size", "");
}

void message_scan(const struct scanner *scanner, struct span message, struct report *ret)
{
	struct scan s = {.scanner = scanner, .report = ret};
	struct engine_call whole = {.bytes = message, .on_mail = on_mail, .ctx = &s};

	*ret = (struct report){0};
	s.deadline_ms = now_ms() + scanner->limits.time_ms;
	if (scanner->on_part)
		scanner->on_part(scanner->ctx, "whole");
	engine_scan(scanner->engine, &whole, &ret->verdict);
	snprintf(ret->part, sizeof(ret->part), "%s",
		ret->verdict.result == SCAN_CLEAN ? "" : "whole");
	if (ret->verdict.result != SCAN_INFECTED)
		mail_read(&s, message);
	inner_read(&s);
}
