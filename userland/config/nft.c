#include "config/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define WHY_BYTES 256

static void child(const char *text, int why_fd)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!nft)
		_exit(1);
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, text) == 0)
		_exit(0);
	/* The first line says what; the rest draws where, in a text that nobody sees. */
	const char *error = nft_ctx_get_error_buffer(nft);
	size_t n = strcspn(error, "\n");
	if (write(why_fd, error, n < WHY_BYTES ? n : WHY_BYTES - 1) < 0)
		_exit(2);
	_exit(1);
}

/* Until the child has closed its end, or the time is over. */
static size_t why_read(int fd, pid_t pid, char why[WHY_BYTES])
{
	time_t end = time(NULL) + NFT_LOAD_S;
	size_t have = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, 1000);
		sd_notify(0, "WATCHDOG=1");
		if (ready == 0 && time(NULL) >= end)
			kill(pid, SIGKILL);
		if (ready <= 0)
			continue;
		ssize_t n = read(fd, why + have, WHY_BYTES - 1 - have);
		if (n <= 0)
			return have;
		have += (size_t)n;
	}
}

int nft_load(const char *text, char **ret_why)
{
	char why[WHY_BYTES];
	int ends[2], status = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int mine = ends[0];
	pid_t pid = fork();
	if (pid == 0)
		child(text, ends[1]);
	close(ends[1]);
	if (pid < 0)
		return -errno;
	size_t n = why_read(mine, pid, why);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	*ret_why = n ? strndup(why, n)
		     : strdup(WIFSIGNALED(status) ? "too little memory, or time, to load it"
						  : "libnftables does not start");
	return -EINVAL;
}

int nft_ask(const char *command, bool terse, sd_json_variant **ret)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int r = -ENOENT;

	if (!nft)
		return -ENOMEM;
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON | (terse ? NFT_CTX_OUTPUT_TERSE : 0u));
	if (nft_run_cmd_from_buffer(nft, command) == 0)
		r = sd_json_parse(nft_ctx_get_output_buffer(nft), 0, ret, NULL, NULL);
	nft_ctx_free(nft);
	return r < 0 ? r : 0;
}
