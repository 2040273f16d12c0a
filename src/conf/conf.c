/* SPDX-License-Identifier: PostgreSQL */
/* What holds of all that was said: see conf.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "place.h"
#include "schemes.h"
#include "settings.h"

struct conf {
	enum command command;
	struct settings said;
	const char *cluster;
	char *stores; /* the list, cut into pieces */
	char *more;   /* the same of those that were left out */
	const char *used[CONF_STORES_MAX];
	size_t n_used;
};

/* The cluster named, or the only one there is. */
static int
choose_cluster(struct conf *c, struct fail *f)
{
	const struct texts *known = &c->said.clusters;
	const struct setting *named = settings_find(&c->said, OPT_CLUSTER, "");
	char list[256] = "";

	if (named == NULL && known->n <= 1) {
		c->cluster = known->n == 1 ? known->text[0]
		                           : CONF_DEFAULT_CLUSTER;
		return 0;
	}
	for (size_t i = 0; i < known->n; i++) {
		size_t len = strlen(list);

		if (named != NULL &&
		    strcmp(named->value, known->text[i]) == 0) {
			c->cluster = known->text[i];
			return 0;
		}
		(void)snprintf(list + len, sizeof list - len, "%s%s",
		    i > 0 ? ", " : "", known->text[i]);
	}
	if (named == NULL)
		return fail_set(f, FAIL_CONFIG, "--cluster",
		    "must say which one: the configuration has %s", list);
	if (known->n > 0)
		return fail_set(f, FAIL_CONFIG, named->origin,
		    "no cluster '%s' in the configuration: it has %s",
		    named->value, list);
	if (settings_check_name("cluster", named->value, named->origin, f) != 0)
		return -1;
	c->cluster = named->value;
	return 0;
}

static bool
is_same_place(const struct conf *c, size_t a, size_t b)
{
	static const enum option_id where[] = { OPT_URL, OPT_ENDPOINT,
		OPT_ACCOUNT };

	for (size_t i = 0; i < sizeof where / sizeof where[0]; i++)
		if (!place_is_same(conf_store_text(c, a, where[i], NULL),
		        conf_store_text(c, b, where[i], NULL)))
			return false;
	return true;
}

/* The place of the last one among those before it, or n_used. */
static size_t
same_as_last(const struct conf *c)
{
	size_t last = c->n_used - 1;

	for (size_t i = 0; i < last; i++)
		if (is_same_place(c, i, last))
			return i;
	return c->n_used;
}

/* Two names of one place would make one copy count as two. */
static int
check_place(const struct conf *c, const char *origin, struct fail *f)
{
	size_t last = c->n_used - 1, other = same_as_last(c);

	if (other == c->n_used)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, origin,
	    "stores '%s' and '%s' are one place: %s", c->used[other],
	    c->used[last], conf_store_text(c, last, OPT_URL, NULL));
	return fail_hint(f,
	    "what is in both is there once: give one of them a url of its own, "
	    "or take it out of the list");
}

/* Where a section has the URL, it is that store, with all that is said of it.
 */
static int
name_of(
    const struct conf *c, const char **name, const char *origin, struct fail *f)
{
	const char *section = NULL;

	if (!schemes_is_url(*name))
		return 0;
	if (schemes_section(&c->said, c->command, *name, origin, &section, f) <
	    0)
		return -1;
	if (section != NULL)
		*name = section;
	return 0;
}

/* A store must be a URL or have one. */
static int
use_store(struct conf *c, const char *name, const char *origin, struct fail *f)
{
	if (c->n_used == CONF_STORES_MAX)
		return fail_set(f, FAIL_CONFIG, origin, "more than %d stores",
		    CONF_STORES_MAX);
	if (name_of(c, &name, origin, f) != 0)
		return -1;
	for (size_t i = 0; i < c->n_used; i++)
		if (strcmp(c->used[i], name) == 0)
			return fail_set(f, FAIL_CONFIG, origin,
			    "store '%s' is named twice", name);
	c->used[c->n_used++] = name;
	if (schemes_is_url(name) ||
	    conf_store_text(c, c->n_used - 1, OPT_URL, NULL))
		return 0;
	return schemes_no_url(&c->said, name, origin, f);
}

