#include "inspect/domain_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define LIST_FILE_BYTES (64u << 20)

static const char *const action_names[] = {"alert", "drop", "off"};

bool domain_action_by_name(struct span name, enum domain_action *ret)
{
	for (unsigned i = 0; i < sizeof(action_names) / sizeof(*action_names); i++)
		if (span_eq(name, span_str(action_names[i]))) {
			*ret = (enum domain_action)i;
			return true;
		}
	return false;
}

const char *domain_action_name(enum domain_action a)
{
	return action_names[a];
}

static int file_read(const char *path, uint8_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > LIST_FILE_BYTES)
		return -EFBIG;
	uint8_t *p = malloc((size_t)st.st_size + 1);
	if (!p)
		return -ENOMEM;
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, p + n, (size_t)st.st_size - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	*ret = p;
	*ret_n = n;
	return 0;
}

/* From the end to the front, so that one pass gives the hash of each domain above a name. Keyed:
 * who writes names cannot aim at one place. */
static uint64_t hash_step(uint64_t h, uint8_t c)
{
	h = (h ^ c) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t hash_name(uint64_t h, struct span name)
{
	for (size_t i = name.n; i > 0; i--)
		h = hash_step(h, name.p[i - 1]);
	return h;
}

static struct span entry_of(const struct domain_lists *l, const struct domain_slot *s)
{
	return span_of(l->list[s->list].text + s->at - 1, s->bytes);
}

/* The slot with this name, or the free one where it would be. */
static struct domain_slot *slot_find(const struct domain_lists *l, uint64_t hash, struct span name)
{
	uint32_t i = (uint32_t)(hash >> 32) & (l->slots_n - 1);

	while (l->slots[i].at && !span_eq(entry_of(l, &l->slots[i]), name))
		i = (i + 1) & (l->slots_n - 1);
	return &l->slots[i];
}

static bool line_next(struct span *text, struct span *ret)
{
	if (text->n == 0)
		return false;
	ptrdiff_t end = span_chr(*text, '\n');
	size_t n = end < 0 ? text->n : (size_t)end;
	*ret = span_take(*text, n);
	*text = span_skip(*text, n + 1);
	return true;
}

static bool is_name(struct span line)
{
	return line.n > 0 && line.n <= DOMAIN_NAME_BYTES && line.p[0] != '#';
}

static void list_count(struct domain_lists *l, struct domain_list *list)
{
	struct span text = span_of(list->text, list->text_n), line;

	while (line_next(&text, &line)) {
		if (!is_name(line))
			continue;
		if (l->names == DOMAIN_NAMES) {
			l->lost++;
			continue;
		}
		list->names++;
		l->names++;
	}
}

static void list_enter(struct domain_lists *l, unsigned index)
{
	struct domain_list *list = &l->list[index];
	struct span text = span_of(list->text, list->text_n), line;
	uint32_t left = list->names;

	while (left && line_next(&text, &line)) {
		if (!is_name(line))
			continue;
		left--;
		struct domain_slot *s = slot_find(l, hash_name(l->key, line), line);
		if (!s->at)
			*s = (struct domain_slot){(uint32_t)(line.p - list->text) + 1,
				(uint16_t)line.n, (uint16_t)index};
	}
}

static int slots_build(struct domain_lists *l)
{
	if (l->names == 0)
		return 0;
	l->slots_n = 16;
	while (l->slots_n < l->names * 2)
		l->slots_n *= 2;
	l->slots = calloc(l->slots_n, sizeof(*l->slots));
	if (!l->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < l->n; i++)
		list_enter(l, i);
	return 0;
}

int domain_lists_load(
	const char *folder, const struct domain_rule *rules, size_t n, struct domain_lists **ret)
{
	struct domain_lists *l = calloc(1, sizeof(*l));
	char path[512];

	if (!l)
		return -ENOMEM;
	if (getrandom(&l->key, sizeof(l->key), 0) != sizeof(l->key))
		l->key = (uintptr_t)l; /* weaker, not wrong */
	for (size_t i = 0; i < n && l->n < DOMAIN_LISTS; i++) {
		struct domain_list *list = &l->list[l->n];
		if (rules[i].action == DOMAIN_OFF)
			continue;
		list->rule = rules[i];
		snprintf(path, sizeof(path), "%s/%s__domains.txt", folder, rules[i].name);
		list->missing = file_read(path, &list->text, &list->text_n) < 0;
		list_count(l, list);
		l->n++;
	}
	int r = slots_build(l);
	if (r < 0) {
		domain_lists_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void domain_lists_free(struct domain_lists *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < l->n; i++)
		free(l->list[i].text);
	free(l->slots);
	free(l);
}

bool domain_list_find(const struct domain_lists *l, struct span name, struct domain_match *ret)
{
	uint8_t lower[DOMAIN_NAME_BYTES];
	const struct domain_slot *found = NULL;
	uint64_t h = l->key;

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (!l->names || name.n == 0 || name.n > sizeof(lower))
		return false;
	for (size_t i = name.n; i > 0; i--) {
		uint8_t c = name.p[i - 1];
		lower[i - 1] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
		h = hash_step(h, lower[i - 1]);
		if (i > 1 && name.p[i - 2] != '.')
			continue;
		const struct domain_slot *s =
			slot_find(l, h, span_of(lower + i - 1, name.n - i + 1));
		if (s->at)
			found = s;
	}
	if (!found)
		return false;
	*ret = (struct domain_match){&l->list[found->list], entry_of(l, found)};
	return true;
}
