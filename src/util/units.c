/* SPDX-License-Identifier: PostgreSQL */
/* Numbers with units: see units.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

struct unit {
	const char *name;
	uint64_t factor;
};

#define KIB ((uint64_t)1024)

/* The first spelling of each size is the one that units_format writes. */
static const struct unit byte_units[] = {
	{ "TiB", KIB *KIB *KIB *KIB },
	{ "GiB", KIB *KIB *KIB },
	{ "MiB", KIB *KIB },
	{ "KiB", KIB },
	{ "B", 1 },
	{ "", 1 },
	{ "TB", KIB *KIB *KIB *KIB },
	{ "GB", KIB *KIB *KIB },
	{ "MB", KIB *KIB },
	{ "kB", KIB },
	{ "KB", KIB },
	{ NULL, 0 },
};

static const struct unit ms_units[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "min", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
	{ "", 1000 },
	{ NULL, 0 },
};

static const struct unit count_units[] = {
	{ "", 1 },
	{ NULL, 0 },
};

static const struct unit *
units_of(enum units_kind kind, const char **why)
{
	switch (kind) {
	case UNITS_BYTES:
		*why = "not a size: write a number with B, KiB, MiB or GiB";
		return byte_units;
	case UNITS_MS:
		*why = "not a duration: write a number with ms, s, min, h or d";
		return ms_units;
	case UNITS_COUNT:
		break;
	}
	*why = "not a whole number";
	return count_units;
}

int
units_parse(
    const char *text, enum units_kind kind, uint64_t *value, const char **why)
{
	const struct unit *u = units_of(kind, why);
	uint64_t v = 0;
	const char *p;

	if (!isdigit((unsigned char)*text))
		return -1;
	for (p = text; isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return -1;
		v = v * 10 + digit;
	}
	while (u->name != NULL && strcmp(u->name, p) != 0)
		u++;
	if (u->name == NULL || v > UINT64_MAX / u->factor)
		return -1;
	*value = v * u->factor;
	return 0;
}

void
units_format_bytes(uint64_t bytes, char out[UNITS_TEXT])
{
	const struct unit *u = byte_units;

	while (u->factor > 1 && bytes < u->factor)
		u++;
	if (u->factor == 1)
		(void)snprintf(out, UNITS_TEXT, "%" PRIu64 " B", bytes);
	else
		(void)snprintf(out, UNITS_TEXT, "%.1f %s",
		    (double)bytes / (double)u->factor, u->name);
}

void
units_format(uint64_t value, enum units_kind kind, char out[UNITS_TEXT])
{
	const char *why;
	const struct unit *u = units_of(kind, &why);

	while (u->factor > 1 && (value == 0 || value % u->factor != 0))
		u++;
	(void)snprintf(
	    out, UNITS_TEXT, "%" PRIu64 "%s", value / u->factor, u->name);
}
