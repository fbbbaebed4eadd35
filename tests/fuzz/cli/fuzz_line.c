/* A line as it is typed or pasted: words, the bar, filters, the command, its arguments, and what is
 * offered at every place of the cursor. The first byte chooses mode and role. */
#include <stdlib.h>

#include "cli/complete.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_BYTES 512 /* what a person types; every prefix of it is completed */

static void filters(const char *text)
{
	struct output o = {0};
	char *error = NULL;

	/* Intervals nest: (a{99}){99} costs the C library what it says. An administrator may. */
	if (!strchr(text, '{') && output_parse(&o, text, &error) < 0 && !error)
		abort();
	free(error);
	output_fini(&o);
}

static void command(struct cli *c, const char *line, size_t n)
{
	const struct command *cmd = NULL;
	struct words w;
	struct args a;
	char *error = NULL;
	unsigned used = 0, first;

	if (words_split(line, n, &w) < 0)
		return;
	unsigned mode = complete_mode(c, w.word, w.n, &first);
	if (command_find(mode, w.word + first, w.n - first, &cmd, &used) == MATCH_OK) {
		if (!cmd || first + used > w.n)
			abort();
		int r = args_read(cmd, w.word + first + used, w.n - first - used, &a, &error);
		/* What is taken has its needed arguments, what is refused a reason. */
		if (r < 0 && !error)
			abort();
		for (unsigned i = 0; r == 0 && cmd->args && cmd->args[i].name; i++)
			if (cmd->args[i].needed && !a.value[i])
				abort();
		free(error);
	}
	words_fini(&w);
}

static void completion(struct cli *c, const char *line, size_t n)
{
	static struct candidates list;
	struct words w;

	complete_line(c, line, n, &w, &list);
	if (list.n > CANDIDATES_MAX || (complete_prefix(&w) == NULL))
		abort();
	candidates_fini(&list);
	words_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cli c = {0};
	char line[LINE_MAX_BYTES + 1];

	if (size < 1)
		return 0;
	setenv("SEKISHO_RUN", "/nonexistent", 1); /* no configd: settings are not completed */
	setenv("SEKISHO_DATA", "/nonexistent", 1);
	c.configuring = data[0] & 1;
	c.role = (enum role)(data[0] >> 1 & 3);
	size_t n = size - 1 < LINE_MAX_BYTES ? size - 1 : LINE_MAX_BYTES;
	memcpy(line, data + 1, n);
	line[n] = 0;
	n = strlen(line);
	size_t bar = output_bar(line, n);
	if (bar > n)
		abort();
	if (bar < n)
		filters(line + bar + 1);
	command(&c, line, bar);
	for (size_t i = 0; i <= n; i++)
		completion(&c, line, i);
	return 0;
}
