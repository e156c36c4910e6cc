//! Everything that the API has, once: [`all`] is the one list.
//!
//! A noun is a type of `aurochs_api` with its routes and the handlers of its actions ([`noun`]); each is put together in
//! `routes/<noun>/mod.rs`. From the list come the router ([`crate::router`]), the links of `/v1`, the types of
//! `/v1/schemas` ([`schema`]), `/v1/openapi.json` ([`openapi`]), the dispatch of `?action=` ([`action`]) and the tests
//! that walk over all of it. What a thing offers now ([`crate::view::envelope::Links::thing`]) comes from the type alone.

pub mod access;
pub mod action;
pub mod noun;
pub mod openapi;
pub mod schema;

use std::sync::LazyLock;

pub use noun::Noun;

use crate::routes::{
    audit, backing_image, backup, backup_backing_image, backup_target, backup_volume, engine_image, event, file,
    instance_manager, job, node, notification_target, orphan, recurring_job, root, samples, search, setting, shard,
    support_bundle, system_backup, system_restore, tag, volume, volume_attachment, whatif,
};

/// All nouns.
pub fn all() -> &'static [Noun] {
    static ALL: LazyLock<Vec<Noun>> = LazyLock::new(|| {
        vec![
            audit::noun(),
            backing_image::noun(),
            backup::noun(),
            backup_backing_image::noun(),
            backup_target::noun(),
            backup_volume::noun(),
            engine_image::noun(),
            event::noun(),
            file::noun(),
            instance_manager::noun(),
            job::noun(),
            node::noun(),
            notification_target::noun(),
            orphan::noun(),
            recurring_job::noun(),
            root::noun(),
            samples::noun(),
            search::noun(),
            setting::noun(),
            shard::noun(),
            shard::group_noun(),
            support_bundle::noun(),
            system_backup::noun(),
            system_restore::noun(),
            tag::noun(),
            volume::noun(),
            volume_attachment::noun(),
            whatif::noun(),
        ]
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_handler() {
        for noun in all() {
            let mut wanted: Vec<&str> =
                noun.actions().iter().filter(|action| action.routed).map(|action| action.name).collect();
            let mut handled = noun.handled_actions();
            wanted.sort_unstable();
            handled.sort_unstable();
            assert_eq!(handled, wanted, "{}", noun.id());
        }
    }

    /// A stream asks the list's handler, past the guard.
    #[test]
    fn what_is_for_admins_is_not_streamed() {
        for noun in all().iter().filter(|noun| noun.stream().is_some()) {
            assert!(noun.routes().iter().all(|route| route.access != access::Access::Secret), "{}", noun.id());
        }
    }

    #[test]
    fn every_noun_is_listed_once() {
        let mut ids: Vec<&str> = all().iter().map(Noun::id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
