#include "scan/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const modes[] = {
	[RELOAD_AUTO] = "auto",
	[RELOAD_HANDOVER] = "handover",
	[RELOAD_SERIAL] = "serial",
};

const char *reload_mode_name(enum reload_mode mode)
{
	return modes[mode];
}

/* The leaves as they stand, before they become limits. */
struct leaves {
	enum reload_mode reload;
	uint32_t workers, small_bytes, message_s, part_s, total_bytes, file_bytes, files,
		archive_depth, mime_depth, parts, header_bytes;
};

static const struct leaves defaults = {
	.reload = RELOAD_AUTO,
	.small_bytes = 4u << 20,
	.message_s = 24,
	.part_s = 12,
	.total_bytes = 400u << 20,
	.file_bytes = 100u << 20,
	.files = 10000,
	.archive_depth = 17,
	.mime_depth = 20,
	.parts = 2000,
	.header_bytes = 256u << 10,
};

static void settings_from(const struct leaves *l, struct settings *s)
{
	*s = (struct settings){
		.reload = l->reload,
		.workers = l->workers,
		.small_bytes = l->small_bytes,
		.engine = {.total_bytes = l->total_bytes,
			.file_bytes = l->file_bytes,
			.depth = l->archive_depth,
			.files = l->files,
			.time_ms = l->part_s * 1000},
		.message = {.mime = {.depth = l->mime_depth,
				    .parts = l->parts,
				    .header_bytes = l->header_bytes,
				    .decoded_bytes = l->total_bytes},
			.time_ms = l->message_s * 1000},
	};
}

void settings_defaults(struct settings *s)
{
	settings_from(&defaults, s);
}

static int dispatch_reload(
	const char *name, sd_json_variant *v, sd_json_dispatch_flags_t flags, void *out)
{
	const char *text = sd_json_variant_string(v);

	(void)name;
	(void)flags;
	for (unsigned i = 0; text && i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(text, modes[i]) != 0)
			continue;
		*(enum reload_mode *)out = (enum reload_mode)i;
		return 0;
	}
	return -EINVAL;
}

/* What the schema allows, for a file that did not come from configd. */
static const struct {
	const char *leaf;
	size_t offset;
	uint32_t min, max;
} ranges[] = {
	{"workers", offsetof(struct leaves, workers), 0, 32},
	{"small-message-bytes", offsetof(struct leaves, small_bytes), 16384, 104857600},
	{"max-message-seconds", offsetof(struct leaves, message_s), 1, 28},
	{"max-part-seconds", offsetof(struct leaves, part_s), 1, 28},
	{"max-total-bytes", offsetof(struct leaves, total_bytes), 1048576, 2147483647},
	{"max-file-bytes", offsetof(struct leaves, file_bytes), 1048576, 2147483647},
	{"max-files", offsetof(struct leaves, files), 10, 1000000},
	{"max-archive-depth", offsetof(struct leaves, archive_depth), 2, 60},
	{"max-mime-depth", offsetof(struct leaves, mime_depth), 2, 60},
	{"max-parts", offsetof(struct leaves, parts), 10, 100000},
	{"max-header-bytes", offsetof(struct leaves, header_bytes), 4096, 4194304},
};

#define RANGES (sizeof(ranges) / sizeof(*ranges))

static const char *leaves_bad(const struct leaves *l)
{
	for (size_t i = 0; i < RANGES; i++) {
		uint32_t value = *(const uint32_t *)((const char *)l + ranges[i].offset);
		if (value < ranges[i].min || value > ranges[i].max)
			return ranges[i].leaf;
	}
	return NULL;
}

int settings_parse(sd_json_variant *config, struct settings *s, char **ret_why)
{
	sd_json_dispatch_field rows[RANGES + 2] = {
		{"reload", SD_JSON_VARIANT_STRING, dispatch_reload, offsetof(struct leaves, reload),
			0},
	};
	struct leaves l = defaults;
	const char *bad = NULL;

	for (size_t i = 0; i < RANGES; i++)
		rows[i + 1] = (sd_json_dispatch_field){ranges[i].leaf, SD_JSON_VARIANT_UNSIGNED,
			sd_json_dispatch_uint32, ranges[i].offset, 0};
	int r = sd_json_dispatch_full(config, rows, NULL, SD_JSON_ALLOW_EXTENSIONS, &l, &bad);
	if (r >= 0 && (bad = leaves_bad(&l)) != NULL)
		r = -EINVAL;
	if (r < 0) {
		if (asprintf(ret_why, "scan: %s has no usable value", bad ? bad : "the object") < 0)
			*ret_why = NULL;
		return -EINVAL;
	}
	settings_from(&l, s);
	return 0;
}
