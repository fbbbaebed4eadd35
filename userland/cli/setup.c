#include "cli/setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/file.h"
#include "cli/message.h"
#include "cli/password.h"
#include "lib/cleanup.h"

#define FIRST_LOGIN_TRIES 5 /* then the login ends, and getty starts over */
#define ANSWER_MAX 128

enum question_id { MODE, LAN, WAN, MANAGEMENT, LAN_ADDRESS, WAN_ADDRESS, GATEWAY, DNS, QUESTIONS };

enum { IN_BRIDGE = 1, IN_ROUTE = 2 };

struct answers {
	char text[QUESTIONS][ANSWER_MAX];
};

static bool is_mode(const struct answers *a, const char *text)
{
	(void)a;
	return strcmp(text, "bridge") == 0 || strcmp(text, "route") == 0;
}

static bool is_port(const struct answers *a, const char *text)
{
	(void)a;
	return if_nametoindex(text) != 0;
}

static bool is_other_port(const struct answers *a, const char *text)
{
	return is_port(a, text) && strcmp(text, a->text[LAN]) != 0;
}

static bool is_host(const struct answers *a, const char *text)
{
	struct in6_addr address;

	(void)a;
	return strcmp(text, "none") == 0 || inet_pton(AF_INET, text, &address) == 1 ||
	       inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_address(const struct answers *a, const char *text)
{
	char head[ANSWER_MAX];
	const char *slash = strchr(text, '/');
	char *end;

	if (!slash || slash[1] < '0' || slash[1] > '9')
		return false;
	unsigned long bits = strtoul(slash + 1, &end, 10);
	snprintf(head, sizeof(head), "%.*s", (int)(slash - text), text);
	return !*end && strcmp(head, "none") != 0 && is_host(a, head) &&
	       bits <= (strchr(head, ':') ? 128 : 32);
}

static bool is_wan_address(const struct answers *a, const char *text)
{
	return strcmp(text, "dhcp") == 0 || is_address(a, text);
}

static bool is_management(const struct answers *a, const char *text)
{
	return strcmp(text, "none") == 0 || is_wan_address(a, text);
}

static const struct question {
	const char *key, *standard;
	enum message ask, wrong;
	bool (*accepts)(const struct answers *a, const char *text);
	unsigned modes;
} questions[QUESTIONS] = {
	[MODE] = {"mode", "bridge", MESSAGE_MODE_ASK, MESSAGE_MODE_WRONG, is_mode,
		IN_BRIDGE | IN_ROUTE},
	[LAN] = {"lan", "eth0", MESSAGE_LAN_ASK, MESSAGE_PORT_WRONG, is_port, IN_BRIDGE | IN_ROUTE},
	[WAN] = {"wan", "eth1", MESSAGE_WAN_ASK, MESSAGE_PORT_WRONG, is_other_port,
		IN_BRIDGE | IN_ROUTE},
	[MANAGEMENT] = {"management", "dhcp", MESSAGE_MANAGEMENT_ASK, MESSAGE_ADDRESS_WRONG,
		is_management, IN_BRIDGE},
	[LAN_ADDRESS] = {"lan-address", "192.168.77.1/24", MESSAGE_LAN_ADDRESS_ASK,
		MESSAGE_ADDRESS_WRONG, is_address, IN_ROUTE},
	[WAN_ADDRESS] = {"wan-address", "dhcp", MESSAGE_WAN_ADDRESS_ASK, MESSAGE_ADDRESS_WRONG,
		is_wan_address, IN_ROUTE},
	[GATEWAY] = {"gateway", "none", MESSAGE_GATEWAY_ASK, MESSAGE_HOST_WRONG, is_host,
		IN_BRIDGE | IN_ROUTE},
	[DNS] = {"dns", "none", MESSAGE_DNS_ASK, MESSAGE_HOST_WRONG, is_host, IN_BRIDGE | IN_ROUTE},
};

/* A router and a name server come with DHCP and are of no use without an address. */
static bool is_asked(const struct answers *a, unsigned i)
{
	bool route = strcmp(a->text[MODE], "route") == 0;
	const char *address = a->text[route ? WAN_ADDRESS : MANAGEMENT];

	if (i != MODE && !(questions[i].modes & (route ? IN_ROUTE : IN_BRIDGE)))
		return false;
	return (i != GATEWAY && i != DNS) ||
	       (strcmp(address, "dhcp") != 0 && strcmp(address, "none") != 0);
}

/* One line from the terminal; false at its end or after Ctrl-C. */
static bool read_line(char *out, size_t cap)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	fflush(stdout);
	if (getline(&line, &size, stdin) < 0 || interrupted()) {
		clearerr(stdin);
		return false;
	}
	line[strcspn(line, "\r\n")] = 0;
	snprintf(out, cap, "%s", line + strspn(line, " \t"));
	out[strcspn(out, " \t")] = 0;
	return true;
}

