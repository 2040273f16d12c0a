/* SPDX-License-Identifier: PostgreSQL */
/*
 * Access tokens of Google's services, from the first place that has them: the
 * store's credential_command, its credentials_file, the file that
 * GOOGLE_APPLICATION_CREDENTIALS names, gcloud's own, the machine.  A token is
 * replaced before it ends.
 */
#ifndef WALVAULT_REMOTE_GCP_H
#define WALVAULT_REMOTE_GCP_H

#include "http.h"

struct gcp;

/* args are asked here and not kept; o is copied.  NULL with *f filled. */
struct gcp *gcp_new(const struct store_args *args, const struct http_options *o,
    struct fail *f);
void gcp_free(struct gcp *g);

/* A token that is good now; it stays g's.  NULL with *f filled. */
const char *gcp_token(struct gcp *g, struct fail *f);

/* The service does not take it any more: ask for another. */
void gcp_forget(struct gcp *g);

/* Who the token is for, as far as is known, for messages. */
const char *gcp_account(const struct gcp *g);

#endif
