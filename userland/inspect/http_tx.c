/* What is told of an HTTP transaction: units with its buffers, its events, its files. */
#include "inspect/http_tx.h"

#include <stdlib.h>

#include "inspect/http.h"
#include "inspect/multipart.h"

void http_tx_free(struct http_tx *t)
{
	for (unsigned i = 0; i < 2; i++) {
		file_fini(&t->body[i], &t->env->file_bytes);
		t->env->file_bytes -= t->raw[i].room;
		free(t->raw[i].bytes);
	}
	free(t);
}

static struct unit unit_of(struct http_tx *t, bool to_server)
{
	struct unit u = {.to_server = to_server,
		.seen = &t->seen,
		.tx_id = t->id,
		.put = http_put,
		.tx = t,
		.lasts = t->stream == 0,
		.events = t->events};

	for (unsigned i = 0; i < t->events.n; i++)
		event_raise(&t->echo[!to_server], (enum event_id)t->events.id[i]);
	t->events.n = 0;
	return u;
}

void http_tx_tell(struct http_tx *t, bool to_server)
{
	struct reader_env *env = t->env;
	struct unit u = unit_of(t, to_server);

	http_fill(&u, env, t);
	env->fn(env->ctx, &u);
}

void http_tx_tell_events(struct http_tx *t, bool to_server)
{
	struct reader_env *env = t->env;

	if (t->events.n == 0)
		return;
	struct unit u = unit_of(t, to_server);
	env->fn(env->ctx, &u);
}

void http_tx_tell_echo(struct http_tx *t)
{
	struct reader_env *env = t->env;

	for (unsigned i = 0; i < 2; i++) {
		struct unit u = {.to_server = i,
			.echo = true,
			.seen = &t->seen,
			.tx_id = t->id,
			.put = http_put,
			.tx = t,
			.events = t->echo[i]};
		if (t->echo[i].n == 0)
			continue;
		t->echo[i].n = 0;
		env->fn(env->ctx, &u);
	}
}

void http_tx_keep_raw(struct http_tx *t, bool to_server, struct span data)
{
	struct http_raw *raw = &t->raw[to_server];
	size_t room = raw->room ? raw->room : 512;

	if (raw->n + data.n > HTTP_RAW_BYTES)
		data.n = HTTP_RAW_BYTES - raw->n;
	while (room < raw->n + data.n)
		room *= 2;
	if (room != raw->room) {
		if (t->env->file_bytes + room - raw->room > FILES_BYTES)
			return;
		uint8_t *p = realloc(raw->bytes, room);
		if (!p)
			return;
		t->env->file_bytes += room - raw->room;
		raw->bytes = p;
		raw->room = room;
	}
	memcpy(raw->bytes + raw->n, data.p, data.n);
	raw->n += data.n;
}

void http_tx_flags(struct http_tx *t)
{
	static const struct {
		uint64_t flag;
		enum event_id id;
	} rows[] = {
		{HTP_HOSTH_INVALID, EVENT_HTTP_REQUEST_HEADER_HOST_INVALID},
		{HTP_HOSTU_INVALID, EVENT_HTTP_REQUEST_URI_HOST_INVALID},
		{HTP_HOST_AMBIGUOUS, EVENT_HTTP_HOST_HEADER_AMBIGUOUS},
		{HTP_HOST_MISSING, EVENT_HTTP_MISSING_HOST_HEADER},
		{HTP_REQUEST_INVALID_T_E, EVENT_HTTP_INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST},
		{HTP_REQUEST_INVALID_C_L, EVENT_HTTP_INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (t->tx->flags & rows[i].flag)
			event_raise(&t->events, rows[i].id);
	if (t->tx->request_auth_type == HTP_AUTH_UNRECOGNIZED)
		event_raise(&t->events, EVENT_HTTP_REQUEST_AUTH_UNRECOGNIZED);
}

void http_tx_look(struct http_tx *t, struct file *f)
{
	if (!file_is_due(f))
		return;
	http_tx_tell(t, f->to_server);
	f->told = f->n;
}

void http_tx_look_whole(struct http_tx *t, struct file *f)
{
	if (f->n && f->n != f->told)
		http_tx_tell(t, f->to_server);
	f->told = f->n;
}

void http_tx_report_file(struct http_tx *t, struct file *f, enum file_state state)
{
	struct reader_env *env = t->env;

	if (f->reported || f->size == 0)
		return;
	file_close(f, state);
	http_tx_look(t, f);
	struct unit u = unit_of(t, f->to_server);
	u.log_only = true;
	u.file = f;
	u.file_done = true;
	f->reported = true;
	env->fn(env->ctx, &u);
}

void http_tx_report_parts(struct http_tx *t)
{
	struct reader_env *env = t->env;
	struct multipart part;
	size_t at = 0;

	while (multipart_next(file_data(&t->body[1]), t->boundary, &at, &part)) {
		struct file f;
		struct unit u = unit_of(t, true);
		if (!part.name.p)
			continue;
		file_open(&f, part.name, true, t->id, env->hash_files);
		file_append(&f, &env->file_bytes, part.data);
		file_close(&f, part.whole ? FILE_CLOSED : FILE_TRUNCATED);
		u.log_only = true;
		u.file = &f;
		u.file_done = true;
		env->fn(env->ctx, &u);
		file_fini(&f, &env->file_bytes);
	}
}

void http_tx_log(struct http_tx *t)
{
	struct reader_env *env = t->env;
	struct unit u = unit_of(t, true);

	if (t->logged)
		return;
	t->logged = true;
	u.log_only = u.events.n == 0;
	u.event = "http";
	env->fn(env->ctx, &u);
}

void http_tx_report_begun(struct http_tx *t)
{
	if (!t->request_reported && t->tx->request_progress >= HTP_REQUEST_HEADERS) {
		t->request_reported = true;
		http_tx_tell(t, true);
	}
	if (!t->response_reported && t->tx->response_progress >= HTP_RESPONSE_HEADERS) {
		t->response_reported = true;
		http_tx_tell(t, false);
	}
}
