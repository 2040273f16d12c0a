/* SPDX-License-Identifier: PostgreSQL */
/* Where settings come from: files, environment, command line.  settings.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "ini.h"
#include "io.h"
#include "settings.h"

#define CONF_FILE_MAX    ((size_t)1024 * 1024)
#define ENV_PREFIX       "WALVAULT_"
#define ENV_STORE_PREFIX "STORE_"

static int
no_memory(struct fail *f)
{
	return fail_set(f, FAIL_INTERNAL, "configuration", "out of memory");
}

int
texts_add(struct texts *t, const char *text)
{
	char **more = reallocarray(t->text, t->n + 1, sizeof *more);

	if (more == NULL)
		return -1;
	t->text = more;
	t->text[t->n] = strdup(text);
	return t->text[t->n++] != NULL ? 0 : -1;
}

static int
texts_add_once(struct texts *t, const char *text)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->text[i], text) == 0)
			return 0;
	return texts_add(t, text);
}

static void
texts_clear(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->text[i]);
	free(t->text);
}

/* A secret in a file that many may read is none. */
static int
check_secret(const struct setting *said, struct fail *f)
{
	if (said->option->type != OPTION_SECRET ||
	    said->rank == RANK_ENVIRONMENT)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, said->origin, "%s may not stand here",
	    said->option->name);
	return fail_hint(f,
	    "name a file that holds it (secret_key_file), or a "
	    "credential_command, or set it in the environment");
}

int
settings_add(struct settings *s, const struct setting *said, struct fail *f)
{
	struct setting *more;

	if (check_secret(said, f) != 0)
		return -1;
	if (option_check(said->option, said->value, said->origin, f) != 0)
		return -1;
	more = reallocarray(s->list, s->n + 1, sizeof *more);
	if (more == NULL)
		return no_memory(f);
	s->list = more;
	more += s->n++;
	*more = *said;
	more->section = strdup(said->section);
	more->value = strdup(said->value);
	more->origin = strdup(said->origin);
	if (more->section == NULL || more->value == NULL ||
	    more->origin == NULL)
		return no_memory(f);
	return 0;
}

const struct setting *
settings_find(const struct settings *s, enum option_id id, const char *section)
{
	const struct setting *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct setting *x = &s->list[i];

		if (x->option->id != id ||
		    (best != NULL && x->rank < best->rank))
			continue;
		if (x->section[0] == '\0' || strcmp(x->section, section) == 0)
			best = x;
	}
	return best;
}

void
settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((void *)(uintptr_t)s->list[i].section);
		free((void *)(uintptr_t)s->list[i].value);
		free((void *)(uintptr_t)s->list[i].origin);
	}
	free(s->list);
	texts_clear(&s->clusters);
	texts_clear(&s->stores);
	texts_clear(&s->args);
	texts_clear(&s->warnings);
}

int
settings_check_name(
    const char *kind, const char *name, const char *origin, struct fail *f)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "._-";

	if (*name != '\0' && *name != '.' && strlen(name) < 64 &&
	    name[strspn(name, letters)] == '\0')
		return 0;
	return fail_set(f, FAIL_CONFIG, origin,
	    "'%s' is no name for a %s: use letters, digits, '.', '_', '-'",
	    name, kind);
}

static int
file_section(struct settings *s, const struct ini_line *l, struct fail *f)
{
	bool cluster = strcmp(l->section, "cluster") == 0;

	if (strcmp(l->section, "defaults") == 0 && l->name[0] == '\0')
		return 0;
	if (!cluster && strcmp(l->section, "store") != 0)
		return fail_set(f, FAIL_CONFIG, l->origin,
		    "unknown section [%s]: there are [defaults], "
		    "[cluster NAME] and [store NAME]",
		    l->section);
	if (settings_check_name(l->section, l->name, l->origin, f) != 0)
		return -1;
	if (texts_add_once(cluster ? &s->clusters : &s->stores, l->name) != 0)
		return no_memory(f);
	return 0;
}

void
settings_store_section(const char *store, char out[SETTINGS_SECTION])
{
	(void)snprintf(out, SETTINGS_SECTION, "store %.1000s", store);
}

static int
file_line(void *arg, const struct ini_line *l, struct fail *f)
{
	struct settings *s = arg;
	struct setting said = { .rank = RANK_SECTION,
		.section = l->name,
		.value = l->value,
		.origin = l->origin };
	bool store = strcmp(l->section, "store") == 0;
	char section[SETTINGS_SECTION];

	if (l->key == NULL)
		return file_section(s, l, f);
	if (l->section[0] == '\0')
		return fail_set(f, FAIL_CONFIG, l->origin,
		    "'%s' stands in no section", l->key);
	said.option = option_find(l->key, strlen(l->key), false);
	if (said.option == NULL || said.option->scope == SCOPE_RUN ||
	    (said.option->scope != SCOPE_BOTH &&
	        (said.option->scope == SCOPE_STORE) != store)) {
		(void)fail_set(f, FAIL_CONFIG, l->origin,
		    "unknown option '%s' in [%s]", l->key, l->section);
		return fail_hint(
		    f, "'walvault config' without this line lists the options");
	}
	if (l->name[0] == '\0')
		said.rank = RANK_DEFAULTS;
	if (store && said.option->scope == SCOPE_BOTH) {
		settings_store_section(l->name, section);
		said.section = section;
	}
	return settings_add(s, &said, f);
}

int
settings_read_file(struct settings *s, const char *path, struct fail *f)
{
	struct buf b = { 0 };
	int rc = io_read_file(AT_FDCWD, path, CONF_FILE_MAX, &b, f);

	if (rc == 0)
		rc = ini_parse(
		    (const char *)b.data, b.len, path, file_line, s, f);
	else if (rc < 0)
		f->kind = FAIL_CONFIG;
	buf_clear(&b);
	return rc;
}

