//! `aurochs-engine inspect`: what a replica directory holds, and what is wrong with it.

use std::path::PathBuf;

use aurochs_api::size::ByteSize;
use clap::Args;

use super::terminal::{self, Look, Paint};
use super::{ProgramError, findings};
use crate::offline::describe::LayerDescription;
use crate::offline::{Description, Structure, Survey};

/// Shows what a replica directory holds: the chain of layers, sizes, flags, problems.
///
/// Reads only the small files and changes nothing. A directory that a replica serves is refused: detach the volume
/// first. Ends with 0 when the directory could be looked at, whatever was found, and with 2 when it could not;
/// `verify` also reads the images and ends with 1 for problems.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine inspect /var/lib/longhorn/replicas/pvc-1f2e-0a1b2c3d
  aurochs-engine inspect --json <dir> | jq '.findings[] | select(.severity == \"problem\")'
  aurochs-engine inspect --json <dir> | jq -r '.exportable.snapshots[]'

Keys of the JSON: directory, volume {recorded, size_bytes, head, parent, dirty, rebuilding, error, sector_size,
encrypted}, revision_counter, aurochs_state {epoch, generation, boot_id}, backing_file {recorded_path, format,
size_bytes}, chain [file names, the head first], layers [{file_name, snapshot, is_head, in_chain, parent, size_bytes,
allocated_bytes, removed, user_created, created, labels, checksum {age, checksum, last_hashed_at, silently_corrupted},
readable, unreadable_because}], leftovers [file names], exportable {head, snapshots}, findings [{severity (problem,
warning, note), kind, file, what, advice}]. What is not known is null.")]
pub struct Arguments {
    /// Directory with volume.meta and the images.
    directory: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Prints the description.
///
/// # Errors
/// The directory cannot be looked at.
pub fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let survey = Survey::of(&arguments.directory)?;
    let structure = Structure::of(&survey);
    let description = Description::of(&survey, &structure);
    if arguments.json {
        return terminal::print_json(&description);
    }
    terminal::print(&text(&description, &structure.readable(&survey), Paint::for_stdout()))
}

fn text(description: &Description, readable: &str, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.paint(Look::Heading, "Replica directory"), description.directory);
    for (name, value) in facts(description, readable) {
        text.push_str(&format!("  {name:13} {value}\n"));
    }
    let find = |image: &String| description.layers.iter().find(|layer| layer.file_name == *image);
    match &description.chain {
        Some(chain) => {
            let heading = format!("Chain of {}, the head first", chain.len());
            let layers: Vec<_> = chain.iter().filter_map(find).collect();
            text.push_str(&layers_text(&heading, &layers, paint));
            let others: Vec<_> = description.layers.iter().filter(|layer| !layer.in_chain).collect();
            text.push_str(&layers_text("Other layers: branches, or without a place", &others, paint));
        }
        None => {
            let layers: Vec<_> = description.layers.iter().collect();
            text.push_str(&layers_text("Layers, which make no whole chain", &layers, paint));
        }
    }
    text.push_str(&format!("\n{}\n", paint.paint(Look::Heading, "Findings")));
    text.push_str(&findings::text(&description.findings, paint));
    text
}

fn facts(description: &Description, readable: &str) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    match &description.volume {
        Some(volume) => {
            let guessed = if volume.recorded { "" } else { " (guessed: volume.meta does not say)" };
            facts.push(("size", format!("{} ({} bytes){guessed}", ByteSize(volume.size_bytes), volume.size_bytes)));
            let state = match (volume.rebuilding, volume.dirty) {
                (true, _) => "in the middle of a rebuild",
                (false, true) => "not closed",
                (false, false) => "closed",
            };
            facts.push(("state", state.to_owned()));
            if volume.encrypted {
                facts.push(("encrypted", "yes, by LUKS inside the volume".to_owned()));
            }
        }
        None => facts.push(("size", "unknown: volume.meta is damaged".to_owned())),
    }
    if let Some(backing) = &description.backing_file {
        let content = match (&backing.format, backing.size_bytes) {
            (Some(format), Some(size)) => format!("{format}, {}", ByteSize(size)),
            _ => "cannot be used".to_owned(),
        };
        facts.push(("backing file", format!("{} ({content})", backing.recorded_path)));
    }
    if let Some(counter) = description.revision_counter {
        facts.push(("revision", counter.to_string()));
    }
    if let Some(state) = &description.aurochs_state {
        facts.push(("engine", format!("epoch {}, generation {}", state.epoch, state.generation)));
    }
    facts.push(("readable", readable.to_owned()));
    facts
}

fn layers_text(heading: &str, layers: &[&LayerDescription], paint: Paint) -> String {
    if layers.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = layers.iter().map(|layer| row(layer)).collect();
    let headings = ["LAYER", "SIZE", "ALLOCATED", "CREATED", "FLAGS", "CHECKSUM", "PARENT", "LABELS"];
    format!("\n{}\n{}", paint.paint(Look::Heading, heading), terminal::table(&headings, &rows, paint))
}

fn row(layer: &LayerDescription) -> Vec<String> {
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "missing".to_owned(), |bytes| ByteSize(bytes).to_string());
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let labels: Vec<_> = layer.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let parent = match layer.parent.as_deref() {
        None => "unknown".to_owned(),
        Some("") => "- (root)".to_owned(),
        Some(parent) => parent.to_owned(),
    };
    vec![
        layer.file_name.clone(),
        size(layer.size_bytes),
        size(layer.allocated_bytes),
        or_dash(layer.created.clone()),
        flags(layer),
        or_dash(layer.checksum.as_ref().map(|checksum| checksum.age.to_string()).unwrap_or_default()),
        parent,
        or_dash(labels.join(" ")),
    ]
}

fn flags(layer: &LayerDescription) -> String {
    let mut flags = Vec::new();
    if layer.snapshot.is_none() {
        flags.push("head");
    } else if layer.parent.is_some() {
        flags.push(if layer.user_created { "user" } else { "system" });
    }
    if layer.removed {
        flags.push("removed");
    }
    if !layer.readable {
        flags.push("UNREADABLE");
    }
    flags.join(",")
}
