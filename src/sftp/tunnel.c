/* SPDX-License-Identifier: PostgreSQL */
/* An SSH connection with SFTP on it: see tunnel.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tunnel_session.h"

void
tunnel_wait(struct tunnel *t, int64_t ms)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	if ((ssh_get_poll_flags(t->session) & SSH_WRITE_PENDING) != 0)
		p.events |= POLLOUT;
	(void)poll(&p, 1, ms > 60000 ? 60000 : (int)ms);
}

int
tunnel_drive(struct tunnel *t, int (*step)(struct tunnel *t, void *arg),
    void *arg, int again)
{
	for (;;) {
		int rc = step(t, arg);
		int64_t left = deadline_left(t->end);

		if (rc != again || left == 0)
			return rc;
		tunnel_wait(t, left);
	}
}

const char *
tunnel_why(struct tunnel *t)
{
	const char *error = ssh_get_error(t->session);

	if (t->why[0] != '\0')
		return t->why;
	return error != NULL && *error != '\0' ? error
	                                       : "the connection was closed";
}

/* A step of the connection's beginning ended badly.  1: it may heal. */
static int
lost(struct tunnel *t, const char *what, int rc, int again, struct fail *f)
{
	if (rc == again)
		(void)fail_set(f, FAIL_TRANSIENT, t->where,
		    "%s: no answer within %lld ms", what,
		    (long long)(clock_monotonic_ms() - t->began_ms));
	else
		(void)fail_set(
		    f, FAIL_TRANSIENT, t->where, "%s: %s", what, tunnel_why(t));
	(void)fail_hint(f, "is it an SSH server, and not overloaded?");
	return 1;
}

static int
step_handshake(struct tunnel *t, void *arg)
{
	(void)arg;
	return ssh_connect(t->session);
}

static int
step_channel(struct tunnel *t, void *arg)
{
	(void)arg;
	return ssh_channel_open_session(t->channel);
}

static int
step_subsystem(struct tunnel *t, void *arg)
{
	(void)arg;
	return ssh_channel_request_sftp(t->channel);
}

static int
open_channel(struct tunnel *t, struct fail *f)
{
	int rc;

	t->channel = ssh_channel_new(t->session);
	if (t->channel == NULL)
		return fail_set(f, FAIL_INTERNAL, t->where, "out of memory");
	rc = tunnel_drive(t, step_channel, NULL, SSH_AGAIN);
	if (rc != SSH_OK)
		return lost(t, "cannot open a channel", rc, SSH_AGAIN, f);
	rc = tunnel_drive(t, step_subsystem, NULL, SSH_AGAIN);
	if (rc == SSH_OK)
		return 0;
	if (rc == SSH_AGAIN || !ssh_is_connected(t->session))
		return lost(t, "cannot begin SFTP", rc, SSH_AGAIN, f);
	(void)fail_set(f, FAIL_CONFIG, t->where, "it does not offer SFTP: %s",
	    tunnel_why(t));
	return fail_hint(f, "sshd_config needs: Subsystem sftp internal-sftp");
}

static int
set(struct tunnel *t, enum ssh_options_e option, const void *value)
{
	return ssh_options_set(t->session, option, value);
}

/* Nothing comes from ssh(1)'s configuration: the store's section says all. */
static int
set_options(struct tunnel *t)
{
	const struct sftp_options *o = t->options;
	bool config = false;

	ssh_set_blocking(t->session, 0);
	if (set(t, SSH_OPTIONS_PROCESS_CONFIG, &config) != 0 ||
	    set(t, SSH_OPTIONS_HOST, o->host) != 0 ||
	    set(t, SSH_OPTIONS_PORT, &o->port) != 0 ||
	    set(t, SSH_OPTIONS_USER, o->user) != 0 ||
	    set(t, SSH_OPTIONS_KNOWNHOSTS, o->known_hosts) != 0 ||
	    (o->only_known_hosts &&
	        set(t, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") != 0))
		return -1;
	return set(t, SSH_OPTIONS_FD, &t->fd);
}

/* 0, 1 it may heal, -1 */
static int
make(struct tunnel *t, struct fail *f)
{
	int rc;

	t->fd = tunnel_connect(t->options, t->end, f);
	if (t->fd < 0)
		return 1;
	if (set_options(t) != 0)
		return fail_set(f, FAIL_INTERNAL, t->where,
		    "libssh refuses an option: %s", ssh_get_error(t->session));
	rc = tunnel_drive(t, step_handshake, NULL, SSH_AGAIN);
	if (rc != SSH_OK)
		return lost(t, "no SSH connection", rc, SSH_AGAIN, f);
	if (tunnel_check_host(t, f) != 0)
		return -1;
	rc = tunnel_login(t, f);
	return rc != 0 ? rc : open_channel(t, f);
}

struct tunnel *
tunnel_open(const struct sftp_options *o, struct deadline end, bool *heals,
    struct fail *f)
{
	struct tunnel *t = calloc(1, sizeof *t);
	int rc;

	*heals = false;
	if (t == NULL || (t->session = ssh_new()) == NULL) {
		free(t);
		(void)fail_set(f, FAIL_INTERNAL, o->host, "out of memory");
		return NULL;
	}
	t->options = o;
	t->fd = -1;
	t->began_ms = clock_monotonic_ms();
	t->end = deadline_in(o->connect_ms);
	if (end.at_ms < t->end.at_ms)
		t->end = end;
	(void)snprintf(t->where, sizeof t->where, "sftp://%s@%s:%u", o->user,
	    o->host, o->port);
	rc = make(t, f);
	if (rc == 0)
		return t;
	*heals = rc == 1;
	tunnel_close(t);
	return NULL;
}

void
tunnel_close(struct tunnel *t)
{
	if (t == NULL)
		return;
	/* The session closes the socket that it was given. */
	if (t->fd >= 0 && ssh_get_fd(t->session) != t->fd)
		(void)close(t->fd);
	if (t->channel != NULL)
		ssh_channel_free(t->channel);
	ssh_disconnect(t->session);
	ssh_free(t->session);
	free(t);
}

ssize_t
tunnel_write(struct tunnel *t, const void *bytes, size_t len)
{
	size_t window = ssh_channel_window_size(t->channel);
	int n;

	len = len < window ? len : window;
	if (len == 0)
		return 0;
	n = ssh_channel_write(t->channel, bytes, (uint32_t)len);
	return n == SSH_AGAIN ? 0 : n < 0 ? -1 : n;
}

/* What the server says of itself when it cannot begin. */
static void
read_stderr(struct tunnel *t)
{
	int n = ssh_channel_read_nonblocking(
	    t->channel, t->why, sizeof t->why - 1, 1);

	t->why[n > 0 ? n : 0] = '\0';
	t->why[strcspn(t->why, "\r\n")] = '\0';
}

ssize_t
tunnel_read(struct tunnel *t, void *bytes, size_t cap)
{
	int n;

	n = ssh_channel_read_nonblocking(t->channel, bytes, (uint32_t)cap, 0);
	if (n == SSH_AGAIN)
		n = 0;
	if (n == SSH_EOF ||
	    (n == 0 &&
	        (ssh_channel_is_eof(t->channel) ||
	            !ssh_is_connected(t->session)))) {
		read_stderr(t);
		n = -1;
	}
	return n < 0 ? -1 : n;
}
