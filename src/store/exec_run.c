/* SPDX-License-Identifier: PostgreSQL */
/* One run of a user's command: see exec_run.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "exec_run.h"
#include "io.h"
#include "leash.h"
#include "log.h"

#define PRINTED_MAX ((size_t)256 * 1024 * 1024)
#define WORDS_MAX   400 /* of what it says: it is to fit into a failure */
#define ENV_MAX     6
#define LOOK_MS     200

struct running {
	struct exec_run *r;
	struct leash leash;
	int out, err; /* its pipes, -1 when they are at their end */
	struct deadline end;
	char words[WORDS_MAX + 1]; /* the end of its standard error */
	size_t n_words;
	bool failed; /* *f is filled, and it is not the command's */
	bool late;
	bool ended; /* with this status */
	int status;
};

static int
failed(const struct exec_run *r, enum fail_kind kind, const char *cause,
    struct fail *f)
{
	char object[STORE_KEY_MAX + 1024];

	store_object_name(&r->s->store, r->key, object, sizeof object);
	return fail_set(f, kind, object, "%s: %s", r->verb, cause);
}

/* Our environment, with what it is told put in front.  NULL: no memory. */
static char **
make_environment(struct running *x)
{
	struct exec_run *r = x->r;
	size_t n = 0, at = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = calloc(n + ENV_MAX + 1, sizeof *env);
	if (env == NULL)
		return NULL;
	if (asprintf(&env[at++], "STORE_PROTOCOL=1") < 0 ||
	    asprintf(&env[at++], "STORE_NAME=%s", r->s->store.name) < 0 ||
	    asprintf(&env[at++], "STORE_KIND=%s",
	        r->kind != NULL ? r->kind : "") < 0 ||
	    asprintf(&env[at++], "STORE_SIZE=%llu",
	        (unsigned long long)r->size) < 0 ||
	    asprintf(&env[at++], "STORE_SECONDS=%lld",
	        (long long)deadline_left(x->end) / 1000) < 0) {
		env[at - 1] = NULL;
		for (at = 0; env[at] != NULL; at++)
			free(env[at]);
		free(env);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "STORE_", 6) != 0)
			env[at++] = environ[i];
	return env;
}

static void
free_environment(char **env)
{
	for (size_t i = 0; i < ENV_MAX - 1 && env[i] != NULL; i++)
		free(env[i]);
	free(env);
}

/* Arguments are no const, and nobody changes them. */
static char *
word(const char *text)
{
	union {
		const char *from;
		char *to;
	} u = { .from = text };

	return u.to;
}

/* With three descriptors and no more.  0 or errno. */
static int
spawn(struct running *x, const int fd[3])
{
	const struct exec_run *r = x->r;
	char *script = NULL, **env = make_environment(x);
	char *argv[10] = { word("/bin/sh"), word("-c"), NULL, word("walvault"),
		word(r->verb) };
	int n = 5, error = ENOMEM;

	if (env != NULL && asprintf(&script, "%s \"$@\"", r->s->command) >= 0) {
		argv[2] = script;
		for (int i = 0; i < 4 && r->args[i] != NULL; i++)
			argv[n++] = word(r->args[i]);
		error = leash_start(&x->leash, argv, env, fd);
	}
	free(script);
	if (env != NULL)
		free_environment(env);
	return error;
}

static void
close_all(const int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fd[i] >= 0)
			(void)close(fd[i]);
}

static int
start(struct running *x, struct fail *f)
{
	int fd[5] = { -1, -1, -1, -1, -1 }, error = 0;

	/* Its standard input, and both ends of two pipes. */
	fd[0] = x->r->input >= 0 ? fcntl(x->r->input, F_DUPFD_CLOEXEC, 3)
	                         : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd[0] < 0 || pipe2(fd + 1, O_CLOEXEC) != 0 ||
	    pipe2(fd + 3, O_CLOEXEC) != 0)
		error = errno;
	if (error == 0)
		error = spawn(x, (const int[]){ fd[0], fd[2], fd[4] });
	if (error != 0) {
		close_all(fd, 5);
		return failed(x->r, FAIL_TRANSIENT, strerror(error), f);
	}
	(void)close(fd[0]);
	(void)close(fd[2]);
	(void)close(fd[4]);
	x->out = fd[1];
	x->err = fd[3];
	return 0;
}

/* Keep the end of what it says. */
static void
take_words(struct running *x, const char *bytes, size_t len)
{
	size_t keep;

	if (len > WORDS_MAX) {
		bytes += len - WORDS_MAX;
		len = WORDS_MAX;
	}
	keep = x->n_words + len > WORDS_MAX ? WORDS_MAX - len : x->n_words;
	memmove(x->words, x->words + x->n_words - keep, keep);
	memcpy(x->words + keep, bytes, len);
	x->n_words = keep + len;
}

