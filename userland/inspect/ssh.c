/*
 * ssh: the identification strings of an SSH connection (RFC 4253, section 4.2).
 *
 * Each side's string is a unit; when both are there the event is logged and the reader is done:
 * what follows is key exchange and encrypted. Lines of the server before its string are skipped.
 *
 * Limits: SSH_LINES of them, LINE_BYTES each.
 */
#include <stdlib.h>

#include "inspect/line.h"
#include "inspect/reader.h"

#define SSH_LINES 32
#define SSH_FIELD_BYTES 255

struct side {
	struct line_buffer line;
	uint8_t lines;
	bool done;
	uint8_t proto[SSH_FIELD_BYTES], software[SSH_FIELD_BYTES];
	uint8_t proto_n, software_n;
};

struct ssh {
	struct reader base;
	struct side side[2]; /* by to_server */
	bool logged;
};

static void put_side(struct jsonw *w, const char *key, const struct side *s)
{
	if (!s->done)
		return;
	jsonw_object(w, key);
	jsonw_span(w, "proto_version", span_of(s->proto, s->proto_n));
	if (s->software_n)
		jsonw_span(w, "software_version", span_of(s->software, s->software_n));
	jsonw_end(w);
}

static void ssh_put(struct jsonw *w, const struct unit *u, bool whole)
{
	const struct ssh *h = u->tx;

	(void)whole;
	jsonw_object(w, "ssh");
	put_side(w, "client", &h->side[1]);
	put_side(w, "server", &h->side[0]);
	jsonw_end(w);
}

static uint8_t copy(uint8_t *to, struct span from)
{
	from = span_take(from, SSH_FIELD_BYTES);
	memcpy(to, from.p, from.n);
	return (uint8_t)from.n;
}

/* SSH-protoversion-softwareversion SP comments */
static bool read_banner(struct side *s, struct span line)
{
	if (!span_casestarts(line, SPAN_LIT("SSH-")))
		return false;
	struct span rest = span_skip(line, 4);
	ptrdiff_t dash = span_chr(rest, '-');
	if (dash < 0)
		return false;
	s->proto_n = copy(s->proto, span_take(rest, (size_t)dash));
	struct span software = span_skip(rest, (size_t)dash + 1);
	ptrdiff_t blank = span_chr(software, ' ');
	if (blank >= 0)
		software = span_take(software, (size_t)blank);
	s->software_n = copy(s->software, software);
	s->done = true;
	return true;
}

static void emit(struct ssh *h, bool to_server)
{
	struct side *s = &h->side[to_server];
	struct reader_env *env = h->base.env;
	struct unit u = {.to_server = to_server, .put = ssh_put, .tx = h, .lasts = true};

	u.buffer[BUFFER_SSH_PROTO] = span_of(s->proto, s->proto_n);
	u.buffer[BUFFER_SSH_SOFTWARE] = span_of(s->software, s->software_n);
	env->fn(env->ctx, &u);
	if (h->logged || !h->side[!to_server].done)
		return;
	h->logged = true;
	u = (struct unit){
		.to_server = to_server, .put = ssh_put, .tx = h, .event = "ssh", .log_only = true};
	env->fn(env->ctx, &u);
}

static enum reader_result feed_ssh(struct reader *r, bool to_server, struct span data)
{
	struct ssh *h = (struct ssh *)r;
	struct side *s = &h->side[to_server];
	struct line line;

	while (!s->done && line_next(&s->line, &data, &line)) {
		if (read_banner(s, line.text))
			emit(h, to_server);
		else if (to_server || ++s->lines > SSH_LINES)
			return READER_FAILED;
	}
	return h->side[0].done && h->side[1].done ? READER_DONE : READER_OK;
}

static void ssh_free(struct reader *r)
{
	struct ssh *h = (struct ssh *)r;

	line_fini(&h->side[0].line);
	line_fini(&h->side[1].line);
	free(h);
}

static struct reader *ssh_new(struct reader_env *env)
{
	struct ssh *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->base = (struct reader){&reader_ssh, env};
	return &h->base;
}

const struct reader_ops reader_ssh = {.new = ssh_new, .feed = feed_ssh, .free = ssh_free};
