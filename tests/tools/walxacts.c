/* SPDX-License-Identifier: PostgreSQL */
/*
 * walxacts FILE ...: every transaction end and restore point in a row of WAL
 * segments, one line each, for comparison with what PostgreSQL itself says.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "io.h"
#include "lsn.h"
#include "walhdr.h"
#include "walscan.h"

static int
print_xact(void *arg, const struct walxact *x)
{
	char lsn[LSN_TEXT], end[LSN_TEXT], time[CLOCK_TEXT];

	(void)arg;
	lsn_format(x->lsn, lsn);
	lsn_format(x->end, end);
	clock_format(x->time, time);
	(void)printf("%s\t%s\t%" PRIu32 "\t%s\t%s\n", lsn, end, x->xid,
	    walxact_kind_name(x->kind), time);
	return 0;
}

static int
print_point(void *arg, const struct walrestore_point *p, uint64_t end)
{
	char lsn[LSN_TEXT], end_text[LSN_TEXT], time[CLOCK_TEXT];

	(void)arg;
	lsn_format(p->lsn, lsn);
	lsn_format(end, end_text);
	clock_format(p->time, time);
	(void)printf(
	    "%s\t%s\t0\trestore point %s\t%s\n", lsn, end_text, p->name, time);
	return 0;
}

static struct walscan *
begin(const uint8_t *first)
{
	struct walhdr h;

	walhdr_decode(first, &h);
	return walscan_new(&(struct walscan_args){ .max_tli = UINT32_MAX,
	    .start_lsn = h.pageaddr,
	    .events = { .xact = print_xact, .restore_point = print_point } });
}

int
main(int argc, char **argv)
{
	static uint8_t chunk[256 * 1024];
	struct walscan *scan = NULL;

	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		ssize_t n;

		if (fd < 0) {
			perror(argv[i]);
			return 1;
		}
		while ((n = io_read(fd, chunk, sizeof chunk)) > 0) {
			if (scan == NULL)
				scan = begin(chunk);
			if (scan == NULL)
				return 1;
			walscan_push(scan, chunk, (size_t)n);
		}
		(void)close(fd);
	}
	if (scan != NULL && walscan_ended(scan))
		(void)fprintf(stderr, "the chain ended before the files did\n");
	walscan_free(scan);
	return 0;
}
