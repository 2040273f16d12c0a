/* SPDX-License-Identifier: PostgreSQL */
/* The inside of a few WAL records: see walrecord.h. */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "walrecord.h"

/* Resource managers (access/rmgrlist.h). */
#define RM_XLOG            0
#define XLOG_TBLSPC_CREATE 0x00
#define RM_XACT            1

/* Kinds of XLOG records: info & 0xF0 (catalog/pg_control.h). */
#define XLOG_CHECKPOINT_SHUTDOWN 0x00
#define XLOG_CHECKPOINT_ONLINE   0x10
#define XLOG_SWITCH              0x40
#define XLOG_RESTORE_POINT       0x70
#define XLOG_END_OF_RECOVERY     0x90

/* Kinds of transaction records: info & 0x70 (access/xact.h). */
#define XACT_COMMIT          0x00
#define XACT_ABORT           0x20
#define XACT_COMMIT_PREPARED 0x30
#define XACT_ABORT_PREPARED  0x40
#define XACT_OPMASK          0x70
#define XACT_HAS_INFO        0x80

/* xl_xact_xinfo: which arrays follow the time, in this order. */
#define XINFO_DBINFO        0x01
#define XINFO_SUBXACTS      0x02
#define XINFO_RELLOCATORS   0x04
#define XINFO_INVALS        0x08
#define XINFO_TWOPHASE      0x10
#define XINFO_DROPPED_STATS 0x100

/* Headers in front of the main data (access/xlogrecord.h). */
#define ID_DATA_SHORT   255
#define ID_DATA_LONG    254
#define ID_ORIGIN       253
#define ID_TOPLEVEL_XID 252

/* The time in a CheckPoint struct stands behind 64 bytes of other fields. */
#define CHECKPOINT_TIME 64

void
walrecord_decode(const uint8_t *bytes, struct walrecord *out)
{
	*out = (struct walrecord){
		.tot_len = decode_u32(bytes),
		.xid = decode_u32(bytes + 4),
		.prev = decode_u64(bytes + 8),
		.info = bytes[16],
		.rmid = bytes[17],
		.crc = decode_u32(bytes + 20),
	};
}

bool
walrecord_is_switch(const struct walrecord *r)
{
	return r->rmid == RM_XLOG && (r->info & 0xF0) == XLOG_SWITCH;
}

bool
walrecord_is_xact(const struct walrecord *r)
{
	int op = r->info & XACT_OPMASK;

	return r->rmid == RM_XACT &&
	    (op == XACT_COMMIT || op == XACT_ABORT ||
	        op == XACT_COMMIT_PREPARED || op == XACT_ABORT_PREPARED);
}

/*
 * The main data of a record that refers to no blocks, and how much of it is
 * here.  NULL if there are blocks or the headers are cut off.
 */
static const uint8_t *
main_data(const uint8_t *bytes, size_t len, size_t *data_len)
{
	size_t off = WALRECORD_HEADER;
	uint32_t size;

	for (;;) {
		if (off >= len)
			return NULL;
		switch (bytes[off]) {
		case ID_ORIGIN:
			off += 1 + 2;
			continue;
		case ID_TOPLEVEL_XID:
			off += 1 + 4;
			continue;
		case ID_DATA_SHORT:
			if (off + 2 > len)
				return NULL;
			size = bytes[off + 1];
			off += 2;
			break;
		case ID_DATA_LONG:
			if (off + 5 > len)
				return NULL;
			size = decode_u32(bytes + off + 1);
			off += 5;
			break;
		default:
			return NULL;
		}
		break;
	}
	*data_len = len - off < size ? len - off : size;
	return bytes + off;
}

/* Step over an array "int32 count, count * size bytes"; false if cut off. */
static bool
skip_array(const uint8_t *data, size_t len, size_t *off, size_t size)
{
	uint64_t count;

	if (*off + 4 > len)
		return false;
	count = decode_u32(data + *off);
	if (count * size > len - *off - 4)
		return false;
	*off += 4 + (size_t)count * size;
	return true;
}

/*
 * The xid of a prepared transaction stands behind all arrays
 * (ParseCommitRecord, ParseAbortRecord).  0 if it is not in these bytes.
 */
static uint32_t
prepared_xid(const uint8_t *data, size_t len, int major)
{
	size_t off = 12;
	uint32_t xinfo;

	if (len < off)
		return 0;
	xinfo = decode_u32(data + 8);
	if (xinfo & XINFO_DBINFO)
		off += 8;
	if (((xinfo & XINFO_SUBXACTS) && !skip_array(data, len, &off, 4)) ||
	    ((xinfo & XINFO_RELLOCATORS) && !skip_array(data, len, &off, 12)) ||
	    ((xinfo & XINFO_DROPPED_STATS) &&
	        !skip_array(data, len, &off, major >= 18 ? 16 : 12)) ||
	    ((xinfo & XINFO_INVALS) && !skip_array(data, len, &off, 16)))
		return 0;
	if (!(xinfo & XINFO_TWOPHASE) || off + 4 > len)
		return 0;
	return decode_u32(data + off);
}

