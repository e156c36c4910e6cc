//! What Longhorn's API has and this version can't do yet, by name: [`crate::error::ApiError::not_yet`].

/// A missing feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    BlockDisks,
    /// Limits of the time that copying between replicas takes.
    CopyTimeouts,
    DeltaRebuild,
    EncryptedImages,
    Kubernetes,
    LinkedClones,
    LiveUpgrade,
    Migration,
    /// The second data engine (SPDK), with its shards.
    SecondEngine,
    /// Volumes that several nodes mount at once.
    SharedVolumes,
    UpgradeCheck,
}

impl Feature {
    /// Fits after "this version has no … yet".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::BlockDisks => "block disks",
            Self::CopyTimeouts => "time limit for copying between replicas",
            Self::DeltaRebuild => "rebuilds of changed blocks alone",
            Self::EncryptedImages => "encrypted backing images",
            Self::Kubernetes => "Kubernetes mode",
            Self::LinkedClones => "linked clones",
            Self::LiveUpgrade => "live engine upgrade",
            Self::Migration => "live migration",
            Self::SecondEngine => "v2 data engine",
            Self::SharedVolumes => "ReadWriteMany volumes",
            Self::UpgradeCheck => "upgrade check",
        }
    }

    /// What a person can do instead.
    #[must_use]
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::BlockDisks => "Use a directory on a file system.",
            Self::CopyTimeouts => "Leave it as it is: copying goes on for as long as data comes.",
            Self::DeltaRebuild => "Leave it as it is: replicas are rebuilt in full.",
            Self::EncryptedImages => "Give encryption ignore.",
            Self::Kubernetes => "Leave it as it is: nothing here depends on it.",
            Self::LinkedClones => "Make a full copy: cloneMode full-copy.",
            Self::LiveUpgrade => "Detach the volume; it gets the new engine when it is attached again.",
            Self::Migration => "Detach the volume and attach it on the other node.",
            Self::SecondEngine => "Use dataEngine v1.",
            Self::SharedVolumes => "Use accessMode rwo and attach it to one node.",
            Self::UpgradeCheck => "Leave it as it is: nothing is sent to anybody.",
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::error::ApiError;

    #[test]
    fn what_is_missing_is_named() {
        let error = ApiError::not_yet(Feature::LinkedClones, "cloning volume data");
        assert_eq!(error.kind.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(error.message, "cloning volume data is not done: this version has no linked clones yet");
        assert!(!error.next_step.is_empty());
    }
}
