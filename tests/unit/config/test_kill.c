/*
 * configd is killed at random moments of 100 commits. After each start it runs the old
 * configuration or the new one, whole, and the new one if the commit had been answered. KILL_SEED
 * repeats a run.
 */
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "twin.h"

#define KILLS 100

static unsigned seed;

/* Lines that belong together: half of them would be a broken configuration. */
static char *lines_of(unsigned n)
{
	char *text = NULL;

	assert_true(asprintf(&text,
			    "set mail max-sessions %u\\nset mail max-message-bytes %u\\n"
			    "set mail idle-timeout %u\\nset inspection queues %u\\n",
			    1000 + n, 100000 + n, 100 + n, 1 + n % 16) > 0);
	return text;
}

static bool is_running(unsigned n)
{
	_cleanup_free_ char *applied = read_whole(path_run("applied"));
	char part[3][64];

	snprintf(part[0], 64, "max-sessions %u\n", 1000 + n);
	snprintf(part[1], 64, "max-message-bytes %u\n", 100000 + n);
	snprintf(part[2], 64, "idle-timeout %u\n", 100 + n);
	unsigned hits = 0;
	for (int i = 0; i < 3; i++)
		hits += strstr(applied, part[i]) != NULL;
	if (hits != 0 && hits != 3)
		fail_msg("half a configuration (seed %u):\n%s", seed, applied);
	return hits == 3;
}

/* A connection without a library in between, which would wait for the reply or make one of the
 * hang-up. */
static int raw_connect(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path_run("configd.varlink"));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void raw_send(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text) + 1), (ssize_t)strlen(text) + 1);
}

/* True when a whole reply came that is no error. */
static bool raw_reply(int fd)
{
	char text[8192];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) && (got = read(fd, text + n, sizeof(text) - n)) > 0) {
		n += (size_t)got;
		if (text[n - 1] == 0)
			return !strstr(text, "\"error\"");
	}
	return false;
}

/* Sends the commit, kills after a while, and says whether it was answered before. */
static bool commit_and_kill(unsigned n, unsigned delay_us, bool confirmed)
{
	_cleanup_free_ char *lines = lines_of(n), *load = NULL;
	struct timespec pause = {.tv_nsec = delay_us * 1000L};
	int fd = raw_connect();

	assert_true(asprintf(&load,
			    "{\"method\":\"io.sekisho.Config.Load\",\"parameters\":"
			    "{\"mode\":\"set\",\"text\":\"%s\"}}",
			    lines) > 0);
	raw_send(fd, load);
	assert_true(raw_reply(fd));
	raw_send(fd, confirmed ? "{\"method\":\"io.sekisho.Config.Commit\",\"parameters\":"
				 "{\"confirm_minutes\":5}}"
			       : "{\"method\":\"io.sekisho.Config.Commit\"}");
	nanosleep(&pause, NULL);
	server_stop(SIGKILL);
	bool answered = raw_reply(fd);
	close(fd);
	return answered;
}

/* How long an undisturbed commit takes, so that the kills fall into it. */
static unsigned commit_us(void)
{
	struct timespec a, b;
	sd_varlink *link = server_connect();

	call(link, "Set", "{\"path\":[\"mail\",\"max-sessions\"],\"value\":\"77\"}", NULL);
	clock_gettime(CLOCK_MONOTONIC, &a);
	call(link, "Commit", NULL, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	sd_varlink_unref(link);
	return (unsigned)((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
}

static void test_kills(void **state)
{
	const char *given = getenv("KILL_SEED");
	unsigned old = 0, taken = 0, answered = 0;

	(void)state;
	assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	if (given)
		seed = (unsigned)strtoul(given, NULL, 10);
	srandom(seed);
	server_start();
	unsigned span_us = commit_us() + 1;
	for (unsigned n = 1; n <= KILLS; n++) {
		bool confirmed = n % 4 == 0;
		bool was_answered =
			commit_and_kill(n, (unsigned)random() % (2 * span_us), confirmed);
		answered += was_answered;
		server_start();
		bool is_new = is_running(n);
		taken += is_new;
		if (!is_new && (was_answered || (old && !is_running(old))))
			fail_msg("commit %u, answered %d: neither it nor %u runs (seed %u)", n,
				was_answered, old, seed);
		/* the machine is busy or is not: about half of the kills shall come too soon */
		span_us = is_new ? span_us * 7 / 8 + 100 : span_us * 9 / 8;
		if (is_new)
			old = n;
		/* what waits for a confirmation is in the way of the next commit */
		if (is_new && confirmed) {
			sd_varlink *link = server_connect();
			const char *error;
			call(link, "Confirm", NULL, &error);
			assert_null(error);
			sd_varlink_unref(link);
		}
	}
	server_stop(SIGTERM);
	printf("%d kills around %u us: %u times the new configuration, %u of them answered; seed "
	       "%u\n",
		KILLS, span_us, taken, answered, seed);
	assert_true(taken > 0 && taken < KILLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};

	return cmocka_run_group_tests(tests, twin_prepare_folders, twin_finish);
}