int
walrecord_xact(const uint8_t *bytes, size_t len, int major, struct walxact *x)
{
	struct walrecord r;
	const uint8_t *data;
	size_t data_len;

	if (len < WALRECORD_HEADER)
		return -1;
	walrecord_decode(bytes, &r);
	if (!walrecord_is_xact(&r))
		return -1;
	data = main_data(bytes, len, &data_len);
	if (data == NULL || data_len < 8)
		return -1;
	x->xid = r.xid;
	x->time = (int64_t)decode_u64(data);
	switch (r.info & XACT_OPMASK) {
	case XACT_COMMIT:
		x->kind = WALXACT_COMMIT;
		return 0;
	case XACT_ABORT:
		x->kind = WALXACT_ABORT;
		return 0;
	case XACT_COMMIT_PREPARED:
		x->kind = WALXACT_COMMIT_PREPARED;
		break;
	default:
		x->kind = WALXACT_ABORT_PREPARED;
		break;
	}
	x->xid = r.info & XACT_HAS_INFO ? prepared_xid(data, data_len, major)
	                                : 0;
	return 0;
}

int
walrecord_restore_point(
    const uint8_t *bytes, size_t len, struct walrestore_point *p)
{
	struct walrecord r;
	const uint8_t *data;
	size_t data_len;

	if (len < WALRECORD_HEADER)
		return -1;
	walrecord_decode(bytes, &r);
	if (r.rmid != RM_XLOG || (r.info & 0xF0) != XLOG_RESTORE_POINT)
		return -1;
	data = main_data(bytes, len, &data_len);
	if (data == NULL || data_len < 8 + WAL_RESTORE_POINT_NAME)
		return -1;
	p->time = (int64_t)decode_u64(data);
	memcpy(p->name, data + 8, WAL_RESTORE_POINT_NAME);
	p->name[WAL_RESTORE_POINT_NAME - 1] = '\0';
	return 0;
}

bool
walrecord_is_tablespace(const struct walrecord *r)
{
	return r->rmid == WALRECORD_TABLESPACES &&
	    (r->info & 0xF0) == XLOG_TBLSPC_CREATE;
}

int
walrecord_tablespace(const uint8_t *bytes, size_t len, struct waltablespace *t)
{
	struct walrecord r;
	const uint8_t *data;
	size_t data_len;

	if (len < WALRECORD_HEADER)
		return -1;
	walrecord_decode(bytes, &r);
	if (!walrecord_is_tablespace(&r))
		return -1;
	data = main_data(bytes, len, &data_len);
	if (data == NULL || data_len < 5)
		return -1;
	t->oid = decode_u32(data);
	(void)snprintf(t->path, sizeof t->path, "%.*s", (int)(data_len - 4),
	    (const char *)data + 4);
	return t->path[0] == '\0' ? -1 : 0;
}

/* The time in an XLOG record's main data. */
static int64_t
xlog_time(uint8_t info, const uint8_t *data, size_t len)
{
	int64_t seconds;

	switch (info & 0xF0) {
	case XLOG_CHECKPOINT_SHUTDOWN:
	case XLOG_CHECKPOINT_ONLINE:
		if (len < CHECKPOINT_TIME + 8)
			return WAL_NO_TIME;
		seconds = (int64_t)decode_u64(data + CHECKPOINT_TIME);
		if (seconds < 0 || seconds > INT64_C(1) << 40)
			return WAL_NO_TIME;
		return (seconds - CLOCK_PG_EPOCH_UNIX) * 1000000;
	case XLOG_RESTORE_POINT:
	case XLOG_END_OF_RECOVERY:
		return len < 8 ? WAL_NO_TIME : (int64_t)decode_u64(data);
	default:
		return WAL_NO_TIME;
	}
}

int64_t
walrecord_time(const uint8_t *bytes, size_t len, int major)
{
	struct walrecord r;
	struct walxact x;
	const uint8_t *data;
	size_t data_len;

	if (len < WALRECORD_HEADER)
		return WAL_NO_TIME;
	walrecord_decode(bytes, &r);
	if (r.rmid == RM_XACT)
		return walrecord_xact(bytes, len, major, &x) == 0 ? x.time
		                                                  : WAL_NO_TIME;
	if (r.rmid != RM_XLOG)
		return WAL_NO_TIME;
	data = main_data(bytes, len, &data_len);
	return data == NULL ? WAL_NO_TIME : xlog_time(r.info, data, data_len);
}

const char *
walxact_kind_name(enum walxact_kind kind)
{
	switch (kind) {
	case WALXACT_COMMIT:
		return "commit";
	case WALXACT_ABORT:
		return "abort";
	case WALXACT_COMMIT_PREPARED:
		return "commit prepared";
	case WALXACT_ABORT_PREPARED:
		return "abort prepared";
	}
	return "unknown";
}
