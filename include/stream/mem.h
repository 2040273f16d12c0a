/* SPDX-License-Identifier: PostgreSQL */
/* A last stage that appends to a buffer of the caller's; free does nothing. */
#ifndef WALVAULT_STREAM_MEM_H
#define WALVAULT_STREAM_MEM_H

#include "buf.h"
#include "stream.h"

struct mem {
	struct stream stream;
	struct buf bytes; /* the caller clears it */
};

/* Begin with an empty buffer; the stage is &m->stream. */
void mem_init(struct mem *m);

#endif
