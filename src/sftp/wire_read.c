/* SPDX-License-Identifier: PostgreSQL */
/* What is read of an answer: see wire.h. */
#include "wire.h"

static uint32_t
read_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

uint32_t
wire_u32(struct wire_call *call)
{
	uint32_t v = 0;

	if (call->at + 4 <= call->answer.len)
		v = read_u32(call->answer.data + call->at);
	call->at += 4;
	return v;
}

uint64_t
wire_u64(struct wire_call *call)
{
	uint64_t high = wire_u32(call);

	return high << 32 | wire_u32(call);
}

const void *
wire_bytes(struct wire_call *call, size_t *len)
{
	size_t n = wire_u32(call), at = call->at;

	*len = 0;
	call->at += n;
	if (call->at > call->answer.len || call->at < at)
		return "";
	*len = n;
	return n > 0 ? (const void *)(call->answer.data + at) : "";
}

bool
wire_is_whole(const struct wire_call *call)
{
	return call->at <= call->answer.len;
}
