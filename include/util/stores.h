/* SPDX-License-Identifier: PostgreSQL */
/* How many stores a run uses at a time, at most. */
#ifndef WALVAULT_UTIL_STORES_H
#define WALVAULT_UTIL_STORES_H

#define STORES_MAX 16

#endif
