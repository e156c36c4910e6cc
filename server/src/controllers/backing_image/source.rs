//! Where the content of an image comes from.

use aurochs_api::backing_image::{FileState, SourceType};
use aurochs_engine::backup::BackupUrl;
use aurochs_engine::grpc::instance_v1::image_prepare_request::Source;
use aurochs_engine::grpc::instance_v1::{ImageCopy, ImageDownload, ImagePlace, ImageRestore, ImageTarget};

use super::super::Error;
use super::BackingImages;
use crate::resources::{BackingImage, BackupTarget, Node, Object};
use crate::store::{Store, StoreError};

/// Keys of the parameters, Longhorn's.
pub(crate) const URL: &str = "url";
pub(crate) const VOLUME_NAME: &str = "volume-name";
pub(crate) const EXPORT_TYPE: &str = "export-type";
pub(crate) const BACKING_IMAGE: &str = "backing-image";
pub(crate) const ENCRYPTION: &str = "encryption";
pub(crate) const BACKUP_URL: &str = "backup-url";
pub(crate) const CONCURRENT_LIMIT: &str = "concurrent-limit";

/// The target at the address of a backup: credentials belong to targets.
pub(crate) async fn target_at(store: &Store, url: &BackupUrl) -> Result<Option<Object<BackupTarget>>, StoreError> {
    let plain = |text: &str| text.trim_end_matches('/').to_owned();
    let wanted = plain(url.target.as_str());
    let targets = store.list::<BackupTarget>().await?;
    Ok(targets.into_iter().find(|target| plain(&target.spec.backup_target_url) == wanted))
}

/// What the instance manager is to be asked.
pub(super) enum Wanted {
    Source(Box<Source>),
    /// Nothing: somebody will send it.
    Upload,
    /// Something has to happen first.
    Later(String),
    /// It can't be had as things are.
    Never(String),
}

impl BackingImages {
    pub(super) async fn source(&self, image: &Object<BackingImage>) -> Result<Wanted, Error> {
        let parameter = |key: &str| image.spec.source_parameters.get(key).map(String::as_str).unwrap_or_default();
        match image.spec.source_type {
            SourceType::Download => {
                let url = parameter(URL).to_owned();
                Ok(Wanted::Source(Box::new(Source::Download(ImageDownload { url }))))
            }
            // What was sent once and is lost can only be sent again.
            SourceType::Upload => Ok(Wanted::Upload),
            SourceType::Clone => self.clone_of(parameter(BACKING_IMAGE)).await,
            SourceType::ExportFromVolume => self.export_of(image, parameter(VOLUME_NAME), parameter(EXPORT_TYPE)).await,
            SourceType::Restore => self.backup_at(parameter(BACKUP_URL)).await,
        }
    }

    async fn backup_at(&self, url: &str) -> Result<Wanted, Error> {
        let Ok(url) = url.parse::<BackupUrl>() else {
            return Ok(Wanted::Never("its backup-url can't be understood".to_owned()));
        };
        let Some(name) = url.backing_image.clone() else {
            return Ok(Wanted::Never("its backup-url names no backing image".to_owned()));
        };
        let Some(target) = target_at(&self.context.store, &url).await? else {
            return Ok(Wanted::Later(format!("no backup target has the address {}", url.target.as_str())));
        };
        let credentials = match self.context.backups.credentials_of(&target.spec) {
            Ok(credentials) => credentials.into_iter().collect(),
            Err(fault) => return Ok(Wanted::Later(fault.message)),
        };
        let target = ImageTarget { url: target.spec.backup_target_url, credentials };
        Ok(Wanted::Source(Box::new(Source::Restore(ImageRestore { target: Some(target), name }))))
    }

    async fn clone_of(&self, name: &str) -> Result<Wanted, Error> {
        let store = &self.context.store;
        let Some(other) = store.find::<BackingImage>(name).await?.filter(|other| !other.is_deleting()) else {
            return Ok(Wanted::Never(format!("there is no backing image {name} to copy any more")));
        };
        let ready =
            |uuid: &str| other.status.disk_file_status_map.get(uuid).is_some_and(|copy| copy.state == FileState::Ready);
        for node in store.list_shared::<Node>().await? {
            if !self.context.instances.answers(node.name()) {
                continue;
            }
            let mut disks = node.spec.disks.iter();
            let found = disks.find_map(|(name, spec)| {
                let uuid = &node.status.disk_status.get(name)?.disk_uuid;
                ready(uuid).then(|| (uuid.clone(), spec.path.clone()))
            });
            if let Some((disk_uuid, disk_path)) = found {
                let address = self.context.clients.address(node.name())?;
                let (name, uuid) = (other.name().to_owned(), other.status.uuid.clone());
                let place = Some(ImagePlace { disk_path, disk_uuid, name, uuid });
                return Ok(Wanted::Source(Box::new(Source::Copy(ImageCopy { address, place }))));
            }
        }
        Ok(Wanted::Later(format!("backing image {name}, of which it is a copy, is ready on no disk that answers")))
    }
}
