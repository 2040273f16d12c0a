/* SPDX-License-Identifier: PostgreSQL */
/*
 * A stage whose next stages run in a thread of their own, so that reading and
 * checking go on while the bytes before are being written.  Bytes go through a
 * small ring of chunks: copied there, or made there (stream_room).
 *
 * Failures of the next stages are told by a later write, or by finish.  The
 * next stages' finish and free run in the caller's thread, when the thread
 * has ended.
 */
#ifndef WALVAULT_STREAM_ASYNC_H
#define WALVAULT_STREAM_ASYNC_H

#include "stream.h"

/* NULL with errno (and next freed) if there is no memory or no thread. */
struct stream *async_new(struct stream *next);

#endif
