/* SPDX-License-Identifier: PostgreSQL */
/* Where a server of SFTP is, and how it is to be reached. */
#ifndef WALVAULT_SFTP_SFTP_OPTIONS_H
#define WALVAULT_SFTP_SFTP_OPTIONS_H

#include <limits.h>

#include "store.h"

#define SFTP_PATH_MAX 1024

struct sftp_options {
	char user[128], host[256];
	unsigned port;
	/* The directory, as the server is asked for it, without a '/' at its
	 * end: empty for "/". */
	char root[SFTP_PATH_MAX];
	char identity_file[PATH_MAX];   /* empty: the agent, then ~/.ssh */
	char passphrase_file[PATH_MAX]; /* empty: none */
	char known_hosts[PATH_MAX];
	bool only_known_hosts; /* and not the host's own list, too */
	char home[PATH_MAX];   /* of the user that runs this */
	uint32_t dir_mode, file_mode;
	bool single_writer;
	int64_t connect_ms, answer_ms, stall_ms;
	int64_t retry_ms;         /* for one operation */
	struct deadline deadline; /* of the run; at_ms 0: none */
};

/*
 * sftp://[USER@]HOST[:PORT]/PATH into user (empty if none is given), host,
 * port and root.  HOST may be an IPv6 address in brackets; a PATH that begins
 * with "/~/" is relative to where the user is logged in.  0 or -1.
 */
int sftp_parse_url(const char *url, struct sftp_options *o, struct fail *f);

/* All of them.  0 or -1. */
int sftp_options_read(
    const struct store_args *args, struct sftp_options *o, struct fail *f);

#endif
