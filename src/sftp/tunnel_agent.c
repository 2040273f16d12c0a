/* SPDX-License-Identifier: PostgreSQL */
/*
 * The keys of an agent, within a time.  libssh waits for one as long as it
 * likes, a hung one or one that asks somebody for leave.  So the connection to
 * it is ours, and a thread ends it when the time is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tunnel_session.h"

struct watch {
	int agent;  /* the connection, libssh's to close */
	int end[2]; /* closed at [1] when the watch is over */
	struct deadline deadline;
	bool late;
};

const char *
tunnel_agent(void)
{
	const char *path = getenv("SSH_AUTH_SOCK");

	return path != NULL && *path != '\0' ? path : NULL;
}

/* Never waits: one that takes no connection is as good as gone. */
static int
connect_agent(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof name.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&name, sizeof name) == 0)
		return fd;
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static void *
run(void *arg)
{
	struct watch *w = arg;

	for (;;) {
		struct pollfd p = { .fd = w->end[0], .events = POLLIN };
		int64_t left = deadline_left(w->deadline);

		if (left == 0) {
			w->late = true;
			/* Not for writing: libssh would be ended by SIGPIPE. */
			(void)shutdown(w->agent, SHUT_RD);
			return NULL;
		}
		if (poll(&p, 1, left > 60000 ? 60000 : (int)left) > 0)
			return NULL;
	}
}

static int
step(struct tunnel *t, void *arg)
{
	(void)arg;
	return ssh_userauth_agent(t->session, NULL);
}

/* As tunnel_drive; *late: the agent did not answer in time. */
static int
log_in(struct tunnel *t, int agent, bool *late)
{
	struct watch w = { .agent = agent, .deadline = t->end };
	pthread_t thread;
	int rc;

	if (pipe2(w.end, O_CLOEXEC) != 0)
		return SSH_AUTH_ERROR;
	rc = pthread_create(&thread, NULL, run, &w);
	if (rc == 0) {
		rc = tunnel_drive(t, step, NULL, SSH_AUTH_AGAIN);
		(void)close(w.end[1]);
		(void)pthread_join(thread, NULL);
	} else {
		rc = SSH_AUTH_ERROR;
		(void)close(w.end[1]);
	}
	(void)close(w.end[0]);
	*late = w.late && rc != SSH_AUTH_SUCCESS;
	return rc;
}

static int
no_answer(const char *path, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_TRANSIENT, path, "the SSH agent %s", why);
	(void)fail_hint(f,
	    "is it alive, and does it need nobody's leave: ssh-add -l; "
	    "identity_file names a key that needs no agent");
	return TUNNEL_NO_AGENT;
}

int
tunnel_ask_agent(struct tunnel *t, const char *path, struct fail *f)
{
	int fd = connect_agent(path), rc;
	bool late = false;

	if (fd < 0 && errno == EAGAIN)
		return no_answer(path, "takes no connection", f);
	/* One that has ended has no keys. */
	if (fd < 0)
		return SSH_AUTH_DENIED;
	if (ssh_set_agent_socket(t->session, fd) != SSH_OK) {
		(void)close(fd);
		return SSH_AUTH_DENIED;
	}
	rc = log_in(t, fd, &late);
	return late ? no_answer(path, "did not answer in time", f) : rc;
}
