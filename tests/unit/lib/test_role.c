#include "lib/role.h"

#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

/* A link-time twin: a machine with the three groups. */
struct group *getgrnam(const char *name)
{
	static struct group g;

	g.gr_gid = strcmp(name, "sekisho-auditor") == 0    ? 914
		   : strcmp(name, "sekisho-operator") == 0 ? 913
							   : (gid_t)-1;
	return g.gr_gid == (gid_t)-1 ? NULL : &g;
}

static void test_role(void **state)
{
	static const struct {
		uid_t uid;
		gid_t groups[3];
		enum role want;
	} rows[] = {
		{0, {1, 2, 3}, ROLE_ADMIN},
		{5000, {1, 2, 3}, ROLE_NONE},
		{5000, {1, 914, 3}, ROLE_AUDITOR},
		{5000, {914, 913, 3}, ROLE_OPERATOR},
		{5000, {913, 914, 3}, ROLE_OPERATOR},
		/* sekisho-admin does not exist here: no number stands for it */
		{5000, {(gid_t)-1, 900, 914}, ROLE_AUDITOR},
	};

	(void)state;
	role_init();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(role_of(rows[i].uid, rows[i].groups, 3), rows[i].want);
	assert_int_equal(role_of(5000, NULL, 0), ROLE_NONE);
	assert_int_equal(role_of(geteuid(), NULL, 0), ROLE_ADMIN);
}

static void test_peer(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(role_of_peer(fds[0]), ROLE_ADMIN); /* our own user */
	assert_int_equal(role_of_peer(STDIN_FILENO), ROLE_NONE);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_role),
		cmocka_unit_test(test_peer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
