/* SPDX-License-Identifier: PostgreSQL */
/* A small request for credentials.  Internal to aws*.c. */
#ifndef WALVAULT_REMOTE_AWS_REQUEST_H
#define WALVAULT_REMOTE_AWS_REQUEST_H

#include "ask.h"
#include "aws_source.h"

/* As ask(), with what AWS's errors say. */
int aws_request(struct aws *a, struct ask *r, struct fail *f);

#endif
