//! The manager that acts keeps certificate and configurations.

use std::time::Duration;

use kube::api::PostParams;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::dynamic::asked;
use super::super::{Cluster, change};
use super::certificate::Certificate;
use super::{Error, RESYNC, SECRET, read, registration, secrets};

/// Pause after it failed.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps them until the task is aborted.
pub fn keep(cluster: &Cluster) -> JoinHandle<()> {
    let cluster = cluster.clone();
    tokio::spawn(async move {
        loop {
            match once(&cluster, OffsetDateTime::now_utc()).await {
                Ok(version) => change::wait_for_one(&secrets(&cluster), SECRET, &version, RESYNC).await,
                Err(error) => {
                    tracing::warn!(%error, "the admission webhook is not known to the API server; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
    })
}

/// One look; answers with the version of the Secret, to wait from.
pub(super) async fn once(cluster: &Cluster, now: OffsetDateTime) -> Result<String, Error> {
    let (secret, version) = read(cluster).await?;
    let there = secret.as_ref().and_then(Certificate::read);
    if let Some(there) = &there
        && !there.is_soon_over(now)
    {
        registration::register(cluster, &there.trusted).await?;
        return Ok(version);
    }
    let new = Certificate::make(&cluster.namespace, there.as_ref(), now)?;
    // Known before it is used.
    registration::register(cluster, &new.trusted).await?;
    let (written, parameters) = (new.secret(secret.as_ref()), PostParams::default());
    let secrets = secrets(cluster);
    let doing = format!("writing the Secret {SECRET}");
    let secret = match secret {
        Some(_) => asked(&doing, secrets.replace(SECRET, &parameters, &written)).await?,
        None => asked(&doing, secrets.create(&parameters, &written)).await?,
    };
    tracing::info!("made a certificate for the admission webhook");
    Ok(secret.metadata.resource_version.unwrap_or(version))
}
