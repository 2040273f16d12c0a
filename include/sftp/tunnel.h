/* SPDX-License-Identifier: PostgreSQL */
/*
 * An SSH connection on which a server speaks SFTP: two streams of bytes.
 * libssh is used here, and in what tunnel_open is made of, alone; of it only
 * what never waits, so that every wait is ours and has an end.  Nobody is ever
 * asked for a password, and a host whose key is not known is refused.
 */
#ifndef WALVAULT_SFTP_TUNNEL_H
#define WALVAULT_SFTP_TUNNEL_H

#include <sys/types.h>

#include "sftp_options.h"

struct tunnel;

/*
 * Connect, see that the host is the right one, log in, and ask for SFTP, all
 * until end.  *heals: the failure is the network's, and may.  NULL: failed.
 */
struct tunnel *tunnel_open(const struct sftp_options *o, struct deadline end,
    bool *heals, struct fail *f);

/* Also after a failure; it does not wait.  NULL is a no-op. */
void tunnel_close(struct tunnel *t);

/* What goes without waiting.  How many bytes, -1 the connection is lost. */
ssize_t tunnel_write(struct tunnel *t, const void *bytes, size_t len);

/* What is there.  How many bytes, 0 none at present, -1 lost. */
ssize_t tunnel_read(struct tunnel *t, void *bytes, size_t cap);

/* Wait, ms at most, until it is worth trying again. */
void tunnel_wait(struct tunnel *t, int64_t ms);

/* Why it is lost, in words. */
const char *tunnel_why(struct tunnel *t);

#endif
