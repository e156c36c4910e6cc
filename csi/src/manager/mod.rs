//! The manager, over its REST API: all that the driver knows and does outside of its node.
//!
//! [`http`] sends and judges answers, [`login`] says who we are; here are the things of the `api` crate.

pub mod http;
pub mod login;

use aurochs_api::action::{Acted, Action};
use aurochs_api::attachment::{AttachInput, DetachInput};
use aurochs_api::backing_image::{BackingImage, BackingImageCreateInput};
use aurochs_api::backup::{Backup, BackupInput};
use aurochs_api::backup_target::BackupTarget;
use aurochs_api::backup_volume::{BackupDelete, BackupListByVolume, BackupListByVolumeInput, BackupVolume};
use aurochs_api::describe::Shaped;
use aurochs_api::node::Node;
use aurochs_api::recurring_job::RecurringJob;
use aurochs_api::schema::{Collection, Resource, plural};
use aurochs_api::search::{FoundKind, Search};
use aurochs_api::setting::Setting;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::{SnapshotCr, SnapshotCrInput, SnapshotInput};
use aurochs_api::volume::actions::{
    Attach, Detach, Expand, SnapshotBackup, SnapshotCrCreate, SnapshotCrDelete, SnapshotCrGet, UpdateAccessMode,
};
use aurochs_api::volume::inputs::{ExpandInput, UpdateAccessModeInput};
use aurochs_api::volume::{AccessMode, SizeText, Volume, VolumeCreateInput};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::http::{Http, segment};
use crate::failure::{Failure, Kind};

/// Typed access to the manager.
#[derive(Debug)]
pub struct Manager {
    http: Http,
}

fn item<T: Shaped>(name: &str) -> String {
    format!("/v1/{}/{}", plural(T::ID), segment(name))
}

/// What was sent, read as what it has to be.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        let message = format_args!("the manager's answer can't be read: {error}");
        Failure::internal(message, "Are manager and driver of the same version?")
    })
}

fn body(input: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(input)
        .map_err(|error| Failure::internal(format_args!("a request can't be written: {error}"), ""))
}

/// None for what is not there.
fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Err(failure) if failure.is(Kind::NotFound) => Ok(None),
        answer => answer.map(Some),
    }
}

impl Manager {
    #[must_use]
    pub const fn new(http: Http) -> Self {
        Self { http }
    }

