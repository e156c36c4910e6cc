//! Parts of pages that know resources.

pub(crate) mod asked;
pub(crate) mod attention;
pub(crate) mod details;
pub(crate) mod disk;
pub(crate) mod frame;
pub(crate) mod jobs;
pub(crate) mod node_card;
pub(crate) mod node_states;
pub(crate) mod nodes;
pub(crate) mod notices;
pub(crate) mod ops;
pub(crate) mod paged;
pub(crate) mod palette;
pub(crate) mod replicas;
pub(crate) mod settings;
pub(crate) mod snapshots;
pub(crate) mod space;
pub(crate) mod topology;
pub(crate) mod use_it;
pub(crate) mod volume_actions;
pub(crate) mod volume_columns;
pub(crate) mod volume_filters;
pub(crate) mod volume_states;
pub(crate) mod why;
