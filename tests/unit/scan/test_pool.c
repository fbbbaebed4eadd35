/* The workers as maild sees them: real processes, in their sandbox, behind a real socket. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "sample.h"
#include "scan/pool.h"

static char folder[] = "/tmp/test-pool-XXXXXX";
static char socket_path[64], database[64];
static sd_event *event;
static struct pool pool;
static struct settings settings;
static struct scan_counters *counters;
static struct engine *engine;

static struct engine *engine_make(void)
{
	const char *dirs[] = {database};
	struct engine *e = NULL;
	char *why = NULL;

	assert_int_equal(engine_load(dirs, 1, 1, folder, &settings.engine, &e, &why), 0);
	return e;
}

static int listen_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, socket_path);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 16), errno);
	return fd;
}

/* One call; fd below 0 sends none. The result word, the error's name, or "" when the connection
 * closed. */
static const char *call(int fd, const char *method)
{
	static char answer[128];
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	sd_json_variant *reply = NULL;
	const char *error = NULL;

	assert_return_code(sd_varlink_connect_address(&link, socket_path), errno);
	sd_varlink_set_allow_fd_passing_output(link, true);
	if (fd >= 0)
		assert_return_code(sd_varlink_push_fd(link, fd), errno);
	if (sd_varlink_call(link, method, NULL, &reply, &error) < 0)
		return "";
	sd_json_variant *result = sd_json_variant_by_key(reply, "result");
	snprintf(answer, sizeof(answer), "%s",
		error    ? error
		: result ? sd_json_variant_string(result)
			 : "?");
	return answer;
}

static const char *scan(const char *p, size_t n)
{
	return call(sample_fd(p, n), "io.sekisho.Scan.Scan");
}

static void test_calls(void **state)
{
	char mail[4096];
	size_t n = sample_mail(mail, sizeof(mail), EICAR);
	int unsealed = memfd_create("open", MFD_CLOEXEC);

	(void)state;
	assert_string_equal(scan("hello", 5), "clean");
	assert_string_equal(scan(mail, n), "infected");
	assert_string_equal(call(-1, "io.sekisho.Scan.Scan"), "io.sekisho.Scan.Refused");
	assert_string_equal(call(unsealed, "io.sekisho.Scan.Scan"), "io.sekisho.Scan.Refused");
	assert_string_equal(
		call(-1, "io.sekisho.Scan.Other"), "org.varlink.service.MethodNotFound");
	assert_int_equal(counters->by_result[SCAN_CLEAN], 1);
	assert_int_equal(counters->by_result[SCAN_INFECTED], 1);
}

/* A silent connection occupies one worker; the next call is answered by another at once. */
static void test_silent_client(void **state)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *silent = NULL;

	(void)state;
	assert_return_code(sd_varlink_connect_address(&silent, socket_path), errno);
	assert_string_equal(scan("hello", 5), "clean");
}

static unsigned children(void)
{
	return pool_workers(&pool, LANE_SMALL) + pool_workers(&pool, LANE_LARGE);
}

/* Turns the loop until the first child is another one, or there are none. */
static void settle(pid_t other_than, unsigned want)
{
	for (int i = 0; i < 200; i++) {
		if (children() == want && (want == 0 || pool.children[0].pid != other_than))
			return;
		assert_return_code(sd_event_run(event, 100000), errno);
	}
	fail_msg("the pool did not settle");
}

static void test_crash(void **state)
{
	unsigned all = pool.wanted[LANE_SMALL] + pool.wanted[LANE_LARGE];

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		pid_t dead = pool.children[0].pid;
		kill(dead, SIGKILL);
		settle(dead, all);
		assert_int_equal(counters->crashes, i);
		assert_string_equal(scan("hello", 5), "clean");
	}
}

/* A large message goes to the other lane, and the answer comes back all the same. */
static void test_large(void **state)
{
	size_t n = settings.small_bytes + 1;
	char *big = malloc(n);
	uint64_t before = counters->passed_on;

	(void)state;
	memset(big, 'a', n);
	memcpy(big, "A: b\n\n", 6);
	assert_string_equal(scan(big, n), "clean");
	memcpy(big + n - sizeof(EICAR) + 1, EICAR, sizeof(EICAR) - 1);
	assert_string_equal(scan(big, n), "infected");
	assert_int_equal(counters->passed_on, before + 2);
	free(big);
}

static void test_settings_hold(void **state)
{
	(void)state;
	assert_int_equal(pool.wanted[LANE_SMALL], 3);
	assert_int_equal(pool.wanted[LANE_LARGE], 2);
	assert_int_equal(children(), 5);
	assert_int_equal(counters->workers, 5);
}

static int setup(void **state)
{
	char path[128];
	sigset_t child;

	(void)state;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	if (!mkdtemp(folder) || engine_init() < 0 || sd_event_default(&event) < 0)
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
	snprintf(database, sizeof(database), "%s/db", folder);
	mkdir(database, 0700);
	snprintf(path, sizeof(path), "%s/test.ndb", database);
	FILE *f = fopen(path, "w");
	fprintf(f, "Eicar-Test-Signature:0:*:");
	for (const char *p = EICAR; *p; p++)
		fprintf(f, "%02x", (unsigned char)*p);
	fprintf(f, "\n");
	fclose(f);
	settings_defaults(&settings);
	settings.workers = 3;
	counters = mmap(
		NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	engine = engine_make();
	const struct worker worker = {
		.engine = engine, .database = "first", .settings = &settings, .counters = counters};
	return pool_start(&pool, event, listen_socket(), folder, &worker);
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	pool_stop(&pool);
	settle(0, 0);
	engine_free(engine);
	munmap(counters, sizeof(*counters));
	snprintf(path, sizeof(path), "%s/test.ndb", database);
	unlink(path);
	rmdir(database);
	unlink(socket_path);
	pool_fini(&pool);
	sd_event_unref(event);
	return rmdir(folder); /* fails if a worker left something behind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_silent_client),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_settings_hold),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
