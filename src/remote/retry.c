/* SPDX-License-Identifier: PostgreSQL */
/* Waiting before a repetition: see retry.h. */
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "retry.h"
#include "units.h"

/* No service is to stop us for longer than a day. */
#define AFTER_MAX_MS (INT64_C(86400) * 1000)

int64_t
retry_delay(unsigned again, int64_t wanted_ms, uint32_t random)
{
	int64_t top = RETRY_FIRST_MS, wait;

	for (; again > 1 && top < RETRY_MAX_MS; again--)
		top *= 2;
	if (top > RETRY_MAX_MS)
		top = RETRY_MAX_MS;
	wait = (int64_t)(random % (uint32_t)top);
	/* All who were told the same do not come back at the same moment. */
	return wanted_ms > 0 ? wanted_ms + wait / 10 : wait;
}

int64_t
retry_after_ms(const char *value, int64_t now)
{
	struct tm tm = { 0 };
	const char *why, *end;
	uint64_t seconds;
	int64_t ms;

	if (units_parse(value, UNITS_COUNT, &seconds, &why) == 0)
		ms = seconds < 86400 ? (int64_t)seconds * 1000 : AFTER_MAX_MS;
	else {
		end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		if (end == NULL || *end != '\0')
			return 0;
		ms = ((int64_t)timegm(&tm) - now) * 1000;
	}
	return ms < 0 ? 0 : ms > AFTER_MAX_MS ? AFTER_MAX_MS : ms;
}

uint32_t
retry_random(void)
{
	uint32_t r = 0;

	return getrandom(&r, sizeof r, 0) == (ssize_t)sizeof r ? r : 0;
}
