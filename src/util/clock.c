/* SPDX-License-Identifier: PostgreSQL */
/* Wall time, monotonic time and their texts: see clock.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define USEC 1000000

int64_t
clock_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ((int64_t)ts.tv_sec - CLOCK_PG_EPOCH_UNIX) * USEC +
	    ts.tv_nsec / 1000;
}

int64_t
clock_monotonic_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct deadline
deadline_in(int64_t ms)
{
	return (struct deadline){ .at_ms = clock_monotonic_ms() + ms };
}

int64_t
deadline_left(struct deadline d)
{
	int64_t left = d.at_ms - clock_monotonic_ms();

	return left > 0 ? left : 0;
}

/* Split into calendar fields (UTC) and microseconds, rounding down. */
static int
split(int64_t time, struct tm *tm)
{
	int64_t sec = time / USEC;
	int usec = (int)(time % USEC);
	time_t unix_sec;

	if (usec < 0) {
		usec += USEC;
		sec--;
	}
	unix_sec = (time_t)(sec + CLOCK_PG_EPOCH_UNIX);
	if (gmtime_r(&unix_sec, tm) == NULL)
		memset(tm, 0, sizeof *tm);
	return usec;
}

void
clock_format(int64_t time, char out[CLOCK_TEXT])
{
	struct tm tm;
	int usec = split(time, &tm);

	(void)snprintf(out, CLOCK_TEXT, "%04d-%02d-%02d %02d:%02d:%02d.%06d+00",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, usec);
}

void
clock_format_compact(int64_t time, char out[CLOCK_TEXT])
{
	struct tm tm;

	(void)split(time, &tm);
	(void)snprintf(out, CLOCK_TEXT, "%04d%02d%02dT%02d%02d%02dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}

/* Exactly n digits at *p into *v; moves *p. */
static int
digits(const char **p, int n, int *v)
{
	*v = 0;
	for (int i = 0; i < n; i++, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return -1;
		*v = *v * 10 + (**p - '0');
	}
	return 0;
}

/* Up to six digits after the point, as microseconds; more are an error. */
static int
fraction(const char **p, int *usec)
{
	int scale = USEC / 10;

	*usec = 0;
	if (**p != '.')
		return 0;
	(*p)++;
	if (!isdigit((unsigned char)**p))
		return -1;
	for (; isdigit((unsigned char)**p); (*p)++, scale /= 10) {
		if (scale == 0)
			return -1;
		*usec += (**p - '0') * scale;
	}
	return 0;
}

/* The zone as seconds east of UTC.  0 found, 1 none, -1 nonsense. */
static int
zone(const char *p, int *east)
{
	int hour, minute = 0, sign;

	while (*p == ' ')
		p++;
	*east = 0;
	if (*p == '\0')
		return 1;
	if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0 ||
	    strcmp(p, "UTC") == 0 || strcmp(p, "utc") == 0)
		return 0;
	if (*p != '+' && *p != '-')
		return -1;
	sign = *p++ == '-' ? -1 : 1;
	if (digits(&p, 2, &hour) != 0)
		return -1;
	if (*p != '\0') {
		if (*p == ':')
			p++;
		if (digits(&p, 2, &minute) != 0)
			return -1;
	}
	if (*p != '\0' || hour > 15 || minute > 59)
		return -1;
	*east = sign * (hour * 3600 + minute * 60);
	return 0;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };

	if (month == 2 &&
	    ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* The date and time of day; moves *p behind them. */
static int
calendar(const char **p, struct tm *tm, int *usec)
{
	int year, month;

	if (digits(p, 4, &year) != 0 || *(*p)++ != '-' ||
	    digits(p, 2, &month) != 0 || *(*p)++ != '-' ||
	    digits(p, 2, &tm->tm_mday) != 0 || (**p != ' ' && **p != 'T'))
		return -1;
	(*p)++;
	if (digits(p, 2, &tm->tm_hour) != 0 || *(*p)++ != ':' ||
	    digits(p, 2, &tm->tm_min) != 0)
		return -1;
	tm->tm_sec = 0;
	*usec = 0;
	if (**p == ':') {
		(*p)++;
		if (digits(p, 2, &tm->tm_sec) != 0 || fraction(p, usec) != 0)
			return -1;
	}
	if (month < 1 || month > 12 || tm->tm_mday < 1 ||
	    tm->tm_mday > days_in_month(year, month) || tm->tm_hour > 23 ||
	    tm->tm_min > 59 || tm->tm_sec > 59)
		return -1;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return 0;
}

int
clock_parse(const char *text, bool utc, int64_t *time, const char **why)
{
	struct tm tm = { 0 };
	const char *p = text;
	int usec, east;

	*why = "not a time: write 'YYYY-MM-DD HH:MM:SS.ffffff+00'";
	if (calendar(&p, &tm, &usec) != 0)
		return -1;
	switch (zone(p, &east)) {
	case 0:
		break;
	case 1:
		if (utc)
			break;
		*why = "no time zone: end it with Z or +HH:MM, or give --utc";
		return -1;
	default:
		return -1;
	}
	*time = ((int64_t)timegm(&tm) - east - CLOCK_PG_EPOCH_UNIX) * USEC +
	    usec;
	return 0;
}
