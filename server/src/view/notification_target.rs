//! A target of notifications, without its secrets.

use aurochs_api::notification::NotificationTarget;
use aurochs_api::schema::Resource;

use super::envelope::Links;
use crate::notifications::Known;
use crate::resources::timestamp;

#[must_use]
pub(crate) fn resource(known: Known, links: Links<'_>) -> Resource<NotificationTarget> {
    let (kept, [webhook_url_set, authorization_set, smtp_password_set]) = (known.kept, known.set);
    let spec = kept.spec;
    let time = |moment: Option<time::OffsetDateTime>| moment.map_or_else(String::new, timestamp::text);
    let data = NotificationTarget {
        name: kept.name.clone(),
        kind: spec.kind,
        enabled: spec.enabled,
        webhook_url_set,
        webhook_host: spec.webhook_host,
        authorization_set,
        smtp_server: spec.smtp_server,
        smtp_security: spec.smtp_security,
        smtp_user: spec.smtp_user,
        smtp_password_set,
        from: spec.from,
        to: spec.to,
        event_types: spec.event_types,
        event_reasons: spec.event_reasons,
        causes: spec.causes,
        cause_severities: spec.cause_severities,
        job_outcomes: spec.job_outcomes,
        waiting: kept.waiting,
        delivered: kept.delivered,
        dropped: kept.dropped,
        last_delivered_at: time(kept.last_delivered),
        last_error_at: time(kept.last_error_at),
        last_error: kept.last_error,
    };
    links.thing(&kept.name, data)
}