static int
is_conf_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 &&
	    strcmp(d->d_name + len - 5, ".conf") == 0;
}

int
settings_read_dir(struct settings *s, const char *path, struct fail *f)
{
	struct dirent **names;
	int n = scandir(path, &names, is_conf_file, alphasort), rc = 0;

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0) {
		(void)fail_errno(f, path, "read");
		f->kind = FAIL_CONFIG;
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[PATH_MAX];

		if (rc == 0) {
			(void)snprintf(
			    file, sizeof file, "%s/%s", path, names[i]->d_name);
			rc = settings_read_file(s, file, f);
		}
		free(names[i]);
	}
	free(names);
	return rc < 0 ? -1 : 0;
}

/* Does an environment variable's name begin with a store's name and '_'? */
static size_t
env_store_len(const char *p, const char *store)
{
	size_t n = strlen(store);

	for (size_t i = 0; i < n; i++) {
		char c = store[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (c == '-' || c == '.')
			c = '_';
		if (p[i] != c)
			return 0;
	}
	return p[n] == '_' ? n + 1 : 0;
}

/* The option and the store that WALVAULT_NAME speaks of; NULL: none. */
static const struct option *
env_option(
    const struct settings *s, const char *name, size_t len, const char **store)
{
	const struct option *o;
	size_t skip = strlen(ENV_STORE_PREFIX);

	*store = "";
	o = option_find(name, len, true);
	if (o != NULL)
		return o->scope == SCOPE_STORE ? NULL : o;
	if (len <= skip || strncmp(name, ENV_STORE_PREFIX, skip) != 0)
		return NULL;
	for (size_t i = 0; i < s->stores.n; i++) {
		size_t n = env_store_len(name + skip, s->stores.text[i]);

		if (n == 0 || skip + n >= len)
			continue;
		o = option_find(name + skip + n, len - skip - n, true);
		if (o != NULL &&
		    (o->scope == SCOPE_STORE || o->scope == SCOPE_BOTH)) {
			*store = s->stores.text[i];
			return o;
		}
	}
	return NULL;
}

int
settings_warn(struct settings *s, struct fail *f, const char *fmt, ...)
{
	char *text;
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = vasprintf(&text, fmt, args);
	va_end(args);
	if (rc < 0)
		return no_memory(f);
	rc = texts_add(&s->warnings, text);
	free(text);
	return rc == 0 ? 0 : no_memory(f);
}

static int
unknown_variable(struct settings *s, const char *origin, struct fail *f)
{
	return settings_warn(
	    s, f, "environment: %s: no such option, ignored", origin);
}

int
settings_read_environment(
    struct settings *s, char **environment, struct fail *f)
{
	size_t prefix = strlen(ENV_PREFIX);

	for (char **e = environment; e != NULL && *e != NULL; e++) {
		struct setting said = { .rank = RANK_ENVIRONMENT };
		char origin[256], section[SETTINGS_SECTION];
		size_t len = strcspn(*e, "=");

		if (strncmp(*e, ENV_PREFIX, prefix) != 0)
			continue;
		(void)snprintf(origin, sizeof origin, "%.*s", (int)len, *e);
		said.option = env_option(
		    s, *e + prefix, len - prefix, &said.section);
		if (said.option == NULL) {
			if (unknown_variable(s, origin, f) != 0)
				return -1;
			continue;
		}
		if (said.option->scope == SCOPE_BOTH &&
		    said.section[0] != '\0') {
			settings_store_section(said.section, section);
			said.section = section;
		}
		said.value = *e + len + ((*e)[len] == '=');
		said.origin = origin;
		if (settings_add(s, &said, f) != 0)
			return -1;
	}
	return 0;
}

/* One "--name", "--name=value" or "--name value"; *i moves on. */
static int
read_option(struct settings *s, enum command command, int argc, char **argv,
    int *i, struct fail *f)
{
	const char *text = argv[*i] + 2;
	size_t len = strcspn(text, "=");
	char origin[128];
	struct setting said = { .option = option_find(text, len, false),
		.rank = RANK_COMMAND,
		.section = "",
		.origin = origin };

	(void)snprintf(origin, sizeof origin, "--%.*s", (int)len, text);
	if (said.option == NULL || said.option->scope == SCOPE_STORE ||
	    (said.option->commands & command) == 0) {
		(void)fail_set(f, FAIL_CONFIG, origin, "no such option here");
		return fail_hint(f, "--help lists the options");
	}
	if (text[len] == '=')
		said.value = text + len + 1;
	else if (said.option->type == OPTION_FLAG)
		said.value = "yes";
	else if (*i + 1 < argc)
		said.value = argv[++*i];
	else
		return fail_set(f, FAIL_CONFIG, origin,
		    "needs an argument (%s)", said.option->arg);
	return settings_add(s, &said, f);
}

int
settings_read_arguments(struct settings *s, enum command command, int argc,
    char **argv, struct fail *f)
{
	bool only_arguments = false;

	for (int i = 0; i < argc; i++) {
		bool option = argv[i][0] == '-' && argv[i][1] != '\0' &&
		    !only_arguments;

		if (option && strcmp(argv[i], "--") == 0) {
			only_arguments = true;
			continue;
		}
		if (option && argv[i][1] != '-')
			return fail_set(f, FAIL_CONFIG, argv[i],
			    "no such option: options are --long");
		if (option && read_option(s, command, argc, argv, &i, f) != 0)
			return -1;
		if (!option && texts_add(&s->args, argv[i]) != 0)
			return no_memory(f);
	}
	return 0;
}
