/*
 * editor: the interactive loop: prompt, history, `?` and TAB.
 *
 * `?` lists what may stand at the cursor and leaves the line as it is; inside quotes it is a
 * question mark. TAB completes as far as there is no choice, and lists when there is one. Ctrl-C
 * forgets the line.
 *
 * Limits: HISTORY_LINES lines, in memory only; a line that gives a secret is not kept.
 */
#include <histedit.h>
#include <stdlib.h>
#include <string.h>

#include "cli/complete.h"
#include "cli/config_words.h"
#include "lib/cleanup.h"

#define HISTORY_LINES 200

static struct cli *current; /* libedit's prompt callback gets no pointer of ours */

static char *prompt(EditLine *el)
{
	static char text[256];
	size_t n;

	(void)el;
	n = (size_t)snprintf(text, sizeof(text), "%s", current->hostname);
	for (unsigned i = 0; current->configuring && i < current->levels && n < sizeof(text) - 80;
		i++)
		n += (size_t)snprintf(text + n, 72, "%s%.64s", i ? " " : "[", current->level[i]);
	snprintf(text + n, sizeof(text) - n, "%s%s ",
		current->configuring && current->levels ? "]" : "",
		current->configuring ? "#" : ">");
	return text;
}

/* What may stand at the cursor; *w for the caller to free. */
static void look(EditLine *el, struct words *w, struct candidates *list)
{
	const LineInfo *line = el_line(el);

	complete_line(current, line->buffer, (size_t)(line->cursor - line->buffer), w, list);
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

	(void)ch;
	look(el, &w, &list);
	if (w.quoted) {
		candidates_fini(&list);
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
	char common[256];
	unsigned char result = CC_REDISPLAY;

	(void)ch;
	look(el, &w, &list);
	const char *prefix = complete_prefix(&w);
	unsigned n = common_prefix(&list, common, sizeof(common) - 1);
	size_t typed = strlen(prefix);
	/* A word with blanks would need quotes from its beginning on: it is only listed. */
	bool plain = !w.quoted && !strpbrk(common, " \t\"\\|");
	if (n == 1 && list.n == 1)
		strcat(common, " ");
	if (n && plain && strlen(common) > typed && strncmp(common, prefix, typed) == 0)
		result = el_insertstr(el, common + typed) < 0 ? CC_ERROR : CC_REFRESH;
	else if (list.n)
		list_below(&list);
	else
		result = CC_ERROR;
	candidates_fini(&list);
	words_fini(&w);
	return result;
}

/* Ctrl-C: what was typed is forgotten, nothing runs. */
static unsigned char on_interrupt(EditLine *el, int ch)
{
	const LineInfo *line = el_line(el);

	(void)ch;
	el_cursor(el, (int)(line->lastchar - line->cursor));
	el_deletestr(el, (int)(line->lastchar - line->buffer));
	fputs("^C\n", stdout);
	fflush(stdout);
	return CC_REDISPLAY;
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
	el_set(el, EL_ADDFN, "sekisho-interrupt", "Forget the line", on_interrupt);
	el_set(el, EL_BIND, "^C", "sekisho-interrupt", NULL);
	/* While a line is edited Ctrl-C, Ctrl-Z and Ctrl-\ are keys, not signals. */
	el_set(el, EL_SETTY, "-d", "-isig", NULL);
	return el;
}

/* Secrets are typed, and forgotten. */
static bool is_kept(struct cli *c, const char *line)
{
	struct words w;
	unsigned first;

	if (words_split(line, strlen(line), &w) < 0)
		return false;
	unsigned mode = complete_mode(c, w.word, w.n, &first);
	bool kept = w.n > 0;
	if (mode == MODE_CONFIGURE && w.n > 2 && strncmp(w.word[0], "set", strlen(w.word[0])) == 0)
		kept = !config_words_secret(c, w.word + 1, w.n - 1);
	words_fini(&w);
	return kept;
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
	history(past, &event, H_SETUNIQUE, 1);
	while (!c->leaving && (line = el_gets(el, &n)) && n > 0) {
		if (is_kept(c, line))
			history(past, &event, H_ENTER, line);
		code = cli_run_line(c, line);
		fflush(stdout);
		el_resize(el);
	}
	el_end(el);
	history_end(past);
	return code;
}
