//! Why a disk can't hold replicas, in Longhorn's reasons. Pure.
//!
//! Invariant: a disk that is not the one that was recorded at its path is never ready, and with that no place for
//! replicas.

use aurochs_api::cause::CauseCode;
use aurochs_engine::grpc::instance_v1::DiskInspectReply;

use crate::resources::node::DiskSpec;

/// What a look at a disk came to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::controllers) enum Look {
    /// The node does not answer, so that nothing is known of its disks.
    NodeSilent(String),
    /// The instance manager can't use the directory.
    Failed(String),
    Found(Box<DiskInspectReply>),
}

impl Look {
    pub(in crate::controllers) fn found(&self) -> Option<&DiskInspectReply> {
        match self {
            Self::Found(reply) => Some(reply),
            Self::NodeSilent(_) | Self::Failed(_) => None,
        }
    }
}

/// A disk and what is recorded of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded<'a> {
    pub(super) node: &'a str,
    pub(super) name: &'a str,
    pub(super) spec: &'a DiskSpec,
    /// Empty until the disk was seen for the first time.
    pub(super) uuid: &'a str,
    /// Node and name of another disk that has this one's identity already.
    pub(super) twin: Option<(&'a str, &'a str)>,
}

/// Why the disk is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: &'static str,
    pub(super) code: CauseCode,
    /// The disk is there and fails what is asked of it.
    pub(super) is_error: bool,
    pub(super) message: String,
    pub(super) next_step: String,
}

/// Longhorn's reasons.
const CHANGED: &str = "DiskFilesystemChanged";
const NO_INFO: &str = "NoDiskInfo";
const NODE_NOT_READY: &str = "NodeNotReady";
const NOT_READY: &str = "DiskNotReady";

pub(super) fn of(recorded: Recorded<'_>, look: &Look) -> Option<Trouble> {
    let path = recorded.spec.path.as_str();
    let disk = format!("The disk {} at {path}", recorded.name);
    let trouble = |reason, message: String, next_step: String| {
        Some(Trouble { reason, code: CauseCode::DiskNotReady, is_error: false, message, next_step })
    };
    let found = match look {
        Look::NodeSilent(why) => {
            return trouble(
                NODE_NOT_READY,
                format!("{disk} can't be looked at: {why}."),
                "Bring the node back.".to_owned(),
            );
        }
        Look::Failed(why) => {
            let next_step = format!("Check that the disk is mounted at {path} on {}.", recorded.node);
            return trouble(NO_INFO, format!("{disk} can't be used: {}.", why.trim_end_matches('.')), next_step);
        }
        Look::Found(found) => found,
    };
    identity(recorded, found, &disk).or_else(|| ability(found, &disk))
}

fn identity(recorded: Recorded<'_>, found: &DiskInspectReply, disk: &str) -> Option<Trouble> {
    let changed = |message: String, next_step: String| {
        Some(Trouble { reason: CHANGED, code: CauseCode::DiskNotReady, is_error: false, message, next_step })
    };
    if let Some((node, twin)) = recorded.twin {
        let message = format!(
            "{disk} has the identity of disk {twin} on {node} ({}): it is the same directory or device, or a copy of it.",
            found.disk_uuid
        );
        let next_step = format!(
            "Take one of the two away. If this one is a copy, remove longhorn-disk.cfg and replicas/ from {}.",
            recorded.spec.path
        );
        return changed(message, next_step);
    }
    if recorded.uuid.is_empty() || recorded.uuid == found.disk_uuid {
        return None;
    }
    let now = match found.disk_uuid.as_str() {
        "" => "no disk is there: its mount is missing, or its longhorn-disk.cfg".to_owned(),
        uuid => format!("{uuid} is there"),
    };
    let message = format!("{disk} should be {}, and {now}.", recorded.uuid);
    changed(message, "Mount the former one again, or take the disk away and add it anew.".to_owned())
}

/// What replicas need of the file system.
fn ability(found: &DiskInspectReply, disk: &str) -> Option<Trouble> {
    if found.read_only || !found.write_error.is_empty() {
        let why = if found.read_only { "its file system is mounted read-only" } else { found.write_error.as_str() };
        return Some(Trouble {
            reason: NOT_READY,
            code: CauseCode::DiskNotReady,
            is_error: true,
            message: format!("{disk} takes no writes: {}.", why.trim_end_matches('.')),
            next_step:
                "Look into the kernel's log for errors of the device; a file system with errors turns read-only."
                    .to_owned(),
        });
    }
    let lacks: Vec<&str> = [(found.direct_io, "direct I/O"), (found.extent_map, "maps of files (FIEMAP)")]
        .into_iter()
        .filter_map(|(there, what)| (!there).then_some(what))
        .collect();
    (!lacks.is_empty()).then(|| Trouble {
        reason: NOT_READY,
        code: CauseCode::FilesystemUnsupported,
        is_error: true,
        message: format!("{disk} is on {}, which has no {}.", found.filesystem_type, lacks.join(" and no ")),
        next_step: "Use a directory on ext4 or xfs.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(uuid: &str) -> DiskInspectReply {
        DiskInspectReply {
            disk_uuid: uuid.to_owned(),
            direct_io: true,
            extent_map: true,
            filesystem_type: "ext4".to_owned(),
            ..DiskInspectReply::default()
        }
    }

    /// The reasons of behaviour.md §2 and §13 for a disk that is not ready.
    #[test]
    fn reasons_of_a_disk_that_is_not_ready() {
        let found = |reply: DiskInspectReply| Look::Found(Box::new(reply));
        let other = Some(("node-2", "d2"));
        let spec = DiskSpec { path: "/mnt/d".to_owned(), ..DiskSpec::default() };
        for (case, uuid, twin, look, reason, words) in [
            ("good and known", "u", None, found(good("u")), "", ""),
            ("good and new", "", None, found(good("u")), "", ""),
            ("node down", "u", None, Look::NodeSilent("it is off".into()), "NodeNotReady", "it is off"),
            (
                "missing directory",
                "u",
                None,
                Look::Failed("there is no directory".into()),
                "NoDiskInfo",
                "no directory",
            ),
            ("another disk", "u", None, found(good("v")), "DiskFilesystemChanged", "should be u, and v is there"),
            ("unmounted", "u", None, found(good("")), "DiskFilesystemChanged", "its mount is missing"),
            ("twice", "", other, found(good("u")), "DiskFilesystemChanged", "disk d2 on node-2"),
            (
                "read-only",
                "u",
                None,
                found(DiskInspectReply { read_only: true, ..good("u") }),
                "DiskNotReady",
                "mounted read-only",
            ),
            (
                "failing",
                "u",
                None,
                found(DiskInspectReply { write_error: "I/O error".into(), ..good("u") }),
                "DiskNotReady",
                "takes no writes: I/O error",
            ),
            (
                "tmpfs",
                "",
                None,
                found(DiskInspectReply { extent_map: false, ..good("u") }),
                "DiskNotReady",
                "has no maps of files",
            ),
        ] {
            let trouble = of(Recorded { node: "node-1", name: "d", spec: &spec, uuid, twin }, &look);
            match trouble {
                None => assert_eq!(reason, "", "{case}"),
                Some(trouble) => {
                    assert_eq!(trouble.reason, reason, "{case}");
                    assert!(trouble.message.contains(words), "{case}: {trouble:?}");
                    assert!(trouble.message.contains("The disk d at /mnt/d") && trouble.message.ends_with('.'));
                    assert!(!trouble.next_step.is_empty());
                }
            }
        }
    }
}
