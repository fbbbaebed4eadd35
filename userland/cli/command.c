#include "cli/command.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/complete.h"

const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "cli/commands.def"
#undef COMMAND
	NULL,
};

#define COMMANDS_MAX 128

static_assert(sizeof(commands) / sizeof(*commands) <= COMMANDS_MAX, "survivors have room for all");

/* Length of the i-th word of a command, its start in *ret; 0 when there is none. */
static size_t word_at(const struct command *cmd, unsigned i, const char **ret)
{
	const char *p = cmd->words;

	for (; i && *p; i--) {
		p += strcspn(p, " ");
		p += *p == ' ';
	}
	*ret = p;
	return strcspn(p, " ");
}

static bool is_prefix(const struct command *cmd, unsigned i, const char *typed, bool *exact)
{
	const char *word;
	size_t n = word_at(cmd, i, &word), len = strlen(typed);

	*exact = n && len == n && strncmp(word, typed, n) == 0;
	return n && len <= n && strncmp(word, typed, len) == 0;
}

/* The commands of this mode that the first used words leave over. */
struct survivors {
	const struct command *item[COMMANDS_MAX];
	unsigned n;
};

static bool same_word(const struct command *a, const struct command *b, unsigned i)
{
	const char *wa, *wb;
	size_t na = word_at(a, i, &wa), nb = word_at(b, i, &wb);

	return na == nb && strncmp(wa, wb, na) == 0;
}

/* Keeps what word i of the line may mean; false when it means two different things. */
static bool narrow(struct survivors *s, unsigned i, const char *typed)
{
	struct survivors next = {0};
	bool exact = false, one;

	for (unsigned k = 0; k < s->n; k++)
		if (is_prefix(s->item[k], i, typed, &one))
			exact |= one;
	for (unsigned k = 0; k < s->n; k++)
		if (is_prefix(s->item[k], i, typed, &one) && (one || !exact))
			next.item[next.n++] = s->item[k];
	*s = next;
	for (unsigned k = 1; k < s->n; k++)
		if (!same_word(s->item[0], s->item[k], i))
			return false;
	return true;
}

static void survivors_begin(struct survivors *s, unsigned mode)
{
	s->n = 0;
	for (const struct command *const *cmd = commands; *cmd; cmd++)
		if ((*cmd)->modes & mode)
			s->item[s->n++] = *cmd;
}

/* What the role may not call is not offered. */
static void survivors_allow(struct survivors *s, enum role role)
{
	unsigned n = 0;

	for (unsigned k = 0; k < s->n; k++)
		if (role >= s->item[k]->least)
			s->item[n++] = s->item[k];
	s->n = n;
}

/* The survivor whose words end before word i. */
static const struct command *complete_at(const struct survivors *s, unsigned i)
{
	const char *word;

	for (unsigned k = 0; k < s->n; k++)
		if (word_at(s->item[k], i, &word) == 0)
			return s->item[k];
	return NULL;
}

enum command_match command_find(unsigned mode, char *const *words, unsigned n,
	const struct command **ret, unsigned *ret_used)
{
	const struct command *found = NULL;
	struct survivors s;

	survivors_begin(&s, mode);
	for (unsigned i = 0; i < n; i++) {
		struct survivors before = s;
		if (!narrow(&s, i, words[i]))
			return MATCH_AMBIGUOUS;
		if (s.n == 0) {
			found = i ? complete_at(&before, i) : NULL;
			*ret = found;
			*ret_used = i;
			return found && found->args ? MATCH_OK : MATCH_NONE;
		}
	}
	*ret = complete_at(&s, n);
	*ret_used = n;
	return *ret ? MATCH_OK : MATCH_INCOMPLETE;
}

void candidates_add(struct candidates *list, const char *word, const char *help, bool placeholder)
{
	for (unsigned i = 0; i < list->n; i++)
		if (strcmp(list->item[i].word, word) == 0)
			return;
	if (list->n == CANDIDATES_MAX)
		return;
	struct candidate one = {strdup(word), strdup(help ? help : ""), placeholder};
	if (!one.word || !one.help) {
		free(one.word);
		free(one.help);
		return;
	}
	list->item[list->n++] = one;
}

void candidates_add_if(
	struct candidates *list, const char *prefix, const char *word, const char *help)
{
	if (strncmp(word, prefix, strlen(prefix)) == 0)
		candidates_add(list, word, help, false);
}

void candidates_fini(struct candidates *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		free(list->item[i].word);
		free(list->item[i].help);
	}
	list->n = 0;
}

void candidates_print(FILE *out, const struct candidates *list)
{
	size_t width = 12;

	for (unsigned i = 0; i < list->n; i++)
		if (strlen(list->item[i].word) > width && strlen(list->item[i].word) <= 32)
			width = strlen(list->item[i].word);
	for (unsigned i = 0; i < list->n; i++)
		print_help(out, width, list->item[i].word, list->item[i].help);
}

static void complete_words(
	const struct survivors *s, unsigned i, const char *prefix, struct candidates *ret)
{
	char text[64];
	const char *word, *more;

	for (unsigned k = 0; k < s->n; k++) {
		size_t n = word_at(s->item[k], i, &word);
		if (n == 0 || n >= sizeof(text) || strncmp(word, prefix, strlen(prefix)) != 0)
			continue;
		memcpy(text, word, n);
		text[n] = 0;
		/* Of several commands that go on, the first one's help would mislead. */
		candidates_add(ret, text,
			word_at(s->item[k], i + 1, &more) ? "..." : s->item[k]->help, false);
	}
}

void command_complete(
	struct cli *c, char *const *words, unsigned n, const char *prefix, struct candidates *ret)
{
	unsigned first, mode = complete_mode(c, words, n, &first), used = 0;
	const struct command *cmd = NULL;
	struct survivors s;

	words += first;
	n -= first;
	ret->n = 0;
	survivors_begin(&s, mode);
	survivors_allow(&s, c->role);
	if (n == 0 && first == 0 && c->configuring && strncmp("do", prefix, strlen(prefix)) == 0)
		candidates_add(ret, "do", "A command of operational mode.", false);
	for (unsigned i = 0; i < n && s.n; i++)
		if (!narrow(&s, i, words[i]))
			return;
	complete_words(&s, n, prefix, ret);
	if (n && command_find(mode, words, n, &cmd, &used) == MATCH_OK && cmd->args &&
		c->role >= cmd->least)
		args_complete(c, cmd, words + used, n - used, prefix, ret);
}
