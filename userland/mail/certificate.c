#include "mail/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"

#define FOLDER "mail/tls"

int certificate_reload(struct mail_shared *shared)
{
	int r = tls_load(&shared->tls, path_data(FOLDER));

	if (r >= 0 && shared->tls.problems)
		log_warning("certificates left out: %s", shared->tls.problems);
	return r;
}

static int invalid(sd_varlink *link, const char *why)
{
	return sd_varlink_errorbo(link, CONTROL_INVALID, SD_JSON_BUILD_PAIR_STRING("why", why));
}

static int problems_list(char *problems, sd_json_variant **list)
{
	char *rest = NULL;
	int r = 0;

	for (char *line = problems ? strtok_r(problems, "\n", &rest) : NULL; line && r >= 0;
		line = strtok_r(NULL, "\n", &rest)) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
		r = sd_json_variant_new_string(&v, line);
		if (r >= 0)
			r = sd_json_variant_append_array(list, v);
	}
	return r;
}

static int on_certificates(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	const struct tls *tls = &((struct mail_shared *)userdata)->tls;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL, *problems = NULL;
	_cleanup_free_ char *text = tls->problems ? strdup(tls->problems) : NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	(void)parameters;
	(void)flags;
	if (r >= 0)
		r = sd_json_variant_new_array(&problems, NULL, 0);
	for (unsigned i = 0; i < tls->count && r >= 0; i++)
		r = sd_json_variant_append_arraybo(&list,
			SD_JSON_BUILD_PAIR_STRING("host", tls->hosts[i].name),
			SD_JSON_BUILD_PAIR_INTEGER("not_after", tls->hosts[i].not_after));
	if (r >= 0)
		r = problems_list(text, &problems);
	return r < 0 ? r
		     : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("certificates", list),
			       SD_JSON_BUILD_PAIR_VARIANT("problems", problems));
}

/* Letters, digits, hyphens and dots: a name that is a file of the folder and no other. */
static bool is_host(const char *host)
{
	return host && *host && *host != '.' && strlen(host) <= SETTINGS_NAME_BYTES &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(host);
}

/* "<folder>/<host>.pem" + suffix */
static char *file_of(const char *host, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/%s.pem%s", path_data(FOLDER), host, suffix) < 0 ? NULL : path;
}

/* The whole file is there, or nothing has changed. */
static int file_replace(const char *host, const char *text)
{
	_cleanup_free_ char *path = file_of(host, ""), *fresh = file_of(host, ".new");
	size_t n = strlen(text);

	if (!path || !fresh)
		return -ENOMEM;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int r = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0 ? 0 : -EIO;
	close(fd);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(fresh);
	return r;
}

struct certificate_call {
	const char *host, *pem;
};

static int on_install(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	static const sd_json_dispatch_field rows[] = {
		{"host", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct certificate_call, host), SD_JSON_MANDATORY},
		{"pem", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct certificate_call, pem), SD_JSON_MANDATORY},
		{NULL, 0, NULL, 0, 0},
	};
	struct certificate_call call = {0};
	const char *why = NULL;
	time_t not_after;

	(void)flags;
	sd_json_variant_sensitive(parameters);
	int r = sd_varlink_dispatch(link, parameters, rows, &call);
	if (r != 0)
		return r;
	if (!is_host(call.host))
		return invalid(link, "host is a domain name in small letters");
	if (tls_check(call.pem, strlen(call.pem), &not_after, &why) < 0)
		return invalid(link, why);
	if (not_after < time(NULL))
		return invalid(link, "the certificate has expired");
	r = file_replace(call.host, call.pem);
	if (r >= 0)
		r = certificate_reload(userdata);
	return r < 0 ? invalid(link, strerror(-r)) : sd_varlink_reply(link, NULL);
}

static int on_remove(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	static const sd_json_dispatch_field rows[] = {
		{"host", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct certificate_call, host), SD_JSON_MANDATORY},
		{NULL, 0, NULL, 0, 0},
	};
	struct certificate_call call = {0};
	int r = sd_varlink_dispatch(link, parameters, rows, &call);

	(void)flags;
	if (r != 0)
		return r;
	_cleanup_free_ char *path = is_host(call.host) ? file_of(call.host, "") : NULL;
	if (!path || unlink(path) < 0)
		return invalid(link, "there is no certificate of that host");
	r = certificate_reload(userdata);
	return r < 0 ? invalid(link, strerror(-r)) : sd_varlink_reply(link, NULL);
}

static int session_append(sd_json_variant **list, const struct session *s)
{
	static const char *const states[] = {
		[SESSION_DIAL] = "dial",
		[SESSION_CONNECT] = "connect",
		[SESSION_BANNER] = "banner",
		[SESSION_COMMAND] = "command",
		[SESSION_AUTH] = "auth",
		[SESSION_STARTTLS] = "starttls",
		[SESSION_SERVER_TLS] = "server-tls",
		[SESSION_CLIENT_TLS] = "client-tls",
		[SESSION_TUNNEL] = "tunnel",
		[SESSION_DATA] = "data",
		[SESSION_CHUNK] = "chunk",
		[SESSION_CHECK] = "check",
		[SESSION_DATA_REPLY] = "data-reply",
		[SESSION_SEND] = "send",
		[SESSION_FINAL] = "final",
		[SESSION_RESET] = "reset",
		[SESSION_CLOSING] = "closing",
		[SESSION_DEAD] = "dead",
	};

	return sd_json_variant_append_arraybo(list,
		SD_JSON_BUILD_PAIR_STRING("client", s->envelope.client.ip),
		SD_JSON_BUILD_PAIR_UNSIGNED("client_port", s->envelope.client.port),
		SD_JSON_BUILD_PAIR_STRING("server", s->envelope.server.ip),
		SD_JSON_BUILD_PAIR_STRING("state", states[s->state]),
		SD_JSON_BUILD_PAIR_STRING("mail_from", s->envelope.mail_from),
		SD_JSON_BUILD_PAIR_UNSIGNED("recipients", s->envelope.rcpt_count),
		SD_JSON_BUILD_PAIR_UNSIGNED("bytes", s->message ? s->message->received_bytes : 0),
		SD_JSON_BUILD_PAIR_BOOLEAN("client_tls", s->client.tls != NULL),
		SD_JSON_BUILD_PAIR_BOOLEAN("server_tls", s->server.tls != NULL));
}

static int on_sessions(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	const struct mail_shared *shared = userdata;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);
	unsigned told = 0;

	(void)parameters;
	(void)flags;
	for (const struct session *s = shared->first; s && r >= 0 && told < SESSIONS_TOLD;
		s = s->next, told++)
		r = session_append(&list, s);
	return r < 0 ? r
		     : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("sessions", list),
			       SD_JSON_BUILD_PAIR_UNSIGNED("total", shared->sessions));
}

int certificate_methods(sd_varlink_server *control)
{
	int r = control_allow(control, ROLE_OPERATOR, "io.sekisho.Mail.Sessions", on_sessions);

	if (r >= 0)
		r = control_allow(
			control, ROLE_AUDITOR, "io.sekisho.Mail.Certificates", on_certificates);
	return r < 0 ? r
		     : sd_varlink_server_bind_method_many(control,
			       "io.sekisho.Mail.InstallCertificate", on_install,
			       "io.sekisho.Mail.RemoveCertificate", on_remove);
}
