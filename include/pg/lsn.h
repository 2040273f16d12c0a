/* SPDX-License-Identifier: PostgreSQL */
/* WAL positions (XLogRecPtr), written hi/lo in hexadecimal as in "1/6D002A08".
 */
#ifndef WALVAULT_PG_LSN_H
#define WALVAULT_PG_LSN_H

#include <stdint.h>

/* No WAL record begins at 0, so 0 stands for "none" (InvalidXLogRecPtr). */
#define LSN_NONE 0

/* Room for "FFFFFFFF/FFFFFFFF" and its NUL. */
#define LSN_TEXT 18

void lsn_format(uint64_t lsn, char out[LSN_TEXT]);

/* The whole of text.  0, or -1 if it is not an LSN. */
int lsn_parse(const char *text, uint64_t *lsn);

#endif
