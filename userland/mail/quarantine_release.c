#include "mail/quarantine_release.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "mail/quarantine.h"

enum release_state {
	RELEASE_CONNECT,
	RELEASE_BANNER,
	RELEASE_HELLO,
	RELEASE_STARTTLS,
	RELEASE_TLS,
	RELEASE_MAIL,
	RELEASE_RCPT,
	RELEASE_DATA,
	RELEASE_SEND,
	RELEASE_FINAL,
	RELEASE_DONE,
};

struct release {
	struct mail_shared *shared;
	struct quarantine_entry entry;
	enum release_state state;
	struct dial dial;
	struct leg server;
	sd_event_source *timer;
	void *map;
	struct span text;
	struct outgoing outgoing;
	const char *recipient; /* the next one in entry.recipients */
	enum onward_tls onward;
	bool no_tls; /* it failed: once more in the clear */
	bool delivered;
	char result[512];
	release_fn on_done;
	void *userdata;
};

static unsigned releases;

static void release_free(struct release *r)
{
	sd_event_source_disable_unref(r->timer);
	dial_stop(&r->shared->dialler, &r->dial);
	if (r->server.fd >= 0)
		leg_close(&r->server);
	outgoing_free(&r->outgoing);
	if (r->map)
		munmap(r->map, r->text.n);
	quarantine_entry_free(&r->entry);
	free(r);
	releases--;
}

static void release_done(struct release *r, bool delivered, struct span text)
{
	if (r->state == RELEASE_DONE)
		return;
	r->state = RELEASE_DONE;
	r->delivered = delivered;
	text = span_trim(text);
	snprintf(r->result, sizeof(r->result), "%.*s", (int)span_take(text, 500).n,
		(const char *)text.p);
	for (char *p = r->result; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = *p == '\n' ? ' ' : '?';
}

static void say(struct release *r, const char *format, const char *a, const char *b)
{
	char line[ENVELOPE_ADDRESS_BYTES + 80];
	const char *parts[] = {format, a, b};
	size_t n = 0;

	for (size_t i = 0; i < 3; i++)
		n += (size_t)snprintf(
			line + n, n < sizeof(line) ? sizeof(line) - n : 0, "%s", parts[i]);
	if (n >= sizeof(line) || !leg_send(&r->server, span_of(line, n)))
		release_done(r, false, SPAN_LIT("the server does not read"));
}

static bool has_8bit(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] & 0x80)
			return true;
	return false;
}

static bool offers(struct span reply, struct span word)
{
	while (reply.n) {
		ptrdiff_t lf = span_chr(reply, '\n');
		struct span line = span_take(reply, lf < 0 ? reply.n : (size_t)lf);

		if (span_caseeq(span_trim(span_skip(line, 4)), word))
			return true;
		reply = span_skip(reply, line.n + 1);
	}
	return false;
}

static void say_mail(struct release *r, struct span hello)
{
	bool eight = has_8bit(r->text) && offers(hello, SPAN_LIT("8BITMIME"));
	bool utf8 = has_8bit(span_str(r->entry.sender)) || has_8bit(span_str(r->entry.recipients));
	static const char *const ends[] = {
		">\r\n", "> BODY=8BITMIME\r\n", "> SMTPUTF8\r\n", "> BODY=8BITMIME SMTPUTF8\r\n"};

	if (utf8 && !offers(hello, SPAN_LIT("SMTPUTF8")))
		release_done(r, false, SPAN_LIT("the server does not take SMTPUTF8"));
	else
		say(r, "MAIL FROM:<", r->entry.sender, ends[eight + 2 * utf8]);
}

/* False when there is no further one. */
static bool say_rcpt(struct release *r)
{
	char address[ENVELOPE_ADDRESS_BYTES + 1];
	size_t n = strcspn(r->recipient, "\n");

	if (n == 0)
		return false;
	if (n >= sizeof(address)) {
		release_done(r, false, SPAN_LIT("a recipient's address is too long"));
		return true;
	}
	memcpy(address, r->recipient, n);
	address[n] = '\0';
	r->recipient += n + (r->recipient[n] != '\0');
	say(r, "RCPT TO:<", address, ">\r\n");
	return true;
}

static void say_hello(struct release *r)
{
	say(r, "EHLO ", r->shared->settings.authserv_id, "\r\n");
	r->state = RELEASE_HELLO;
}

static int server_dial(struct release *r);

