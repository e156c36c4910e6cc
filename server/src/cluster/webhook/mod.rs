//! The admission webhook ([`crate::admission`]) on the way: its address, its certificate, and that API servers know of it.
//!
//! 1. [`certificate`] — made by ourselves for the Service's name, kept in a Secret that all managers read;
//! 2. [`registration`] — the two configurations in which API servers are told whom to ask, and by which certificate to know
//!    them;
//! 3. [`keeper`] — the manager that acts makes both, and a new certificate before the old one ends;
//! 4. [`serve`] — every manager answers.
//!
//! Invariant: API servers know a certificate before any manager uses it.

mod certificate;
mod keeper;
mod registration;
mod serve;
#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};

pub use keeper::keep;
pub use serve::start;

use super::Cluster;
use super::dynamic::{Failed, asked};

/// The Service that leads here, in the chart.
const SERVICE: &str = "longhorn-admission-webhook";
/// Its port.
const PORT: u16 = 9502;
/// The Secret of the certificate.
const SECRET: &str = "longhorn-webhook-tls";
const MUTATION: &str = "/v1/webhook/mutation";
const VALIDATION: &str = "/v1/webhook/validation";
/// The Secret is read again after this long, whatever happens.
const RESYNC: Duration = Duration::from_secs(240);

/// What goes wrong with it.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Server(#[from] Failed),
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
}

fn secrets(cluster: &Cluster) -> Api<Secret> {
    Api::namespaced(cluster.client.clone(), &cluster.namespace)
}

/// The Secret, if there is one, and a version that a watch can begin at.
async fn read(cluster: &Cluster) -> Result<(Option<Secret>, String), Failed> {
    let only_it = ListParams::default().fields(&format!("metadata.name={SECRET}"));
    let listed = asked(format!("reading the Secret {SECRET}"), secrets(cluster).list(&only_it)).await?;
    Ok((listed.items.into_iter().next(), listed.metadata.resource_version.unwrap_or_default()))
}
