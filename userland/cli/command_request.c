/* Acts on the appliance: a new password, an update now. */
#include <crypt.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/command.h"
#include "lib/cleanup.h"

#define PASSWORD_MIN 10
#define PASSWORD_MAX 256 /* bytes; CRYPT_MAX_PASSPHRASE_SIZE is 512 */

/* Reads one line without showing it. False at the end of input or when it is too long. */
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
		fputs(prompt, stdout);
		fflush(stdout);
	}
	/* Byte by byte: what follows in a script is not ours. */
	while (read(STDIN_FILENO, &ch, 1) == 1) {
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

static int store_hash(const char *hash)
{
	/* A session of its own: what the administrator is changing elsewhere is not committed with
	 * it. */
	_cleanup_(cli_config_close) struct cli session = {0};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *set = NULL, *commit = NULL;

	if (sd_json_buildo(&set,
		    SD_JSON_BUILD_PAIR_ARRAY("path", SD_JSON_BUILD_STRING("system"),
			    SD_JSON_BUILD_STRING("user"), SD_JSON_BUILD_STRING("admin"),
			    SD_JSON_BUILD_STRING("password-hash"), SD_JSON_BUILD_STRING(hash))) <
			0 ||
		sd_json_buildo(&commit, SD_JSON_BUILD_PAIR_STRING("comment", "request password")) <
			0)
		return CLI_FAILED;
	if (cli_config(&session, "Set", set, NULL) < 0 ||
		cli_config(&session, "Commit", commit, NULL) < 0)
		return CLI_FAILED;
	puts("The password is set.");
	return 0;
}

static int take_password(char *password, char *again)
{
	struct crypt_data *data;
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	int code = CLI_FAILED;

	if (!read_secret("New password: ", password, PASSWORD_MAX) ||
		!read_secret("Once more: ", again, PASSWORD_MAX)) {
		fputs("error: no password was given\n", stderr);
		return CLI_FAILED;
	}
	if (strcmp(password, again) != 0) {
		fputs("error: the two are not the same\n", stderr);
		return CLI_FAILED;
	}
	if (strlen(password) < PASSWORD_MIN) {
		fprintf(stderr, "error: a password has %d characters or more\n", PASSWORD_MIN);
		return CLI_FAILED;
	}
	data = calloc(1, sizeof(*data));
	if (data && crypt_gensalt_rn("$y$", 0, NULL, 0, salt, sizeof(salt)) &&
		crypt_rn(password, salt, data, sizeof(*data)))
		code = store_hash(data->output);
	else
		fputs("error: the password cannot be hashed\n", stderr);
	if (data)
		explicit_bzero(data, sizeof(*data));
	free(data);
	return code;
}

int password_request(struct cli *c)
{
	char password[PASSWORD_MAX], again[PASSWORD_MAX];

	(void)c;
	int code = take_password(password, again);
	explicit_bzero(password, sizeof(password));
	explicit_bzero(again, sizeof(again));
	return code;
}

static int run_request_password(struct cli *c, char *const *args)
{
	(void)args;
	return password_request(c);
}

static int print_result(sd_json_variant *one)
{
	const char *name = json_str(one, "name"), *result = json_str(one, "result");
	const char *why = json_str(one, "why"), *version = json_str(one, "version");

	print_safe(stdout, name ? name : "?");
	fputs(": ", stdout);
	print_safe(stdout, result ? result : "no result");
	if (version) {
		fputs(", version ", stdout);
		print_safe(stdout, version);
	}
	if (why) {
		fputs(": ", stdout);
		print_safe(stdout, why);
	}
	putchar('\n');
	return result && strcmp(result, "failed") == 0 ? CLI_FAILED : 0;
}

static int run_update_now(struct cli *c, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	_cleanup_free_ char *error = NULL;
	int code = 0;

	(void)args;
	if (daemon_ask("updated", "io.sekisho.Update.Now", NULL, CLI_WAIT_LONG_MS, &reply, &error) <
		0) {
		fprintf(stderr, "error: updated: %s\n", error ? error : "no answer");
		return CLI_FAILED;
	}
	sd_json_variant *results = sd_json_variant_by_key(reply, "results");
	if (c->json)
		json_dump(reply);
	if (!results || sd_json_variant_elements(results) == 0)
		puts("no source is configured");
	for (size_t i = 0; results && i < sd_json_variant_elements(results); i++) {
		sd_json_variant *one = sd_json_variant_by_index(results, i);
		const char *result = json_str(one, "result");
		if (!c->json)
			code |= print_result(one);
		else if (result && strcmp(result, "failed") == 0)
			code = CLI_FAILED;
	}
	return code;
}

const struct command command_request_password = {"request password", "Set the password of admin.",
	MODE_OPERATION, ARGS_NONE, run_request_password};
const struct command command_update_now = {"update now", "Fetch signatures and rules at once.",
	MODE_OPERATION, ARGS_NONE, run_update_now};
