/* SPDX-License-Identifier: PostgreSQL */
/*
 * Running a restored server: see restore_job.h.  It gets a configuration of
 * its own, since the old one may name files, libraries and addresses of
 * another host: a socket in a directory that only this user can enter, no
 * network, no archiving, no subscriptions, no waiting for standbys.  What it
 * says of its recovery is read from its log, which is in English whatever the
 * language of the cluster.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "io.h"
#include "log.h"
#include "process.h"
#include "restore_job.h"
#include "restore_watch.h"

#define POLL_MS    100
#define LOG_LINES  30
#define ARGS_MAX   96
#define ARGS_BYTES ((size_t)16 * 1024)

/* The arguments of postgres: words in one buffer. */
struct words {
	char bytes[ARGS_BYTES];
	size_t used;
	char *word[ARGS_MAX];
	size_t n;
	bool full;
};

static void
add_word(struct words *w, const char *text)
{
	size_t len = strlen(text) + 1;

	if (w->n + 1 >= ARGS_MAX || len > sizeof w->bytes - w->used) {
		w->full = true;
		return;
	}
	memcpy(w->bytes + w->used, text, len);
	w->word[w->n++] = w->bytes + w->used;
	w->word[w->n] = NULL;
	w->used += len;
}

static void
set(struct words *w, const char *name, const char *value)
{
	char text[PATH_MAX + 64];

	(void)snprintf(text, sizeof text, "%s=%s", name, value);
	add_word(w, "-c");
	add_word(w, text);
}

static void
set_number(struct words *w, const char *name, uint32_t value)
{
	char text[16];

	(void)snprintf(text, sizeof text, "%u", value);
	set(w, name, text);
}

/* A file of the generated configuration. */
static int
write_file(const char *dir, const char *name, const char *text,
    char path[PATH_MAX], struct fail *f)
{
	int fd, rc;

	(void)snprintf(path, PATH_MAX, "%.4000s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(f, path, "create");
	rc = io_write(fd, text, strlen(text));
	if (close(fd) != 0 || rc != 0)
		return fail_errno(f, path, "write");
	return 0;
}

/* What is the same for every restored server. */
static const struct {
	const char *name, *value;
} fixed[] = {
	{ "listen_addresses", "" },
	{ "port", "5432" },
	{ "unix_socket_permissions", "0700" },
	{ "logging_collector", "off" },
	{ "log_destination", "stderr" },
	{ "log_min_messages", "warning" },
	{ "log_line_prefix", "%m [%p] " },
	{ "lc_messages", "C" },
	{ "timezone", "UTC" },
	{ "log_timezone", "UTC" },
	{ "ssl", "off" },
	{ "archive_mode", "off" },
	{ "wal_level", "replica" },
	{ "max_logical_replication_workers", "0" },
	{ "synchronous_standby_names", "" },
	{ "shared_buffers", "128MB" },
	{ "huge_pages", "off" },
};

static const struct {
	const char *name, *file, *text;
} files[] = {
	{ "config_file", "postgresql.conf",
	    "# What pitr-restore --start sets is on the command line.\n" },
	{ "hba_file", "pg_hba.conf",
	    "# Only who may enter the socket's directory gets here.\n"
	    "local all all trust\n" },
	{ "ident_file", "pg_ident.conf", "" },
};

/* Files in a directory of their own in DEST, beside the log. */
static int
set_files(struct restore_job *j, struct words *w, struct fail *f)
{
	char dir[PATH_MAX], path[PATH_MAX];

	(void)snprintf(dir, sizeof dir, "%.4000s/walvault", j->dest);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail_errno(f, dir, "make directory");
	(void)snprintf(j->server.log, sizeof j->server.log, "%.4000s/log", dir);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (write_file(dir, files[i].file, files[i].text, path, f) != 0)
			return -1;
		set(w, files[i].name, path);
	}
	return 0;
}

/* What other places may have set is said on the command line: it wins. */
static int
set_up(struct restore_job *j, struct words *w, struct fail *f)
{
	bool track = j->result.details.track_commit_timestamp;
	bool hot = j->standby || j->action == RESTORE_PAUSE;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%.4000s/postgres", j->server.bindir);
	add_word(w, path);
	add_word(w, "-D");
	add_word(w, j->dest);
	if (set_files(j, w, f) != 0)
		return -1;
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		set(w, fixed[i].name, fixed[i].value);
	set(w, "unix_socket_directories", j->server.socket_dir);
	set(w, "shared_preload_libraries", j->set.head.preload);
	set(w, "hot_standby", hot ? "on" : "off");
	set(w, "track_commit_timestamp", track ? "on" : "off");
	if (restore_has_in_place(&j->set))
		set(w, "allow_in_place_tablespaces", "on");
	for (size_t i = 0; i < RESTORE_LIMITS; i++)
		set_number(w, restore_limit_name(i),
		    *restore_limit(&j->result.details, i));
	if (!w->full)
		return 0;
	return fail_set(f, FAIL_CONFIG, "shared_preload_libraries", "too long");
}

/* A socket's path may have about 100 bytes: it is not below DEST. */
static int
make_socket_dir(struct restore_server *s, struct fail *f)
{
	(void)snprintf(
	    s->socket_dir, sizeof s->socket_dir, "/tmp/walvault-XXXXXX");
	if (mkdtemp(s->socket_dir) != NULL)
		return 0;
	(void)fail_errno(f, s->socket_dir, "make directory");
	s->socket_dir[0] = '\0';
	return -1;
}

static void
remove_socket_dir(struct restore_server *s)
{
	if (s->socket_dir[0] != '\0')
		(void)rmdir(s->socket_dir);
	s->socket_dir[0] = '\0';
}

