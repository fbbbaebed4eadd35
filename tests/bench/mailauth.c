/*
 * mailauth: how many mails a second mailauthd judges, with warm DNS, and what each costs.
 *
 *	mailauth MAILAUTHD BYTES COUNT SESSIONS
 *
 * Makes a key and a message of about BYTES signed with it (libopendkim), answers DNS on a loopback
 * address of its own, starts MAILAUTHD in a folder of its own, and has it judge the message COUNT
 * times, SESSIONS at once, each over a connection of its own (maild keeps its). Prints one line. In
 *the build root:
 *
 *	gcc -O2 -D_GNU_SOURCE -o bench tests/bench/mailauth.c \
 *		$(pkg-config --cflags --libs opendkim libcrypto libsystemd)
 *	./bench build/x86_64/bin/mailauthd 2000 3000 8
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <opendkim/dkim.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>
#include <time.h>
#include <unistd.h>

#define HEADER "From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: x\r\n"
#define SESSIONS_MAX 256

static char pem[8192], key_record[1024];
static struct in_addr address;
static char folder[] = "/tmp/sekisho-bench-XXXXXX";
static int message;
static unsigned to_start, to_finish, wrong;
static sd_event *event;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "mailauth: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_key(void)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(pkey, &der);

	if (n <= 0 || PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
		die("key");
	BIO_read(bio, pem, sizeof(pem) - 1);
	strcpy(key_record, "v=DKIM1; p=");
	EVP_EncodeBlock((unsigned char *)key_record + strlen(key_record), der, n);
}

/* Lines of words, as text has them. */
static char *make_body(size_t bytes)
{
	char *body = malloc(bytes + 128);
	size_t n = 0;

	for (unsigned i = 0; n < bytes; i++)
		n += (size_t)sprintf(body + n,
			"line %u of the message, some words as a letter has them.\r\n", i);
	return body;
}

static void make_message(size_t bytes)
{
	char *body = make_body(bytes);
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	unsigned char *field;
	DKIM_STAT status;
	size_t n;
	DKIM *d = dkim_sign(lib, (const u_char *)"t", NULL, (dkim_sigkey_t)pem,
		(const u_char *)"sel", (const u_char *)"example.com", DKIM_CANON_RELAXED,
		DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256, -1, &status);
	dkim_header(d, (u_char *)"From: A <a@example.com>", 23);
	dkim_header(d, (u_char *)"Subject: x", 10);
	dkim_eoh(d);
	dkim_body(d, (u_char *)body, strlen(body));
	dkim_eom(d, NULL);
	if (dkim_getsighdr_d(d, strlen("DKIM-Signature: "), &field, &n) != DKIM_STAT_OK)
		die("signature");
	message = memfd_create("message", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	dprintf(message, "DKIM-Signature: %.*s\r\n" HEADER "\r\n%s", (int)n, field, body);
	fcntl(message, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	free(body);
}

static const char *text_of(const char *name)
{
	static const struct {
		const char *name, *text;
	} records[] = {
		{"sel._domainkey.example.com", key_record},
		{"_dmarc.example.com", "v=DMARC1; p=reject"},
		{"example.com", "v=spf1 include:a.example.com include:b.example.com -all"},
		{"a.example.com", "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all"},
		{"b.example.com", "v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 ~all"},
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++)
		if (strcasecmp(records[i].name, name) == 0)
			return records[i].text;
	return NULL;
}

static size_t answer(unsigned char *p, size_t n)
{
	char name[256] = "";
	size_t at = 12, out = 0, length;
	const char *text;

	while (at < n && p[at] && out + p[at] + 2 < sizeof(name)) {
		if (out)
			name[out++] = '.';
		memcpy(name + out, p + at + 1, p[at]);
		out += p[at];
		at += p[at] + 1u;
	}
	name[out] = 0;
	text = p[at + 2] == 16 ? text_of(name) : NULL;
	at += 5;
	p[2] = 0x85;
	p[3] = text ? 0x80 : 0x83;
	memset(p + 6, 0, 6);
	if (!text)
		return at;
	p[7] = 1;
	length = strlen(text);
	size_t strings = (length + 254) / 255, data = length + strings;
	unsigned char head[] = {
		0xc0, 12, 0, 16, 0, 1, 0, 0, 1, 0, (unsigned char)(data >> 8), (unsigned char)data};
	memcpy(p + at, head, sizeof(head));
	at += sizeof(head);
	while (length) {
		size_t part = length < 255 ? length : 255;
		p[at++] = (unsigned char)part;
		memcpy(p + at, text, part);
		at += part;
		text += part;
		length -= part;
	}
	return at;
}

static pid_t start_dns(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)}, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned char buf[4096];
	socklen_t from_n;
	ssize_t n;
	pid_t pid;

	address.s_addr = htonl(INADDR_LOOPBACK + 0x20000u + (unsigned)getpid() % 0xffff);
	a.sin_addr = address;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("port 53");
	pid = fork();
	if (pid != 0) {
		close(fd);
		return pid;
	}
	for (;;) {
		from_n = sizeof(from);
		n = recvfrom(fd, buf, 512, 0, (struct sockaddr *)&from, &from_n);
		if (n > 16)
			sendto(fd, buf, answer(buf, (size_t)n), 0, (struct sockaddr *)&from,
				from_n);
	}
}

