/* io.sekisho.Config as the command line meets it: two administrators, confirmations, rollbacks,
 * imports. */
#include "twin.h"

#define SECRET "$y$j9T$abcdefghijklmnopqrstuvwxyz"

static void set(sd_varlink *link, const char *path, const char *value)
{
	char parameters[512];

	snprintf(parameters, sizeof(parameters), "{\"path\":%s,\"value\":\"%s\"}", path, value);
	call(link, "Set", parameters, NULL);
}

static const char *reply_str(
	sd_varlink *link, const char *method, const char *parameters, const char *key)
{
	const char *text = config_str(call(link, method, parameters, NULL), key);

	return text ? text : "";
}

static void check_applied(const char *has, const char *has_not)
{
	_cleanup_free_ char *text = read_whole(path_run("applied"));

	if ((has && !strstr(text, has)) || (has_not && strstr(text, has_not)))
		fail_msg("applied:\n%s", text);
}

static bool has_event(const char *what)
{
	_cleanup_free_ char *text = read_whole(path_data("log/configd/eve.json"));

	return strstr(text, what);
}

#define QUEUES "[\"inspection\",\"queues\"]"
#define IDLE "[\"mail\",\"idle-timeout\"]"

static void test_two_administrators(void **state)
{
	sd_varlink *a, *b;
	const char *error;

	(void)state;
	server_start();
	a = server_connect();
	b = server_connect();
	set(a, QUEUES, "2");
	set(b, IDLE, "60");
	assert_string_equal(reply_str(a, "Compare", NULL, "diff"), "set inspection queues 2\n");
	assert_string_equal(
		reply_str(a, "Commit", "{\"comment\":\"more queues\",\"from\":\"ttyS0\"}", "diff"),
		"set inspection queues 2\n");
	assert_true(has_event("\"source\":\"ttyS0\",\"serial\":1,\"comment\":\"more queues\""));
	call(b, "Commit", NULL, &error);
	assert_string_equal(error, "Conflict");
	assert_true(config_bool(call(b, "Status", NULL, NULL), "conflict"));
	assert_string_equal(reply_str(b, "Update", NULL, "diff"), "set mail idle-timeout 60\n");
	assert_string_equal(reply_str(b, "Commit", NULL, "diff"), "set mail idle-timeout 60\n");
	check_applied("set inspection queues 2", NULL);
	check_applied("set mail idle-timeout 60", NULL);
	assert_false(config_bool(call(b, "Commit", NULL, NULL), "changed"));
	sd_varlink_unref(a);
	sd_varlink_unref(b);
	server_stop(SIGTERM);
}

static void test_update_that_cannot(void **state)
{
	sd_varlink *a, *b;
	const char *error;

	(void)state;
	server_start();
	a = server_connect();
	b = server_connect();
	call(a, "Delete", "{\"path\":[\"inspection\",\"queues\"]}", NULL);
	call(b, "Delete", "{\"path\":[\"inspection\",\"queues\"]}", NULL);
	call(a, "Commit", NULL, NULL);
	call(b, "Update", NULL, &error);
	assert_string_equal(error, "Invalid");
	assert_string_equal(reply_str(b, "Compare", NULL, "diff"), "");
	call(b, "Discard", NULL, NULL);
	sd_varlink_unref(a);
	sd_varlink_unref(b);
	server_stop(SIGTERM);
}

static void test_failures(void **state)
{
	static const struct {
		size_t flag;
		const char *why;
	} rows[] = {
		{offsetof(struct twin, refuse_prepare), "nftables: the test refuses to prepare"},
		{offsetof(struct twin, refuse_apply), "network: the test refuses to apply"},
		{offsetof(struct twin, refuse_probe), "nftables: the test finds it dead"},
	};
	sd_varlink *link;
	const char *error;

	(void)state;
	server_start();
	link = server_connect();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool *flag = (bool *)((char *)twin + rows[i].flag);
		set(link, QUEUES, "7");
		*flag = true;
		sd_json_variant *reply = call(link, "Commit", NULL, &error);
		assert_string_equal(error, "Failed");
		assert_string_equal(config_str(reply, "why"), rows[i].why);
		*flag = false;
		check_applied(NULL, "queues 7");
		assert_int_not_equal(access(path_data("config/pending.json"), F_OK), 0);
		assert_string_equal(
			reply_str(link, "Compare", NULL, "diff"), "set inspection queues 7\n");
		call(link, "Discard", NULL, NULL);
	}
	sd_varlink_unref(link);
	server_stop(SIGTERM);
}