/* TLS did not come about: in the clear, unless that is not allowed. */
static void tls_failed(struct release *r)
{
	r->shared->count.tls_failed++;
	if (r->onward == ONWARD_REQUIRED) {
		release_done(r, false, SPAN_LIT("TLS is required, and failed"));
		return;
	}
	leg_abort(&r->server);
	r->no_tls = true;
	r->state = RELEASE_CONNECT;
	int error = server_dial(r);
	if (error < 0)
		release_done(r, false, span_str(strerror(-error)));
}

/* The EHLO reply: on to TLS where it is to be had, else to the envelope. */
static void hello_take(struct release *r, struct span text)
{
	if (!r->server.tls && !r->no_tls && r->onward != ONWARD_NONE &&
		offers(text, SPAN_LIT("STARTTLS"))) {
		r->state = RELEASE_STARTTLS;
		say(r, "STARTTLS\r\n", "", "");
	} else if (!r->server.tls && r->onward == ONWARD_REQUIRED) {
		release_done(
			r, false, SPAN_LIT("TLS is required, which the server does not offer"));
	} else {
		r->state = RELEASE_MAIL;
		say_mail(r, text);
	}
}

/* Bytes behind the 220 would be taken for what came under TLS (RFC 3207, section 6). */
static void tls_begin(struct release *r, const struct smtp_reply *reply)
{
	bool injected = leg_in(&r->server).n > reply->bytes;

	leg_consume(&r->server, reply->bytes);
	r->state = RELEASE_TLS;
	if (injected || reply->code != 220 ||
		!leg_tls(&r->server, tls_connect(&r->shared->tls, NULL)))
		tls_failed(r);
}

static bool tls_step(struct release *r)
{
	enum leg_handshake h = leg_handshake(&r->server);

	if (h == LEG_DONE) {
		r->shared->count.tls_server++;
		say_hello(r);
	} else if (h == LEG_FAILED) {
		tls_failed(r);
	}
	return h != LEG_WAIT;
}

/* What follows on the wanted reply of each state. */
static void reply_take(struct release *r, const struct smtp_reply *reply)
{
	struct span text = span_take(leg_in(&r->server), reply->bytes);
	unsigned wanted = r->state == RELEASE_DATA ? 3 : 2;

	if (reply->code / 100 != wanted) {
		release_done(r, false, text);
		return;
	}
	switch (r->state) {
	case RELEASE_BANNER:
		say_hello(r);
		break;
	case RELEASE_HELLO:
		hello_take(r, text);
		break;
	case RELEASE_MAIL:
	case RELEASE_RCPT:
		r->state = RELEASE_RCPT;
		if (say_rcpt(r))
			break;
		r->state = RELEASE_DATA;
		say(r, "DATA\r\n", "", "");
		break;
	case RELEASE_DATA:
		r->state = RELEASE_SEND;
		break;
	case RELEASE_FINAL:
		release_done(r, true, text);
		break;
	default:
		release_done(r, false, SPAN_LIT("the server speaks out of turn"));
	}
}

static bool reply_step(struct release *r)
{
	struct smtp_reply reply;
	enum smtp_parse parse = smtp_reply_parse(leg_in(&r->server), &reply);

	if (parse == SMTP_OK && r->state == RELEASE_STARTTLS) {
		tls_begin(r, &reply);
	} else if (parse == SMTP_OK) {
		reply_take(r, &reply);
		leg_consume(&r->server, reply.bytes);
	} else if (parse != SMTP_MORE) {
		release_done(r, false, SPAN_LIT("the server's reply makes no sense"));
	} else if (r->server.eof || r->server.dead) {
		release_done(r, false, SPAN_LIT("the server closed the connection"));
	} else {
		return false;
	}
	return true;
}

static bool send_step(struct release *r)
{
	struct iovec runs[OUTGOING_RUNS];

	if (leg_in(&r->server).n || r->server.eof || r->server.dead) {
		release_done(r, false, SPAN_LIT("the server ended the transmission"));
		return true;
	}
	if (outgoing_is_done(&r->outgoing)) {
		if (!leg_is_flushed(&r->server))
			return false;
		r->state = RELEASE_FINAL;
		return true;
	}
	int count = outgoing_runs(&r->outgoing, runs);
	size_t sent = r->server.blocked ? 0 : leg_sendv(&r->server, runs, count);
	outgoing_advance(&r->outgoing, runs, count, sent);
	return sent > 0;
}

static bool step(struct release *r)
{
	if (r->state == RELEASE_DONE || r->state == RELEASE_CONNECT)
		return false;
	bool any = r->state == RELEASE_SEND  ? send_step(r)
		   : r->state == RELEASE_TLS ? tls_step(r)
					     : reply_step(r);
	if (leg_has_more(&r->server))
		any |= leg_read(&r->server);
	return (leg_flush(&r->server) || any) && r->state != RELEASE_DONE;
}

