//! Who had the volume on this node last, for the block device that an engine which was killed may have left.
//!
//! Such a device holds requests of the moment in which its engine ended, and its users hold data of then. Served again,
//! they go on to the volume. That is right only if nobody has changed the volume meanwhile: not an engine on another node,
//! not one that gave it to clients in another way or reverted it, not a salvage that chose older data, not somebody who
//! made another volume of that name.
//!
//! **Invariant: a device that was left behind is served again only if it is the very one that the engine of the epoch
//! before had, of the same volume.** Each start of an engine raises the volume's epoch by one, in the control record, and
//! one engine has each epoch. Before a device is attached, a note says of which epoch and volume it is, and by which random
//! token the kernel's device can be told from any other; the next engine decides by it once, at its start ([`begin`]).
//! Engines that end before they serve anything carry the note on. Without a note, or with another one, the device is
//! removed ([`super::inherited`]).
//!
//! **Invariant: a note goes only with its device.** Where a device must not go on, the note stays without a token: that
//! there may be something to remove is not forgotten before it is removed.
//!
//! The note is a file of the volume's run directory: it has to outlive the engine, not the node, whose devices end with it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FrontendKind;
use super::block_error::{BlockError, Explain};

const FILE: &str = "device-epoch";
const STAGING: &str = "device-epoch.new";

/// What one attachment of a device can be told by from every other, of whichever volume. Random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token(pub(super) u64);

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The kinds of devices that outlive their engine with their requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Lasting {
    Ublk,
    NbdKernel,
}

impl Lasting {
    pub(super) fn kind(self) -> FrontendKind {
        match self {
            Self::Ublk => FrontendKind::Ublk,
            Self::NbdKernel => FrontendKind::NbdKernel,
        }
    }
}

/// One device that was, or is about to be, attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attachment {
    pub(super) kind: Lasting,
    pub(super) token: Token,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    epoch: u64,
    volume: Option<String>,
    /// None: whatever is left must not go on.
    attachment: Option<Attachment>,
}

/// What this engine may do with what it finds on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// This one device goes on, if it is there. All others are removed.
    Continues(Attachment),
    Afresh,
}

/// The time of one engine with the volume on this node, and what it may go on with from the one before it.
#[derive(Clone, Debug)]
pub struct Tenure {
    runtime_dir: PathBuf,
    epoch: u64,
    volume: Option<String>,
    verdict: Verdict,
    is_noted: bool,
}

/// To be called when an engine has been started, before it opens the volume: this one may still fail to, and must not
/// part the next one from the device. After a salvage there is nothing to go on with.
///
/// `volume` tells it from all others that have had its name or will have it; whoever does not know that goes on with
/// nothing.
///
/// # Errors
/// When the decision can't be noted: then an engine after this one might go on with a device that is older than what this
/// one writes.
pub fn begin(runtime_dir: &Path, epoch: u64, volume: Option<&str>, salvage: bool) -> Result<Tenure, BlockError> {
    let volume = volume.filter(|identity| !identity.is_empty()).map(str::to_owned);
    let found = find(runtime_dir);
    let verdict = match &found {
        Found::Note(note) if !salvage => judge(note, epoch, volume.as_deref()),
        _ => Verdict::Afresh,
    };
    let is_noted = !matches!(found, Found::Nothing);
    let tenure = Tenure { runtime_dir: runtime_dir.to_owned(), epoch, volume, verdict, is_noted };
    if is_noted {
        tenure.write(tenure.inherited())?;
    }
    Ok(tenure)
}

fn judge(note: &Note, epoch: u64, volume: Option<&str>) -> Verdict {
    // The first engine of a volume has nobody before it, whatever another volume left under the name.
    let is_next = epoch > 1 && note.epoch.checked_add(1) == Some(epoch);
    let is_same = volume.is_some() && note.volume.as_deref() == volume;
    match note.attachment {
        Some(attachment) if is_next && is_same => Verdict::Continues(attachment),
        _ => Verdict::Afresh,
    }
}

enum Found {
    Nothing,
    /// Damaged, of another version, or it can't be read.
    Unreadable,
    Note(Note),
}

fn find(runtime_dir: &Path) -> Found {
    match std::fs::read(runtime_dir.join(FILE)) {
        Ok(text) => serde_json::from_slice(&text).map_or(Found::Unreadable, Found::Note),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(_) => Found::Unreadable,
    }
}

impl Tenure {
    /// What may go on.
    pub(super) fn inherited(&self) -> Option<Attachment> {
        match self.verdict {
            Verdict::Continues(attachment) => Some(attachment),
            Verdict::Afresh => None,
        }
    }

    /// The token of the one device of this kind that may go on.
    pub(super) fn inherited_as(&self, kind: Lasting) -> Option<Token> {
        self.inherited().filter(|attachment| attachment.kind == kind).map(|attachment| attachment.token)
    }

    /// Whether an engine with this run directory has had a block device, and nobody has seen its end.
    pub(super) fn is_noted(&self) -> bool {
        self.is_noted
    }

    /// Nothing goes on: to be called before anything is removed, and before anything is served.
    pub(super) fn start_afresh(&mut self) -> Result<(), BlockError> {
        self.verdict = Verdict::Afresh;
        if self.is_noted { self.write(None) } else { Ok(()) }
    }

    /// To be called before a new device is attached, and after all others are removed. The device has to carry the token.
    pub(super) fn attach(&self, kind: Lasting) -> Result<Token, BlockError> {
        let token = Token(rand::random());
        self.write(Some(Attachment { kind, token }))?;
        Ok(token)
    }

    /// To be called when the block device has been stopped: nothing is left behind.
    pub(super) fn end(&self) {
        // A later engine may have begun already, and what it noted is its own.
        if !matches!(find(&self.runtime_dir), Found::Note(note) if note.epoch == self.epoch) {
            return;
        }
        if let Err(error) = std::fs::remove_file(self.runtime_dir.join(FILE)) {
            // The next engine finds no device, and so it does not matter what the note says.
            tracing::debug!(%error, "the note of the block device's engine stays");
        }
    }

    /// In one step, for an engine that is killed meanwhile.
    fn write(&self, attachment: Option<Attachment>) -> Result<(), BlockError> {
        let path = self.runtime_dir.join(FILE);
        let note = Note { epoch: self.epoch, volume: self.volume.clone(), attachment };
        let replace = || -> io::Result<()> {
            std::fs::create_dir_all(&self.runtime_dir)?;
            let staging = self.runtime_dir.join(STAGING);
            std::fs::write(&staging, serde_json::to_vec(&note)?)?;
            std::fs::rename(staging, &path)
        };
        let attempt = || format!("note in {} which engine has the block device", path.display());
        replace().explain(attempt, "check the run directory and the room on its disk")
    }
}

#[cfg(test)]
mod tests;