/* 0, or -1 with *f */
static int
take_output(struct running *x, const void *bytes, size_t len, struct fail *f)
{
	struct exec_run *r = x->r;

	if (r->out != NULL)
		return stream_write(r->out, bytes, len, f);
	if (r->printed.len + len > PRINTED_MAX ||
	    buf_append(&r->printed, bytes, len) != 0)
		return failed(r, FAIL_TRANSIENT, "it prints too much", f);
	return 0;
}

/* Read what one of the pipes has; -1 in *fd at its end. */
static void
drain(struct running *x, int *fd, uint8_t *room, struct fail *f)
{
	ssize_t n = read(*fd, room, IO_CHUNK);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		(void)close(*fd);
		*fd = -1;
	} else if (fd == &x->err) {
		take_words(x, (const char *)room, (size_t)n);
	} else {
		x->failed = take_output(x, room, (size_t)n, f) != 0;
	}
}

/* Has it ended?  Asked without waiting. */
static void
look(struct running *x)
{
	if (!x->ended)
		x->ended = waitpid(x->leash.pid, &x->status, WNOHANG) ==
		    x->leash.pid;
}

/*
 * All that it prints, until both pipes are at their end, or it must go.  What
 * it has left behind may hold them open, and print no more.
 */
static void
listen_to(struct running *x, uint8_t *room, struct fail *f)
{
	while (!x->failed && !x->late && (x->out >= 0 || x->err >= 0)) {
		struct pollfd p[2] = { { .fd = x->out, .events = POLLIN },
			{ .fd = x->err, .events = POLLIN } };
		int64_t left = deadline_left(x->end);
		int n = poll(p, 2, left > LOOK_MS ? LOOK_MS : (int)left);

		if (n == 0 && x->ended)
			break;
		if (n == 0)
			look(x);
		if (n > 0 && x->out >= 0 && p[0].revents != 0)
			drain(x, &x->out, room, f);
		if (n > 0 && !x->failed && x->err >= 0 && p[1].revents != 0)
			drain(x, &x->err, room, f);
		x->late = left == 0 && !x->ended;
	}
}

/* One that closed its pipes may still run. */
static void
reap(struct running *x)
{
	while (!x->failed && !x->late && !x->ended) {
		look(x);
		x->late = !x->ended && deadline_left(x->end) == 0;
		if (!x->ended)
			(void)poll(NULL, 0, 1);
	}
	if (x->ended)
		leash_release(&x->leash);
	else
		x->status = leash_kill(&x->leash);
}

/* On one line. */
static const char *
words_of(struct running *x)
{
	size_t n = x->n_words;

	while (n > 0 && (x->words[n - 1] == '\n' || x->words[n - 1] == ' '))
		n--;
	x->words[n] = '\0';
	for (char *p = x->words; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return x->words;
}

static int
late(struct running *x, struct fail *f)
{
	(void)failed(x->r, FAIL_TRANSIENT,
	    "the command was killed: its time was over", f);
	if (x->n_words > 0)
		(void)fail_add(f, "%.200s", words_of(x));
	return fail_hint(f,
	    "it ends with the run (option timeout), at the latest after "
	    "command_timeout");
}

static int
judge(struct running *x, int expected, struct fail *f)
{
	int status = x->status;
	int code = WIFEXITED(status) ? WEXITSTATUS(status)
	                             : 128 + WTERMSIG(status);
	char cause[WORDS_MAX + 64];

	if (code == 0 || (expected != 0 && code == expected)) {
		if (x->n_words > 0)
			log_debug("store %s: %s: %s", x->r->s->store.name,
			    x->r->verb, words_of(x));
		return code;
	}
	(void)snprintf(cause, sizeof cause,
	    "the command ended with status %d%s%s", code,
	    x->n_words > 0 ? ": " : "", words_of(x));
	(void)failed(x->r,
	    code == EX_NOPERM ? FAIL_DENIED
	        : code == EX_CONFIG || code == 126 || code == 127
	        ? FAIL_CONFIG
	        : FAIL_TRANSIENT,
	    cause, f);
	return fail_hint(f,
	    "run it by hand, as the user that runs this: COMMAND %s %s",
	    x->r->verb, x->r->key);
}

int
exec_run(struct exec_run *r, int expected, struct fail *f)
{
	struct running x = { .r = r,
		.out = -1,
		.err = -1,
		.end = deadline_in(r->s->command_ms) };
	uint8_t *room = malloc(IO_CHUNK);

	if (r->s->deadline.at_ms != 0 && r->s->deadline.at_ms < x.end.at_ms)
		x.end = r->s->deadline;
	if (room == NULL)
		return failed(r, FAIL_INTERNAL, "out of memory", f);
	if (start(&x, f) != 0) {
		free(room);
		return -1;
	}
	listen_to(&x, room, f);
	free(room);
	close_all((const int[]){ x.out, x.err }, 2);
	reap(&x);
	if (x.failed)
		return -1;
	return x.late ? late(&x, f) : judge(&x, expected, f);
}
