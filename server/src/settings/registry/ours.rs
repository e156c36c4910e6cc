//! Settings that Longhorn does not have.

use super::Name;
use crate::settings::definition::{Definition, int_between};

pub(super) const ROWS: &[Definition] = &[
    int_between(Name::AuditMaxAgeDays, 1, 3650, "180").ours().says(
        "Audit Log Maximum Age",
        "Days for which the audit log keeps who changed what. The latest thousand entries stay whatever their age.",
    ),
    int_between(Name::AuditMaxCount, 1000, 1_000_000, "100000")
        .ours()
        .says("Audit Log Maximum Count", "How many entries the audit log keeps; the latest ones stay."),
];
