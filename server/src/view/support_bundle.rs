//! A support bundle. Its id is its node, and its address has both names in it.

use aurochs_api::schema::Resource;
use aurochs_api::support_bundle::SupportBundle as SupportBundleView;

use super::envelope::Links;
use super::{causes, message_of};
use crate::resources::{Object, SupportBundle};

#[must_use]
pub fn resource(bundle: &Object<SupportBundle>, links: Links<'_>) -> Resource<SupportBundleView> {
    let (node, name) = (bundle.status.owner_id.as_str(), bundle.name());
    let view = SupportBundleView {
        name: name.to_owned(),
        node_id: node.to_owned(),
        state: bundle.status.state,
        progress_percentage: bundle.status.progress,
        error_message: message_of(&bundle.status.conditions, "Error"),
        causes: causes::of_support_bundle(bundle),
    };
    let mut resource = links.thing(node, view);
    // Longhorn leaves the bundle's own name out of this link, which then leads nowhere.
    resource.links.insert("self".to_owned(), format!("{}/{name}", links.item("supportBundle", node)));
    resource
}
