//! `aurochs backing-image create`

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurochs_api::backing_image::{BackingImage, BackingImageCreateInput, FileState, SourceType};
use aurochs_api::size::ByteSize;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{file, ready};
use crate::client::api::Seen;
use crate::client::failure::Failure;
use crate::client::progress::Progress;
use crate::client::wait::{Look, Waiting};
use crate::client::{Client, Run};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backing-image create debian --url https://cloud.example/debian-12.qcow2 --sha512 SUM
  aurochs backing-image create debian --file debian-12.qcow2 --copies 2
  aurochs backing-image create golden --from-volume web --format qcow2
  aurochs backing-image create debian-2 --from-image debian")]
pub struct Create {
    /// Name of the new image
    name: String,
    #[command(flatten)]
    source: Source,
    /// SHA-512 that the file must have, in hexadecimal
    #[arg(long, value_name = "SUM", default_value = "")]
    sha512: String,
    /// How many disks get it at least; what the setting says where it is left out
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    copies: u32,
    /// A tag that its nodes have to have; can be given several times
    #[arg(long = "node-tag", value_name = "TAG")]
    node_tags: Vec<String>,
    /// A tag that its disks have to have; can be given several times
    #[arg(long = "disk-tag", value_name = "TAG")]
    disk_tags: Vec<String>,
    /// raw or qcow2, of a volume
    #[arg(long = "format", value_name = "FORMAT", default_value = "raw", value_parser = PossibleValuesParser::new(["raw", "qcow2"]))]
    export_type: String,
    #[command(flatten)]
    waiting: Waiting,
}

/// Where it comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Download it from this address
    #[arg(long)]
    url: Option<String>,
    /// Send this file
    #[arg(long)]
    file: Option<PathBuf>,
    /// Make it of what this volume holds
    #[arg(long, value_name = "VOLUME")]
    from_volume: Option<String>,
    /// Copy this image
    #[arg(long, value_name = "IMAGE")]
    from_image: Option<String>,
    /// Restore it from the backup of this address
    #[arg(long, value_name = "URL")]
    from_backup: Option<String>,
}

/// As the API has it.
pub(super) const fn word(source: SourceType) -> &'static str {
    match source {
        SourceType::Download => "download",
        SourceType::Upload => "upload",
        SourceType::ExportFromVolume => "export-from-volume",
        SourceType::Restore => "restore",
        SourceType::Clone => "clone",
    }
}

impl Source {
    fn parameters(&self, export_type: &str) -> (SourceType, BTreeMap<String, String>) {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        if let Some(url) = &self.url {
            (SourceType::Download, one("url", url))
        } else if let Some(volume) = &self.from_volume {
            let mut parameters = one("volume-name", volume);
            parameters.insert("export-type".to_owned(), export_type.to_owned());
            (SourceType::ExportFromVolume, parameters)
        } else if let Some(image) = &self.from_image {
            (SourceType::Clone, one("backing-image", image))
        } else if let Some(url) = &self.from_backup {
            (SourceType::Restore, one("backup-url", url))
        } else {
            (SourceType::Upload, BTreeMap::new())
        }
    }
}

impl Run for Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let (source, parameters) = self.source.parameters(&self.export_type);
        let input = BackingImageCreateInput {
            name: self.name.clone(),
            source_type: word(source).to_owned(),
            parameters,
            expected_checksum: self.sha512.to_ascii_lowercase(),
            min_number_of_copies: self.copies,
            node_selector: self.node_tags,
            disk_selector: self.disk_tags,
            ..BackingImageCreateInput::default()
        };
        let made = client.api.create::<BackingImage>(&input).await?;
        let name = &self.name;
        if let Some(file) = &self.source.file {
            file::upload(client, name, file).await?;
        }
        if !self.waiting.is_wanted() {
            return client.output.done(&made.raw, name, &format!("Backing image {name} is being made."));
        }
        let made = until_ready(client, name, &self.waiting).await?;
        let size = made.thing.data.size;
        client.output.done(&made.raw, name, &format!("Backing image {name} is there, with {size}."))
    }
}

/// Until a disk has it.
async fn until_ready(client: &Client, name: &str, waiting: &Waiting) -> Result<Seen<BackingImage>, Failure> {
    let what = format!("making backing image {name}");
    let look = async || {
        let now = client.api.get::<BackingImage>(name).await?;
        let image = &now.thing.data;
        if ready(image) > 0 {
            return Ok(Look::Done(now));
        }
        if let Some(failed) = image.disk_file_status_map.values().find(|copy| copy.state == FileState::Failed) {
            let next_step = image.causes.first().map(|cause| cause.next_step.clone()).unwrap_or_default();
            return Err(Failure::refused(format!("{what} failed: {}", failed.message), &next_step));
        }
        let percent = image.disk_file_status_map.values().map(|copy| u64::from(copy.progress)).max();
        Ok(Look::GoesOn(Progress { percent, done: ByteSize::ZERO, ..Progress::at(&*what) }))
    };
    waiting.patience().until(&what, look).await
}
