/* SPDX-License-Identifier: PostgreSQL */
/* What every command begins with: see setup.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "secret.h"
#include "setup.h"
#include "store_unusable.h"

#define HELP_COLUMN 30

static void
print_option(const struct option *o, enum command command)
{
	const char *def = option_default(o, command);
	char left[80];

	(void)snprintf(left, sizeof left, "--%s%s%s", o->name,
	    o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
	(void)printf("  %-*s %s", HELP_COLUMN - 3, left, o->help);
	if (o->choices != NULL)
		(void)printf(" (%s)", o->choices);
	if (def != NULL)
		(void)printf(" [%s]", def);
	(void)printf("\n");
}

static void
print_help(enum command command, const char *usage, const char *about)
{
	(void)printf("usage: %s\n\n%s\n\noptions:\n", usage, about);
	for (enum option_id id = 0; id < OPT_COUNT; id++) {
		const struct option *o = option_of(id);

		if ((o->commands & command) != 0 && o->scope != SCOPE_STORE)
			print_option(o, command);
	}
	(void)printf("  %-*s %s\n  %-*s %s\n", HELP_COLUMN - 3, "--help",
	    "print this", HELP_COLUMN - 3, "--version", "print the version");
}

int
setup_help(enum command command, const char *usage, const char *about, int argc,
    char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_help(command, usage, about);
			return 1;
		}
		if (strcmp(argv[i], "--version") == 0) {
			(void)printf("%.*s (walvault) %s\n",
			    (int)strcspn(usage, " "), usage, WALVAULT_VERSION);
			return 1;
		}
	}
	return 0;
}

int
setup_conf(struct setup *s, enum command command, int argc, char **argv,
    struct fail *f)
{
	struct conf_args args = { .command = command,
		.argc = argc,
		.argv = argv,
		.environment = environ };
	const char *warning;

	s->command = command;
	s->conf = conf_load(&args, f);
	if (s->conf == NULL)
		return -1;
	log_setup(log_program(),
	    (enum log_level)conf_number(s->conf, OPT_LOG_LEVEL),
	    conf_number(s->conf, OPT_LOG_FORMAT) == 1);
	for (size_t i = 0; (warning = conf_warning(s->conf, i)) != NULL; i++)
		log_warning("%s", warning);
	return 0;
}

struct deadline
setup_deadline(int64_t timeout_ms)
{
	return deadline_in(
	    timeout_ms - (timeout_ms / 10 < 500 ? timeout_ms / 10 : 500));
}

static const char *
store_option_of(const void *arg, const char *name)
{
	const struct setup_store *place = arg;
	const struct option *o = option_find(name, strlen(name), false);

	return o != NULL
	    ? conf_store_text(place->conf, place->number, o->id, NULL)
	    : NULL;
}

void
setup_store_args(struct setup *s, size_t i, struct store_args *args)
{
	s->places[i] = (struct setup_store){ s->conf, i };
	*args = (struct store_args){
		.name = conf_store_name(s->conf, i),
		.url = conf_store_text(s->conf, i, OPT_URL, NULL),
		.dir_mode = (uint32_t)conf_store_number(
		    s->conf, i, OPT_DIR_MODE),
		.file_mode = (uint32_t)conf_store_number(
		    s->conf, i, OPT_FILE_MODE),
		.option = store_option_of,
		.option_arg = &s->places[i],
		.spool_dir = conf_text(s->conf, OPT_SPOOL_DIR, NULL),
		.deadline = s->deadline,
	};
}

/* As ssh does of a key: each time, until somebody sets it right. */
static void
warn_of_secrets(const struct conf *c, size_t store)
{
	static const enum option_id files[] = { OPT_SECRET_KEY_FILE,
		OPT_CREDENTIALS_FILE, OPT_SAS_TOKEN_FILE, OPT_SSE_KEY_FILE,
		OPT_IDENTITY_FILE, OPT_PASSPHRASE_FILE };

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		const char *path = conf_store_text(c, store, files[i], NULL);
		mode_t mode;

		if (path != NULL && secret_is_exposed(path, &mode))
			log_warning("store %s: %s: others may read or change "
			            "it (mode %04o), and it is a secret (hint: "
			            "chmod 600 %s)",
			    conf_store_name(c, store), path, (unsigned)mode,
			    path);
	}
}

/* Its fault is told by whoever asks it for something. */
static struct store *
open_one(struct setup *s, const struct store_args *args, struct fail *f)
{
	const unsigned strict = CMD_CONFIG | CMD_INIT;
	struct store *store = store_open(args, f);

	if (store != NULL || conf_n_stores(s->conf) == 1 ||
	    (s->command & strict) != 0 || f->kind == FAIL_INTERNAL)
		return store;
	s->n_unusable++;
	return s->n_unusable < conf_n_stores(s->conf) ? store_unusable(args, f)
	                                              : NULL;
}

int
setup_stores(struct setup *s, struct fail *f)
{
	for (size_t i = s->n; i < conf_n_stores(s->conf); i++) {
		struct store_args args;

		setup_store_args(s, i, &args);
		warn_of_secrets(s->conf, i);
		s->stores[i] = open_one(s, &args, f);
		if (s->stores[i] == NULL)
			return -1;
		s->repos[i].store = s->stores[i];
		(void)snprintf(s->repos[i].layout.cluster,
		    sizeof s->repos[i].layout.cluster, "%s",
		    conf_cluster(s->conf));
		s->repos[i].layout.generation = (uint32_t)conf_number(
		    s->conf, OPT_GENERATION);
		s->n++;
	}
	return 0;
}

int
setup_places(struct setup *s, struct fail *f)
{
	/* The others that write compare the stores when they open them. */
	const unsigned change = CMD_EXPIRE | CMD_HOLD | CMD_RELEASE |
	    CMD_REPAIR;

	if (s->n < 2 || (s->command & change) == 0)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		struct fail unused;

		if (!s->stores[i]->far)
			(void)repository_peek(&s->repos[i], &unused);
		for (size_t k = 0; k < i; k++)
			if (repository_place(&s->repos[k], &s->repos[i], f) !=
			    0)
				return -1;
	}
	return 0;
}

int
setup_name_store(const struct setup *s, size_t i, struct fail *f)
{
	return s->n > 1 ? fail_add(f, "store %s", conf_store_name(s->conf, i))
	                : -1;
}

int
setup_suggest_others(const struct setup *s, size_t failed, struct fail *f)
{
	char list[400] = "";
	size_t n = 0;

	for (size_t i = 0; i < s->n && n < sizeof list; i++)
		if (i != failed)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
			    n > 0 ? "," : "", conf_store_name(s->conf, i));
	if (s->n < 2 || n >= sizeof list)
		return -1;
	return fail_hint(f,
	    "to go on without store %s, and without knowing what only it has: "
	    "--store %s",
	    conf_store_name(s->conf, failed), list);
}

void
setup_clear(struct setup *s)
{
	for (size_t i = 0; i < s->n; i++)
		store_free(s->stores[i]);
	conf_free(s->conf);
}
