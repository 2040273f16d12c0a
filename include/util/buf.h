/* SPDX-License-Identifier: PostgreSQL */
/*
 * A growable byte buffer, and the encode/decode helpers for the little-endian
 * integers of PostgreSQL's files and of our own format.  On-disk integers go
 * through these, never through struct casts.
 */
#ifndef WALVAULT_UTIL_BUF_H
#define WALVAULT_UTIL_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; NULL while cap is 0 */
	size_t len;    /* bytes in it */
	size_t cap;    /* room */
};

/* Room for cap bytes in all.  0, or -1 with errno ENOMEM and b unchanged. */
int buf_reserve(struct buf *b, size_t cap);

/* Append len bytes.  0, or -1 with errno ENOMEM and b unchanged. */
int buf_append(struct buf *b, const void *bytes, size_t len);

/* Append an integer, little-endian.  As buf_append. */
int buf_append_u8(struct buf *b, uint8_t v);
int buf_append_u16(struct buf *b, uint16_t v);
int buf_append_u32(struct buf *b, uint32_t v);
int buf_append_u64(struct buf *b, uint64_t v);

/* Release the memory; b is empty and usable afterwards. */
void buf_clear(struct buf *b);

static inline uint16_t
decode_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
decode_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static inline uint64_t
decode_u64(const uint8_t *p)
{
	return (uint64_t)decode_u32(p) | (uint64_t)decode_u32(p + 4) << 32;
}

static inline void
encode_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void
encode_u64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

#endif