static int
choose_stores(struct conf *c, struct fail *f)
{
	const char *origin, *list = conf_text(c, OPT_STORE, &origin);
	char *p, *rest;

	if (list == NULL) {
		(void)fail_set(f, FAIL_CONFIG, c->cluster, "no store is set");
		return fail_hint(f,
		    "give --store URL, or store = NAME in %s: " SCHEMES_FORMS,
		    CONF_DEFAULT_FILE);
	}
	c->stores = strdup(list);
	if (c->stores == NULL)
		return fail_set(f, FAIL_INTERNAL, "store", "out of memory");
	for (p = strtok_r(c->stores, ", \t", &rest); p != NULL;
	     p = strtok_r(NULL, ", \t", &rest))
		if (use_store(c, p, origin, f) != 0 ||
		    check_place(c, origin, f) != 0)
			return -1;
	return c->n_used > 0
	    ? 0
	    : fail_set(f, FAIL_CONFIG, origin, "no store in '%s'", list);
}

/* Does the command look at option required? */
static bool
knows_required(const struct conf *c)
{
	return (option_of(OPT_REQUIRED)->commands & c->command) != 0;
}

/*
 * --store leads around a lost store: the number of the configuration cannot be
 * meant then.  Not so of what tells the server that a file may be recycled.
 */
static bool
is_led_around(const struct conf *c, const char *origin)
{
	const char *list_origin;

	(void)conf_text(c, OPT_STORE, &list_origin);
	return c->command != CMD_WALPUSH &&
	    strcmp(list_origin, "--store") == 0 &&
	    strcmp(origin, "--required") != 0;
}

/* More stores than there are cannot have anything. */
static int
check_required(struct conf *c, struct fail *f)
{
	const char *origin, *text = conf_text(c, OPT_REQUIRED, &origin);

	if ((!knows_required(c) && c->command != CMD_CONFIG) ||
	    conf_number(c, OPT_REQUIRED) <= c->n_used)
		return 0;
	if (is_led_around(c, origin))
		return settings_warn(&c->said, f,
		    "%s: required = %s, but --store names %zu: that many must "
		    "have it in this run",
		    origin, text, c->n_used);
	(void)fail_set(f, FAIL_CONFIG, origin,
	    "required = %s, but the stores are %zu: %s", text, c->n_used,
	    conf_text(c, OPT_STORE, NULL));
	return fail_hint(f,
	    "required is all, any, or a number of them; in one run: --required "
	    "%zu",
	    c->n_used);
}

/* The file named on the command line or in the environment, or the usual. */
static int
read_files(struct conf *c, char **environment, struct fail *f)
{
	const struct setting *named = settings_find(&c->said, OPT_CONFIG, "");
	const char *path = named != NULL ? named->value : NULL;

	for (char **e = environment; path == NULL && e != NULL && *e != NULL;
	     e++)
		if (strncmp(*e, "WALVAULT_CONFIG=", 16) == 0)
			path = *e + 16;
	if (path == NULL) {
		if (settings_read_file(&c->said, CONF_DEFAULT_FILE, f) < 0)
			return -1;
		return settings_read_dir(&c->said, CONF_DEFAULT_DIR, f);
	}
	switch (settings_read_file(&c->said, path, f)) {
	case 0:
		return 0;
	case 1:
		return fail_set(f, FAIL_CONFIG, path, "no such file");
	default:
		return -1;
	}
}

static int
load(struct conf *c, const struct conf_args *args, struct fail *f)
{
	if (settings_read_arguments(
	        &c->said, args->command, args->argc, args->argv, f) != 0 ||
	    read_files(c, args->environment, f) != 0 ||
	    settings_read_environment(&c->said, args->environment, f) != 0 ||
	    choose_cluster(c, f) != 0)
		return -1;
	if (schemes_check(&c->said, f) != 0 || choose_stores(c, f) != 0)
		return -1;
	return check_required(c, f);
}

struct conf *
conf_load(const struct conf_args *args, struct fail *f)
{
	struct conf *c = calloc(1, sizeof *c);

	if (c == NULL) {
		(void)fail_set(
		    f, FAIL_INTERNAL, "configuration", "out of memory");
		return NULL;
	}
	c->command = args->command;
	if (load(c, args, f) == 0)
		return c;
	conf_free(c);
	return NULL;
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	settings_clear(&c->said);
	free(c->stores);
	free(c->more);
	free(c);
}

size_t
conf_n_args(const struct conf *c)
{
	return c->said.args.n;
}

const char *
conf_arg(const struct conf *c, size_t i)
{
	return i < c->said.args.n ? c->said.args.text[i] : NULL;
}

const char *
conf_warning(const struct conf *c, size_t i)
{
	return i < c->said.warnings.n ? c->said.warnings.text[i] : NULL;
}

const char *
conf_cluster(const struct conf *c)
{
	return c->cluster;
}

