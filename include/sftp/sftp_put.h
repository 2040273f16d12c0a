/* SPDX-License-Identifier: PostgreSQL */
/* An object being written: internal to sftp_put*.c. */
#ifndef WALVAULT_SFTP_SFTP_PUT_H
#define WALVAULT_SFTP_SFTP_PUT_H

#include "sftp_store.h"
#include "sum.h"

/* 2 MiB: as much as OpenSSH's server takes before it has answered. */
#define SFTP_PUT_SLOTS 64u

/* Bytes that the server has not yet said it has; sent again if need be. */
struct sftp_put_slot {
	struct wire_call call;
	uint8_t *bytes; /* WIRE_CHUNK */
	uint64_t off;
	size_t len;
	unsigned connection; /* that they were sent on; 0: none */
};

struct sftp_put {
	struct stream stream;
	struct sftp_store *s;
	char key[STORE_KEY_MAX], temp[STORE_KEY_MAX];
	char dir[STORE_KEY_MAX];   /* of both */
	char aside[STORE_KEY_MAX]; /* empty if none */
	struct sftp_handle handle;
	unsigned connection;  /* that the handle is of; 0: none yet */
	bool made, written;   /* the temporary file */
	bool resumed;         /* on another connection */
	bool linking, linked; /* the key */
	struct sftp_put_slot slots[SFTP_PUT_SLOTS];
	unsigned first, n; /* the last of them may not be full */
	unsigned allowed;  /* how many may stay when an attempt ends */
	uint64_t len;      /* bytes written */
	struct sum128_state *sum;
};

/*
 * Give the key to the temporary file, which is whole and durable.  0, 1 the
 * key is taken, -1.
 */
int sftp_put_publish(struct sftp_put *p, struct fail *f);

/* Does an object, by its key, hold what was written?  0, 1 no, -1. */
int sftp_put_compare(struct sftp_put *p, const char *key, struct fail *f);

#endif
