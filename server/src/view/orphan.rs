//! Something that was left behind.

use aurochs_api::orphan::Orphan as OrphanView;

use super::causes;
use super::shown::Shown;
use crate::resources::{Object, Orphan};

impl Shown for Orphan {
    type View = OrphanView;

    fn view(orphan: &Object<Self>) -> OrphanView {
        let spec = &orphan.spec;
        OrphanView {
            name: orphan.name().to_owned(),
            node_id: spec.node_id.clone(),
            orphan_type: spec.orphan_type,
            parameters: spec.parameters.clone(),
            data_engine: spec.data_engine.clone(),
            causes: causes::of_orphan(orphan),
        }
    }
}
