#include "mailauth/dns.h"

#include <stdlib.h>

#include "mailauth/domain.h"

struct dns_table {
	struct dns_answer *answers[DNS_QUESTIONS_MAX];
	unsigned count;
	bool is_closed;
};

static const struct dns_answer answer_nxdomain = {.status = DNS_NXDOMAIN};
static const struct dns_answer answer_tempfail = {.status = DNS_TEMPFAIL};

struct dns_table *dns_table_new(void)
{
	return calloc(1, sizeof(struct dns_table));
}

void dns_answer_clear(struct dns_answer *a)
{
	for (unsigned i = 0; i < a->count; i++)
		free((void *)a->records[i].p);
	free(a->records);
	a->records = NULL;
	a->count = 0;
}

void dns_table_free(struct dns_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->count; i++) {
		dns_answer_clear(t->answers[i]);
		free(t->answers[i]);
	}
	free(t);
}

static const struct dns_answer *note_question(
	struct dns_table *t, const char *name, enum dns_type type)
{
	if (t->is_closed || t->count == DNS_QUESTIONS_MAX)
		return &answer_tempfail;
	struct dns_answer *a = calloc(1, sizeof(*a));
	if (!a)
		return &answer_tempfail;
	strcpy(a->name, name);
	a->type = type;
	t->answers[t->count++] = a;
	return NULL;
}

const struct dns_answer *dns_ask(struct dns_table *t, const char *name, enum dns_type type)
{
	char lower[DNS_NAME_BYTES];

	if (!domain_lower(name, lower))
		return &answer_nxdomain;
	for (unsigned i = 0; i < t->count; i++) {
		const struct dns_answer *a = t->answers[i];
		if (a->type == type && strcmp(a->name, lower) == 0)
			return a->status == DNS_OPEN ? NULL : a;
	}
	return note_question(t, lower, type);
}

void dns_table_close(struct dns_table *t)
{
	t->is_closed = true;
	for (unsigned i = 0; i < t->count; i++) {
		if (t->answers[i]->status != DNS_OPEN)
			continue;
		dns_answer_clear(t->answers[i]);
		t->answers[i]->status = DNS_TEMPFAIL;
	}
}

bool dns_is_open(const struct dns_table *t)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->answers[i]->status == DNS_OPEN)
			return true;
	return false;
}

struct dns_answer *dns_question(struct dns_table *t, unsigned i)
{
	return i < t->count ? t->answers[i] : NULL;
}

/* Doubles at 1, 2, 4 ... records. */
static bool answer_grow(struct dns_answer *a)
{
	struct span *grown;

	if (a->count & (a->count - 1))
		return true;
	if (a->count >= DNS_RECORDS_MAX)
		return false;
	grown = realloc(a->records, (a->count ? 2 * a->count : 1) * sizeof(*grown));
	if (grown)
		a->records = grown;
	return grown;
}

void dns_answer_add(struct dns_answer *a, struct span data)
{
	a->bytes += data.n + 1;
	if (a->status != DNS_OPEN)
		return;
	uint8_t *copy =
		a->bytes <= DNS_DATA_BYTES_MAX && answer_grow(a) ? malloc(data.n + 1) : NULL;
	if (!copy) {
		dns_answer_clear(a);
		a->status = DNS_TEMPFAIL;
		return;
	}
	if (data.n)
		memcpy(copy, data.p, data.n);
	copy[data.n] = 0;
	a->records[a->count++] = span_of(copy, data.n);
}

void dns_answer_end(struct dns_answer *a, enum dns_status without_records)
{
	if (a->status == DNS_OPEN)
		a->status = a->count ? DNS_FOUND : without_records;
}

void dns_answer_copy(struct dns_answer *to, const struct dns_answer *from)
{
	for (unsigned i = 0; i < from->count; i++)
		dns_answer_add(to, from->records[i]);
	dns_answer_end(to, from->status);
}
