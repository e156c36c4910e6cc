//! Parts of pages that know resources.

pub(crate) mod attention;
pub(crate) mod backing_images;
pub(crate) mod backup_targets;
pub(crate) mod backups;
pub(crate) mod details;
pub(crate) mod disk;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod jobs;
pub(crate) mod node_card;
pub(crate) mod node_states;
pub(crate) mod notices;
pub(crate) mod palette;
pub(crate) mod recurring_jobs;
pub(crate) mod replicas;
pub(crate) mod snapshots;
pub(crate) mod space;
pub(crate) mod system_backups;
pub(crate) mod use_it;
pub(crate) mod volume_actions;
pub(crate) mod volume_columns;
pub(crate) mod volume_filters;
pub(crate) mod volume_states;
pub(crate) mod why;
