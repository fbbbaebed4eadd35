#include "mail/lists.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

enum kind { ADDRESSES, DOMAINS, KINDS };

static const char *const kind_names[KINDS] = {"addresses", "domains"};

/* The lines of a file, each found by its hash. */
struct set {
	char *text;      /* lines, each ended by NUL */
	uint32_t *slots; /* offset of a line + 1; 0: free */
	uint32_t mask;
	uint32_t count;
	size_t bytes; /* of memory */
};

static struct {
	struct {
		char name[LISTS_NAME_BYTES + 1];
		struct set sets[KINDS];
	} lists[LISTS_MAX];
	unsigned count;
	size_t bytes;
	uint64_t looked_us;
	char current[KINDS][256]; /* where the links led */
} lists;

static uint32_t hash(const char *s)
{
	uint32_t h = 0x811c9dc5; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x01000193;
	return h;
}

static bool set_has(const struct set *s, const char *line)
{
	if (!s->count)
		return false;
	for (uint32_t i = hash(line) & s->mask; s->slots[i]; i = (i + 1) & s->mask)
		if (strcmp(s->text + s->slots[i] - 1, line) == 0)
			return true;
	return false;
}

static void set_free(struct set *s)
{
	lists.bytes -= s->bytes;
	free(s->text);
	free(s->slots);
	*s = (struct set){0};
}

static void set_add(struct set *s, uint32_t offset)
{
	uint32_t i = hash(s->text + offset) & s->mask;

	if (!s->text[offset])
		return;
	while (s->slots[i])
		i = (i + 1) & s->mask;
	s->slots[i] = offset + 1;
	s->count++;
}

static int text_read(const char *path, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > LISTS_BYTES_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (n < (size_t)st.st_size) {
		ssize_t r = read(fd, text + n, (size_t)st.st_size - n);
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	text[n] = '\0';
	*ret = take_ptr(text);
	*ret_n = n;
	return 0;
}

/* Cuts the text into lines and finds each a slot; at least every other slot is free. */
static int set_build(struct set *s, size_t n)
{
	size_t lines = 1, slots = 16;

	for (size_t i = 0; i < n; i++)
		lines += s->text[i] == '\n';
	while (slots < 2 * lines)
		slots *= 2;
	s->bytes = n + 1 + slots * sizeof(*s->slots);
	if (s->bytes > LISTS_BYTES_MAX - lists.bytes)
		return -EFBIG;
	s->slots = calloc(slots, sizeof(*s->slots));
	if (!s->slots)
		return -ENOMEM;
	s->mask = (uint32_t)slots - 1;
	for (size_t at = 0; at < n;) {
		char *end = memchr(s->text + at, '\n', n - at);
		size_t next = end ? (size_t)(end - s->text) + 1 : n;

		if (end)
			*end = '\0';
		set_add(s, (uint32_t)at);
		at = next;
	}
	return 0;
}

static int set_read(struct set *s, const char *path)
{
	size_t n = 0;
	int r = text_read(path, &s->text, &n);

	if (r >= 0)
		r = set_build(s, n);
	if (r < 0) {
		free(s->text);
		*s = (struct set){0};
		return r;
	}
	lists.bytes += s->bytes;
	return 0;
}

/* path_data() results live until the process ends, so each is made once. */
static const char *folder_of(enum kind kind)
{
	static const char *folders[KINDS];

	if (!folders[kind])
		folders[kind] = path_data(kind == ADDRESSES ? "sig/addresses" : "sig/domains");
	return folders[kind];
}

static void list_read(unsigned i)
{
	const char *name = lists.lists[i].name;
	bool found = false;

	for (enum kind k = 0; k < KINDS; k++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/current/%s__%s.txt", folder_of(k), name,
			kind_names[k]);
		int r = set_read(&lists.lists[i].sets[k], path);
		found |= r >= 0;
		if (r < 0 && r != -ENOENT)
			log_warning("list %s of %s: %s", name, kind_names[k], strerror(-r));
	}
	if (!found)
		log_warning("list %s, which a mail rule names, is not installed", name);
}

