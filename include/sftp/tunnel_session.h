/* SPDX-License-Identifier: PostgreSQL */
/* The steps of making a tunnel: internal to tunnel*.c. */
#ifndef WALVAULT_SFTP_TUNNEL_SESSION_H
#define WALVAULT_SFTP_TUNNEL_SESSION_H

#include <libssh/libssh.h>

#include "tunnel.h"

struct tunnel {
	const struct sftp_options *options;
	int fd; /* the session's, once it has it */
	ssh_session session;
	ssh_channel channel;
	int64_t began_ms;
	struct deadline end; /* of its beginning */
	char where[448];     /* "USER@HOST:PORT", for failures */
	char why[256];
};

/* A TCP connection.  Its descriptor, not blocking, or -1. */
int tunnel_connect(
    const struct sftp_options *o, struct deadline end, struct fail *f);

/* Is the host's key the one that is known?  0 or -1. */
int tunnel_check_host(struct tunnel *t, struct fail *f);

/* Log in.  0, 1 the connection was lost meanwhile, -1 refused. */
int tunnel_login(struct tunnel *t, struct fail *f);

/*
 * Make a step until its answer is not again, or the time is over; that is
 * again, too.
 */
int tunnel_drive(struct tunnel *t, int (*step)(struct tunnel *t, void *arg),
    void *arg, int again);

#endif
