//! `aurochs-engine verify`: whether a replica directory is sound.

use std::path::PathBuf;

use clap::Args;

use super::terminal::{self, Look, Paint, Progress};
use super::{ProgramError, findings};
use crate::offline::verify::{ChecksumOutcome, Verification, verify};
use crate::offline::{Structure, Survey};

/// Checks a replica directory: structure, images, checksums.
///
/// Everything that a start of the replica would check, and more: parents, sizes, foreign files, leftovers of
/// interrupted changes, whether the file system can do what replicas need; and every checksum beside an image is
/// computed again from the data. Changes nothing. A directory that a replica serves is refused.
///
/// Ends with 0 when it is clean (warnings and notes may be there), 1 when problems were found, 2 when the directory could not be looked at.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine verify /var/lib/longhorn/replicas/pvc-1f2e-0a1b2c3d
  for dir in /var/lib/longhorn/replicas/*; do aurochs-engine verify \"$dir\" || echo \"look at $dir\"; done

Keys of the JSON: directory, clean, images, checksums [{file_name, outcome (matching, stale_matching, stale, corrupt),
recorded, found}], findings as those of inspect. A checksum is stale when the image's change time is not the recorded
one: a purge, or a copy of the directory, does that.")]
pub struct Arguments {
    /// Directory with volume.meta and the images.
    directory: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Checks and prints.
///
/// # Errors
/// [`ProgramError::ProblemsFound`], or the directory cannot be looked at.
pub fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let survey = Survey::of(&arguments.directory)?;
    let structure = Structure::of(&survey);
    let mut progress = Progress::new("checked");
    let verification = verify(&survey, &structure, &mut |_, done, all| progress.at(done, all));
    drop(progress);
    if arguments.json {
        terminal::print_json(&verification)?;
    } else {
        let readable = structure.readable(&survey);
        terminal::print(&text(&verification, &readable, Paint::for_stdout()))?;
    }
    if verification.clean {
        return Ok(());
    }
    Err(ProgramError::ProblemsFound {
        directory: arguments.directory.clone(),
        count: findings::count(&verification.findings),
    })
}

fn text(verification: &Verification, readable: &str, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.paint(Look::Heading, "Replica directory"), verification.directory);
    text.push_str(&format!("  readable      {readable}\n"));
    text.push_str(&format!("  images        {}\n", verification.images));
    if !verification.checksums.is_empty() {
        let rows: Vec<_> = verification
            .checksums
            .iter()
            .map(|result| {
                vec![result.file_name.clone(), result.recorded.clone(), outcome_text(result.outcome).to_owned()]
            })
            .collect();
        text.push_str(&format!("\n{}\n", paint.paint(Look::Heading, "Checksums")));
        text.push_str(&terminal::table(&["IMAGE", "RECORDED", "RESULT"], &rows, paint));
    }
    text.push_str(&format!("\n{}\n", paint.paint(Look::Heading, "Findings")));
    text.push_str(&findings::text(&verification.findings, paint));
    text
}

fn outcome_text(outcome: ChecksumOutcome) -> &'static str {
    match outcome {
        ChecksumOutcome::Matching => "matches",
        ChecksumOutcome::StaleMatching => "stale (copied or touched since), and the data still matches",
        ChecksumOutcome::Stale => "stale: changed since, so it says nothing",
        ChecksumOutcome::Corrupt => "DIFFERS: the data was corrupted",
    }
}
