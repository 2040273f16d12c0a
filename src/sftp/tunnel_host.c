/* SPDX-License-Identifier: PostgreSQL */
/* Whom we are talking to: see tunnel_session.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel_session.h"

struct host_key {
	const char *type; /* "ssh-ed25519" */
	char *fingerprint;
};

/* 0 or -1 */
static int
read_key(struct tunnel *t, struct host_key *k)
{
	unsigned char *hash = NULL;
	ssh_key key = NULL;
	size_t len = 0;

	if (ssh_get_server_publickey(t->session, &key) != SSH_OK)
		return -1;
	k->type = ssh_key_type_to_char(ssh_key_type(key));
	if (ssh_get_publickey_hash(
	        key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
		k->fingerprint = ssh_get_fingerprint_hash(
		    SSH_PUBLICKEY_HASH_SHA256, hash, len);
	ssh_clean_pubkey_hash(&hash);
	ssh_key_free(key);
	return k->fingerprint != NULL ? 0 : -1;
}

/* As known_hosts names it. */
static void
host_name(const struct sftp_options *o, char *out, size_t cap)
{
	if (o->port == 22)
		(void)snprintf(out, cap, "%s", o->host);
	else
		(void)snprintf(out, cap, "[%s]:%u", o->host, o->port);
}

static int
unknown(struct tunnel *t, const struct host_key *k, struct fail *f)
{
	const struct sftp_options *o = t->options;
	const char *file = o->known_hosts;

	(void)fail_set(f, FAIL_CONFIG, t->where,
	    "the host is not known: it has the %s key %s, and %s has none "
	    "for it",
	    k->type, k->fingerprint, file);
	return fail_hint(f,
	    "compare that with what its administrator says (there: ssh-keygen "
	    "-lf /etc/ssh/ssh_host_ed25519_key.pub), then: ssh-keyscan -p %u "
	    "%s >> %s",
	    o->port, o->host, file);
}

static int
changed(struct tunnel *t, const struct host_key *k, struct fail *f)
{
	const struct sftp_options *o = t->options;
	const char *file = o->known_hosts;
	char name[300];

	host_name(o, name, sizeof name);
	(void)fail_set(f, FAIL_CONFIG, t->where,
	    "the host's key is not the one known: it has the %s key %s, and "
	    "%s has another",
	    k->type, k->fingerprint, file);
	return fail_hint(f,
	    "somebody may stand between. Only if the server has a new key: "
	    "ssh-keygen -f %s -R '%s', then ssh-keyscan -p %u %s >> %s",
	    file, name, o->port, o->host, file);
}

int
tunnel_check_host(struct tunnel *t, struct fail *f)
{
	const char *file = t->options->known_hosts;
	struct host_key k = { 0 };
	enum ssh_known_hosts_e known;
	int rc = -1;

	known = ssh_session_is_known_server(t->session);
	if (known == SSH_KNOWN_HOSTS_OK)
		return 0;
	if (read_key(t, &k) != 0) {
		(void)fail_set(f, FAIL_TRANSIENT, t->where,
		    "the host's key cannot be read: %s",
		    ssh_get_error(t->session));
		return -1;
	}
	switch (known) {
	case SSH_KNOWN_HOSTS_CHANGED:
	case SSH_KNOWN_HOSTS_OTHER:
		rc = changed(t, &k, f);
		break;
	case SSH_KNOWN_HOSTS_NOT_FOUND:
	case SSH_KNOWN_HOSTS_UNKNOWN:
		rc = unknown(t, &k, f);
		break;
	default:
		rc = fail_set(f, FAIL_CONFIG, file,
		    "the host's key cannot be compared: %s",
		    ssh_get_error(t->session));
	}
	ssh_string_free_char(k.fingerprint);
	return rc;
}