/* In the child: become the server. */
static void
become(const struct restore_job *j, struct words *w)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(j->server.log,
	    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(out, 2) < 0)
		_exit(126);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)setsid();
	(void)umask(077);
	(void)execv(w->word[0], w->word);
	_exit(127);
}

static int
spawn(struct restore_job *j, struct words *w, struct fail *f)
{
	pid_t pid;

	/* What an earlier start wrote must not be read again. */
	(void)unlink(j->server.log);
	pid = fork();
	if (pid < 0)
		return fail_errno(f, w->word[0], "start");
	if (pid == 0)
		become(j, w);
	j->server.pid = pid;
	j->server.started = j->server.running = true;
	j->server.starts++;
	return 0;
}

static void
pause_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/* Has it ended?  Its status then is known. */
static bool
has_ended(struct restore_job *j)
{
	int status;

	if (!j->server.running)
		return true;
	if (waitpid((pid_t)j->server.pid, &status, WNOHANG) !=
	    (pid_t)j->server.pid)
		return false;
	j->server.running = false;
	return true;
}

void
restore_stop_server(struct restore_job *j)
{
	if (j->server.running && kill((pid_t)j->server.pid, SIGINT) == 0)
		while (!has_ended(j))
			pause_ms(POLL_MS);
}

/* The end of the server's log, for whoever has to find out. */
static void
show_log(const struct restore_job *j)
{
	struct buf b = { 0 };
	struct fail f;
	const char *p, *end;
	size_t lines = 0;

	if (io_read_file(AT_FDCWD, j->server.log, SIZE_MAX / 2, &b, &f) != 0 ||
	    buf_append(&b, "", 1) != 0) {
		buf_clear(&b);
		return;
	}
	b.len--;
	p = end = (const char *)b.data + b.len;
	while (p > (const char *)b.data && lines <= LOG_LINES)
		lines += *--p == '\n';
	log_error("the server's log ends with (%s):", j->server.log);
	while (p < end) {
		size_t len = strcspn(p, "\n");

		if (len > (size_t)(end - p))
			len = (size_t)(end - p);
		if (len > 0)
			log_error("server: %.*s", (int)len, p);
		p += len + 1;
	}
	buf_clear(&b);
}

static int
watch_server(struct restore_job *j, struct restore_watch *w, struct fail *f)
{
	const struct plan *p = &j->plan;
	uint64_t total = (p->last_segno - p->first_segno + 1) *
	    (uint64_t)j->id.segsize;

	for (;;) {
		bool ended = has_ended(j);

		if (restore_watch_read(w, f) != 0)
			return -1;
		if (w->ready || w->paused || w->limit != NULL)
			return 0;
		if (j->standby && w->hot)
			return 0;
		if (ended)
			return 0;
		if (process_stopped() != 0)
			return fail_set(f, FAIL_TRANSIENT, j->dest,
			    "stopped by signal %d", process_stopped());
		restore_lease_refresh(j);
		if (w->segno >= p->first_segno)
			meter_show(&j->meter, "replaying",
			    (w->segno - p->first_segno) *
			        (uint64_t)j->id.segsize,
			    total);
		pause_ms(POLL_MS);
	}
}

/* What the log of a failed recovery tells. */
static int
explain(
    const struct restore_job *j, const struct restore_watch *w, struct fail *f)
{
	(void)fail_set(f, FAIL_DAMAGED, j->dest,
	    "the server ended before it had recovered: %s",
	    w->fatal[0] != '\0' ? w->fatal : "see its log");
	return fail_hint(f,
	    "the data directory is left as it is; the log is %s",
	    j->server.log);
}

static int
recover(struct restore_job *j, struct fail *f)
{
	struct restore_watch w = { .job = j, .fd = -1 };
	int rc = watch_server(j, &w, f);

	meter_end(&j->meter);
	if (rc == 0)
		rc = restore_again(&w, f);
	if (rc == 0 && !j->server.running && !w.shut_down)
		rc = explain(j, &w, f);
	if (rc == 0)
		rc = restore_watch_compare(&w, f);
	restore_watch_clear(&w);
	return rc;
}

/* As often as something can be done about what stopped it. */
static int
start_and_recover(struct restore_job *j, struct fail *f)
{
	struct words *w = calloc(1, sizeof *w);
	int rc = 1;

	if (w == NULL)
		return fail_errno(f, "server", "memory");
	while (rc == 1) {
		*w = (struct words){ .n = 0 };
		rc = -1;
		if (set_up(j, w, f) == 0 && spawn(j, w, f) == 0)
			rc = recover(j, f);
	}
	free(w);
	return rc;
}

int
restore_start(struct restore_job *j, struct fail *f)
{
	int rc = -1;

	process_catch_stop();
	j->server.standby = j->standby;
	meter_begin(&j->meter);
	if (make_socket_dir(&j->server, f) == 0)
		rc = start_and_recover(j, f);
	if (rc != 0) {
		restore_stop_server(j);
		remove_socket_dir(&j->server);
		if (j->server.started)
			show_log(j);
		return -1;
	}
	if (!j->server.running)
		remove_socket_dir(&j->server);
	/* It is recovered, whatever becomes of this. */
	if (j->server.new_tli != 0 && restore_forget_settings(j->dest, f) != 0)
		log_fail(LOG_WARNING, "recovery settings not removed", f);
	log_info("recovered: %s: timeline=%u", j->dest,
	    j->server.new_tli != 0 ? j->server.new_tli : j->plan.tli);
	return 0;
}
