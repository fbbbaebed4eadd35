/* args: what stands after the words of a command, checked and completed from its table. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/config_words.h"
#include "cli/file.h"
#include "lib/cleanup.h"

static bool is_last(const struct arg *a)
{
	return !a || !a->name;
}

static bool takes_rest(const struct arg *a)
{
	return a->kind == ARG_PATH || a->kind == ARG_TEXT;
}

/* What of a command's table the words have used up so far. */
struct reader {
	const struct command *cmd;
	struct args *out;
	bool seen[ARGS_MAX];
};

/* The next argument by position, or ARGS_MAX. */
static unsigned next_position(const struct reader *r, bool needed)
{
	for (unsigned i = 0; r->cmd->args && !is_last(&r->cmd->args[i]); i++)
		if (!r->cmd->args[i].keyword && !r->seen[i] && (!needed || r->cmd->args[i].needed))
			return i;
	return ARGS_MAX;
}

/* The keyword that the word means; ARGS_MAX when none or several. */
static unsigned find_keyword(const struct reader *r, const char *word)
{
	unsigned found = ARGS_MAX;

	for (unsigned i = 0; r->cmd->args && !is_last(&r->cmd->args[i]); i++) {
		const char *keyword = r->cmd->args[i].keyword;
		if (!keyword || r->seen[i])
			continue;
		if (strcmp(keyword, word) == 0)
			return i;
		if (*word && strncmp(keyword, word, strlen(word)) == 0)
			found = found == ARGS_MAX ? i : ARGS_MAX + 1;
	}
	return found > ARGS_MAX ? ARGS_MAX : found;
}

/* Which argument the word belongs to; ARGS_MAX: to none. What must stand first is no keyword: a
 * host may be called "count". */
static unsigned find(const struct reader *r, const char *word)
{
	unsigned i = next_position(r, true);

	if (i == ARGS_MAX)
		i = find_keyword(r, word);
	return i == ARGS_MAX ? next_position(r, false) : i;
}

static void put_accepted(FILE *out, const struct arg *a)
{
	if (a->kind == ARG_NUMBER) {
		fprintf(out, "%lu..%lu", a->min, a->max);
	} else if (a->kind == ARG_CHOICE) {
		for (unsigned i = 0; a->choices[i]; i++)
			fprintf(out, "%s%s", i ? " | " : "", a->choices[i]);
	} else {
		fputs(a->name, out);
	}
}

static int wrong(const struct reader *r, const char *why, const char *word, const struct arg *only,
	char **ret_error)
{
	size_t size;
	FILE *out = open_memstream(ret_error, &size);

	if (!out)
		return -EINVAL;
	fprintf(out, "%s", why);
	if (word)
		fprintf(out, ": \"%s\"", word);
	fprintf(out, "\n  accepted: ");
	if (only) {
		put_accepted(out, only);
	} else {
		unsigned shown = 0;
		for (unsigned i = 0; r->cmd->args && !is_last(&r->cmd->args[i]); i++) {
			const struct arg *a = &r->cmd->args[i];
			if (r->seen[i])
				continue;
			fprintf(out, "%s%s%s", shown++ ? ", " : "", a->keyword ? a->keyword : "",
				a->keyword && a->kind != ARG_FLAG ? " " : "");
			if (a->kind != ARG_FLAG)
				put_accepted(out, a);
		}
		if (!shown)
			fprintf(out, "nothing more after '%s'", r->cmd->words);
	}
	fclose(out);
	return -EINVAL;
}

static int choose(const struct arg *a, const char *word, const char **ret)
{
	unsigned found = 0;

	for (unsigned i = 0; a->choices[i]; i++) {
		if (strcmp(a->choices[i], word) == 0) {
			*ret = a->choices[i];
			return 0;
		}
		if (*word && strncmp(a->choices[i], word, strlen(word)) == 0) {
			*ret = a->choices[i];
			found++;
		}
	}
	return found == 1 ? 0 : -EINVAL;
}