static pid_t start_mailauthd(const char *program)
{
	char resolv[128], path[128];
	FILE *f;
	pid_t pid;

	if (!mkdtemp(folder))
		die("folder");
	snprintf(resolv, sizeof(resolv), "%s/resolv.conf", folder);
	snprintf(path, sizeof(path), "%s/mailauth.varlink", folder);
	f = fopen(resolv, "w");
	fprintf(f, "nameserver %s\n", inet_ntoa(address));
	fclose(f);
	pid = fork();
	if (pid == 0) {
		setenv("SEKISHO_RUN", folder, 1);
		setenv("SEKISHO_RESOLV_CONF", resolv, 1);
		execl(program, program, NULL);
		die(program);
	}
	for (int i = 0; i < 500 && access(path, F_OK) < 0; i++)
		usleep(10000);
	return pid;
}

static void start_one(void);

static int on_reply(sd_varlink *link, sd_json_variant *reply, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	sd_json_variant *dmarc = sd_json_variant_by_key(reply, "dmarc");
	sd_json_variant *result = sd_json_variant_by_key(dmarc, "result");

	(void)flags;
	(void)userdata;
	if (error || !result || strcmp(sd_json_variant_string(result), "pass") != 0)
		wrong++;
	sd_varlink_close(link);
	sd_varlink_unref(link);
	if (--to_finish == 0)
		return sd_event_exit(event, 0);
	if (to_start)
		start_one();
	return 0;
}

static void start_one(void)
{
	sd_varlink *link = NULL;
	char path[128];

	to_start--;
	snprintf(path, sizeof(path), "%s/mailauth.varlink", folder);
	if (sd_varlink_connect_address(&link, path) < 0 ||
		sd_varlink_set_allow_fd_passing_output(link, true) < 0 ||
		sd_varlink_attach_event(link, event, 0) < 0 ||
		sd_varlink_bind_reply(link, on_reply) < 0 ||
		sd_varlink_push_fd(link, dup(message)) < 0 ||
		sd_varlink_invokebo(link, "io.sekisho.MailAuth.Evaluate",
			SD_JSON_BUILD_PAIR_STRING("ip", "192.0.2.1"),
			SD_JSON_BUILD_PAIR_STRING("helo", "mail.example.com"),
			SD_JSON_BUILD_PAIR_STRING("mail_from", "a@example.com"),
			SD_JSON_BUILD_PAIR_STRING("authserv_id", "mx.example")) < 0)
		die("call");
}

static void run(unsigned count, unsigned sessions)
{
	if (sd_event_new(&event) < 0)
		die("loop");
	to_start = to_finish = count;
	for (unsigned i = 0; i < sessions && to_start; i++)
		start_one();
	sd_event_loop(event);
	event = sd_event_unref(event);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU seconds and kilobytes in memory of a process. */
static double cpu_of(pid_t pid, long *ret_rss_kb)
{
	unsigned long user = 0, system = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &system) != 2)
		die(path);
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", ret_rss_kb);
	if (f)
		fclose(f);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

int main(int argc, char **argv)
{
	size_t bytes = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned count = argc == 5 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	unsigned sessions = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	double began, cpu;
	long rss = 0;

	if (!bytes || !count || !sessions || sessions > SESSIONS_MAX) {
		fprintf(stderr, "usage: mailauth MAILAUTHD BYTES COUNT SESSIONS(1-%d)\n",
			SESSIONS_MAX);
		return 2;
	}
	make_key();
	make_message(bytes);
	pid_t dns = start_dns(), daemon = start_mailauthd(argv[1]);
	run(sessions, sessions); /* DNS is warm now */
	began = now_s();
	cpu = cpu_of(daemon, &rss);
	run(count, sessions);
	began = now_s() - began;
	cpu = cpu_of(daemon, &rss) - cpu;
	printf("%zu bytes, %u sessions: %.0f mails/s, %.0f us CPU each, RSS %ld KB, %u wrong\n",
		bytes, sessions, count / began, cpu / count * 1e6, rss, wrong);
	kill(daemon, SIGTERM);
	kill(dns, SIGTERM);
	waitpid(daemon, NULL, 0);
	waitpid(dns, NULL, 0);
	return wrong != 0;
}
