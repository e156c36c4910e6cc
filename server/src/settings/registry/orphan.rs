//! What nobody owns any more.

use super::Name;
use crate::settings::Form;
use crate::settings::definition::{Definition, int_from, text};

pub(super) const ROWS: &[Definition] = &[
    text(Name::OrphanResourceAutoDeletion, "").optional().formed(Form::OrphanKinds).says(
        "Orphan Resource Auto-Deletion",
        "Kinds of orphans that are deleted without asking, with ; between them: replica-data (directories of replicas that no \
         volume has), instance (processes that no volume has). Empty: a person deletes them.",
    ),
    int_from(Name::OrphanResourceAutoDeletionGracePeriod, 0, "300").says(
        "Orphan Resource Auto-Deletion Grace Period",
        "Seconds for which something must have been an orphan before it is deleted without asking.",
    ),
];
