#include "config/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fault_fini(struct fault *f)
{
	free(f->path);
	free(f->value);
	free(f->why);
	free(f->accepted);
	*f = (struct fault){0};
}

int fault_set(struct fault *f, int error, const char *path, const char *value, const char *accepted,
	const char *why_format, ...)
{
	/* Built before the old fields are freed: they may be among the arguments. */
	struct fault next = {
		.path = path ? strdup(path) : NULL,
		.value = value ? strdup(value) : NULL,
		.accepted = accepted ? strdup(accepted) : NULL,
	};
	va_list ap;

	va_start(ap, why_format);
	if (vasprintf(&next.why, why_format, ap) < 0)
		next.why = NULL;
	va_end(ap);
	fault_fini(f);
	*f = next;
	return error;
}
