/* SPDX-License-Identifier: PostgreSQL */
/*
 * The stage that compresses: bytes are cut into chunks of IO_CHUNK, each of
 * which becomes a frame of its own.  Chunks are independent, so a second
 * thread can compress some of them while the caller's thread reads and checks
 * the next; whoever has nothing better to do takes the oldest.  The next stage
 * is called in the caller's thread alone, with the frames in order.
 */
#ifndef WALVAULT_STREAM_ENCODER_H
#define WALVAULT_STREAM_ENCODER_H

#include <stdbool.h>

#include "codec.h"

/*
 * threaded: with a second thread, from the first whole chunk on.  Without one
 * (or if none can be had) all is compressed in the caller's thread.
 */
struct stream *
encoder_new(const struct codec *codec, bool threaded, struct stream *next);

#endif