static int take(struct reader *r, unsigned i, const char *word, char **ret_error)
{
	const struct arg *a = &r->cmd->args[i];
	char *end;

	r->out->value[i] = word;
	switch (a->kind) {
	case ARG_NUMBER:
		errno = 0;
		r->out->number[i] = strtoul(word, &end, 10);
		if (*word < '0' || *word > '9' || *end || errno || r->out->number[i] < a->min ||
			r->out->number[i] > a->max)
			return wrong(r, "not a number in range", word, a, ret_error);
		break;
	case ARG_CHOICE:
		if (choose(a, word, &r->out->value[i]) < 0)
			return wrong(r, "no such choice", word, a, ret_error);
		break;
	case ARG_INTERFACE:
		if (if_nametoindex(word) == 0)
			return wrong(r, "no such interface", word, a, ret_error);
		break;
	default:
		break;
	}
	r->seen[i] = true;
	return 0;
}

int args_read(const struct command *cmd, char *const *words, unsigned n, struct args *ret,
	char **ret_error)
{
	struct reader r = {.cmd = cmd, .out = ret};

	*ret = (struct args){.rest = words + n};
	for (unsigned k = 0; k < n; k++) {
		unsigned i = find(&r, words[k]);
		if (i == ARGS_MAX)
			return wrong(&r, "not understood", words[k], NULL, ret_error);
		if (cmd->args[i].kind == ARG_FLAG) {
			ret->value[i] = cmd->args[i].keyword;
			r.seen[i] = true;
			continue;
		}
		if (cmd->args[i].keyword && ++k == n)
			return wrong(&r, "a value is missing after", words[n - 1], &cmd->args[i],
				ret_error);
		if (takes_rest(&cmd->args[i])) {
			ret->value[i] = words[k];
			ret->rest = words + k;
			return 0;
		}
		int e = take(&r, i, words[k], ret_error);
		if (e < 0)
			return e;
	}
	for (unsigned i = 0; cmd->args && !is_last(&cmd->args[i]); i++)
		if (cmd->args[i].needed && !ret->value[i])
			return wrong(&r, "something is missing", NULL, &cmd->args[i], ret_error);
	return 0;
}

static void complete_value(struct cli *c, const struct arg *a, char *const *words, unsigned n,
	const char *prefix, struct candidates *ret)
{
	struct if_nameindex *links;
	char range[64];

	switch (a->kind) {
	case ARG_PATH:
		config_words_complete(c, words, n, prefix, ret);
		return;
	case ARG_CHOICE:
		for (unsigned i = 0; a->choices[i]; i++)
			candidates_add_if(ret, prefix, a->choices[i], a->help);
		return;
	case ARG_INTERFACE:
		links = if_nameindex();
		for (struct if_nameindex *l = links; l && l->if_index; l++)
			candidates_add_if(ret, prefix, l->if_name, a->help);
		if_freenameindex(links);
		return;
	case ARG_FILE:
		file_complete(prefix, ret);
		candidates_add(ret, a->name, a->help, true);
		return;
	case ARG_NUMBER:
		snprintf(range, sizeof(range), "<%lu..%lu>", a->min, a->max);
		candidates_add(ret, range, a->help, true);
		return;
	default:
		if (a->offer)
			a->offer(c, prefix, ret);
		candidates_add(ret, a->name, a->help, true);
	}
}

void args_complete(struct cli *c, const struct command *cmd, char *const *words, unsigned n,
	const char *prefix, struct candidates *ret)
{
	struct args scratch;
	struct reader r = {.cmd = cmd, .out = &scratch};
	unsigned k = 0;

	scratch = (struct args){0};
	for (; k < n; k++) {
		unsigned i = find(&r, words[k]);
		_cleanup_free_ char *error = NULL;
		if (i == ARGS_MAX)
			return;
		if (cmd->args[i].kind == ARG_FLAG) {
			r.seen[i] = true;
			continue;
		}
		if (cmd->args[i].keyword && ++k == n) {
			complete_value(c, &cmd->args[i], words + n, 0, prefix, ret);
			return;
		}
		if (takes_rest(&cmd->args[i])) {
			complete_value(c, &cmd->args[i], words + k, n - k, prefix, ret);
			return;
		}
		if (take(&r, i, words[k], &error) < 0)
			return;
	}
	bool needed = next_position(&r, true) < ARGS_MAX;
	for (unsigned i = 0; !needed && cmd->args && !is_last(&cmd->args[i]); i++)
		if (cmd->args[i].keyword && !r.seen[i])
			candidates_add_if(ret, prefix, cmd->args[i].keyword, cmd->args[i].help);
	unsigned i = next_position(&r, needed);
	if (i < ARGS_MAX)
		complete_value(c, &cmd->args[i], words + n, 0, prefix, ret);
}
