//! `aurochs support-bundle`: everything that helps to find out what went wrong, in one file.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aurochs_api::cause::Cause;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::support_bundle::{SupportBundle, SupportBundleInitiateInput, SupportBundleState};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::api::{Seen, seen};
use super::failure::{Failure, Kind};
use super::http::segment;
use super::list::{List, Listed};
use super::progress::{Progress, ProgressLine};
use super::table::{Cell, Column, Tone};
use super::wait::{Look, Patience};
use super::{Client, Run, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List support bundles
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs support-bundle ls")]
    Ls(List),
    /// Show one support bundle
    #[command(after_help = "Example:\n  aurochs support-bundle show support-bundle-0a1b2c3d")]
    Show(Name),
    /// Make a support bundle, and download it when a file is named
    Create(Create),
    /// Download a support bundle that is ready; it is deleted then
    Download(Download),
    /// Delete a support bundle
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs support-bundle rm support-bundle-0a1b2c3d")]
    Rm(Name),
}

#[derive(Debug, Args)]
pub struct Name {
    /// Name of the bundle
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs support-bundle create --description 'volume data is slow' --file bundle.zip
  aurochs support-bundle create")]
pub struct Create {
    /// What went wrong
    #[arg(long, default_value = "", value_name = "TEXT")]
    description: String,
    /// Address of an issue about it
    #[arg(long, default_value = "", value_name = "URL")]
    issue_url: String,
    /// Wait for it, and write it to this file
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs support-bundle download support-bundle-0a1b2c3d bundle.zip")]
pub struct Download {
    /// Name of the bundle
    name: String,
    /// File to write, which must not exist
    file: PathBuf,
}

impl Listed for SupportBundle {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATE"),
        Column::number("PROGRESS"),
        Column::text("NODE"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no support bundles.";

    fn name(thing: &Resource<Self>) -> String {
        thing.data.name.clone()
    }

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let bundle = &thing.data;
        let (word, tone) = state(bundle.state);
        vec![
            bundle.name.clone().into(),
            Cell::new(word, tone),
            format!("{} %", bundle.progress_percentage).into(),
            bundle.node_id.clone().into(),
            causes::cell(&bundle.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let bundle = &thing.data;
        vec![
            ("Name", bundle.name.clone()),
            ("State", state(bundle.state).0.to_owned()),
            ("Progress", format!("{} %", bundle.progress_percentage)),
            ("Node", bundle.node_id.clone()),
            ("Error", bundle.error_message.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

const fn state(state: SupportBundleState) -> (&'static str, Tone) {
    match state {
        SupportBundleState::New | SupportBundleState::Started => ("started", Tone::Warning),
        SupportBundleState::Generating => ("generating", Tone::Warning),
        SupportBundleState::ReadyForDownload => ("ready", Tone::Good),
        SupportBundleState::Error => ("failed", Tone::Bad),
        SupportBundleState::Replaced => ("replaced", Tone::Dim),
        SupportBundleState::Purging | SupportBundleState::Deleting => ("deleting", Tone::Dim),
        SupportBundleState::Unknown => ("unknown", Tone::Dim),
    }
}

/// Its address has the node's name and its own.
fn address(bundle: &SupportBundle) -> String {
    format!("/v1/supportbundles/{}/{}", segment(&bundle.node_id), segment(&bundle.name))
}

async fn find(client: &Client, name: &str) -> Result<Seen<SupportBundle>, Failure> {
    let all = client.api.list::<SupportBundle>().await?;
    all.into_iter().find(|seen| seen.thing.data.name == name).ok_or_else(|| {
        let message = format!("there is no support bundle {name}");
        Failure::new(Kind::NotFound, message, "`aurochs support-bundle ls` names them.")
    })
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<SupportBundle>(client).await,
            Self::Show(Name { name }) => client.output.one(&find(client, &name).await?),
            Self::Create(verb) => verb.run(client).await,
            Self::Download(Download { name, file }) => {
                let bundle = find(client, &name).await?;
                let size = download(client, &bundle.thing.data, &file).await?;
                client.output.done(&bundle.raw, &name, &format!("{} has {size}.", file.display()))
            }
            Self::Rm(Name { name }) => {
                let bundle = find(client, &name).await?;
                client.api.raw(Method::DELETE, &address(&bundle.thing.data), None).await?;
                client.output.done(&Value::Null, &name, &format!("Support bundle {name} is deleted."))
            }
        }
    }
}

impl Run for Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let input = SupportBundleInitiateInput { issue_url: self.issue_url, description: self.description };
        let asked = client.api.create::<SupportBundle>(&input).await?;
        let name = &asked.thing.data.name;
        let Some(file) = &self.file else {
            let sentence =
                format!("Support bundle {name} is being made; `aurochs support-bundle ls` tells when it is ready.");
            return client.output.done(&asked.raw, name, &sentence);
        };
        let (what, path) = (format!("making support bundle {name}"), address(&asked.thing.data));
        let look = async || {
            let now: Seen<SupportBundle> = seen(client.api.raw(Method::GET, &path, None).await?)?;
            let bundle = &now.thing.data;
            match bundle.state {
                SupportBundleState::ReadyForDownload => Ok(Look::Done(now)),
                SupportBundleState::Error => {
                    Err(Failure::refused(format!("{what} failed: {}", bundle.error_message), ""))
                }
                _ => Ok(Look::GoesOn(Progress {
                    percent: Some(bundle.progress_percentage.into()),
                    ..Progress::at(&*what)
                })),
            }
        };
        let made = self.patience.until(&what, look).await?;
        let size = download(client, &made.thing.data, file).await?;
        client.output.done(&made.raw, name, &format!("Support bundle {name} is in {} ({size}).", file.display()))
    }
}

/// Writes a file that was not there before, and that only its owner can read: it tells a lot.
async fn download(client: &Client, bundle: &SupportBundle, path: &Path) -> Result<ByteSize, Failure> {
    let wrong = |error: std::io::Error| {
        let message = format!("{} can't be written: {error}", path.display());
        Failure::refused(message, "Name a file that does not exist yet, in a directory with room.")
    };
    // The file first: a bundle that was sent is not kept.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(wrong)?;
    let answer = client.api.download(&format!("{}/download", address(bundle))).await;
    // Nothing came: an empty file would only be in the way of the next try.
    let mut answer = answer.inspect_err(|_| drop(std::fs::remove_file(path)))?;
    let (mut line, mut done, planned) = (ProgressLine::new(), ByteSize::ZERO, answer.content_length().map(ByteSize));
    while let Some(piece) = answer.chunk().await.map_err(|error| interrupted(path, &error))? {
        file.write_all(&piece).map_err(wrong)?;
        done = done.saturating_add(ByteSize(u64::try_from(piece.len()).unwrap_or(0)));
        line.draw(&Progress { done, planned, ..Progress::at(format!("downloading {}", bundle.name)) });
    }
    file.sync_all().map_err(wrong)?;
    Ok(done)
}

fn interrupted(path: &Path, error: &reqwest::Error) -> Failure {
    let message = format!("the download ended early: {error}");
    Failure::new(Kind::Unreachable, message, format!("Remove {} and download it again.", path.display()))
}
