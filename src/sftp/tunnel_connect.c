/* SPDX-License-Identifier: PostgreSQL */
/* TCP, address by address, each with a share of the time: tunnel_session.h. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tunnel_session.h"

/* 0, or -1 with errno */
static int
wait_connected(int fd, struct deadline end)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof errno;
	int rc, error = 0;

	do
		rc = poll(&p, 1, (int)deadline_left(end));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		errno = ETIMEDOUT;
	if (rc <= 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
}

static int
connect_one(const struct addrinfo *a, struct deadline end)
{
	int fd = socket(a->ai_family,
	    a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	int on = 1, error;

	if (fd < 0)
		return -1;
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
	    (errno == EINPROGRESS && wait_connected(fd, end) == 0)) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		return fd;
	}
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

int
tunnel_connect(
    const struct sftp_options *o, struct deadline end, struct fail *f)
{
	struct addrinfo *list = NULL;
	char port[8], object[300];
	int fd = -1, n = 0, rc;

	(void)snprintf(port, sizeof port, "%u", o->port);
	(void)snprintf(object, sizeof object, "%s:%s", o->host, port);
	rc = tunnel_lookup(o->host, port, end, &list);
	if (rc == TUNNEL_LATE) {
		(void)fail_set(f, FAIL_TRANSIENT, object,
		    "its address is not known: the resolver did not answer in "
		    "time (connect_timeout)");
		return fail_hint(f,
		    "ask it by hand: getent hosts %s; resolv.conf says whom "
		    "it asks",
		    o->host);
	}
	if (rc != 0) {
		(void)fail_set(f, FAIL_TRANSIENT, object,
		    "its address is not known: %s", gai_strerror(rc));
		return fail_hint(f, "is the host's name right?");
	}
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		n++;
	for (const struct addrinfo *a = list; a != NULL && fd < 0;
	     a = a->ai_next, n--)
		fd = connect_one(a, deadline_in(deadline_left(end) / n));
	if (fd < 0) {
		(void)fail_errno(f, object, "connect");
		f->kind = FAIL_TRANSIENT;
		(void)fail_hint(
		    f, "is the server up, and its address and port right?");
	}
	freeaddrinfo(list);
	return fd;
}
