//! Questions about volumes: one file each. Most can be asked for several volumes at once.

mod activate;
mod attach;
mod back_up;
mod batch;
mod cancel_expansion;
mod change_settings;
mod clone;
mod create;
mod delete;
mod delete_replica;
mod delete_snapshot;
mod detach;
mod expand;
mod fields;
mod purge;
mod recurring_jobs;
mod replica_count;
mod revert;
mod salvage;
mod take_snapshot;
mod trim;

use crate::model::action::Action;

pub(crate) use back_up::ask_snapshot as back_up_snapshot;
pub(crate) use create::{ask as create, ask_like as create_like, preset as clone_of};
pub(crate) use delete_replica::ask as delete_replica;
pub(crate) use delete_snapshot::ask as delete_snapshot;
pub(crate) use purge::ask as purge;
pub(crate) use recurring_jobs::{ask as recurring_jobs, ask_leave as leave_recurring_job};
pub(crate) use revert::ask as revert;

/// Opens the question of a menu entry.
pub(crate) fn ask(action: Action, names: Vec<String>) {
    match action {
        Action::Attach => attach::ask(names),
        Action::Detach => detach::ask(names),
        Action::TakeSnapshot => take_snapshot::ask(names),
        Action::BackUp => back_up::ask(names),
        Action::Clone => clone::ask(names),
        Action::Expand => expand::ask(names),
        Action::CancelExpansion => cancel_expansion::ask(names),
        Action::ReplicaCount => replica_count::ask(names),
        Action::Settings => change_settings::ask(names),
        Action::RecurringJobs => recurring_jobs::ask(names),
        Action::Trim => trim::ask(names),
        Action::Activate => activate::ask(names),
        Action::Salvage => salvage::ask(names),
        Action::Delete => delete::ask(names),
    }
}