static void test_confirm(void **state)
{
	sd_varlink *link;
	const char *error;

	(void)state;
	server_start();
	link = server_connect();
	call(link, "Confirm", NULL, &error);
	assert_string_equal(error, "NothingPending");
	set(link, QUEUES, "5");
	call(link, "Commit", "{\"confirm_minutes\":1441}", &error);
	assert_string_equal(error, "Invalid");
	sd_json_variant *reply = call(link, "Commit", "{\"confirm_minutes\":5}", NULL);
	uint64_t seconds = sd_json_variant_unsigned(config_at(reply, "confirm_seconds"));
	assert_true(seconds > 290 && seconds <= 300);
	assert_string_equal(reply_str(link, "Status", NULL, "source"), "pending");
	set(link, IDLE, "99");
	call(link, "Commit", NULL, &error);
	assert_string_equal(error, "ConfirmPending");
	call(link, "Discard", NULL, NULL);
	sd_varlink_unref(link);
	/* configd dies: the clock goes on, the commit with it */
	server_stop(SIGKILL);
	server_start();
	link = server_connect();
	assert_string_equal(reply_str(link, "Status", NULL, "source"), "pending");
	check_applied("set inspection queues 5", NULL);
	reply = call(link, "Commit", NULL, NULL);
	assert_true(config_bool(reply, "confirmed"));
	assert_true(has_event("\"action\":\"confirm\""));
	sd_varlink_unref(link);
	server_stop(SIGKILL);
	server_start();
	link = server_connect();
	assert_string_equal(reply_str(link, "Status", NULL, "source"), "startup");
	check_applied("set inspection queues 5", NULL);
	sd_varlink_unref(link);
	server_stop(SIGTERM);
}

/* The file's deadline is moved instead of the clock: the box is cut off and comes back later, or
 * another time. */
static void expire(const char *what, const char *by)
{
	char *text = read_whole(path_data("config/pending.json"));
	char *at = strstr(text, what);
	struct record r;
	const char *body;

	assert_non_null(at);
	memcpy(at + strlen(what), by, strlen(by));
	assert_true(record_parse(text, strlen(text), &r, &body));
	write_whole(path_data("config/pending.json"), text);
	free(text);
}

static void test_not_confirmed(void **state)
{
	static const struct {
		const char *what, *by;
	} rows[] = {
		{"\"deadline_us\":", "1"}, /* so that it begins with 1 and is shorter: passed */
		{"\"boot\":\"", "0123456789abcdef0123456789abcdef"},
	};
	sd_varlink *link;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		server_start();
		link = server_connect();
		set(link, QUEUES, "9");
		call(link, "Commit", "{\"confirm_minutes\":1}", NULL);
		check_applied("set inspection queues 9", NULL);
		sd_varlink_unref(link);
		server_stop(SIGKILL);
		if (i == 0) {
			char *text = read_whole(path_data("config/pending.json"));
			char *digits = strstr(text, rows[i].what) + strlen(rows[i].what);
			memset(digits, '0', strspn(digits, "0123456789"));
			digits[0] = ' ';
			memset(digits + 1, ' ', strspn(digits + 1, "0") - 1);
			write_whole(path_data("config/pending.json"), text);
			free(text);
		} else {
			expire(rows[i].what, rows[i].by);
		}
		server_start();
		link = server_connect();
		check_applied("set inspection queues 5", NULL);
		assert_string_equal(reply_str(link, "Status", NULL, "source"), "startup");
		sd_json_variant *alarms = config_at(call(link, "Status", NULL, NULL), "alarms");
		assert_int_equal(sd_json_variant_elements(alarms), 1);
		assert_true(has_event("\"action\":\"revert\""));
		sd_varlink_unref(link);
		server_stop(SIGTERM);
	}
}

/* The deadline passes while configd waits. */
static void test_deadline(void **state)
{
	sd_varlink *link;

	(void)state;
	server_start();
	link = server_connect();
	set(link, QUEUES, "8");
	call(link, "Commit", "{\"confirm_minutes\":1}", NULL);
	sd_varlink_unref(link);
	server_stop(SIGKILL);
	struct record r;
	const char *body;
	char *text = read_whole(path_data("config/pending.json"));
	assert_true(record_parse(text, strlen(text), &r, &body));
	record_set_deadline(&r, 2);
	char *sooner = record_print(&r, body);
	write_whole(path_data("config/pending.json"), sooner);
	free(sooner);
	free(text);
	server_start();
	link = server_connect();
	assert_string_equal(reply_str(link, "Status", NULL, "source"), "pending");
	for (int i = 0;
		i < 500 && strcmp(reply_str(link, "Status", NULL, "source"), "pending") == 0; i++)
		usleep(20000);
	assert_string_equal(reply_str(link, "Status", NULL, "source"), "startup");
	check_applied("set inspection queues 5", NULL);
	assert_int_not_equal(access(path_data("config/pending.json"), F_OK), 0);
	sd_varlink_unref(link);
	server_stop(SIGTERM);
}

