//! `aurochs-engine files`: files out of a replica directory or a backup, without a cluster and without restoring it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;

use super::backup::target::read_credentials;
use super::{ProgramError, asked_to_end, terminal};
use crate::backup::browse::source::{BackupSource, ReplicaSource};
use crate::backup::browse::tar::LEFT_OUT;
use crate::backup::browse::{BrowseError, Browser, Cancel, Entry, ImagePath, Kind, ReadAt};
use crate::backup::{BackupError, BackupUrl, Credentials, Store, Target, UrlError};
use crate::offline::Wanted;

/// Entries that are read and printed at a time, so that memory does not follow the directory.
const PAGE: usize = 1000;

/// Shows and takes files out of a replica directory or a backup, without mounting or restoring anything.
///
/// ext2, ext3, ext4 and FAT are read, on the whole volume or in a partition; a file system that was mounted when the
/// snapshot was taken is read through its journal, as a mount would replay it. Nothing is written to the source. A
/// directory that a replica serves is refused: use `aurochs volume files` for a volume that is attached.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine files ls  /var/lib/longhorn/replicas/pvc-1f2e-0a1b2c3d /
  aurochs-engine files ls  <dir> /var/log --snapshot before-upgrade --json
  aurochs-engine files cat <dir> /etc/fstab
  aurochs-engine files get <dir> /var/lib/app/data.db --output data.db
  aurochs-engine files tar <dir> /home | tar -xp -C /restored
  aurochs-engine files ls  's3://bucket@us-east-1/?backup=backup-1f2e&volume=pvc-1f2e' /

Credentials of a target come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINTS, AWS_CERT, …).
Of a backup, the blocks that hold what is asked for are fetched and checked, and no others.

Symbolic links are followed, and never lead out of the volume. A tar keeps permissions, owners, times, links and holes;
what could not be read is named in FILES-THAT-COULD-NOT-BE-READ.txt at its end. Ends with 1 when something is not there
or can't be read, and with 2 when the source could not be looked at.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a directory, or tell about a file.
    Ls {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object a line: path, kind, size, mode, uid, gid, modified, target, problem.
        #[arg(long)]
        json: bool,
    },
    /// Print a file.
    Cat {
        #[command(flatten)]
        place: Place,
    },
    /// Write a file to a new file here.
    Get {
        #[command(flatten)]
        place: Place,
        /// File to write, which must not exist; without it, one of the same name in this directory.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Print a folder as a tar.
    Tar {
        #[command(flatten)]
        place: Place,
        /// File to write, which must not exist, instead of standard output.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// Replica directory (the one with volume.meta and the images), or the URL of a backup.
    source: OsString,
    /// Path in the file system.
    #[arg(default_value = "/")]
    path: OsString,
    /// Name of the snapshot in a replica directory; without it, the volume as it is now.
    #[arg(long)]
    snapshot: Option<String>,
    /// Number of the partition, where there are several.
    #[arg(long)]
    partition: Option<u32>,
    /// File with lines NAME=VALUE for a backup's target, instead of the environment.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
}

/// Does what is asked, unless a signal ends it.
///
/// # Errors
/// The source can't be opened, or what is asked for is not there.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let asked = asked_to_end()?;
    let cancel = Cancel::default();
    let cancelled = cancel.clone();
    let mut doing = tokio::task::spawn_blocking(move || perform(arguments.command, &cancelled));
    let done = tokio::select! {
        done = &mut doing => done,
        () = asked => {
            cancel.cancel();
            doing.await
        }
    };
    done.unwrap_or_else(|error| Err(failed("read the files", io::Error::other(error))))
}

fn perform(verb: Verb, cancel: &Cancel) -> Result<(), ProgramError> {
    match verb {
        Verb::Ls { place, json } => {
            let (browser, path) = place.open(cancel)?;
            list(&browser, &path, json)
        }
        Verb::Cat { place } => {
            let (browser, path) = place.open(cancel)?;
            let copied = copy(&mut browser.read(&path, 0, u64::MAX)?, &mut io::stdout().lock());
            ended(copied)
        }
        Verb::Get { place, output } => {
            let (browser, path) = place.open(cancel)?;
            let mut reader = browser.read(&path, 0, u64::MAX)?;
            let output = output.or_else(|| path.name().map(|name| OsString::from_vec(name.to_vec()).into()));
            let output =
                output.ok_or_else(|| ProgramError::Usage("say what file to write with --output".to_owned()))?;
            into_new(&output, |file| copy(&mut reader, file))
        }
        Verb::Tar { place, output } => {
            if output.is_none() && io::stdout().is_terminal() {
                let message = "a tar is not printed to a terminal; name a file with --output, or pipe it to tar";
                return Err(ProgramError::Usage(message.to_owned()));
            }
            let (browser, path) = place.open(cancel)?;
            tar(&browser, &path, output.as_deref())
        }
    }
}

impl Place {
    fn open(&self, cancel: &Cancel) -> Result<(Browser, ImagePath), ProgramError> {
        let path = ImagePath::parse(self.path.as_bytes())?;
        let source: Box<dyn ReadAt> = match self.source.to_str().filter(|source| source.contains("://")) {
            Some(url) => Box::new(Handle::current().block_on(self.open_backup(url))?),
            None => {
                let wanted = self.snapshot.clone().map_or(Wanted::Head, Wanted::Snapshot);
                Box::new(ReplicaSource::open(Path::new(&self.source), &wanted)?)
            }
        };
        Ok((Browser::open(source, self.partition, cancel)?, path))
    }

