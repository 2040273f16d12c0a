/* SPDX-License-Identifier: PostgreSQL */
/* The steps of making a tunnel: internal to tunnel*.c. */
#ifndef WALVAULT_SFTP_TUNNEL_SESSION_H
#define WALVAULT_SFTP_TUNNEL_SESSION_H

#include <netdb.h>

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

/* What is not a word of others. */
#define TUNNEL_LATE     1   /* of getaddrinfo's, which are below 0 */
#define TUNNEL_NO_AGENT 100 /* of enum ssh_auth_e, which are single digits */

/*
 * getaddrinfo within a time: 0, an EAI number, or TUNNEL_LATE.  *list is the
 * caller's to free.
 */
int tunnel_lookup(const char *host, const char *port, struct deadline end,
    struct addrinfo **list);

/* Where the agent is, or NULL: there is none. */
const char *tunnel_agent(void);

/*
 * Try the keys of the agent at path: an enum ssh_auth_e, or TUNNEL_NO_AGENT: it
 * did not answer until the end of the connection's time (*f).
 */
int tunnel_ask_agent(struct tunnel *t, const char *path, struct fail *f);

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
