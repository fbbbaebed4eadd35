#include "mailauth/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

struct job {
	struct job_request request;
	char *strings[5]; /* what request points at */
	struct resolver *resolver;
	void *map;
	size_t map_n;
	struct message message;
	struct dns_table *dns;
	struct resolve_batch *batch;
	sd_event_source *step;
	sd_event_source *deadline;
	unsigned rounds;
	struct evaluation evaluation;
};

static int message_map(struct job *j, int fd)
{
	const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & wanted) != wanted)
		return -EBADF;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > (off_t)JOB_MESSAGE_BYTES_MAX)
		return -EFBIG;
	j->map_n = (size_t)st.st_size;
	if (j->map_n == 0)
		return 0;
	j->map = mmap(NULL, j->map_n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (j->map != MAP_FAILED)
		return 0;
	j->map = NULL;
	return -errno;
}

static int copy_strings(struct job *j)
{
	struct envelope *e = &j->request.envelope;
	const char **fields[] = {
		&e->ip, &e->helo, &e->mail_from, &e->receiver, &j->request.authserv_id};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		j->strings[i] = strdup(*fields[i]);
		if (!j->strings[i])
			return -ENOMEM;
		*fields[i] = j->strings[i];
	}
	return 0;
}

static void wake(struct job *j)
{
	sd_event_source_set_enabled(j->step, SD_EVENT_ONESHOT);
}

static void on_answers(void *ctx)
{
	wake(ctx);
}

/* False: nobody was asked, the table is closed or failed. */
static bool ask(struct job *j)
{
	resolve_cancel(j->batch);
	j->batch = NULL;
	if (++j->rounds > EVALUATE_ROUNDS_MAX || !j->resolver ||
		resolve_start(j->resolver, j->dns, on_answers, j, &j->batch) < 0) {
		dns_table_close(j->dns);
		return false;
	}
	return dns_is_open(j->dns);
}

static int on_step(sd_event_source *s, void *userdata)
{
	struct job *j = userdata;

	(void)s;
	while (!evaluate(
		j->dns, &j->message, &j->request.envelope, j->request.authserv_id, &j->evaluation))
		if (ask(j))
			return 0;
	j->request.done(j, &j->evaluation, j->request.ctx);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct job *j = userdata;

	(void)s;
	(void)usec;
	resolve_cancel(j->batch);
	j->batch = NULL;
	dns_table_close(j->dns);
	wake(j);
	return 0;
}

static int job_init(struct job *j, sd_event *event, int fd)
{
	int r = message_map(j, fd);

	if (r >= 0)
		r = copy_strings(j);
	if (r < 0)
		return r;
	message_read(&j->message, span_of(j->map, j->map_n));
	j->dns = dns_table_new();
	if (!j->dns)
		return -ENOMEM;
	r = sd_event_add_defer(event, &j->step, on_step, j);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &j->deadline, CLOCK_MONOTONIC,
			JOB_DEADLINE_S * UINT64_C(1000000), 0, on_deadline, j);
	return r;
}

int job_start(sd_event *event, struct resolver *resolver, const struct job_request *request,
	struct job **ret)
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->request = *request;
	j->resolver = resolver ? resolver_ref(resolver) : NULL;
	r = job_init(j, event, request->fd);
	if (r < 0) {
		job_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	resolve_cancel(j->batch);
	resolver_unref(j->resolver);
	sd_event_source_disable_unref(j->step);
	sd_event_source_disable_unref(j->deadline);
	dns_table_free(j->dns);
	if (j->map)
		munmap(j->map, j->map_n);
	for (size_t i = 0; i < sizeof(j->strings) / sizeof(*j->strings); i++)
		free(j->strings[i]);
	free(j);
}
