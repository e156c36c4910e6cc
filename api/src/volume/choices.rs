//! The words that a volume's fields can have, with Longhorn's spelling.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// An enum of words. `word()` is the same text that serde writes.
macro_rules! choices {
    ($(
        $(#[$about:meta])*
        $name:ident { $( $(#[$attribute:meta])* $variant:ident = $word:tt ),* $(,)? }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
        pub enum $name {
            $( $(#[$attribute])* #[serde(rename = $word)] $variant, )*
        }

        impl $name {
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    )* };
}

choices! {
    /// How a volume is offered to its node.
    Frontend {
        /// `/dev/longhorn/<volume>`.
        #[default]
        Blockdev = "blockdev",
        Iscsi = "iscsi",
        /// Ours: an NBD server only, for clients without root.
        Nbd = "nbd",
        /// Of the v2 data engine.
        Nvmf = "nvmf",
        /// Of the v2 data engine.
        Ublk = "ublk",
        None = "",
    }

    /// A volume's own answer to a question that a setting answers too; `ignored` follows the setting.
    Override {
        #[default]
        #[serde(alias = "")]
        Ignored = "ignored",
        Enabled = "enabled",
        Disabled = "disabled",
    }

    /// Whether a replica is to be where the volume is attached.
    DataLocality {
        #[default]
        #[serde(alias = "")]
        Disabled = "disabled",
        BestEffort = "best-effort",
        StrictLocal = "strict-local",
    }

    /// Who may use a volume at a time: one node, one pod, many nodes.
    AccessMode {
        #[default]
        #[serde(alias = "")]
        Rwo = "rwo",
        Rwop = "rwop",
        Rwx = "rwx",
    }

    /// Whether replicas are moved to even out the nodes; `ignored` follows the setting.
    ReplicaAutoBalance {
        #[default]
        #[serde(alias = "")]
        Ignored = "ignored",
        Disabled = "disabled",
        LeastEffort = "least-effort",
        BestEffort = "best-effort",
    }

    /// Whether the content of snapshots is hashed; `ignored` follows the setting.
    SnapshotDataIntegrity {
        #[default]
        #[serde(alias = "")]
        Ignored = "ignored",
        Disabled = "disabled",
        Enabled = "enabled",
        FastCheck = "fast-check",
    }

    /// How backups of a volume are compressed.
    BackupCompression {
        None = "none",
        #[default]
        #[serde(alias = "")]
        Lz4 = "lz4",
        Gzip = "gzip",
    }

    /// How a volume that is made of another gets its content.
    CloneMode {
        /// It is made of no other.
        #[default]
        None = "",
        FullCopy = "full-copy",
        LinkedClone = "linked-clone",
    }

    /// How far the copying of a clone is.
    CloneState {
        #[default]
        None = "",
        Initiated = "initiated",
        /// All is copied; its replicas have to become whole.
        CopyCompletedAwaitingHealthy = "copy-completed-awaiting-healthy",
        Completed = "completed",
        Failed = "failed",
    }

    /// How a volume of the v2 data engine spreads its data.
    LayoutMode {
        #[default]
        None = "",
        Raid1 = "raid1",
        ErasureCoding = "erasureCoding",
    }
}

impl Override {
    #[must_use]
    pub const fn or_setting(self, setting: bool) -> bool {
        match self {
            Self::Ignored => setting,
            Self::Enabled => true,
            Self::Disabled => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        for mode in [CloneMode::None, CloneMode::FullCopy, CloneMode::LinkedClone] {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.word());
        }
        assert_eq!(DataLocality::OPTIONS, ["disabled", "best-effort", "strict-local"]);
        assert_eq!(serde_json::from_str::<Override>("\"\"").unwrap(), Override::Ignored);
    }
}
