#include "mail/dial.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

static const char *dial_address(void)
{
	static const char *address; /* path_run() results live until the process ends */

	if (!address)
		address = path_run("dial.varlink");
	return address;
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	struct dial *d = userdata;
	int fd;

	(void)flags;
	if (error)
		fd = sd_varlink_error_to_errno(error, parameters);
	else
		fd = sd_varlink_take_fd(link, 0);
	d->link = NULL;
	sd_varlink_close_unref(link);
	d->on_done(d->userdata, fd);
	return 0;
}

int dial_start(struct dial *d, sd_event *event, const struct endpoint *source,
	const struct endpoint *destination)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	int r = sd_varlink_connect_address(&link, dial_address());

	if (r < 0)
		return r;
	sd_varlink_set_userdata(link, d);
	sd_varlink_set_relative_timeout(link, DIAL_TIMEOUT_S * 1000000ull);
	if ((r = sd_varlink_set_allow_fd_passing_input(link, true)) < 0 ||
		(r = sd_varlink_bind_reply(link, on_reply)) < 0 ||
		(r = sd_varlink_attach_event(link, event, SD_EVENT_PRIORITY_NORMAL)) < 0)
		return r;
	r = sd_varlink_invokebo(link, "io.sekisho.MailDial.Dial",
		SD_JSON_BUILD_PAIR_STRING("source", source->ip),
		SD_JSON_BUILD_PAIR_UNSIGNED("source_port", source->port),
		SD_JSON_BUILD_PAIR_STRING("destination", destination->ip),
		SD_JSON_BUILD_PAIR_UNSIGNED("destination_port", destination->port));
	if (r < 0)
		return r;
	d->link = take_ptr(link);
	return 0;
}

void dial_stop(struct dial *d)
{
	d->link = sd_varlink_close_unref(d->link);
}

static int beat_send(struct dial_beat *b, sd_event *event)
{
	int r = b->link ? sd_varlink_send(b->link, "io.sekisho.MailDial.Beat", NULL) : -ENOTCONN;

	if (r >= 0)
		return r;
	b->link = sd_varlink_close_unref(b->link);
	r = sd_varlink_connect_address(&b->link, dial_address());
	if (r >= 0)
		r = sd_varlink_attach_event(b->link, event, SD_EVENT_PRIORITY_NORMAL);
	return r < 0 ? r : sd_varlink_send(b->link, "io.sekisho.MailDial.Beat", NULL);
}

static int on_beat(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct dial_beat *b = userdata;
	int r = beat_send(b, sd_event_source_get_event(timer));

	(void)usec;
	if (r < 0 && !b->lost)
		log_warning("maildial does not take the beat: %s", strerror(-r));
	else if (r >= 0 && b->lost)
		log_info("maildial takes the beat again");
	b->lost = r < 0;
	sd_event_source_set_time_relative(timer, DIAL_BEAT_MS * 1000ull);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int dial_beat_start(struct dial_beat *b, sd_event *event)
{
	return sd_event_add_time_relative(event, &b->timer, CLOCK_MONOTONIC, 0, 0, on_beat, b);
}

void dial_beat_stop(struct dial_beat *b)
{
	b->timer = sd_event_source_disable_unref(b->timer);
	b->link = sd_varlink_close_unref(b->link);
}
