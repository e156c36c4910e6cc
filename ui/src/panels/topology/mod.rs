//! Parts of the page of the topology.

pub(crate) mod picture;
