//! What goes on in a volume while somebody waits.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{Robustness, Volume, VolumeState};
use clap::{Args, ValueEnum};

use super::row;
use crate::client::api::Seen;
use crate::client::failure::Failure;
use crate::client::progress::Progress;
use crate::client::wait::{Look, Patience};
use crate::client::{Client, Run};

/// Waits for a volume. `what` names it in messages: "attaching volume data".
pub(in crate::client) async fn until(
    client: &Client,
    name: &str,
    what: &str,
    patience: &Patience,
    mut is_done: impl FnMut(&Volume) -> Result<bool, Failure>,
) -> Result<Seen<Volume>, Failure> {
    let look = async || {
        let seen = client.api.get::<Volume>(name).await?;
        if is_done(&seen.thing.data)? {
            return Ok(Look::Done(seen));
        }
        Ok(Look::GoesOn(progress(&seen.thing.data, what)))
    };
    patience.until(what, look).await
}

/// The bytes of a rebuild, the percents of a purge, else what is in the way.
fn progress(volume: &Volume, what: &str) -> Progress {
    if let Some(rebuild) = volume.rebuild_status.iter().map(|nested| &nested.data).find(|one| one.is_rebuilding) {
        return Progress {
            phase: format!("rebuilding {}", rebuild.replica),
            done: rebuild.done_bytes,
            planned: Some(rebuild.planned_bytes).filter(|bytes| *bytes > ByteSize::ZERO),
            bytes_per_second: rebuild.bytes_per_second,
            percent: Some(rebuild.progress.into()),
            ..Progress::default()
        };
    }
    let purges = volume.purge_status.iter().flatten().map(|nested| &nested.data);
    if let Some(slowest) = purges.filter(|purge| purge.is_purging).min_by_key(|purge| purge.progress) {
        return Progress { percent: Some(slowest.progress.into()), ..Progress::at(what) };
    }
    match volume.causes.first() {
        Some(cause) => Progress::at(format!("{what}: {}", cause.message)),
        None => Progress::at(format!("{what}: it is {}", row::state(volume.state))),
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    /// Attached, with all replicas whole
    Healthy,
    /// Attached, whatever its replicas
    Attached,
    Detached,
    /// Nothing is rebuilt or purged, and it is neither on its way nor growing
    Idle,
    /// It is deleted
    Gone,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs volume wait data --for healthy --timeout 1h")]
pub struct Wait {
    /// Name of the volume
    name: String,
    /// The state to wait for
    #[arg(long = "for", value_enum, default_value_t = For::Healthy)]
    state: For,
    #[command(flatten)]
    patience: Patience,
}

impl Run for Wait {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        if self.state == For::Gone {
            until_gone(client, name, &self.patience).await?;
            return client.output.done(&serde_json::Value::Null, name, &format!("Volume {name} is gone."));
        }
        let what = format!("waiting for volume {name}");
        let state = self.state;
        let seen = until(client, name, &what, &self.patience, |volume| Ok(state.holds(volume))).await?;
        let volume = &seen.thing.data;
        let sentence =
            format!("Volume {name} is {}, {}.", row::state(volume.state), row::robustness(volume.robustness));
        client.output.done(&seen.raw, name, &sentence)
    }
}

impl For {
    fn holds(self, volume: &Volume) -> bool {
        let is_attached = volume.state == VolumeState::Attached;
        match self {
            Self::Healthy => is_attached && volume.robustness == Robustness::Healthy,
            Self::Attached => is_attached,
            Self::Detached => volume.state == VolumeState::Detached,
            Self::Idle => is_idle(volume),
            Self::Gone => false,
        }
    }
}

fn is_idle(volume: &Volume) -> bool {
    let is_settled = matches!(volume.state, VolumeState::Attached | VolumeState::Detached);
    let rebuilds = volume.rebuild_status.iter().any(|nested| nested.data.is_rebuilding);
    let grows = volume.controllers.iter().any(|engine| engine.is_expanding);
    is_settled && !rebuilds && !purges(volume) && !grows
}

/// Layers are being merged.
pub(in crate::client) fn purges(volume: &Volume) -> bool {
    volume.purge_status.iter().flatten().any(|nested| nested.data.is_purging)
}

pub(super) async fn until_gone(client: &Client, name: &str, patience: &Patience) -> Result<(), Failure> {
    let what = format!("deleting volume {name}");
    let look = async || match client.api.find::<Volume>(name).await? {
        None => Ok(Look::Done(())),
        Some(seen) => Ok(Look::GoesOn(progress(&seen.thing.data, &what))),
    };
    patience.until(&what, look).await
}
