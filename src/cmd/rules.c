/* SPDX-License-Identifier: PostgreSQL */
/* The configured rules of retention: see rules.h. */
#include "rules.h"

void
rules_of(const struct conf *c, struct retain_rules *rules)
{
	*rules = (struct retain_rules){
		.full = conf_number(c, OPT_KEEP_FULL),
		.days = conf_number(c, OPT_KEEP_DAYS),
		.daily = conf_number(c, OPT_KEEP_DAILY),
		.weekly = conf_number(c, OPT_KEEP_WEEKLY),
		.monthly = conf_number(c, OPT_KEEP_MONTHLY),
		.yearly = conf_number(c, OPT_KEEP_YEARLY),
		.wal = conf_number(c, OPT_KEEP_WAL),
	};
}
