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
	const void *bytes; /* the message: one of the two below */
	size_t bytes_n;
	void *map, *copy;
	struct evaluator *evaluator;
	struct dns_table *dns;
	struct resolve_batch *batch;
	sd_event *event; /* not owned */
	/* the next step, when enabled; more of the body, when nothing else is to do; the end of
	 * patience with DNS. Most mails, small and of a known sender, need none of them. */
	sd_event_source *step_source, *read_source, *deadline_source;
	unsigned rounds;
	bool is_waiting; /* for the body */
};

/* What a mapping costs in page faults is more than copying so little. */
static int message_copy(struct job *j, int fd)
{
	ssize_t n;

	j->copy = malloc(j->bytes_n + 1);
	if (!j->copy)
		return -ENOMEM;
	n = pread(fd, j->copy, j->bytes_n, 0);
	if (n < 0 || (size_t)n != j->bytes_n) /* sealed: it cannot be shorter now */
		return n < 0 ? -errno : -EIO;
	j->bytes = j->copy;
	return 0;
}

static int message_map(struct job *j, int fd)
{
	void *map = mmap(NULL, j->bytes_n, PROT_READ, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	j->map = map;
	j->bytes = map;
	return 0;
}

static int message_open(struct job *j, int fd)
{
	const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	bool has_none = seals < 0 && errno == EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* A message too large for memory: a file without a name, of which only maild can write. */
	bool on_disk = has_none && S_ISREG(st.st_mode) && st.st_nlink == 0;
	if (!on_disk && (seals < 0 || (seals & wanted) != wanted))
		return -EBADF;
	if (st.st_size > (off_t)JOB_MESSAGE_BYTES_MAX)
		return -EFBIG;
	j->bytes_n = (size_t)st.st_size;
	return j->bytes_n <= JOB_COPY_BYTES ? message_copy(j, fd) : message_map(j, fd);
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
	sd_event_source_set_enabled(j->step_source, SD_EVENT_ONESHOT);
}

static void on_answers(void *ctx)
{
	wake(ctx);
}

bool job_hurry(struct job *j)
{
	if (!j->batch || !dns_is_open(j->dns))
		return false;
	resolve_cancel(j->batch);
	j->batch = NULL;
	dns_table_close(j->dns);
	wake(j);
	return true;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct job *j = userdata;

	(void)s;
	(void)usec;
	job_hurry(j);
	return 0;
}

static void step(struct job *j);

static int on_step(sd_event_source *s, void *userdata)
{
	(void)s;
	step(userdata);
	return 0;
}

/* A portion of the body, then whoever else has something to do. */
static int on_read(sd_event_source *s, void *userdata)
{
	struct job *j = userdata;

	if (!evaluator_read(j->evaluator, JOB_READ_BYTES))
		return 0;
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (j->is_waiting)
		step(j);
	return 0;
}

static int read_later(struct job *j)
{
	int r = sd_event_add_defer(j->event, &j->read_source, on_read, j);

	if (r >= 0)
		r = sd_event_source_set_priority(j->read_source, SD_EVENT_PRIORITY_IDLE);
	return r < 0 ? r : sd_event_source_set_enabled(j->read_source, SD_EVENT_ON);
}

/* What a job needs only when it has to wait for DNS. */
static int wait_init(struct job *j)
{
	int r;

	if (j->deadline_source)
		return 0;
	r = sd_event_add_defer(j->event, &j->step_source, on_step, j);
	if (r >= 0)
		r = sd_event_source_set_enabled(j->step_source, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(j->event, &j->deadline_source, CLOCK_MONOTONIC,
			JOB_DEADLINE_S * UINT64_C(1000000), 0, on_deadline, j);
	return r;
}

/* False: all is answered already, or failed and the table is closed. */
static bool ask(struct job *j)
{
	int r = -ENOTCONN;

	resolve_cancel(j->batch);
	j->batch = NULL;
	if (++j->rounds <= EVALUATE_ROUNDS_MAX && j->resolver)
		r = resolve_start(j->resolver, j->dns, on_answers, j, &j->batch);
	if (r > 0 && wait_init(j) >= 0)
		return true;
	if (r == 0)
		return false;
	resolve_cancel(j->batch);
	j->batch = NULL;
	dns_table_close(j->dns);
	return false;
}

/* Goes on until something is to be waited for, or to the end, where the job is gone. */
static void step(struct job *j)
{
	for (;;) {
		switch (evaluator_step(j->evaluator, j->dns)) {
		case EVALUATE_ASK:
			if (ask(j))
				return;
			break;
		case EVALUATE_READ:
			j->is_waiting = true;
			return;
		case EVALUATE_DONE:
			j->request.done(j, evaluator_result(j->evaluator), j->request.ctx);
			return;
		}
	}
}

static int job_init(struct job *j, int fd)
{
	int r = message_open(j, fd);

	if (r >= 0)
		r = copy_strings(j);
	if (r < 0)
		return r;
	j->evaluator = evaluator_new(&(struct evaluate_request){
		.bytes = span_of(j->bytes, j->bytes_n),
		.envelope = j->request.envelope,
		.authserv_id = j->request.authserv_id,
		.judge = j->request.judge,
	});
	j->dns = dns_table_new();
	if (!j->evaluator || !j->dns)
		return -ENOMEM;
	return evaluator_read(j->evaluator, JOB_READ_BYTES) ? 0 : read_later(j);
}

int job_start(sd_event *event, struct resolver *resolver, const struct job_request *request,
	struct job **ret)
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->request = *request;
	j->event = event;
	j->resolver = resolver ? resolver_ref(resolver) : NULL;
	r = job_init(j, request->fd);
	if (r < 0) {
		job_free(j);
		return r;
	}
	*ret = j;
	step(j);
	return 0;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	resolve_cancel(j->batch);
	resolver_unref(j->resolver);
	sd_event_source_disable_unref(j->step_source);
	sd_event_source_disable_unref(j->read_source);
	sd_event_source_disable_unref(j->deadline_source);
	evaluator_free(j->evaluator);
	dns_table_free(j->dns);
	if (j->map)
		munmap(j->map, j->bytes_n);
	free(j->copy);
	for (size_t i = 0; i < sizeof(j->strings) / sizeof(*j->strings); i++)
		free(j->strings[i]);
	free(j);
}
