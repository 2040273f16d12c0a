/* SPDX-License-Identifier: PostgreSQL */
/* A backup, finished or failed, told: see report_backup.h. */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "log.h"
#include "lsn.h"
#include "output.h"
#include "report_backup.h"

void
report_backup_log(const struct basebackup_result *r)
{
	const struct manifest_summary *s = &r->summary;
	char start[LSN_TEXT], stop[LSN_TEXT];

	for (size_t i = 0; i < r->n_bad; i++)
		log_error("damaged page: %s: block %" PRIu32
		          ": its checksum is wrong",
		    r->bad[i].path, r->bad[i].block);
	if (s->bad_pages > r->n_bad)
		log_error(
		    "damaged pages: %" PRIu64 " more", s->bad_pages - r->n_bad);
	lsn_format(s->start_lsn, start);
	lsn_format(s->stop_lsn, stop);
	log_info("backup complete: %s: files=%" PRIu64 " bytes=%" PRIu64
	         " stored=%" PRIu64 " packs=%" PRIu64
	         " start_lsn=%s stop_lsn=%s timeline=%" PRIu32
	         " bad_pages=%" PRIu64 " ms=%" PRId64,
	    s->id, s->files, s->bytes, s->stored, r->packs, start, stop,
	    s->stop_tli, s->bad_pages, r->ms);
	for (size_t i = 0; i < r->n_stores; i++)
		if (!r->stores[i].complete)
			log_warning("backup: store %s (%s) does not have %s; "
			            "walvault sync completes it",
			    r->stores[i].store->name, r->stores[i].store->url,
			    s->id);
}

void
report_backup_failure(const struct basebackup_result *r, const struct fail *f)
{
	char names[sizeof f->cause] = "";
	struct fail where;
	size_t len = 0;

	for (size_t i = 0; i < r->n_stores && len < sizeof names; i++)
		if (r->stores[i].may_have)
			len += (size_t)snprintf(names + len, sizeof names - len,
			    "%s%s", len > 0 ? ", " : "",
			    r->stores[i].store->name);
	if (len == 0) {
		log_fail(LOG_ERROR, "no backup", f);
		log_info("no backup: %s: walvault expire --broken removes "
		         "what is left of it",
		    r->summary.id);
		return;
	}
	log_fail(LOG_ERROR, "backup failed", f);
	(void)fail_set(&where, FAIL_TRANSIENT, r->summary.id,
	    "it may be there in: %s", names);
	(void)fail_hint(&where,
	    "walvault info shows whether it is; walvault sync brings it to the "
	    "stores that lack it");
	log_fail(LOG_WARNING, "backup", &where);
}

static void
json_positions(struct json *j, const struct manifest_summary *s)
{
	output_lsn(j, "start_lsn", s->start_lsn);
	json_int(j, "start_timeline", s->start_tli);
	output_lsn(j, "stop_lsn", s->stop_lsn);
	json_int(j, "stop_timeline", s->stop_tli);
	output_time(j, "start_time", s->start_time);
	output_time(j, "stop_time", s->stop_time);
}

static void
json_bad(struct json *j, const struct basebackup_result *r)
{
	json_int(j, "bad_pages", (int64_t)r->summary.bad_pages);
	json_array(j, "bad");
	for (size_t i = 0; i < r->n_bad; i++) {
		json_object(j, NULL);
		json_string(j, "path", r->bad[i].path);
		json_int(j, "block", r->bad[i].block);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
print_json(const struct basebackup_result *r, const char *cluster)
{
	const struct manifest_summary *s = &r->summary;
	struct json j = { 0 };
	char sysid[24];

	(void)snprintf(sysid, sizeof sysid, "%" PRIu64, s->sysid);
	json_object(&j, NULL);
	json_int(&j, "format", 1);
	json_string(&j, "cluster", cluster);
	json_string(&j, "sysid", sysid);
	json_int(&j, "generation", s->generation);
	json_string(&j, "id", s->id);
	json_string(&j, "type", s->type);
	json_string(&j, "label", s->label);
	output_annotations(&j, s->annotations);
	json_positions(&j, s);
	json_bool(&j, "from_standby", s->from_standby);
	json_bool(&j, "checksums", s->checksums);
	json_bad(&j, r);
	json_int(&j, "files", (int64_t)s->files);
	json_int(&j, "bytes", (int64_t)s->bytes);
	json_int(&j, "stored", (int64_t)s->stored);
	json_int(&j, "packs", (int64_t)r->packs);
	json_int(&j, "ms", r->ms);
	json_array(&j, "stores");
	for (size_t i = 0; i < r->n_stores; i++) {
		json_object(&j, NULL);
		json_string(&j, "store", r->stores[i].store->name);
		json_string(&j, "url", r->stores[i].store->url);
		json_bool(&j, "complete", r->stores[i].complete);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
	output_json(&j, true);
}

void
report_backup_print(
    const struct basebackup_result *r, const char *cluster, bool json)
{
	if (json)
		print_json(r, cluster);
	else
		(void)printf("%s\n", r->summary.id);
}
