//! An entry of the audit log.

use aurochs_api::audit::Audit;
use aurochs_api::schema::Resource;

use super::envelope::Links;
use crate::audit::{Kept, UNKNOWN};
use crate::resources::timestamp;

#[must_use]
pub fn resource(kept: &Kept, links: Links<'_>) -> Resource<Audit> {
    let end = kept.end.as_ref();
    let data = Audit {
        begun_at: timestamp::text(kept.at),
        ended_at: end.map_or_else(String::new, |end| timestamp::text(end.at)),
        user: kept.user.clone(),
        role: kept.role.clone(),
        address: kept.address.clone(),
        method: kept.method.clone(),
        path: kept.path.clone(),
        action: kept.action.clone(),
        object_type: kept.noun.clone(),
        object: kept.object.clone(),
        input: kept.input.clone(),
        result: end.map_or(UNKNOWN, |end| end.result.as_str()).to_owned(),
        status: end.map_or(0, |end| end.status),
        message: end.map_or_else(String::new, |end| end.message.clone()),
        request_id: kept.request_id.clone(),
    };
    links.thing(&kept.id.to_string(), data)
}