/* Empty and yes are yes. */
static bool read_yes(enum message m, bool *ret)
{
	char text[16];

	printf("%s ", message(m));
	if (!read_line(text, sizeof(text)))
		return false;
	*ret = *text == 0 || *text == 'y' || *text == 'Y';
	return true;
}

static bool ask(struct answers *a, unsigned i)
{
	const struct question *q = &questions[i];

	for (;;) {
		printf("%s [%s]: ", message(q->ask), q->standard);
		if (!read_line(a->text[i], ANSWER_MAX))
			return false;
		if (!*a->text[i])
			snprintf(a->text[i], ANSWER_MAX, "%s", q->standard);
		if (q->accepts(a, a->text[i]))
			return true;
		printf("  %s\n", message(q->wrong));
	}
}

static bool take(struct answers *a, unsigned i, sd_json_variant *given)
{
	const struct question *q = &questions[i];
	const char *text = json_str(given, q->key);

	snprintf(a->text[i], ANSWER_MAX, "%s", text ? text : q->standard);
	if (q->accepts(a, a->text[i]))
		return true;
	fprintf(stderr, "error: %s: \"%s\"\n  accepted: %s\n", q->key, a->text[i],
		message(q->wrong));
	return false;
}

static int change(struct cli *s, const char *method, const char *const *words)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *path = NULL, *parameters = NULL;

	if (sd_json_variant_new_array_strv(&path, (char **)words) < 0 ||
		sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_VARIANT("path", path)) < 0)
		return -ENOMEM;
	/* What is not set cannot be deleted, and need not. */
	if (strcmp(method, "Delete") == 0)
		return cli_config_quietly(s, method, parameters, NULL), 0;
	return cli_config(s, method, parameters, NULL);
}

#define SET(s, ...) change(s, "Set", (const char *const[]){__VA_ARGS__, NULL})
#define DELETE(s, ...) change(s, "Delete", (const char *const[]){__VA_ARGS__, NULL})

static int apply_bridge(struct cli *s, const struct answers *a)
{
	const char *address = a->text[MANAGEMENT], *gateway = a->text[GATEWAY];
	int r = DELETE(s, "interfaces", "management", "address");

	DELETE(s, "interfaces", "management", "gateway");
	DELETE(s, "interfaces", "management", "dhcp");
	DELETE(s, "interfaces", "network");
	if (strcmp(address, "dhcp") == 0)
		r = SET(s, "interfaces", "management", "dhcp", "true");
	else if (strcmp(address, "none") != 0)
		r = SET(s, "interfaces", "management", "address", address);
	if (r >= 0 && *gateway && strcmp(gateway, "none") != 0)
		r = SET(s, "interfaces", "management", "gateway", gateway);
	return r;
}

static int apply_network(struct cli *s, const char *side, const char *port, const char *address)
{
	int r = SET(s, "interfaces", "network", side, "side", side);

	if (r >= 0)
		r = SET(s, "interfaces", "network", side, "port", port);
	if (r < 0)
		return r;
	return strcmp(address, "dhcp") == 0
		       ? SET(s, "interfaces", "network", side, "dhcp", "true")
		       : SET(s, "interfaces", "network", side, "address", address);
}