static void release_pump(struct release *r)
{
	bool any = false;

	while (step(r))
		any = true;
	if (r->state == RELEASE_DONE) {
		/* The entry goes before its end is told: told twice is worse than kept twice. */
		if (r->delivered)
			quarantine_remove(r->shared->quarantine, r->entry.id);
		r->on_done(r->userdata, r->delivered, r->result);
		release_free(r);
		return;
	}
	if (any)
		sd_event_source_set_time_relative(r->timer, RELEASE_STEP_S * 1000000ull);
	if (r->server.fd >= 0) {
		leg_park(&r->server);
		leg_arm(&r->server);
	}
}

static void on_server(void *userdata, uint32_t events)
{
	struct release *r = userdata;
	int error = 0;
	socklen_t len = sizeof(error);

	if (events & EPOLLOUT)
		r->server.blocked = false;
	if (r->server.connecting) {
		getsockopt(r->server.fd, SOL_SOCKET, SO_ERROR, &error, &len);
		r->server.connecting = false;
		r->state = RELEASE_BANNER;
		if (error)
			release_done(r, false, span_str(strerror(error)));
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		leg_read(&r->server);
	}
	release_pump(r);
}

static void on_dialled(void *userdata, int fd)
{
	struct release *r = userdata;
	int error = fd < 0 ? fd : leg_open(&r->server, fd, true, on_server, r);

	if (error < 0)
		release_done(r, false, span_str(strerror(-error)));
	release_pump(r);
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct release *r = userdata;

	(void)timer;
	(void)usec;
	release_done(r, false, SPAN_LIT("the server did not answer in time"));
	release_pump(r);
	return 0;
}

static int message_open(struct release *r)
{
	static const struct findings none;
	_cleanup_close_ int fd = quarantine_message(r->shared->quarantine, &r->entry);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != r->entry.bytes || st.st_size == 0)
		return -EBADMSG;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r->map = map;
	r->text = span_of(map, (size_t)st.st_size);
	return outgoing_init(&r->outgoing, &none, r->text, false);
}

/* What holds for the server, or more for the domain of a recipient. */
static enum onward_tls onward_of(const struct settings *s, const struct quarantine_entry *e)
{
	struct endpoint server;
	enum onward_tls onward;

	if (!endpoint_parse(e->server, &server))
		return ONWARD_REQUIRED;
	onward = settings_onward(s, server.ip);
	for (const char *p = e->recipients; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char domain[ENVELOPE_ADDRESS_BYTES + 1];
		const char *at = memchr(p, '@', strcspn(p, "\n"));

		if (!at)
			continue;
		snprintf(domain, sizeof(domain), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
		if (settings_onward_domain(s, domain) == ONWARD_REQUIRED)
			return ONWARD_REQUIRED;
	}
	return onward;
}

static int server_dial(struct release *r)
{
	struct endpoint client = {0}, server;
	bool relay = r->entry.relay[0] != '\0';

	if (!endpoint_parse(r->entry.server, &server))
		return -EINVAL;
	snprintf(client.ip, sizeof(client.ip), "%s", relay ? r->entry.relay : r->entry.client);
	return dial_start(&r->shared->dialler, &r->dial, relay ? DIAL_RELAY : DIAL_TRANSPARENT,
		&client, &server, envelope_mark(r->entry.vlan));
}

int release_start(struct mail_shared *shared, struct quarantine_entry *entry, release_fn on_done,
	void *userdata)
{
	if (releases == RELEASES_MAX)
		return -EBUSY;
	struct release *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	releases++;
	r->shared = shared;
	r->entry = *entry;
	r->server.fd = r->server.source.fd = -1;
	r->recipient = r->entry.recipients;
	r->onward = onward_of(&shared->settings, entry);
	r->on_done = on_done;
	r->userdata = userdata;
	r->dial = (struct dial){.on_done = on_dialled, .userdata = r};
	int error = message_open(r);
	if (error >= 0)
		error = sd_event_add_time_relative(shared->event, &r->timer, CLOCK_MONOTONIC,
			RELEASE_STEP_S * 1000000ull, 0, on_timer, r);
	if (error >= 0)
		error = server_dial(r);
	if (error < 0) {
		r->entry = (struct quarantine_entry){0}; /* stays the caller's */
		release_free(r);
		return error;
	}
	*entry = (struct quarantine_entry){0};
	return 0;
}
