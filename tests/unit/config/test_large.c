/*
 * One setting changes in a configuration of 10,000 nodes: how long does the commit take, as the
 * command line sees it? Prints the figures; tests/bench/config.py measures properly. The time is no
 * pass or fail here, since a test machine is shared: only a commit that takes a processor out of
 * all proportion fails.
 */
#include <time.h>

#include "twin.h"

#define ADDRESSES 200
#define PREFIXES 48
#define COMMITS 10
#define OUT_OF_PROPORTION_MS 2000

static unsigned count_nodes(const struct lyd_node *siblings)
{
	const struct lyd_node *node;
	unsigned n = 0;

	LY_LIST_FOR(siblings, node)
	{
		n += 1 + count_nodes(lyd_child(node));
	}
	return n;
}

static char *large_text(void)
{
	struct text t;

	assert_int_equal(text_open(&t), 0);
	fputs("{\"interfaces\":{\"port\":[{\"name\":\"eth0\",\"side\":\"lan\"},{\"name\":\"eth1\","
	      "\"side\":\"wan\"}]},"
	      "\"zones\":{\"address\":[",
		t.out);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		fprintf(t.out, "%s{\"name\":\"host-%u\",\"prefix\":[", i ? "," : "", i);
		for (unsigned k = 0; k < PREFIXES; k++)
			fprintf(t.out, "%s\"10.%u.%u.0/24\"", k ? "," : "", i, k);
		fputs("]}", t.out);
	}
	fputs("],\"policy\":[", t.out);
	for (unsigned i = 0; i < ADDRESSES; i++)
		fprintf(t.out, "%s{\"name\":\"p%u\",\"source\":[\"host-%u\"],\"action\":\"drop\"}",
			i ? "," : "", i, i);
	fputs("]}}", t.out);
	return text_close(&t);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of another process: what a busy machine does not change. */
static double cpu_ms(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void test_one_leaf(void **state)
{
	_cleanup_free_ char *text = large_text();
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *load = NULL;
	struct lyd_node *tree = NULL;
	struct fault f = {0};
	double ms[COMMITS];
	char set[128];

	(void)state;
	assert_int_equal(tree_parse(&schema, text, TREE_JSON, &tree, &f), 0);
	unsigned nodes = count_nodes(tree);
	lyd_free_all(tree);
	assert_true(nodes >= 10000);
	server_start();
	sd_varlink *link = server_connect();
	assert_true(sd_json_buildo(&load, SD_JSON_BUILD_PAIR_STRING("text", text),
			    SD_JSON_BUILD_PAIR_STRING("mode", "replace")) >= 0);
	call_with(link, "Load", load, NULL);
	call(link, "Commit", NULL, NULL);
	double before = cpu_ms(server);
	for (unsigned i = 0; i < COMMITS; i++) {
		snprintf(set, sizeof(set),
			"{\"path\":[\"mail\",\"idle-timeout\"],\"value\":\"%u\"}", 100 + i);
		double start = now_ms();
		call(link, "Set", set, NULL);
		call(link, "Commit", NULL, NULL);
		ms[i] = now_ms() - start;
	}
	double cpu = cpu_ms(server) - before;
	sd_varlink_unref(link);
	server_stop(SIGTERM);
	qsort(ms, COMMITS, sizeof(*ms), by_size);
	double p95 = ms[COMMITS * 95 / 100];
	printf("a commit of one setting in %u nodes: median %.0f ms, p95 %.0f ms, largest %.0f ms; "
	       "%.0f ms of CPU\n",
		nodes, ms[COMMITS / 2], p95, ms[COMMITS - 1], cpu / COMMITS);
	assert_true(cpu / COMMITS < OUT_OF_PROPORTION_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_leaf)};

	return cmocka_run_group_tests(tests, twin_prepare_folders, twin_finish);
}