static const char *
value(const struct conf *c, enum option_id id, const char *section,
    const char **origin)
{
	const struct setting *s = settings_find(&c->said, id, section);
	const char *from = s != NULL ? s->origin : "default";

	if (origin != NULL)
		*origin = from;
	return s != NULL ? s->value : option_default(option_of(id), c->command);
}

/* The store's own, unless the cluster's was said by somebody of more weight. */
static const char *
value_of_both(const struct conf *c, enum option_id id, const char *store,
    const char **origin)
{
	char section[SETTINGS_SECTION];
	const struct setting *own, *common;

	settings_store_section(store, section);
	own = settings_find(&c->said, id, section);
	common = settings_find(&c->said, id, c->cluster);
	return own == NULL || (common != NULL && common->rank > own->rank)
	    ? value(c, id, c->cluster, origin)
	    : value(c, id, section, origin);
}

const char *
conf_text(const struct conf *c, enum option_id id, const char **origin)
{
	return value(c, id, c->cluster, origin);
}

const char *
conf_repeated(const struct conf *c, enum option_id id, size_t i)
{
	for (size_t k = 0; k < c->said.n; k++) {
		const struct setting *x = &c->said.list[k];

		if (x->option->id == id && x->rank == RANK_COMMAND && i-- == 0)
			return x->value;
	}
	return NULL;
}

uint64_t
conf_number(const struct conf *c, enum option_id id)
{
	const char *text = conf_text(c, id, NULL);

	return text != NULL ? option_number(option_of(id), text) : 0;
}

size_t
conf_n_stores(const struct conf *c)
{
	return c->n_used;
}

static bool
is_used(const struct conf *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->n_used; i++)
		if (strlen(c->used[i]) == len &&
		    memcmp(c->used[i], name, len) == 0)
			return true;
	return false;
}

/* The list of stores in the configuration's files, whatever else was said. */
static const char *
list_in_files(const struct conf *c, const char **origin)
{
	const char *list = "";

	for (size_t i = 0; i < c->said.n; i++) {
		const struct setting *s = &c->said.list[i];

		if (s->option->id == OPT_STORE && s->rank <= RANK_SECTION &&
		    (s->section[0] == '\0' ||
		        strcmp(s->section, c->cluster) == 0)) {
			list = s->value;
			*origin = s->origin;
		}
	}
	return list;
}

void
conf_left_out(const struct conf *c, char *out, size_t cap)
{
	const char *origin, *list = list_in_files(c, &origin);
	size_t n = 0, len;

	out[0] = '\0';
	for (; *list != '\0' && n < cap; list += len) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len > 0 && !is_used(c, list, len))
			n += (size_t)snprintf(out + n, cap - n, "%s%.*s",
			    n > 0 ? ", " : "", (int)len, list);
	}
}

int
conf_add_left_out(struct conf *c, struct fail *f)
{
	const char *origin = "", *list = list_in_files(c, &origin);
	size_t len = strlen(list) + 1;
	char *p, *rest;

	free(c->more);
	c->more = malloc(len);
	if (c->more == NULL)
		return fail_set(f, FAIL_INTERNAL, "store", "out of memory");
	memcpy(c->more, list, len);
	for (p = strtok_r(c->more, ", \t", &rest); p != NULL;
	     p = strtok_r(NULL, ", \t", &rest)) {
		const char *name = p;

		if (name_of(c, &name, origin, f) != 0)
			return -1;
		if (is_used(c, name, strlen(name)))
			continue;
		if (use_store(c, name, origin, f) != 0)
			return -1;
		/* By its URL it was not left out. */
		if (same_as_last(c) < c->n_used)
			c->n_used--;
	}
	return 0;
}

size_t
conf_n_required(const struct conf *c)
{
	uint64_t n = conf_number(c, OPT_REQUIRED);

	if (!knows_required(c) || n == 0 || n > c->n_used)
		return c->n_used;
	return (size_t)n;
}

const char *
conf_store_name(const struct conf *c, size_t store)
{
	return c->used[store];
}

const char *
conf_store_text(
    const struct conf *c, size_t store, enum option_id id, const char **origin)
{
	const char *name = c->used[store];

	if (id == OPT_URL && schemes_is_url(name)) {
		if (origin != NULL)
			(void)conf_text(c, OPT_STORE, origin);
		return name;
	}
	if (option_of(id)->scope == SCOPE_BOTH)
		return value_of_both(c, id, name, origin);
	return value(c, id, name, origin);
}

uint64_t
conf_store_number(const struct conf *c, size_t store, enum option_id id)
{
	const char *text = conf_store_text(c, store, id, NULL);

	return text != NULL ? option_number(option_of(id), text) : 0;
}
