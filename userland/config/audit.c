#include "config/audit.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/path.h"

void audit_open(struct audit *a)
{
	mkdir(path_data("log"), 0755);
	mkdir(path_data("log/configd"), 0750);
	int r = eve_open(path_data("log/configd"), &a->eve);
	if (r < 0)
		log_warning("commits are not recorded: log/configd: %s", strerror(-r));
}

void audit_write(struct audit *a, const struct audit_entry *e)
{
	struct jsonw w;

	log_info("%s: %s of configuration %llu", e->user, e->action, (unsigned long long)e->serial);
	if (!a->eve)
		return;
	eve_begin(a->eve, &w, "config", NULL);
	jsonw_object(&w, "config");
	jsonw_str(&w, "action", e->action);
	jsonw_str(&w, "user", e->user);
	if (e->from)
		jsonw_span(&w, "source", span_take(span_str(e->from), 128));
	jsonw_u64(&w, "serial", e->serial);
	if (e->comment && *e->comment)
		jsonw_span(&w, "comment", span_take(span_str(e->comment), 1024));
	if (e->diff)
		jsonw_span(&w, "diff", span_take(span_str(e->diff), AUDIT_DIFF_BYTES));
	jsonw_end(&w);
	eve_end(a->eve, &w);
	eve_flush(a->eve);
}
