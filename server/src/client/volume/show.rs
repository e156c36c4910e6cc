//! `aurochs volume show`

use aurochs_api::volume::Volume;
use clap::Args;

use crate::client::failure::Failure;
use crate::client::output::Format;
use crate::client::replica;
use crate::client::{Client, Run};

#[derive(Debug, Args)]
pub struct Show {
    /// Name of the volume
    name: String,
}

impl Run for Show {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let seen = client.api.get::<Volume>(&self.name).await?;
        client.output.one(&seen)?;
        if client.output.format != Format::Table {
            return Ok(());
        }
        let volume = &seen.thing.data;
        if !volume.replicas.is_empty() {
            client.output.heading("REPLICAS")?;
            client.output.table(replica::COLUMNS, volume.replicas.iter().map(replica::row).collect())?;
        }
        let use_it = how_to_use(volume);
        if use_it.is_empty() {
            return Ok(());
        }
        client.output.heading("TO USE IT")?;
        client.output.write(&use_it)
    }
}

/// Commands for the node that it is attached to.
fn how_to_use(volume: &Volume) -> String {
    let (node, device) = (volume.node(), volume.endpoint());
    if device.starts_with("/dev/") {
        let first = "the first time only, it erases what is there";
        return format!("  on {node}: mkfs.ext4 {device}    # {first}\n           mount {device} /mnt\n");
    }
    if volume.nbd_uri.is_empty() {
        return String::new();
    }
    format!("  on {node}: qemu-io, nbd-client or any NBD client with\n           {}\n", volume.nbd_uri)
}
