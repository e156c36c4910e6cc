//! Lists of conditions: set one, find one.

use aurochs_api::condition::{Condition, ConditionStatus};

use super::timestamp;

/// Sets the condition of this type. The transition time moves only when the status does, so that an unchanged
/// condition leaves the resource unchanged and nothing is written.
pub fn set(conditions: &mut Vec<Condition>, kind: &str, status: ConditionStatus, reason: &str, message: &str) {
    match conditions.iter_mut().find(|condition| condition.kind == kind) {
        Some(condition) => {
            if condition.status != status {
                condition.last_transition_time = timestamp::now();
            }
            condition.status = status;
            reason.clone_into(&mut condition.reason);
            message.clone_into(&mut condition.message);
        }
        None => conditions.push(Condition {
            kind: kind.to_owned(),
            status,
            last_probe_time: String::new(),
            last_transition_time: timestamp::now(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        }),
    }
}

#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Whether the condition is there and true.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == ConditionStatus::True)
}
