//! Files inside a snapshot or a backup: listed, and taken out.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aurochs_api::file::File;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use clap::Args;
use reqwest::{Method, Response};
use serde_json::Value;

use super::Client;
use super::api::{Seen, all_of};
use super::failure::{Failure, Kind};
use super::http::query;
use super::list::Listed;
use super::progress::{Progress, ProgressLine};
use super::table::{Cell, Column, Tone, printable};

/// Where in it.
#[derive(Debug, Args)]
pub(super) struct Within {
    /// Path inside the volume's file system
    #[arg(default_value = "/")]
    path: String,
    /// Number of the partition, where there are several
    #[arg(long)]
    partition: Option<u32>,
}

/// What is looked into, as the API addresses it.
pub(super) struct Place {
    /// Of the list of its files.
    pub(super) address: String,
    /// Field of the query, and its value: which snapshot, which backup.
    pub(super) of: (&'static str, String),
    pub(super) within: Within,
}

impl Listed for File {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("KIND"),
        Column::number("SIZE"),
        Column::text("MODE"),
        Column::number("OWNER"),
        Column::text("CHANGED"),
        Column::text("LEADS TO"),
    ];
    const NONE: &'static str = "There are no files in it.";

    fn name(thing: &Resource<Self>) -> String {
        thing.data.path.clone()
    }

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let file = &thing.data;
        if !file.problem.is_empty() {
            let mut row = vec![file.name.clone().into(), Cell::new(file.problem.clone(), Tone::Bad)];
            row.extend((2..Self::COLUMNS.len()).map(|_| String::new().into()));
            return row;
        }
        vec![
            file.name.clone().into(),
            file.kind.clone().into(),
            ByteSize(file.size).to_string().into(),
            file.mode.clone().into(),
            format!("{}:{}", file.uid, file.gid).into(),
            file.modified.clone().into(),
            file.target.clone().into(),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let file = &thing.data;
        vec![("Path", file.path.clone()), ("Kind", file.kind.clone()), ("Size", ByteSize(file.size).to_string())]
    }
}

impl Place {
    fn address(&self, what: &str, after: Option<String>) -> String {
        let asked = query([
            (self.of.0, Some(self.of.1.clone())),
            ("path", Some(self.within.path.clone())),
            ("partition", self.within.partition.map(|number| number.to_string())),
            ("after", after),
        ]);
        format!("{}{what}{asked}", self.address)
    }

    pub(super) async fn show(&self, client: &Client) -> Result<(), Failure> {
        client.output.list(&self.list(client).await?, true)
    }

    /// All pages.
    async fn list(&self, client: &Client) -> Result<Vec<Seen<File>>, Failure> {
        let (mut all, mut after) = (Vec::<Seen<File>>::new(), None);
        loop {
            let page = client.api.raw(Method::GET, &self.address("", after.clone()), None).await?;
            let has_more = page["links"]["next"].is_string();
            all.extend(all_of(page)?);
            let last = all.last().map(|last| last.thing.data.name.clone());
            // A name that is no UTF-8 can't be named: what is behind it is not reached.
            if !has_more || last <= after {
                return Ok(all);
            }
            after = last;
        }
    }

    /// Into a file, which must not exist, or `-` for standard output; without one, into one of the same name in this directory.
    pub(super) async fn get(&self, client: &Client, file: Option<PathBuf>) -> Result<(), Failure> {
        let answer = client.api.download(&self.address("/content", None)).await?;
        if file.as_deref() == Some(Path::new("-")) {
            return to_output(answer).await;
        }
        let path = file.unwrap_or_else(|| name(&self.within.path, &answer));
        let size = to_file(answer, &path, &self.within.path).await?;
        let sentence = format!("{} has {size}.", printable(&path.display().to_string()));
        client.output.done(&Value::Null, &path.display().to_string(), &sentence)
    }
}

/// The last name of the path; a folder comes as a tar.
fn name(path: &str, answer: &Response) -> PathBuf {
    let last = path.rsplit('/').find(|name| !matches!(*name, "" | "." | "..")).unwrap_or("files");
    let is_tar = answer.headers().get("content-type").is_some_and(|kind| kind == "application/x-tar");
    if is_tar { format!("{last}.tar").into() } else { last.into() }
}

async fn to_output(mut answer: Response) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let is_tar = answer.headers().get("content-type").is_some_and(|kind| kind == "application/x-tar");
    if is_tar && out.is_terminal() {
        return Err(Failure::usage(
            "a tar is not printed to a terminal",
            "Pipe it to tar, or name a file with --file.",
        ));
    }
    let wrong = |error: std::io::Error| Failure::refused(format!("nothing can be written: {error}"), "");
    while let Some(piece) = answer.chunk().await.map_err(|error| broken(&error))? {
        out.write_all(&piece).map_err(wrong)?;
    }
    out.flush().map_err(wrong)
}

/// Writes a file that was not there before, that only its owner can read; complete or not there at all.
async fn to_file(mut answer: Response, path: &Path, what: &str) -> Result<ByteSize, Failure> {
    let wrong = |error: std::io::Error| {
        let message = format!("{} can't be written: {error}", path.display());
        Failure::refused(message, "Name a file that does not exist yet with --file, in a directory with room.")
    };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(wrong)?;
    let (mut line, mut done, planned) = (ProgressLine::new(), ByteSize::ZERO, answer.content_length().map(ByteSize));
    let mut write = async || {
        while let Some(piece) = answer.chunk().await.map_err(|error| broken(&error))? {
            file.write_all(&piece).map_err(wrong)?;
            done = done.saturating_add(ByteSize(u64::try_from(piece.len()).unwrap_or(0)));
            line.draw(&Progress { done, planned, ..Progress::at(format!("downloading {what}")) });
        }
        file.sync_all().map_err(wrong)
    };
    let written = write().await;
    written.inspect_err(|_| drop(std::fs::remove_file(path)))?;
    Ok(done)
}

fn broken(error: &reqwest::Error) -> Failure {
    let message = format!("the download ended early: {error}");
    Failure::new(Kind::Unreachable, message, "What came of it is not kept. The manager's log says why it ended.")
}