static int apply_route(struct cli *s, const struct answers *a)
{
	const char *gateway = a->text[GATEWAY];
	int r;

	DELETE(s, "interfaces", "management");
	DELETE(s, "interfaces", "network");
	r = apply_network(s, "lan", a->text[LAN], a->text[LAN_ADDRESS]);
	if (r >= 0)
		r = apply_network(s, "wan", a->text[WAN], a->text[WAN_ADDRESS]);
	if (r >= 0 && *gateway && strcmp(gateway, "none") != 0)
		r = SET(s, "interfaces", "network", "wan", "gateway", gateway);
	return r;
}

static int apply(struct cli *s, const struct answers *a)
{
	bool route = strcmp(a->text[MODE], "route") == 0;
	const char *dns = a->text[DNS];
	int r;

	DELETE(s, "interfaces", "port");
	r = SET(s, "interfaces", "port", a->text[LAN], "side", "lan");
	if (r >= 0)
		r = SET(s, "interfaces", "port", a->text[WAN], "side", "wan");
	if (r >= 0)
		r = SET(s, "interfaces", "mode", a->text[MODE]);
	if (r >= 0)
		r = route ? apply_route(s, a) : apply_bridge(s, a);
	if (r >= 0 && *dns && strcmp(dns, "none") != 0) {
		DELETE(s, "system", "dns-server");
		r = SET(s, "system", "dns-server", dns);
	}
	return r;
}

static int commit(struct cli *c, struct cli *s, bool asking)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	sd_json_variant *reply = NULL;
	bool yes = true;

	if (cli_config(s, "Compare", NULL, &reply) < 0)
		return CLI_FAILED;
	if (asking) {
		puts(message(MESSAGE_REVIEW));
		fputs(json_str(reply, "diff") ? json_str(reply, "diff") : "", stdout);
		if (!read_yes(MESSAGE_COMMIT_ASK, &yes) || !yes) {
			puts(message(MESSAGE_LEFT));
			return CLI_FAILED;
		}
	}
	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("comment", "setup"),
		    SD_JSON_BUILD_PAIR_STRING("from", c->from)) < 0 ||
		cli_config(s, "Commit", parameters, NULL) < 0)
		return CLI_FAILED;
	puts(message(MESSAGE_COMMITTED));
	return 0;
}

static int setup_network(struct cli *c, sd_json_variant *given)
{
	_cleanup_(cli_config_close) struct cli session = {0};
	struct answers a = {0};

	if (!given)
		puts(message(MESSAGE_SETUP_INTRO));
	for (unsigned i = 0; i < QUESTIONS; i++) {
		if (!is_asked(&a, i))
			continue;
		if (given ? take(&a, i, given) : ask(&a, i))
			continue;
		if (!given)
			printf("\n%s\n", message(MESSAGE_LEFT));
		return interrupted() ? CLI_INTERRUPTED : CLI_FAILED;
	}
	if (apply(&session, &a) < 0)
		return CLI_FAILED;
	return commit(c, &session, !given);
}

static void texts(struct password_texts *t)
{
	*t = (struct password_texts){
		.ask = message(MESSAGE_PASSWORD_ASK),
		.again = message(MESSAGE_PASSWORD_AGAIN),
		.none = message(MESSAGE_PASSWORD_NONE),
		.differ = message(MESSAGE_PASSWORD_DIFFER),
		.short_ = message(MESSAGE_PASSWORD_SHORT),
		.done = message(MESSAGE_PASSWORD_DONE),
	};
}

/* Only where the image has other languages. */
static void ask_language(void)
{
	struct message_language list[MESSAGE_LANGUAGES_MAX] = {0};
	unsigned n = messages_load(list, MESSAGE_LANGUAGES_MAX);
	char text[16];

	if (!n)
		return;
	fputs("Language: en English", stdout);
	for (unsigned i = 0; i < n; i++)
		printf(", %s %s", list[i].code, list[i].name);
	fputs(" [en]: ", stdout);
	if (read_line(text, sizeof(text)) && *text && !messages_choose(text))
		puts("en");
}

