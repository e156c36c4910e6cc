//! What is asked for over gRPC, checked and in the engine's own words.

use tonic::Status;

use super::engine_v1::{BackupCreateRequest, BackupCredentials, BackupMode, BackupRestoreRequest};
use crate::backup::block::Compression;
use crate::backup::create::DEFAULT_BLOCK_SIZE;
use crate::backup::lock::LockTimes;
use crate::backup::{Credentials, Mode, Target, names};
use crate::volume::backup::BackupRequest;
use crate::volume::lazy::InstantRestore;
use crate::volume::restore::RestoreRequest;

fn invalid(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn target(url: &str, credentials: Option<BackupCredentials>) -> Result<Target, Status> {
    let credentials = credentials.map(|credentials| credentials.values).unwrap_or_default();
    Ok(Target { url: url.parse().map_err(invalid)?, credentials: Credentials::new(credentials) })
}

fn concurrency(asked: u32) -> usize {
    usize::try_from(asked).unwrap_or_default()
}

pub(super) fn backup(request: BackupCreateRequest, own_name: &str) -> Result<BackupRequest, Status> {
    let mode = match request.mode() {
        BackupMode::Incremental => Mode::Incremental,
        BackupMode::Full => Mode::Full,
    };
    let backup = if request.backup.is_empty() { names::random_backup() } else { request.backup };
    names::check("backup", &backup).map_err(invalid)?;
    let volume = if request.volume.is_empty() { own_name.to_owned() } else { request.volume };
    names::check("volume", &volume).map_err(invalid)?;
    let compression = match request.compression.as_str() {
        "" => Compression::default(),
        name => name.parse().map_err(|error: String| invalid(error))?,
    };
    Ok(BackupRequest {
        backup,
        snapshot: request.snapshot,
        target: target(&request.target_url, request.credentials)?,
        volume,
        compression,
        block_size: if request.block_size_bytes == 0 { DEFAULT_BLOCK_SIZE } else { request.block_size_bytes },
        mode,
        labels: request.labels.into_iter().collect(),
        backing_image_name: request.backing_image,
        backing_image_checksum: request.backing_image_checksum,
        storage_class: request.storage_class,
        concurrency: concurrency(request.concurrency),
        lock_times: LockTimes::default(),
    })
}

pub(super) fn restore(request: BackupRestoreRequest) -> Result<RestoreRequest, Status> {
    names::check("backup", &request.backup).map_err(invalid)?;
    names::check("volume", &request.volume).map_err(invalid)?;
    let instant = request.instant.then(InstantRestore::default);
    let target = target(&request.target_url, request.credentials)?;
    let concurrency = concurrency(request.concurrency);
    Ok(RestoreRequest { concurrency, instant, ..RestoreRequest::new(target, &request.volume, &request.backup) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> BackupCreateRequest {
        BackupCreateRequest {
            snapshot: "s1".to_owned(),
            target_url: "vfs:///backups".to_owned(),
            ..BackupCreateRequest::default()
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let request = backup(asked(), "vol").unwrap();
        assert!(request.backup.starts_with("backup-") && request.backup.len() == 23, "{}", request.backup);
        assert_eq!((request.volume.as_str(), request.block_size), ("vol", 2 << 20));
        assert_eq!((request.compression, request.mode), (Compression::Lz4, Mode::Incremental));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_done() {
        let refused = |request: BackupCreateRequest| backup(request, "vol").unwrap_err().message().to_owned();
        assert!(refused(BackupCreateRequest { target_url: "ftp://x".to_owned(), ..asked() }).contains("ftp"));
        assert!(refused(BackupCreateRequest { backup: "../x".to_owned(), ..asked() }).contains("../x"));
        assert!(refused(BackupCreateRequest { volume: "a/b".to_owned(), ..asked() }).contains("a/b"));
        assert!(refused(BackupCreateRequest { compression: "zip".to_owned(), ..asked() }).contains("zip"));
    }
}
