/*
 * editor: the interactive loop: prompt, history, `?` and TAB.
 *
 * `?` lists what may stand at the cursor and leaves the line as it is; inside quotes it is a
 * question mark. TAB completes as far as there is no choice, and lists when there is one.
 */
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "lib/cleanup.h"

#define HISTORY_LINES 200

static struct cli *current; /* libedit's prompt callback gets no pointer of ours */

static char *prompt(EditLine *el)
{
	static char text[96];

	(void)el;
	snprintf(text, sizeof(text), "%s%s ", current->hostname, current->configuring ? "#" : ">");
	return text;
}

/* What may stand at the cursor; *w for the caller to free. */
static bool look(EditLine *el, struct words *w, struct candidates *list, const char **prefix)
{
	const LineInfo *line = el_line(el);

	if (words_split(line->buffer, (size_t)(line->cursor - line->buffer), w) < 0)
		return false;
	bool begun = w->n && !w->blank;
	*prefix = begun ? w->word[w->n - 1] : "";
	/* The word under the cursor is taken off the end, so that the rest ends with NULL. */
	char *last = begun ? w->word[w->n - 1] : NULL;
	if (begun)
		w->word[w->n - 1] = NULL;
	command_complete(current, w->word, w->n - begun, *prefix, list);
	if (begun)
		w->word[w->n - 1] = last;
	return true;
}

static void list_below(const struct candidates *list)
{
	putchar('\n');
	if (list->n)
		candidates_print(stdout, list);
	else
		puts("  <ENTER>");
	fflush(stdout);
}

static unsigned char on_question(EditLine *el, int ch)
{
	static struct candidates list;
	struct words w = {0};
	const char *prefix;

	(void)ch;
	list.n = 0;
	if (!look(el, &w, &list, &prefix))
		return CC_ERROR;
	if (w.quoted) {
		words_fini(&w);
		return el_insertstr(el, "?") < 0 ? CC_ERROR : CC_REFRESH;
	}
	list_below(&list);
	candidates_fini(&list);
	words_fini(&w);
	return CC_REDISPLAY;
}

/* Bytes that all completable words share, into out; how many words there are. */
static unsigned common_prefix(const struct candidates *list, char *out, size_t cap)
{
	unsigned n = 0;

	out[0] = 0;
	for (unsigned i = 0; i < list->n; i++) {
		const char *word = list->item[i].word;
		if (list->item[i].placeholder)
			continue;
		if (n++ == 0) {
			snprintf(out, cap, "%s", word);
			continue;
		}
		size_t k = 0;
		while (out[k] && out[k] == word[k])
			k++;
		out[k] = 0;
	}
	return n;
}

static unsigned char on_tab(EditLine *el, int ch)
{
	static struct candidates list;
	struct words w = {0};
	const char *prefix;
	char common[256];
	unsigned char result = CC_REDISPLAY;

	(void)ch;
	list.n = 0;
	if (!look(el, &w, &list, &prefix) || w.quoted) {
		words_fini(&w);
		return CC_ERROR;
	}
	unsigned n = common_prefix(&list, common, sizeof(common) - 1);
	size_t typed = strlen(prefix);
	if (n == 1 && list.n == 1)
		strcat(common, " ");
	if (n && strlen(common) > typed && strncmp(common, prefix, typed) == 0)
		result = el_insertstr(el, common + typed) < 0 ? CC_ERROR : CC_REFRESH;
	else if (list.n)
		list_below(&list);
	else
		result = CC_ERROR;
	candidates_fini(&list);
	words_fini(&w);
	return result;
}

static EditLine *editor_new(History *past)
{
	EditLine *el = el_init("sekisho", stdin, stdout, stderr);

	if (!el)
		return NULL;
	el_set(el, EL_PROMPT, prompt);
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_SIGNAL, 0);
	el_set(el, EL_HIST, history, past);
	el_set(el, EL_ADDFN, "sekisho-help", "What may stand here", on_question);
	el_set(el, EL_ADDFN, "sekisho-complete", "Complete the word", on_tab);
	el_set(el, EL_BIND, "?", "sekisho-help", NULL);
	el_set(el, EL_BIND, "\t", "sekisho-complete", NULL);
	return el;
}

int editor_run(struct cli *c)
{
	HistEvent event;
	History *past = history_init();
	EditLine *el = past ? editor_new(past) : NULL;
	const char *line;
	int n, code = 0;

	if (!el)
		return CLI_FAILED;
	current = c;
	history(past, &event, H_SETSIZE, HISTORY_LINES);
	/* A login shell: the terminal's keys must not end it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	while (!c->leaving && (line = el_gets(el, &n)) && n > 0) {
		if (line[strspn(line, " \t\r\n")])
			history(past, &event, H_ENTER, line);
		code = cli_run_line(c, line);
		fflush(stdout);
	}
	el_end(el);
	history_end(past);
	return code;
}
