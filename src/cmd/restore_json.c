/* SPDX-License-Identifier: PostgreSQL */
/* The plan and what became of it, as JSON: restore_job.h. */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "output.h"
#include "restore_job.h"

static void
json_moment(struct json *j, const char *name, const struct plan_moment *m)
{
	if (!m->known) {
		json_null(j, name);
		return;
	}
	json_object(j, name);
	output_lsn(j, "lsn", m->lsn);
	output_time(j, "time", m->time);
	json_string(j, "options", m->options);
	json_end_object(j);
}

static void
json_target(struct json *j, const struct restore_job *job)
{
	json_object(j, "target");
	json_string(j, "type", restore_type_name(job->plan.target.type));
	json_string(
	    j, "value", job->target_text[0] != '\0' ? job->target_text : NULL);
	json_bool(j, "exclusive", job->plan.target.exclusive);
	json_end_object(j);
	json_bool(j, "standby", job->standby);
	json_string(j, "action",
	    job->standby ? NULL : restore_action_name(job->action));
}

static void
json_backup(struct json *j, const struct manifest_summary *b)
{
	json_object(j, "backup");
	json_string(j, "id", b->id);
	json_string(j, "type", b->type);
	json_int(j, "major", b->major);
	output_lsn(j, "start_lsn", b->start_lsn);
	output_lsn(j, "stop_lsn", b->stop_lsn);
	json_int(j, "stop_timeline", b->stop_tli);
	output_time(j, "stop_time", b->stop_time);
	json_end_object(j);
}

static void
json_line(struct json *j, const struct plan *p)
{
	json_int(j, "timeline", p->tli);
	json_array(j, "path");
	for (size_t i = 0; i < p->history.n; i++) {
		json_object(j, NULL);
		json_int(j, "timeline", p->history.ancestors[i].tli);
		output_lsn(j, "left_at", p->history.ancestors[i].switch_lsn);
		json_end_object(j);
	}
	json_end_array(j);
	json_object(j, "wal");
	json_string(j, "first", p->first_segment.text);
	json_string(j, "last", p->last_segment.text);
	json_int(j, "segments", (int64_t)p->segments);
	json_string(
	    j, "partial", p->partial_key[0] != '\0' ? p->partial_key : NULL);
	json_end_object(j);
}

static void
json_stop(struct json *j, const struct plan *p)
{
	json_object(j, "stop");
	output_lsn(j, "lsn", p->stop_lsn);
	json_bool(j, "inclusive", p->inclusive);
	output_lsn(j, "end_lsn", p->end_lsn);
	json_int(j, "timeline", p->stop_tli);
	json_end_object(j);
	output_xact(j, "last", p->has_before, &p->last);
	output_xact(j, "first_not", p->has_after, &p->first_not);
	json_object(j, "fetch");
	json_int(j, "backup_bytes", (int64_t)p->backup.info.stored);
	json_int(j, "wal_bytes", (int64_t)p->wal_stored);
	json_end_object(j);
}

static void
json_places(struct json *j, const struct restore_job *job)
{
	json_array(j, "places");
	for (size_t i = 0; i < job->places.n; i++) {
		const struct restore_place *p = &job->places.list[i];

		json_object(j, NULL);
		json_int(j, "tablespace", p->oid);
		json_string(j, "was", p->oid != 0 ? p->old : NULL);
		json_string(j, "path", p->path[0] != '\0' ? p->path : NULL);
		json_int(j, "needed", (int64_t)p->bytes);
		if (job->dest != NULL)
			json_int(j, "free", (int64_t)p->free);
		else
			json_null(j, "free");
		json_end_object(j);
	}
	json_end_array(j);
	json_array(j, "warnings");
	for (size_t i = 0; i < job->n_warnings; i++)
		json_string(j, NULL, job->warnings[i]);
	json_end_array(j);
}

static void
json_server(struct json *j, const struct restore_job *job)
{
	const struct restore_server *s = &job->server;
	int64_t until = restore_lease_until(job);

	json_bool(j, "restored", job->restored);
	if (until != INT64_MIN)
		output_time(j, "kept_until", until);
	else
		json_null(j, "kept_until");
	if (!s->started) {
		json_null(j, "server");
		return;
	}
	json_object(j, "server");
	json_bool(j, "running", s->running);
	json_int(j, "pid", s->running ? s->pid : 0);
	json_string(j, "socket_directory",
	    s->socket_dir[0] != '\0' ? s->socket_dir : NULL);
	json_string(j, "log", s->log);
	json_int(j, "promoted_to", s->new_tli);
	json_end_object(j);
}

static void
json_unreachable(struct json *j, const struct plan *p)
{
	json_string(j, "why", p->why);
	json_string(j, "missing", p->missing[0] != '\0' ? p->missing : NULL);
	json_moment(j, "nearest_before", &p->before);
	json_moment(j, "nearest_after", &p->after);
}

void
restore_print_json(const struct restore_job *job)
{
	const struct plan *p = &job->plan;
	struct json j = { 0 };
	char sysid[32];

	json_object(&j, NULL);
	json_int(&j, "format", 1);
	(void)snprintf(sysid, sizeof sysid, "%" PRIu64, job->repo.layout.sysid);
	json_string(&j, "sysid", sysid);
	json_int(&j, "generation", job->repo.layout.generation);
	json_target(&j, job);
	json_bool(&j, "reachable", p->reachable);
	if (p->reachable) {
		json_backup(&j, &p->backup.info);
		json_line(&j, p);
		json_stop(&j, p);
		json_places(&j, job);
		json_server(&j, job);
	} else {
		json_unreachable(&j, p);
	}
	json_end_object(&j);
	output_json(&j, true);
}
