/* SPDX-License-Identifier: PostgreSQL */
/* How long to wait before a request is tried again. */
#ifndef WALVAULT_REMOTE_RETRY_H
#define WALVAULT_REMOTE_RETRY_H

#include <stdint.h>

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   10000

/*
 * The wait before try number again (1 is the first repetition):
 * exponential, with full jitter from random, and never less than the service
 * asked for (wanted_ms, 0 if it did not).
 */
int64_t retry_delay(unsigned again, int64_t wanted_ms, uint32_t random);

/*
 * What a Retry-After header asks for: seconds, or a date (RFC 9110, 10.2.3);
 * now is in seconds of 1970.  0 if it cannot be read.
 */
int64_t retry_after_ms(const char *value, int64_t now);

/* Any number. */
uint32_t retry_random(void);

#endif
