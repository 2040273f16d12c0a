/* SPDX-License-Identifier: PostgreSQL */
/*
 * The list of a source's entries: see source.h.  Clusters have up to millions
 * of files, so texts lie in large blocks, without a malloc for each.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"

#define BLOCK_SIZE ((size_t)64 * 1024)

struct source_texts {
	struct source_texts *next;
	size_t len, cap;
	char text[];
};

static const char *
keep_text(struct source_list *l, const char *text)
{
	struct source_texts *t = l->texts;
	size_t len = strlen(text) + 1;
	char *copy;

	if (t == NULL || t->cap - t->len < len) {
		size_t cap = len > BLOCK_SIZE ? len : BLOCK_SIZE;

		t = malloc(sizeof *t + cap);
		if (t == NULL)
			return NULL;
		*t = (struct source_texts){ .next = l->texts, .cap = cap };
		l->texts = t;
	}
	copy = t->text + t->len;
	memcpy(copy, text, len);
	t->len += len;
	return copy;
}

/* A copy of what may be NULL.  0, or -1 without memory. */
static int
keep(struct source_list *l, const char **text)
{
	if (*text == NULL)
		return 0;
	*text = keep_text(l, *text);
	return *text != NULL ? 0 : -1;
}

int
source_list_add(struct source_list *l, const struct source_entry *e)
{
	struct source_entry copy = *e;

	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 1024 : l->cap * 2;
		struct source_entry *more = reallocarray(
		    l->list, cap, sizeof *more);

		if (more == NULL)
			return -1;
		l->list = more;
		l->cap = cap;
	}
	if (keep(l, &copy.path) != 0 || keep(l, &copy.target) != 0 ||
	    keep(l, &copy.outside) != 0)
		return -1;
	l->list[l->n++] = copy;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct source_entry *)a)->path,
	    ((const struct source_entry *)b)->path);
}

static struct source_name *
find_name(const struct source_names *names, uint32_t id)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->list[i].id == id)
			return &names->list[i];
	return NULL;
}

/* A new, empty name for an id that has none yet; NULL without memory. */
static struct source_name *
new_name(struct source_names *names, uint32_t id)
{
	struct source_name *more = reallocarray(
	    names->list, names->n + 1, sizeof *more);

	if (more == NULL)
		return NULL;
	names->list = more;
	more[names->n] = (struct source_name){ .id = id };
	return &more[names->n++];
}

static int
learn_names(struct source_list *l, const struct source_entry *e)
{
	struct source_name *name;
	struct passwd *pw;
	struct group *gr;

	if (find_name(&l->users, e->uid) == NULL) {
		name = new_name(&l->users, e->uid);
		if (name == NULL)
			return -1;
		pw = getpwuid(e->uid);
		if (pw != NULL && strlen(pw->pw_name) < sizeof name->name)
			(void)snprintf(
			    name->name, sizeof name->name, "%s", pw->pw_name);
	}
	if (find_name(&l->groups, e->gid) == NULL) {
		name = new_name(&l->groups, e->gid);
		if (name == NULL)
			return -1;
		gr = getgrgid(e->gid);
		if (gr != NULL && strlen(gr->gr_name) < sizeof name->name)
			(void)snprintf(
			    name->name, sizeof name->name, "%s", gr->gr_name);
	}
	return 0;
}

int
source_list_finish(struct source_list *l)
{
	if (l->n > 1)
		qsort(l->list, l->n, sizeof *l->list, compare);
	for (size_t i = 0; i < l->n; i++)
		if (learn_names(l, &l->list[i]) != 0)
			return -1;
	return 0;
}

const struct source_entry *
source_list_find(const struct source_list *l, const char *path)
{
	struct source_entry key = { .path = path };

	if (l->n == 0)
		return NULL;
	return bsearch(&key, l->list, l->n, sizeof *l->list, compare);
}

const char *
source_name(const struct source_names *names, uint32_t id)
{
	const struct source_name *name = find_name(names, id);

	return name != NULL ? name->name : "";
}

void
source_list_clear(struct source_list *l)
{
	struct source_texts *next;

	for (struct source_texts *t = l->texts; t != NULL; t = next) {
		next = t->next;
		free(t);
	}
	free(l->list);
	free(l->users.list);
	free(l->groups.list);
	*l = (struct source_list){ 0 };
}
