#include "config/syslog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"

static const char *const daemons[] = {"configd", "inspectd", "maild", "scand", "updated", "boxd"};

static const char module_part[] =
	"module(load=\"imfile\" mode=\"inotify\")\n"
	"template(name=\"eve\" type=\"string\" string=\"<%PRI%>1 %TIMESTAMP:::date-rfc3339% "
	"%HOSTNAME% sekisho-%programname% - - - %msg%\")\n"
	"template(name=\"line\" type=\"string\" string=\"<%PRI%>1 %TIMESTAMP:::date-rfc3339% "
	"%HOSTNAME% %app-name% %procid% - - %msg:::drop-last-lf%\")\n";

static bool is_used(sd_json_variant *server)
{
	return config_bool(server, "enabled");
}

static void put_queue(FILE *out, const char *name, const char *what)
{
	fprintf(out,
		"\t\taction.resumeRetryCount=\"-1\" queue.type=\"LinkedList\" "
		"queue.size=\"10000\"\n"
		"\t\tqueue.filename=\"%s-%s\" queue.maxDiskSpace=\"%dm\" "
		"queue.saveOnShutdown=\"on\"\n"
		"\t\tqueue.timeoutEnqueue=\"0\")\n",
		name, what, SYSLOG_DISK_MB);
}

static void put_action(FILE *out, sd_json_variant *server, const char *template, const char *pem)
{
	const char *name = config_str(server, "name"), *host = config_str(server, "host");
	const char *transport = config_str(server, "transport");
	const char *peer = config_str(server, "certificate-name");
	bool tls = strcmp(transport, "tls") == 0, udp = strcmp(transport, "udp") == 0;

	fprintf(out, "\taction(type=\"omfwd\" target=\"%s\" port=\"%" PRIu64 "\" protocol=\"%s\"\n",
		host, sd_json_variant_unsigned(config_at(server, "port")), udp ? "udp" : "tcp");
	fprintf(out, "\t\ttemplate=\"%s\"%s\n", template,
		udp ? "" : " TCP_Framing=\"octet-counted\"");
	if (tls) {
		fprintf(out,
			"\t\tStreamDriver=\"ossl\" StreamDriverMode=\"1\" "
			"StreamDriverAuthMode=\"x509/name\"\n"
			"\t\tStreamDriverPermittedPeers=\"%s\"",
			peer ? peer : host);
		if (config_str(server, "ca-certificate"))
			fprintf(out, " StreamDriver.CAFile=\"%s/%s.pem\"\n", pem, name);
		else
			fputs(" StreamDriver.CAFile=\"/etc/ssl/certs/ca-certificates.crt\"\n", out);
	}
	put_queue(out, name, template);
}

/* if $msg contains '"event_type":"alert"' or ... then { ... } */
static void put_events(FILE *out, sd_json_variant *server, const char *pem)
{
	sd_json_variant *event;
	bool any = false;

	config_foreach(event, server, "event")
	{
		fprintf(out, "%s$msg contains '\"event_type\":\"%s\"'", any ? " or " : "\tif ",
			sd_json_variant_string(event));
		any = true;
	}
	fputs(any ? " then {\n" : "", out);
	put_action(out, server, "eve", pem);
	fputs(any ? "\t}\n" : "", out);
}

static void put_journal(FILE *out, sd_json_variant *config, const char *pem)
{
	sd_json_variant *server;
	bool any = false;

	config_foreach(server, config, "logging.syslog")
	{
		if (!is_used(server) || !config_bool(server, "system"))
			continue;
		if (!any)
			fputs("ruleset(name=\"system\") {\n", out);
		any = true;
		put_action(out, server, "line", pem);
	}
	if (any)
		fputs("}\nmodule(load=\"imjournal\" StateFile=\"journal\" "
		      "IgnorePreviousMessages=\"on\" "
		      "Ratelimit.Interval=\"10\" Ratelimit.Burst=\"2000\")\n"
		      "call system\n",
			out);
}

char *syslog_render(sd_json_variant *config, const char *log, const char *state, const char *pem)
{
	sd_json_variant *server;
	bool any = false;
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	fprintf(t.out,
		"global(workDirectory=\"%s\" localHostname=\"%s\" maxMessageSize=\"64k\"\n"
		"\tdefaultNetstreamDriver=\"ptcp\")\n%s",
		state, config_str(config, "system.hostname"), module_part);
	fputs("ruleset(name=\"events\") {\n", t.out);
	config_foreach(server, config, "logging.syslog")
	{
		if (!is_used(server))
			continue;
		any = true;
		put_events(t.out, server, pem);
	}
	fputs("}\n", t.out);
	for (size_t i = 0; i < sizeof(daemons) / sizeof(*daemons); i++)
		fprintf(t.out,
			"input(type=\"imfile\" File=\"%s/%s/eve.json\" Tag=\"%s:\" "
			"Facility=\"local4\" "
			"Severity=\"notice\" ruleset=\"events\" freshStartTail=\"on\")\n",
			log, daemons[i], daemons[i]);
	put_journal(t.out, config, pem);
	char *text = text_close(&t);
	if (any)
		return text;
	free(text);
	return NULL;
}

char *syslog_pem(sd_json_variant *server)
{
	const char *base64 = config_str(server, "ca-certificate");
	struct text t;

	if (!base64 || text_open(&t) < 0)
		return NULL;
	fputs("-----BEGIN CERTIFICATE-----\n", t.out);
	for (size_t left = strlen(base64); left;
		base64 += left < 64 ? left : 64, left -= left < 64 ? left : 64)
		fprintf(t.out, "%.64s\n", base64);
	fputs("-----END CERTIFICATE-----\n", t.out);
	return text_close(&t);
}
