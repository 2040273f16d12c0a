/* SPDX-License-Identifier: PostgreSQL */
/* The configured rules of retention: see rules.h. */
#include "rules.h"

void
rules_of_store(const struct conf *c, size_t store, struct retain_rules *rules)
{
	*rules = (struct retain_rules){
		.full = conf_store_number(c, store, OPT_KEEP_FULL),
		.days = conf_store_number(c, store, OPT_KEEP_DAYS),
		.daily = conf_store_number(c, store, OPT_KEEP_DAILY),
		.weekly = conf_store_number(c, store, OPT_KEEP_WEEKLY),
		.monthly = conf_store_number(c, store, OPT_KEEP_MONTHLY),
		.yearly = conf_store_number(c, store, OPT_KEEP_YEARLY),
		.wal = conf_store_number(c, store, OPT_KEEP_WAL),
	};
}
