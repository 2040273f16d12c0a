/* SPDX-License-Identifier: PostgreSQL */
/* A growable byte buffer: see buf.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

int
buf_reserve(struct buf *b, size_t cap)
{
	uint8_t *data;

	if (cap <= b->cap)
		return 0;
	data = realloc(b->data, cap);
	if (data == NULL)
		return -1;
	b->data = data;
	b->cap = cap;
	return 0;
}

int
buf_append(struct buf *b, const void *bytes, size_t len)
{
	size_t cap = b->cap;

	if (len == 0)
		return 0;
	if (len > SIZE_MAX / 2 - b->len) {
		errno = ENOMEM;
		return -1;
	}
	if (b->len + len > cap) {
		cap = cap < 64 ? 64 : cap + cap / 2;
		if (cap < b->len + len)
			cap = b->len + len;
		if (buf_reserve(b, cap) != 0)
			return -1;
	}
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
	return 0;
}

static int
append_le(struct buf *b, uint64_t v, size_t len)
{
	uint8_t bytes[8];

	encode_u64(bytes, v);
	return buf_append(b, bytes, len);
}

int
buf_append_u8(struct buf *b, uint8_t v)
{
	return append_le(b, v, 1);
}

int
buf_append_u16(struct buf *b, uint16_t v)
{
	return append_le(b, v, 2);
}

int
buf_append_u32(struct buf *b, uint32_t v)
{
	return append_le(b, v, 4);
}

int
buf_append_u64(struct buf *b, uint64_t v)
{
	return append_le(b, v, 8);
}

void
buf_clear(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
