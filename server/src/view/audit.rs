//! An entry of the audit log.

use aurochs_api::audit::Audit;
use aurochs_api::schema::Resource;
use aurochs_api::session::Role;

use super::envelope::Links;
use crate::audit::{Kept, UNKNOWN};
use crate::resources::timestamp;

#[must_use]
pub fn resource(kept: &Kept, links: Links<'_>) -> Resource<Audit> {
    let Kept { act, end, .. } = kept;
    let ended = end.as_ref().map(|end| &end.ended);
    let data = Audit {
        begun_at: timestamp::text(kept.at),
        ended_at: end.as_ref().map_or_else(String::new, |end| timestamp::text(end.at)),
        user: act.user.clone(),
        role: act.role.map_or("", Role::word).to_owned(),
        address: act.address.clone(),
        method: act.method.clone(),
        path: act.path.clone(),
        action: act.action.clone(),
        object_type: act.noun.clone(),
        object: act.object.clone(),
        input: act.input.clone(),
        result: ended.map_or(UNKNOWN, |ended| ended.result.word()).to_owned(),
        status: ended.map_or(0, |ended| ended.status),
        message: ended.map_or_else(String::new, |ended| ended.message.clone()),
        request_id: act.request_id.clone(),
    };
    links.thing(&kept.id.to_string(), data)
}
