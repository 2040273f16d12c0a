/* SPDX-License-Identifier: PostgreSQL */
/*
 * The configuration: up to the first NUL byte a file, behind it words for the
 * command line and (those that begin with "WALVAULT_") the environment, each
 * ended by a NUL.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"

#define WORDS_MAX 30

/* All that holds is of its type and range, and says where it is from. */
static void
check(const struct conf *c)
{
	MUST(conf_cluster(c)[0] != '\0');
	MUST(conf_n_stores(c) > 0);
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option *o = option_of((enum option_id)i);
		const char *from = NULL;
		const char *text = conf_text(c, o->id, &from);
		struct fail f;

		if (o->scope == SCOPE_STORE)
			text = conf_store_text(c, 0, o->id, &from);
		MUST(from != NULL);
		if (text != NULL)
			MUST(option_check(o, text, from, &f) == 0);
	}
}

static void
load(char **argv, int argc, char **environment)
{
	static const enum command commands[] = { CMD_WALPUSH, CMD_WALFETCH,
		CMD_FIND, CMD_CHECK };

	for (size_t i = 0; i < 4; i++) {
		struct conf_args args = { .command = commands[i],
			.argc = argc,
			.argv = argv,
			.environment = environment };
		struct fail f = { 0 };
		struct conf *c = conf_load(&args, &f);

		if (c == NULL)
			MUST(f.kind == FAIL_CONFIG && f.cause[0] != '\0');
		else
			check(c);
		conf_free(c);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[WORDS_MAX], *environment[WORDS_MAX], path[64];
	char *text = malloc(size + 1), *end = text + size, *p;
	int fd = memfd_create("conf", MFD_CLOEXEC), argc = 0, n = 0;

	MUST(text != NULL && fd >= 0);
	if (size > 0)
		memcpy(text, data, size);
	*end = '\0';
	MUST(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)snprintf(path, sizeof path, "--config=/proc/self/fd/%d", fd);
	argv[argc++] = path;
	for (p = text + strlen(text) + 1; p < end; p += strlen(p) + 1) {
		if (strncmp(p, "WALVAULT_", 9) == 0 && n < WORDS_MAX - 1)
			environment[n++] = p;
		else if (strncmp(p, "--config", 8) != 0 && argc < WORDS_MAX)
			argv[argc++] = p;
	}
	environment[n] = NULL;
	load(argv, argc, environment);
	(void)close(fd);
	free(text);
	return 0;
}

static void
write_seeds(void)
{
	static const char words[] =
	    "[defaults]\nstore = a, file:///b\ntimeout = 5min\n"
	    "on_damage = refuse\nallow_damaged = yes\ncompress_level = 3\n"
	    "[cluster main]\npgdata = /var/lib/postgresql\ngeneration = 2\n"
	    "# comment\n; comment\n[store a]\nurl = file:///a\n"
	    "dir_mode = 0750\n[cluster other]\nlog_level = debug\n\0"
	    "--cluster\0main\0--timeout=7s\0--log-format\0json\0--\0-\0"
	    "WALVAULT_LOG_LEVEL=error\0WALVAULT_STORE_A_FILE_MODE=0640\0"
	    "WALVAULT_NO_SUCH=1";

	seed("words", words, sizeof words - 1);
	seed_text("shortest",
	    "[cluster main]\npgdata = /data\nstore = local\n\n"
	    "[store local]\nurl = file:///backups\n");
	seed_text("bad", "[cluster a/b]\nx\n=\n[defaults\ntimeout = -1\n");
}
