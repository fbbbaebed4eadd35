#include "cli/password.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"

const struct password_texts password_english = {
	.ask = "New password:",
	.again = "Once more:",
	.none = "error: no password was given",
	.differ = "error: the two are not the same",
	.short_ = "error: a password has 10 characters or more",
	.done = "The password is set.",
};

/* Reads one line without showing it. False at the end of input, after Ctrl-C, or when it is too
 * long. */
static bool read_secret(const char *prompt, char *out, size_t cap)
{
	struct termios shown, hidden;
	bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0, whole = false;
	size_t n = 0;
	char ch;

	if (terminal) {
		/* The echo is off before the question is seen: who answers at once is not shown. */
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		hidden.c_lflag |= ICANON;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
		printf("%s ", prompt);
		fflush(stdout);
	}
	/* Byte by byte: what follows in a script is not ours. */
	while (!interrupted() && read(STDIN_FILENO, &ch, 1) == 1) {
		whole = ch == '\n';
		if (whole)
			break;
		if (n + 1 < cap)
			out[n] = ch;
		n++;
	}
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSADRAIN, &shown);
		putchar('\n');
	}
	out[n < cap ? n : cap - 1] = 0;
	return whole && n < cap;
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xC0) != 0x80;
	return n;
}

const char *password_fault(const char *password, const struct password_texts *t)
{
	return characters(password) < PASSWORD_MIN ? t->short_ : NULL;
}

static int store_hash(struct cli *c, const char *account, const char *hash)
{
	/* A session of its own: what the administrator is changing elsewhere is not committed with
	 * it. */
	_cleanup_(cli_config_close) struct cli session = {0};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *set = NULL, *commit = NULL;

	if (sd_json_buildo(&set,
		    SD_JSON_BUILD_PAIR_ARRAY("path", SD_JSON_BUILD_STRING("system"),
			    SD_JSON_BUILD_STRING("user"), SD_JSON_BUILD_STRING(account),
			    SD_JSON_BUILD_STRING("password-hash"), SD_JSON_BUILD_STRING(hash))) <
			0 ||
		sd_json_buildo(&commit, SD_JSON_BUILD_PAIR_STRING("comment", "request password"),
			SD_JSON_BUILD_PAIR_STRING("from", c->from)) < 0)
		return CLI_FAILED;
	return cli_config(&session, "Set", set, NULL) < 0 ||
			       cli_config(&session, "Commit", commit, NULL) < 0
		       ? CLI_FAILED
		       : 0;
}

int password_store(struct cli *c, const char *account, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	int code = CLI_FAILED;

	if (data && crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)) &&
		crypt_rn(password, salt, data, sizeof(*data)))
		code = store_hash(c, account, data->output);
	else
		fputs("error: the password cannot be hashed\n", stderr);
	if (data)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return code;
}

static int take(struct cli *c, const char *account, const struct password_texts *t, char *password,
	char *again)
{
	const char *fault = NULL;

	if (!read_secret(t->ask, password, PASSWORD_MAX) ||
		!read_secret(t->again, again, PASSWORD_MAX))
		fault = t->none;
	else if (strcmp(password, again) != 0)
		fault = t->differ;
	else
		fault = password_fault(password, t);
	if (fault) {
		fprintf(stderr, "%s\n", fault);
		return CLI_FAILED;
	}
	int code = password_store(c, account, password);
	if (code == 0)
		puts(t->done);
	return code;
}

int password_request(struct cli *c, const char *account, const struct password_texts *t)
{
	char password[PASSWORD_MAX], again[PASSWORD_MAX];
	int code = take(c, account, t, password, again);

	explicit_bzero(password, sizeof(password));
	explicit_bzero(again, sizeof(again));
	return code;
}
