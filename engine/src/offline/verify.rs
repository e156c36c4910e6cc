//! Reading the images: whether the file system gives what replicas need, and whether checksums still match.

use serde::Serialize;

use super::checksum::{Beside, beside};
use super::finding::{Finding, FindingKind, Severity};
use super::layer::{ImageFacts, reason};
use super::structure::Structure;
use super::survey::Survey;
use crate::disk::image::{Access, ImageFile};
use crate::disk::{AlignedBuf, BLOCK_SIZE, DiskError};
use crate::replica::ReplicaError;
use crate::replica::hash::SnapshotChecksum;
use crate::replica::hash::checksum_file::hex;
use crate::replica::hash::sum;
use crate::replica::names;

/// What `verify` found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// The path as it was given.
    pub directory: String,
    /// No finding is a problem.
    pub clean: bool,
    /// Layers with an image.
    pub images: usize,
    /// One for every image with a checksum, by file name.
    pub checksums: Vec<ChecksumResult>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// One recomputed checksum.
#[derive(Clone, Debug, Serialize)]
pub struct ChecksumResult {
    pub file_name: String,
    pub outcome: ChecksumOutcome,
    /// 16 hex digits each.
    pub recorded: String,
    pub found: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumOutcome {
    /// The image is what was hashed.
    Matching,
    /// The image was changed or copied after it was hashed, and still holds the same.
    StaleMatching,
    /// The image was changed after it was hashed (a purge does that), so the checksum says nothing.
    Stale,
    /// The image was not changed and holds something else: the disk returns other data than was written.
    Corrupt,
}

/// Checks everything. `progress` gets the image's name and, over all images with checksums, bytes done and all bytes.
#[must_use]
pub fn verify(survey: &Survey, structure: &Structure, progress: &mut dyn FnMut(&str, u64, u64)) -> Verification {
    let mut run = Run { survey, findings: structure.findings.clone(), checksums: Vec::new() };
    run.file_system();
    let images = images(survey);
    for (image, _) in &images {
        run.medium(image);
    }
    run.checksums(&images, progress);
    let Run { mut findings, checksums, .. } = run;
    findings.sort_by(|a, b| (a.severity, a.kind, &a.file).cmp(&(b.severity, b.kind, &b.file)));
    Verification {
        directory: survey.path().display().to_string(),
        clean: findings.iter().all(|finding| finding.severity != Severity::Problem),
        images: images.len(),
        checksums,
        findings,
    }
}

/// Images that are files, with their sizes.
fn images(survey: &Survey) -> Vec<(&str, u64)> {
    let files = survey.layers.iter().filter_map(|(image, facts)| match facts.image {
        ImageFacts::File { size, .. } => Some((image.as_str(), size)),
        _ => None,
    });
    files.collect()
}

struct Run<'survey> {
    survey: &'survey Survey,
    findings: Vec<Finding>,
    checksums: Vec<ChecksumResult>,
}

impl Run<'_> {
    fn find(&mut self, kind: FindingKind, file: &str, what: impl Into<String>, advice: &str) {
        self.findings.push(Finding::new(kind, file, what, advice));
    }

    fn file_system(&mut self) {
        if let Err(error) = self.survey.directory.check_block_size() {
            self.find(FindingKind::FileSystem, "", reason(&error), "");
        }
    }

    /// Whether this image can be opened, mapped and read as a replica does it.
    fn medium(&mut self, image: &str) {
        if let Err(error) = try_image(&self.survey.directory.file(image)) {
            let advice = "on a file system without direct I/O or extent maps, move the directory to ext4 or XFS with tar \
                          -S --hole-detection=seek (tools that make holes of written zeros bring older data back); after a \
                          disk error, rebuild from another replica";
            self.find(FindingKind::FileSystem, image, error.to_string(), advice);
        }
    }

    fn checksums(&mut self, images: &[(&str, u64)], progress: &mut dyn FnMut(&str, u64, u64)) {
        let mut hashed = Vec::new();
        for &(image, size) in images {
            match beside(self.survey, image) {
                Beside::Nothing => {}
                Beside::Unreadable => {
                    let advice = "no data depends on it; the next hash of the snapshot writes it anew";
                    self.find(FindingKind::ChecksumUnreadable, &names::checksum_of(image), "it cannot be read", advice);
                }
                Beside::Stale(checksum) => hashed.push((image, size, checksum, true)),
                Beside::Current(checksum) => hashed.push((image, size, checksum, false)),
            }
        }
        let all: u64 = hashed.iter().map(|(_, size, ..)| size).sum();
        let mut done = 0;
        for (image, size, recorded, stale) in hashed {
            let found = sum_of(&self.survey.directory.file(image), |bytes| progress(image, done + bytes, all));
            done += size;
            match found {
                Ok(found) => self.compare(image, &recorded, stale, hex(found)),
                Err(error) => {
                    let advice = "the disk cannot read all of it any more; rebuild from another replica";
                    self.find(FindingKind::Unreadable, image, error.to_string(), advice);
                }
            }
        }
    }

    fn compare(&mut self, image: &str, recorded: &SnapshotChecksum, stale: bool, found: String) {
        let outcome = match (stale, recorded.checksum == found) {
            (false, true) => ChecksumOutcome::Matching,
            (true, true) => ChecksumOutcome::StaleMatching,
            (true, false) => ChecksumOutcome::Stale,
            (false, false) => ChecksumOutcome::Corrupt,
        };
        match outcome {
            ChecksumOutcome::Matching | ChecksumOutcome::StaleMatching => {}
            ChecksumOutcome::Stale => {
                let what = "it was changed after its checksum was taken, as a purge does it; the checksum says nothing";
                self.find(FindingKind::ChecksumStale, image, what, "hash the snapshot again to have one that does");
            }
            ChecksumOutcome::Corrupt => {
                let what = format!("it was not changed, and its checksum is {found} instead of {}", recorded.checksum);
                let advice =
                    "the disk returns other data than was written: rebuild from another replica and replace the disk";
                self.find(FindingKind::Corrupt, image, what, advice);
            }
        }
        let recorded = recorded.checksum.clone();
        self.checksums.push(ChecksumResult { file_name: image.to_owned(), outcome, recorded, found });
    }
}

fn try_image(path: &std::path::Path) -> Result<(), ReplicaError> {
    let image = ImageFile::open(path, Access::ReadOnly)?;
    image.for_each_extent(0, image.size()?, |_| true)?;
    let mut block = AlignedBuf::zeroed(BLOCK_SIZE as usize);
    Ok(image.read_blocks(0, block.padded_mut())?)
}

fn sum_of(path: &std::path::Path, mut progress: impl FnMut(u64)) -> Result<u64, DiskError> {
    let image = ImageFile::open(path, Access::ReadOnly)?;
    sum::of_image(&image, |step| {
        progress(step.done_bytes);
        Ok(())
    })
}