static void links_read(char out[KINDS][256])
{
	for (enum kind k = 0; k < KINDS; k++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/current", folder_of(k));
		ssize_t n = readlink(path, out[k], 255);
		out[k][n < 0 ? 0 : n] = '\0';
	}
}

/* -1 when there is no room for one more name. */
static int list_find(const char *name)
{
	for (unsigned i = 0; i < lists.count; i++)
		if (strcmp(lists.lists[i].name, name) == 0)
			return (int)i;
	if (lists.count == LISTS_MAX || strlen(name) > LISTS_NAME_BYTES || strchr(name, '/'))
		return -1;
	if (lists.count == 0)
		links_read(lists.current);
	strcpy(lists.lists[lists.count].name, name);
	list_read(lists.count);
	return (int)lists.count++;
}

static void sets_free(unsigned i)
{
	for (enum kind k = 0; k < KINDS; k++)
		set_free(&lists.lists[i].sets[k]);
}

void lists_look(uint64_t now_us)
{
	char now[KINDS][256];

	if (lists.count == 0 || now_us - lists.looked_us < LISTS_LOOK_S * 1000000ull)
		return;
	lists.looked_us = now_us;
	links_read(now);
	if (memcmp(now[ADDRESSES], lists.current[ADDRESSES], strlen(now[ADDRESSES]) + 1) == 0 &&
		memcmp(now[DOMAINS], lists.current[DOMAINS], strlen(now[DOMAINS]) + 1) == 0)
		return;
	memcpy(lists.current, now, sizeof(now));
	for (unsigned i = 0; i < lists.count; i++) {
		sets_free(i);
		list_read(i);
	}
}

bool lists_have_address(const char *name, const char *ip)
{
	int family = strchr(ip, ':') ? AF_INET6 : AF_INET, i = list_find(name);
	unsigned width = family == AF_INET6 ? 128 : 32;
	char line[INET6_ADDRSTRLEN + 8];
	uint8_t address[16];

	if (i < 0 || !lists.lists[i].sets[ADDRESSES].count || inet_pton(family, ip, address) != 1)
		return false;
	for (unsigned bits = width; bits > 0; bits--) {
		if (bits < width) /* one bit less than before */
			address[bits / 8] &= (uint8_t)~(0x80u >> bits % 8);
		inet_ntop(family, address, line, INET6_ADDRSTRLEN);
		if (bits < width)
			snprintf(line + strlen(line), 8, "/%u", bits);
		if (set_has(&lists.lists[i].sets[ADDRESSES], line))
			return true;
	}
	return false;
}

bool lists_have_domain(const char *name, const char *domain)
{
	char lower[256];
	int i = list_find(name);
	size_t n = strlen(domain);

	if (i < 0 || n == 0 || n >= sizeof(lower))
		return false;
	for (size_t c = 0; c <= n; c++)
		lower[c] =
			domain[c] >= 'A' && domain[c] <= 'Z' ? (char)(domain[c] | 0x20) : domain[c];
	if (lower[n - 1] == '.')
		lower[n - 1] = '\0';
	for (const char *at = lower; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
		if (set_has(&lists.lists[i].sets[DOMAINS], at))
			return true;
	return false;
}

void lists_forget(void)
{
	for (unsigned i = 0; i < lists.count; i++)
		sets_free(i);
	lists.count = 0;
}

int lists_status(sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned i = 0; i < lists.count && r >= 0; i++)
		r = sd_json_variant_append_arraybo(ret,
			SD_JSON_BUILD_PAIR_STRING("name", lists.lists[i].name),
			SD_JSON_BUILD_PAIR_UNSIGNED(
				"addresses", lists.lists[i].sets[ADDRESSES].count),
			SD_JSON_BUILD_PAIR_UNSIGNED("domains", lists.lists[i].sets[DOMAINS].count));
	return r;
}