    async fn open_backup(&self, url: &str) -> Result<BackupSource, ProgramError> {
        let usage = |message: String| ProgramError::Usage(message);
        if self.snapshot.is_some() {
            return Err(usage("a backup is of one snapshot; leave out --snapshot".to_owned()));
        }
        let parsed: BackupUrl = url.parse().map_err(|error: UrlError| usage(error.to_string()))?;
        let (Some(backup), Some(volume)) = (parsed.backup, parsed.volume) else {
            return Err(usage(format!("{url} names no backup; it ends with ?backup=<backup>&volume=<volume>")));
        };
        let credentials = match &self.credentials {
            Some(file) => read_credentials(file)?,
            None => Credentials::from_environment(),
        };
        let store = Store::open(&Target { url: parsed.target, credentials }).await.map_err(BackupError::from)?;
        Ok(BackupSource::open(&store, &volume, &backup).await?)
    }
}

fn copy(reader: &mut impl Read, out: &mut impl Write) -> Result<(), BrowseError> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = reader.read(&mut buffer).map_err(BrowseError::from)?;
        if read == 0 {
            return out.flush().map_err(BrowseError::Sink);
        }
        out.write_all(&buffer[..read]).map_err(BrowseError::Sink)?;
    }
}

/// Who has seen enough (`| head`) is no error.
fn ended(result: Result<(), BrowseError>) -> Result<(), ProgramError> {
    match result {
        Err(BrowseError::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Complete or not there at all. Only its owner can read it: permissions of the volume mean nothing here.
fn into_new(path: &Path, write: impl FnOnce(&mut File) -> Result<(), BrowseError>) -> Result<(), ProgramError> {
    let what = || format!("write {}", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed_at(what()))?;
    let written = write(&mut file).map_err(ProgramError::from);
    let written = written.and_then(|()| file.sync_all().map_err(failed_at(what())));
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

fn tar(browser: &Browser, path: &ImagePath, output: Option<&Path>) -> Result<(), ProgramError> {
    let mut packed = None;
    match output {
        Some(output) => into_new(output, |file| {
            packed = Some(browser.tar(path, io::BufWriter::with_capacity(1 << 20, file))?);
            Ok(())
        })?,
        None => ended(browser.tar(path, io::stdout().lock()).map(|done| packed = Some(done)))?,
    }
    match packed {
        Some(packed) if packed.left_out > 0 => {
            let message =
                format!("{} could not be read and are not in the tar; {LEFT_OUT} in it says why", packed.left_out);
            Err(BrowseError::Damaged(message).into())
        }
        _ => Ok(()),
    }
}

fn list(browser: &Browser, path: &ImagePath, json: bool) -> Result<(), ProgramError> {
    let is_directory = browser.find(path)?.kind == Kind::Directory;
    if !is_directory {
        return show(path, &browser.find_itself(path)?, true, json);
    }
    let mut after = None;
    loop {
        let part = browser.list(path, after.as_deref(), PAGE)?;
        for entry in &part.entries {
            show(path, entry, false, json)?;
        }
        after = part.entries.last().map(|entry| entry.name.clone());
        if !part.has_more {
            return Ok(());
        }
    }
}

/// One file as JSON. Keys stay as they are; new ones may come.
#[derive(Debug, Serialize)]
struct Shown {
    path: String,
    kind: Option<&'static str>,
    size: Option<u64>,
    /// Octal, four digits.
    mode: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    /// RFC 3339, UTC.
    modified: Option<String>,
    target: Option<String>,
    /// Why nothing is known of it.
    problem: Option<String>,
}

fn show(path: &ImagePath, entry: &Entry, is_path: bool, json: bool) -> Result<(), ProgramError> {
    let node = entry.node.as_ref().ok();
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let modified = node.and_then(|node| node.modified_at()?.format(&Rfc3339).ok());
    if json {
        let path = if is_path { path.clone() } else { path.join(&entry.name) };
        let shown = Shown {
            path: path.to_string(),
            kind: node.map(|node| node.kind.word()),
            size: node.map(|node| node.size),
            mode: node.map(|node| format!("{:04o}", node.mode)),
            uid: node.map(|node| node.uid),
            gid: node.map(|node| node.gid),
            modified,
            target: entry.target.as_ref().map(text),
            problem: entry.node.as_ref().err().cloned(),
        };
        let line = serde_json::to_string(&shown).map_err(|error| failed("make the JSON text", error.into()))?;
        return terminal::print(&format!("{line}\n"));
    }
    let name = printable(&text(&entry.name));
    let target = entry.target.as_ref().map(|target| format!(" -> {}", printable(&text(target)))).unwrap_or_default();
    terminal::print(&match &entry.node {
        Ok(node) => {
            let (letter, modified) = (letter(node.kind), modified.unwrap_or_default());
            format!(
                "{letter}{:04o} {:>6} {:>6} {:>14} {modified:20} {name}{target}\n",
                node.mode, node.uid, node.gid, node.size
            )
        }
        Err(why) => format!("?     {:>51} {name}: {why}\n", ""),
    })
}

const fn letter(kind: Kind) -> char {
    match kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::CharacterDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    }
}

/// A name in a volume must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn failed(what: &str, source: io::Error) -> ProgramError {
    ProgramError::Io { what: what.to_owned(), source }
}

fn failed_at(what: String) -> impl FnOnce(io::Error) -> ProgramError {
    move |source| ProgramError::Io { what, source }
}