    async fn get<T: Shaped + DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let answer = self.http.call(Method::GET, &item::<T>(name), None).await?;
        read::<Resource<T>>(answer).map(|resource| resource.data)
    }

    async fn list<T: Shaped + DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        let answer = self.http.call(Method::GET, &format!("/v1/{}", plural(T::ID)), None).await?;
        all(answer)
    }

    async fn create<T: Shaped>(&self, input: &impl Serialize) -> Result<(), Failure> {
        let path = format!("/v1/{}", plural(T::ID));
        self.http.call(Method::POST, &path, Some(&body(input)?)).await.map(drop)
    }

    async fn act<A>(&self, name: &str, input: &A::Input) -> Result<Value, Failure>
    where
        A: Action,
        A::On: Acted,
        A::Input: Serialize,
    {
        let path = format!("{}?action={}", item::<A::On>(name), A::OFFER.name);
        self.http.call(Method::POST, &path, Some(&body(input)?)).await
    }

    // === volumes ===

    pub async fn find_volume(&self, name: &str) -> Result<Option<Volume>, Failure> {
        if name.is_empty() {
            return Err(Failure::missing("volume_id"));
        }
        found(self.get(name).await)
    }

    pub async fn volume(&self, name: &str) -> Result<Volume, Failure> {
        self.find_volume(name).await?.ok_or_else(|| Failure::no_volume(name))
    }

    pub async fn create_volume(&self, wish: &VolumeCreateInput) -> Result<(), Failure> {
        self.create::<Volume>(wish).await
    }

    /// What is not there is fine.
    pub async fn delete_volume(&self, name: &str) -> Result<(), Failure> {
        found(self.http.call(Method::DELETE, &item::<Volume>(name), None).await).map(drop)
    }

    pub async fn attach(&self, volume: &str, input: &AttachInput) -> Result<(), Failure> {
        self.act::<Attach>(volume, input).await.map(drop)
    }

    pub async fn detach(&self, volume: &str, input: &DetachInput) -> Result<(), Failure> {
        self.act::<Detach>(volume, input).await.map(drop)
    }

    pub async fn expand(&self, volume: &str, size: ByteSize) -> Result<(), Failure> {
        let input = ExpandInput { size: SizeText(size.bytes().to_string()) };
        self.act::<Expand>(volume, &input).await.map(drop)
    }

    pub async fn set_access_mode(&self, volume: &str, mode: AccessMode) -> Result<(), Failure> {
        let input = UpdateAccessModeInput { access_mode: mode.word().into() };
        self.act::<UpdateAccessMode>(volume, &input).await.map(drop)
    }

    // === snapshots ===

    pub async fn find_snapshot(&self, volume: &str, name: &str) -> Result<Option<SnapshotCr>, Failure> {
        let input = SnapshotCrInput { name: name.to_owned(), ..SnapshotCrInput::default() };
        let Some(answer) = found(self.act::<SnapshotCrGet>(volume, &input).await)? else { return Ok(None) };
        read::<Resource<SnapshotCr>>(answer).map(|resource| Some(resource.data))
    }

    pub async fn create_snapshot(&self, volume: &str, input: &SnapshotCrInput) -> Result<(), Failure> {
        self.act::<SnapshotCrCreate>(volume, input).await.map(drop)
    }

    /// What is not there is fine, the volume included.
    pub async fn delete_snapshot(&self, volume: &str, name: &str) -> Result<(), Failure> {
        let input = SnapshotCrInput { name: name.to_owned(), ..SnapshotCrInput::default() };
        found(self.act::<SnapshotCrDelete>(volume, &input).await).map(drop)
    }

    /// Volume of the snapshot of this name, whichever it is.
    pub async fn owner_of_snapshot(&self, name: &str) -> Result<Option<String>, Failure> {
        let path = format!("/v1/search?kind={}&limit=200&q={}", FoundKind::Snapshot.word(), segment(name));
        let search: Search = read(self.http.call(Method::GET, &path, None).await?)?;
        let exact = search.results.into_iter().find(|found| found.kind == FoundKind::Snapshot && found.name == name);
        Ok(exact.map(|found| found.owner))
    }

    // === backups ===

    pub async fn find_backup_target(&self, name: &str) -> Result<Option<BackupTarget>, Failure> {
        found(self.get(name).await)
    }

    /// All that is in backup targets of one volume, one for each target.
    pub async fn backup_volumes(&self, volume: &str) -> Result<Vec<BackupVolume>, Failure> {
        let mut all = self.list::<BackupVolume>().await?;
        all.retain(|one| one.volume_name == volume);
        Ok(all)
    }

    /// A volume's backups in all targets.
    pub async fn backups(&self, volume: &str) -> Result<Vec<Backup>, Failure> {
        let input = BackupListByVolumeInput { name: volume.to_owned() };
        // The backup volume of the address is not looked at.
        all(self.act::<BackupListByVolume>(volume, &input).await?)
    }

    pub async fn back_up(&self, volume: &str, input: &SnapshotInput) -> Result<(), Failure> {
        self.act::<SnapshotBackup>(volume, input).await.map(drop)
    }

    /// What is not there is fine.
    pub async fn delete_backup(&self, backup_volume: &str, name: &str) -> Result<(), Failure> {
        let input = BackupInput { name: name.to_owned() };
        found(self.act::<BackupDelete>(backup_volume, &input).await).map(drop)
    }

    // === everything else ===

    pub async fn find_backing_image(&self, name: &str) -> Result<Option<BackingImage>, Failure> {
        found(self.get(name).await)
    }

    pub async fn create_backing_image(&self, input: &BackingImageCreateInput) -> Result<(), Failure> {
        self.create::<BackingImage>(input).await
    }

    /// What is not there is fine.
    pub async fn delete_backing_image(&self, name: &str) -> Result<(), Failure> {
        found(self.http.call(Method::DELETE, &item::<BackingImage>(name), None).await).map(drop)
    }

    pub async fn find_recurring_job(&self, name: &str) -> Result<Option<RecurringJob>, Failure> {
        found(self.get(name).await)
    }

    pub async fn create_recurring_job(&self, job: &RecurringJob) -> Result<(), Failure> {
        self.create::<RecurringJob>(job).await
    }

    pub async fn find_node(&self, name: &str) -> Result<Option<Node>, Failure> {
        found(self.get(name).await)
    }

    pub async fn nodes(&self) -> Result<Vec<Node>, Failure> {
        self.list().await
    }

    pub async fn setting(&self, name: &str) -> Result<String, Failure> {
        self.get::<Setting>(name).await.map(|setting| setting.value)
    }
}

fn all<T: DeserializeOwned>(answer: Value) -> Result<Vec<T>, Failure> {
    let list: Collection<Resource<T>> = read(answer)?;
    Ok(list.data.into_iter().map(|resource| resource.data).collect())
}
