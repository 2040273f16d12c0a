/* SPDX-License-Identifier: PostgreSQL */
/*
 * One segment of made WAL that does not compress, for measuring.
 *
 *	onesegment DIR MIB	DIR/000000010000000000000001, MIB its size
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../walmaker.h"
#include "io.h"
#include "walname.h"

/* A few times the same noise: further apart than any codec looks back. */
#define RECORD ((size_t)4 << 20)

int
main(int argc, char **argv)
{
	struct walmaker w = WALMAKER_DEFAULT;
	struct walname name;
	char path[4200];
	unsigned long mib;
	int fd;

	if (argc != 3 || (mib = strtoul(argv[2], NULL, 10)) == 0 || mib > 1024)
		return 3;
	w.segsize = (uint32_t)mib << 20;
	walmaker_begin(&w, w.segsize, 1);
	while (w.at + 2 * RECORD < w.start + w.segsize)
		(void)walmaker_filler(&w, RECORD);
	(void)walmaker_commit(&w, 1000, INT64_C(848000000000000));
	(void)walmaker_switch(&w);
	walname_segment(1, 1, w.segsize, &name);
	(void)snprintf(path, sizeof path, "%.4000s/%s", argv[1], name.text);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || io_write(fd, w.bytes, w.len) != 0 || close(fd) != 0)
		return 1;
	walmaker_end(&w);
	return 0;
}
