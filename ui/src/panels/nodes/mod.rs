//! Parts of the pages of nodes.

pub(crate) mod acts;
pub(crate) mod edit;
pub(crate) mod figures;
pub(crate) mod machine;
pub(crate) mod replicas;
