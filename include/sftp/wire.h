/* SPDX-License-Identifier: PostgreSQL */
/*
 * SFTP, version 3 (draft-ietf-secsh-filexfer-02, and the extensions of
 * OpenSSH's PROTOCOL file): requests that may be many under way at once, and
 * their answers.  Spoken here and not by libssh, whose version of Debian 12
 * knows no hard links, does not write ahead, and waits without an end.
 */
#ifndef WALVAULT_SFTP_WIRE_H
#define WALVAULT_SFTP_WIRE_H

#include "buf.h"
#include "tunnel.h"

/* What every server takes in one request. */
#define WIRE_CHUNK ((size_t)32 * 1024)

enum wire_type {
	WIRE_INIT = 1,
	WIRE_VERSION,
	WIRE_OPEN,
	WIRE_CLOSE,
	WIRE_READ,
	WIRE_WRITE,
	WIRE_LSTAT,
	WIRE_OPENDIR = 11,
	WIRE_READDIR,
	WIRE_REMOVE,
	WIRE_MKDIR,
	WIRE_STAT = 17,
	WIRE_RENAME,
	WIRE_STATUS = 101,
	WIRE_HANDLE,
	WIRE_DATA,
	WIRE_NAME,
	WIRE_ATTRS,
	WIRE_EXTENDED = 200,
	WIRE_EXTENDED_REPLY,
};

enum wire_status {
	WIRE_OK,
	WIRE_EOF,
	WIRE_NO_SUCH_FILE,
	WIRE_PERMISSION_DENIED,
	WIRE_FAILURE,
	WIRE_OP_UNSUPPORTED = 8,
};

#define WIRE_OPEN_READ  1u
#define WIRE_OPEN_WRITE 2u
#define WIRE_OPEN_CREAT 8u
#define WIRE_OPEN_EXCL  32u

#define WIRE_ATTR_SIZE  1u
#define WIRE_ATTR_OWNER 2u
#define WIRE_ATTR_MODE  4u
#define WIRE_ATTR_TIMES 8u

struct wire;

/* One request under way; zero before the first use. */
struct wire_call {
	struct wire_call *next;
	struct wire *wire; /* until it is done */
	uint32_t id;
	bool done, lost; /* lost: there will be no answer */
	uint8_t type;    /* the answer's */
	struct buf answer;
	size_t at; /* what of it is read */
};

/* What a server can do beside the protocol. */
struct wire_abilities {
	bool hardlink, fsync, rename, statvfs;
};

/* t is consumed, also by a failure.  *heals as with tunnel_open. */
struct wire *
wire_open(struct tunnel *t, struct deadline end, bool *heals, struct fail *f);

/* What is under way is lost.  NULL is a no-op. */
void wire_close(struct wire *w);

const struct wire_abilities *wire_abilities(const struct wire *w);

/* Is the connection lost?  Why, or NULL. */
const char *wire_broken(const struct wire *w);

/*
 * Begin a request.  What it consists of, by format: u a uint32_t, U a
 * uint64_t, s a text, b bytes (const void *, size_t).  call NULL: nobody
 * waits for the answer.  It is not a failure that the connection is lost: the
 * call is.
 */
void wire_send(struct wire *w, struct wire_call *call, enum wire_type type,
    const char *format, ...);

/*
 * Wait for its answer, as long as the server goes on with something at least
 * every stall_ms, and until end.  0, or -1: it is lost.
 */
int wire_wait(struct wire_call *call, int64_t stall_ms, struct deadline end);

/* Done with it, or never mind the answer.  It may be used again. */
void wire_done(struct wire_call *call);

/* Read on in an answer.  What is not there is 0, and makes it bad. */
uint32_t wire_u32(struct wire_call *call);
uint64_t wire_u64(struct wire_call *call);
/* Points into the answer. */
const void *wire_bytes(struct wire_call *call, size_t *len);
/* Was all that was read there? */
bool wire_is_whole(const struct wire_call *call);

#endif
