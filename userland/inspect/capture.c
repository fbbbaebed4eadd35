#include "inspect/capture.h"

#include <stdlib.h>
#include <string.h>

static void name_set(struct capture_name *ret, enum capture_kind kind, struct span name)
{
	name = span_take(name, CAPTURE_NAME_BYTES);
	ret->kind = kind;
	ret->n = (uint8_t)name.n;
	memcpy(ret->text, name.p, name.n);
}

bool capture_traffic_read(struct span text, struct capture_name *ret)
{
	static const struct {
		struct span start;
		enum capture_kind kind;
	} rows[] = {{SPAN_LIT("traffic/id/"), CAPTURE_TRAFFIC_ID},
		{SPAN_LIT("traffic/label/"), CAPTURE_TRAFFIC_LABEL}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_eq(span_take(text, rows[i].start.n), rows[i].start) &&
			text.n > rows[i].start.n) {
			name_set(ret, rows[i].kind, span_skip(text, rows[i].start.n));
			return true;
		}
	return false;
}

bool capture_name_read(struct span text, uint8_t sep, struct capture_name *ret)
{
	static const struct {
		const char *word;
		enum capture_kind kind;
	} rows[] = {{"alert", CAPTURE_ALERT}, {"flow", CAPTURE_FLOW}, {"pkt", CAPTURE_PKT}};
	ptrdiff_t at = span_chr(text, sep);

	if (at < 0)
		return false;
	struct span word = span_take(text, (size_t)at), name = span_skip(text, (size_t)at + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!span_eq(word, span_str(rows[i].word)) || name.n == 0)
			continue;
		name_set(ret, rows[i].kind, name);
		return true;
	}
	return false;
}

void flow_var_set(struct flow_var **vars, unsigned *all, const struct capture *c)
{
	struct span name = span_of(c->name->text, c->name->n);
	unsigned n = 0;

	for (; *vars; vars = &(*vars)->next, n++)
		if ((*vars)->kind == c->name->kind &&
			span_eq(span_of((*vars)->name, (*vars)->name_n), name))
			break;
	if (!*vars) {
		if (n == FLOW_VARS || *all == FLOW_VARS_ALL)
			return;
		*vars = calloc(1, sizeof(**vars));
		if (!*vars)
			return;
		(*all)++;
		(*vars)->kind = c->name->kind;
		memcpy((*vars)->name, name.p, name.n);
		(*vars)->name_n = (uint8_t)name.n;
	}
	memcpy((*vars)->bytes, c->bytes, c->n);
	(*vars)->n = c->n;
}

void flow_vars_free(struct flow_var **vars, unsigned *all)
{
	while (*vars) {
		struct flow_var *v = *vars;
		*vars = v->next;
		free(v);
		(*all)--;
	}
}
