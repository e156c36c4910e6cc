//! Settings that Longhorn does not have.

use super::Name;
use crate::settings::definition::{Definition, boolean, int_between};

pub(super) const ROWS: &[Definition] = &[
    int_between(Name::AuditMaxAgeDays, 1, 3650, "180").ours().says(
        "Audit Log Maximum Age",
        "Days for which the audit log keeps who changed what. The latest thousand entries stay whatever their age.",
    ),
    int_between(Name::AuditMaxCount, 1000, 1_000_000, "100000")
        .ours()
        .says("Audit Log Maximum Count", "How many entries the audit log keeps; the latest ones stay."),
    int_between(Name::JobHistoryMaxAgeDays, 1, 3650, "90")
        .ours()
        .says("Job History Maximum Age", "Days for which jobs that have ended are kept in the history."),
    int_between(Name::JobHistoryMaxCount, 1, 100_000, "10000").ours().says(
        "Job History Maximum Count",
        "How many jobs that have ended are kept in the history; the latest ones stay.",
    ),
    boolean(Name::SamplesEnabled, "true").ours().says(
        "Samples",
        "What volumes did and what disks had is noted over time, for the charts. Switched off, nothing new is noted.",
    ),
    int_between(Name::SamplesMaxSizeMib, 1, 65_536, "256").ours().says(
        "Samples Maximum Size",
        "Mebibytes that samples may take in the manager's database; the oldest go first.",
    ),
];