int setup_first_login(struct cli *c)
{
	struct password_texts t;
	sd_json_variant *reply = NULL, *set;
	bool yes = false;
	int code = CLI_FAILED;

	if (cli_config(c, "Status", NULL, &reply) < 0)
		return 0; /* without configd nothing can be set; what can be shown can be shown */
	if (json_str(reply, "hostname"))
		snprintf(c->hostname, sizeof(c->hostname), "%s", json_str(reply, "hostname"));
	set = sd_json_variant_by_key(reply, "password_set");
	if (!set || sd_json_variant_boolean(set))
		return 0;
	ask_language();
	texts(&t);
	puts(message(MESSAGE_NO_PASSWORD));
	for (int i = 0; i < FIRST_LOGIN_TRIES && code != 0; i++) {
		interrupt_clear();
		code = password_request(c, "admin", &t);
	}
	if (code == 0 && read_yes(MESSAGE_SETUP_ASK, &yes) && yes)
		setup_run(c, NULL);
	interrupt_clear();
	return code;
}

int setup_run(struct cli *c, sd_json_variant *answers)
{
	const char *password = json_str(answers, "password"),
		   *language = json_str(answers, "language");
	struct message_language list[MESSAGE_LANGUAGES_MAX];

	if (answers) {
		messages_load(list, MESSAGE_LANGUAGES_MAX);
		if (language && !messages_choose(language)) {
			fprintf(stderr, "error: language: \"%s\"\n", language);
			return CLI_FAILED;
		}
	}
	if (password) {
		struct password_texts t;
		texts(&t);
		const char *fault = password_fault(password, &t);
		if (fault) {
			fprintf(stderr, "%s\n", fault);
			return CLI_FAILED;
		}
	}
	/* The network first: an answer that is refused then leaves everything as it was. */
	int code = setup_network(c, answers);
	if (code == 0 && password)
		code = password_store(c, "admin", password);
	return code;
}

static int run_text(struct cli *c, const char *text)
{
	static const char *const known[] = {"language", "password"};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *answers = NULL;

	if (sd_json_parse(text, SD_JSON_PARSE_SENSITIVE, &answers, NULL, NULL) < 0 ||
		!sd_json_variant_is_object(answers)) {
		fputs("error: the answers are not a JSON object\n", stderr);
		return CLI_FAILED;
	}
	for (size_t i = 0; i + 1 < sd_json_variant_elements(answers); i += 2) {
		const char *key = sd_json_variant_string(sd_json_variant_by_index(answers, i));
		bool found = strcmp(key, known[0]) == 0 || strcmp(key, known[1]) == 0;
		for (unsigned k = 0; k < QUESTIONS && !found; k++)
			found = strcmp(key, questions[k].key) == 0;
		if (found)
			continue;
		fprintf(stderr,
			"error: there is no question \"%s\"\n  accepted: language, password", key);
		for (unsigned k = 0; k < QUESTIONS; k++)
			fprintf(stderr, ", %s", questions[k].key);
		fputc('\n', stderr);
		return CLI_FAILED;
	}
	return setup_run(c, answers);
}

int setup_from_file(struct cli *c, const char *path)
{
	_cleanup_fclose_ FILE *f =
		strcmp(path, "-") == 0 ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");
	_cleanup_free_ char *text = f ? file_read_stream(f) : NULL;

	if (!f)
		fprintf(stderr, "error: %s: %s\n", path, strerror(errno));
	int code = text ? run_text(c, text) : CLI_FAILED;
	if (text)
		explicit_bzero(text, strlen(text));
	return code;
}

static int run_setup(struct cli *c, const struct args *a)
{
	if (a->value[0]) {
		_cleanup_free_ char *text = file_read(a->value[0]);
		return text ? run_text(c, text) : CLI_FAILED;
	}
	if (!c->interactive) {
		fputs("error: 'setup' asks on a terminal\n  accepted: setup <file>\n", stderr);
		return CLI_USAGE;
	}
	return setup_run(c, NULL);
}

static const struct arg args_of_setup[] = {
	{.name = "<file>", .help = "Answers as JSON, instead of asking.", .kind = ARG_FILE}, {0}};

const struct command command_setup = {"setup", "The questions of the first boot again.", run_setup,
	args_of_setup, MODE_OPERATION, ROLE_ADMIN, COMMAND_LIVE};