static void test_rollback(void **state)
{
	sd_varlink *link;
	const char *error;

	(void)state;
	server_start();
	link = server_connect();
	set(link, QUEUES, "3");
	call(link, "Commit", "{\"comment\":\"three\"}", NULL);
	set(link, QUEUES, "4");
	call(link, "Commit", "{\"comment\":\"four\"}", NULL);
	sd_json_variant *list = config_at(call(link, "History", NULL, NULL), "commits");
	assert_string_equal(config_str(sd_json_variant_by_index(list, 0), "comment"), "four");
	assert_string_equal(config_str(sd_json_variant_by_index(list, 1), "comment"), "three");
	assert_string_equal(reply_str(link, "Compare", "{\"rollback\":1}", "diff"),
		"set inspection queues 4\n");
	assert_string_equal(
		reply_str(link, "Rollback", "{\"number\":1}", "diff"), "set inspection queues 3\n");
	call(link, "Commit", NULL, NULL);
	check_applied("set inspection queues 3", NULL);
	set(link, QUEUES, "6");
	assert_string_equal(
		reply_str(link, "Rollback", "{\"number\":0}", "diff"), "set inspection queues 3\n");
	assert_string_equal(reply_str(link, "Compare", NULL, "diff"), "");
	assert_false(config_bool(call(link, "Status", NULL, NULL), "dirty"));
	sd_json_variant *reply = call(link, "Rollback", "{\"number\":49}", &error);
	assert_string_equal(error, "Invalid");
	assert_non_null(strstr(config_str(reply, "accepted"), "0.."));
	sd_varlink_unref(link);
	server_stop(SIGTERM);
}

static void test_load_and_export(void **state)
{
	sd_varlink *link;
	const char *error;

	(void)state;
	server_start();
	link = server_connect();
	set(link, "[\"system\",\"user\",\"admin\",\"password-hash\"]", SECRET);
	set(link, "[\"system\",\"dns-server\"]", "192.0.2.1");
	set(link, "[\"system\",\"dns-server\"]", "192.0.2.2");
	call(link, "Insert",
		"{\"path\":[\"system\",\"dns-server\",\"192.0.2.2\"],\"before\":\"192.0.2.1\"}",
		NULL);
	call(link, "Commit", NULL, NULL);
	char *export = strdup(reply_str(link, "Export", NULL, "text"));
	assert_null(strstr(export, "$y$"));
	assert_non_null(strstr(export, "192.0.2.2"));
	assert_null(strstr(reply_str(link, "Get", "{}", "text"), "$y$"));
	assert_non_null(strstr(reply_str(link, "Get", "{\"secrets\":true}", "text"), SECRET));
	/* importing what was exported changes nothing, secrets included */
	sd_json_variant *parameters = NULL, *reply = NULL;
	assert_true(sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("text", export),
			    SD_JSON_BUILD_PAIR_STRING("mode", "replace")) >= 0);
	assert_true(
		sd_varlink_call(link, "io.sekisho.Config.Load", parameters, &reply, &error) >= 0);
	assert_null(error);
	assert_string_equal(config_str(reply, "changes"), "");
	sd_json_variant_unref(parameters);
	free(export);
	assert_string_equal(reply_str(link, "Load",
				    "{\"mode\":\"merge\",\"text\":\"{\\\"mail\\\":{\\\"virus\\\":"
				    "\\\"accept\\\"}}\"}",
				    "changes"),
		"set mail virus accept\n");
	assert_string_equal(
		reply_str(link, "Load", "{\"mode\":\"set\",\"text\":\"delete mail virus\\n\"}",
			"changes"),
		"delete mail virus\n");
	reply = call(link, "Load",
		"{\"mode\":\"set\",\"text\":\"set mail virus accept\\nset mail virus x\\n\"}",
		&error);
	assert_string_equal(error, "Invalid");
	assert_non_null(strstr(config_str(reply, "why"), "line 2"));
	assert_string_equal(reply_str(link, "Compare", NULL, "diff"), "");
	call(link, "Load", "{\"mode\":\"forget\",\"text\":\"x\"}", &error);
	assert_string_equal(error, "Invalid");
	call(link, "Load", "{\"mode\":\"merge\",\"text\":\"{\\\"mail\\\":7}\"}", &error);
	assert_string_equal(error, "Invalid");
	sd_varlink_unref(link);
	server_stop(SIGTERM);
}

static void test_too_many_sessions(void **state)
{
	sd_varlink *links[SESSIONS_MAX + 1];
	const char *error = NULL;

	(void)state;
	server_start();
	for (int i = 0; i <= SESSIONS_MAX; i++) {
		links[i] = server_connect();
		call(links[i], "Compare", NULL, &error);
		assert_int_equal(error != NULL, i == SESSIONS_MAX);
	}
	assert_string_equal(error, "TooManySessions");
	for (int i = 0; i <= SESSIONS_MAX; i++)
		sd_varlink_unref(links[i]);
	server_stop(SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_administrators),
		cmocka_unit_test(test_update_that_cannot),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_confirm),
		cmocka_unit_test(test_not_confirmed),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_load_and_export),
		cmocka_unit_test(test_too_many_sessions),
	};
	return cmocka_run_group_tests(tests, twin_prepare_folders, twin_finish);
}
