/* SPDX-License-Identifier: PostgreSQL */
/* Progress for people: see meter.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "meter.h"
#include "units.h"

#define TERMINAL_MS 500
#define RECORD_MS   60000

void
meter_begin(struct meter *m)
{
	*m = (struct meter){ .terminal = isatty(STDERR_FILENO) == 1 };
}

void
meter_text(char *out, size_t cap, const char *what, uint64_t done,
    uint64_t total, int64_t ms)
{
	char a[UNITS_TEXT], b[UNITS_TEXT], rate[UNITS_TEXT], left[UNITS_TEXT];
	double per_ms = ms > 0 ? (double)done / (double)ms : 0;
	uint64_t seconds = 0;

	if (total < done)
		total = done; /* files have grown */
	units_format_bytes(done, a);
	units_format_bytes(total, b);
	units_format_bytes((uint64_t)(per_ms * 1000), rate);
	if (per_ms > 0)
		seconds = (uint64_t)((double)(total - done) / per_ms / 1000);
	units_format(seconds * 1000, UNITS_MS, left);
	(void)snprintf(out, cap, "%s: %u%%, %s of %s, %s/s, %s left", what,
	    total > 0 ? (unsigned)((double)done * 100 / (double)total) : 100, a,
	    b, rate, per_ms > 0 ? left : "?");
}

/* A line that the next record may write over. */
static void
put_line(const char *text)
{
	char line[256];
	int len = snprintf(line, sizeof line, "\r\033[K%s\r", text);
	ssize_t n;

	if (len <= 0 || (size_t)len >= sizeof line)
		return;
	n = write(STDERR_FILENO, line, (size_t)len);
	(void)n;
}

void
meter_show(struct meter *m, const char *what, uint64_t done, uint64_t total)
{
	int64_t now = clock_monotonic_ms();
	char text[200];

	if (what == NULL || what != m->what) {
		meter_end(m);
		m->what = what;
		m->begin_ms = m->last_ms = now;
		m->begin_bytes = done;
		return;
	}
	if (now - m->last_ms < (m->terminal ? TERMINAL_MS : RECORD_MS))
		return;
	m->last_ms = now;
	meter_text(text, sizeof text, what, done, total, now - m->begin_ms);
	if (!m->terminal) {
		log_info("%s", text);
		return;
	}
	put_line(text);
	m->shown = true;
}

void
meter_end(struct meter *m)
{
	if (m->shown)
		put_line("");
	m->shown = false;
}
