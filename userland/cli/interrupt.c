#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t flag;

static void on_signal(int number)
{
	(void)number;
	flag = 1;
}

void interrupt_init(bool interactive)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!interactive)
		return;
	/* A login shell: the terminal's keys must not end or stop it. */
	signal(SIGTSTP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

void interrupt_clear(void)
{
	flag = 0;
}

bool interrupted(void)
{
	return flag != 0;
}

void interrupt_raise(void)
{
	flag = 1;
}
