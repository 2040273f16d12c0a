/* SPDX-License-Identifier: PostgreSQL */
/* A sync that nobody waits for: see background.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"

#define WORDS_MAX 64

/* A log that is larger begins anew: another sync may be writing into it. */
#define LOG_MAX ((off_t)256 * 1024)

struct words {
	char text[8192];
	size_t used, n;
	char *argv[WORDS_MAX];
};

/* false: it does not fit. */
static bool
add(struct words *w, const char *name, const char *value)
{
	size_t room = sizeof w->text - w->used;
	int n;

	if (w->n + 1 >= WORDS_MAX)
		return false;
	n = snprintf(w->text + w->used, room, "%s%s%s%s",
	    value != NULL ? "--" : "", name, value != NULL ? "=" : "",
	    value != NULL ? value : "");
	if (n < 0 || (size_t)n >= room)
		return false;
	w->argv[w->n++] = w->text + w->used;
	w->argv[w->n] = NULL;
	w->used += (size_t)n + 1;
	return true;
}

/* The program beside this one, and its arguments. */
static bool
build(struct words *w, const struct conf *c, const char *stores)
{
	char self[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 16);

	if (len <= 0)
		return false;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	memcpy(slash + 1, "walvault", sizeof "walvault");
	if (!add(w, self, NULL) || !add(w, "sync", NULL) ||
	    !add(w, "to", stores) || !add(w, "cluster", conf_cluster(c)))
		return false;
	for (enum option_id id = 0; id < OPT_COUNT; id++) {
		const struct option *o = option_of(id);
		const char *origin, *text;

		if (id == OPT_CLUSTER || o->scope == SCOPE_STORE ||
		    (o->commands & CMD_SYNC) == 0)
			continue;
		text = conf_text(c, id, &origin);
		if (text != NULL && strncmp(origin, "--", 2) == 0 &&
		    !add(w, o->name, text))
			return false;
	}
	return true;
}

/* In the child of a child: nobody's group, nobody's pipes. */
_Noreturn static void
run(struct words *w, const char *state_dir)
{
	char path[PATH_MAX];
	int null, log;

	(void)snprintf(path, sizeof path, "%.4000s/sync.log", state_dir);
	null = open("/dev/null", O_RDWR);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
	if (log >= 0 && lseek(log, 0, SEEK_END) > LOG_MAX &&
	    ftruncate(log, 0) != 0) {
		(void)close(log);
		log = -1;
	}
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(log >= 0 ? log : null, STDERR_FILENO);
	closefrom(STDERR_FILENO + 1);
	(void)execv(w->argv[0], w->argv);
	_exit(127);
}

void
background_sync(const struct conf *c, const char *stores)
{
	const char *state_dir = conf_text(c, OPT_STATE_DIR, NULL);
	static struct words w;

	w = (struct words){ .n = 0 };
	if (!build(&w, c, stores) || fork() != 0)
		return;
	(void)setsid();
	if (fork() == 0)
		run(&w, state_dir);
	_exit(0);
}
