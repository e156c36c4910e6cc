//! The rarer requests of the data link, as JSON: who I am, snapshots, layers, rebuilds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::replica::hash::HashState;
use crate::replica::{
    DirtyRegions, HeadFacts, LayerInfo, MissedRegions, PurgeStatus, SnapshotFacts, SnapshotSelection,
};

/// What an engine asks of a replica beside reads and writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlRequest {
    /// First request of every stream; everything else before it is refused.
    Hello(Hello),
    Layers,
    LayerExtents {
        layer: String,
        from: u64,
        maximum: usize,
    },
    Checksum {
        offset: u64,
        length: u32,
    },
    Snapshot {
        name: String,
        user_created: bool,
        created: String,
        labels: BTreeMap<String, String>,
    },
    Revert {
        name: String,
        created: String,
    },
    /// Snapshots are removed for users from now on. Every member has marked them before one deletes.
    MarkRemoved {
        snapshots: Vec<String>,
    },
    RebuildBegin {
        layers: Vec<LayerInfo>,
    },
    RebuildFinish,
    /// The membership changed; the replica remembers the generation.
    Generation {
        generation: u64,
    },
    /// The engine stops cleanly: sync, mark clean, let go.
    Close,
    /// The volume becomes larger.
    Expand {
        size: u64,
        created: String,
    },
    /// What there is to read of a snapshot from a byte on; its layers are opened, so that reads are quick.
    SnapshotFacts {
        selection: SnapshotSelection,
        from: u64,
    },
    SnapshotExtents {
        selection: SnapshotSelection,
        from: u64,
        maximum: usize,
    },
    /// Nobody reads this snapshot for now.
    SnapshotForget {
        name: String,
    },
    /// Prepares an empty image for a new root snapshot of an empty volume.
    FillBegin {
        id: String,
        name: String,
        size: u64,
    },
    /// The image is complete: it becomes the volume's content.
    FillFinish {
        id: String,
        created: String,
    },
    FillAbort {
        id: String,
    },
    /// The file below the replica's layers.
    BackingFile,
    /// Hash a snapshot in the background; see [`crate::replica::hash::HashJobs::start`].
    HashStart {
        snapshot: String,
        rehash: bool,
    },
    HashStatus {
        snapshot: String,
    },
    HashCancel {
        snapshot: String,
    },
    /// Whether a hash runs on the replica's node, of whichever volume.
    HashLock,
    /// All members are equal: whatever a reboot had taken from this replica is there again.
    Settled,
    /// Removed snapshots that nothing stands on go.
    DeleteRemovedLeaves,
    /// Starts a purge in the background, or finds that one runs; answered with its status.
    PurgeStart,
    PurgeStatus,
    PurgeStop {
        why: String,
    },
    /// Layers that a rebuild fills lose what was copied into them: they are copied from another source.
    RebuildEmpty {
        layers: Vec<String>,
    },
    /// Longhorn's count of writes.
    RevisionCounter,
    /// The replica goes on counting from here, durably, if it counts at all.
    RevisionCounterSet {
        value: u64,
    },
    /// The ranges of the volume that hold data; answered with `Extents`, see [`crate::replica::Replica::allocation`].
    Allocation {
        offset: u64,
        length: u64,
        maximum: usize,
    },
    /// Comes before a `Snapshot` with the same fields, without a barrier: what can be done while requests flow is done.
    SnapshotPrepare {
        name: String,
        user_created: bool,
        created: String,
        labels: BTreeMap<String, String>,
    },
    /// The snapshot is not taken after all: what `SnapshotPrepare` made is taken back.
    SnapshotForgetPrepared,
    /// What of the volume is still in a backup, durably; see [`crate::replica::Replica::set_remote_map`].
    RemoteMapSet {
        text: Option<String>,
    },
    /// Where the replica may differ from other members.
    DirtyRegions,
    /// What the replica writes from now on stays dirty when the round ends that begins here.
    RegionRoundBegin,
    /// Everything that had begun before the round has ended, on all members alike.
    RegionRoundEnd {
        round: u64,
    },
    /// From now on what this replica misses is taken down, durably before the answer: it is no member since this generation.
    BeginToMiss {
        replica: String,
        since: u64,
    },
    /// It is a member again, or its data is given up.
    ForgetMissed {
        replica: String,
    },
    /// What it misses.
    MissedRegions {
        replica: String,
    },
    /// As `RebuildBegin`, for a replica that lacks no more than this and what is dirty in its own log: its layers stay.
    CatchUpBegin {
        lacks: DirtyRegions,
    },
}

/// Who speaks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub volume: String,
    pub replica: String,
    pub epoch: u64,
    /// One start of one engine; all its streams carry it. Two engines with the same epoch can't both be right.
    pub session: String,
    /// Which link of this session; all streams of a link carry it. A later one ends the earlier: what that still has
    /// on the way must not be applied once the replica is being rebuilt. Set by `ReplicaLink::connect`.
    pub link: u64,
    /// An engine has served from this replica before. One that was never part of a volume lacks what it should hold
    /// (its disk is not mounted, its directory was replaced), and says so instead of taking part.
    pub holds_data: bool,
    /// A person asked for what is left of the volume: a replica that served no engine yet takes part all the same if
    /// there is data in it.
    #[serde(default)]
    pub salvage: bool,
    /// One more stream of a link that speaks already, for bulk copying: it comes and goes, and that says nothing about
    /// the link. Set by `BulkLink::open`.
    #[serde(default)]
    pub bulk: bool,
}

/// Who answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub size: u64,
    /// It was not closed cleanly before this open.
    pub was_dirty: bool,
    /// An interrupted rebuild: its content is not valid.
    pub rebuilding: bool,
    /// Highest generation the replica was told of.
    pub generation: u64,
    /// The host rebooted since the replica was opened before, so unflushed writes may be missing.
    pub rebooted: bool,
    /// What a salvage compares.
    #[serde(default)]
    pub head: HeadFacts,
    /// What of the volume is still in a backup, in the engine's own words; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
}

/// Answers, by request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlReply {
    Welcome(Welcome),
    Layers(Vec<LayerInfo>),
    Extents(Vec<(u64, u64)>),
    Checksum([u8; 32]),
    Done,
    SnapshotFacts(SnapshotFacts),
    /// Its path, empty for none.
    BackingFile(String),
    Hash(HashState),
    HashLock {
        held: bool,
    },
    Purge(PurgeStatus),
    /// `None` where it is not kept.
    RevisionCounter(Option<u64>),
    /// `None`: anywhere.
    DirtyRegions(Option<DirtyRegions>),
    RegionRound {
        round: u64,
    },
    /// `None`: nobody knows.
    MissedRegions(Option<MissedRegions>),
}

/// Kind of a failure on the replica's side; decides what the engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteErrorKind {
    /// A higher epoch was seen: this engine is out of date and has to end.
    Fenced,
    NoSpace,
    OutOfRange,
    /// The request makes no sense in the replica's state; the replica itself is fine.
    Refused,
    /// A block that had to be read is not what was written: its disk has changed it. The replica is fine otherwise, and has
    /// changed nothing.
    Damaged,
    /// The replica can't be trusted to have done it.
    Failed,
}

/// A failure as it crosses the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    pub kind: RemoteErrorKind,
    pub message: String,
}
