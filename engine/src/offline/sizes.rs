//! Which sizes images can have.
//!
//! A layer never shrinks while it is the head and every later head is at least as large, so sizes grow from the root
//! upwards. That tells a cut image: it is shorter than what it stands on. An image that is shorter only than what
//! stands on *it* may be older than an expansion of the volume; Longhorn's manager makes sizes of whole 2 MiB, so a
//! cut at any other place is told too.

use aurochs_api::size::VOLUME_SIZE_ALIGNMENT;

use super::finding::FindingKind;
use super::structure::Judge;
use super::survey::{Survey, VolumeFacts};
use crate::disk::BLOCK_SIZE;
use crate::replica::{expand, names};

/// What Longhorn and Aurochs call the snapshot that an expansion takes.
const EXPANSION_PREFIX: &str = "expand-";

impl Judge<'_> {
    pub(super) fn sizes(&mut self) {
        let survey = self.survey;
        let volume_size = match &survey.volume {
            VolumeFacts::Recorded(meta) => Some(meta.size),
            _ => None,
        };
        let expanded = was_expanded(survey);
        for (image, facts) in &survey.layers {
            let Some(size) = facts.size().filter(|_| !survey.is_other_head(image)) else { continue };
            let parent = survey.records.get(image).map(|record| record.parent.as_str());
            let below = parent.and_then(|parent| Some((parent, survey.layers.get(parent)?.size()?)));
            let above = largest_child(survey, image);
            let is_head = survey.head() == Some(image);
            match (volume_size, below, above) {
                (Some(expected), ..) if is_head && size != expected => self.head_size(image, size, expected),
                (Some(expected), ..) if size > expected => {
                    let what = format!("it has {size} bytes and the volume {expected}, by volume.meta");
                    self.find(
                        FindingKind::ImageTooLong,
                        image,
                        what,
                        "the Size in volume.meta, or the image, was changed by hand",
                    );
                }
                (_, Some((parent, parent_size)), _) if size < parent_size => {
                    self.cut(
                        image,
                        format!("it has {size} bytes and {parent}, which it stands on, {parent_size}: it was cut"),
                    );
                }
                _ if !size.is_multiple_of(BLOCK_SIZE) => {
                    self.cut(
                        image,
                        format!("it has {size} bytes, which is no whole number of 4096-byte blocks: it was cut"),
                    );
                }
                (_, _, Some((child, child_size))) if size < child_size && !expanded => {
                    self.short(image, size, child, child_size);
                }
                _ => {}
            }
        }
    }

    fn head_size(&mut self, image: &str, size: u64, expected: u64) {
        let what = if size < expected {
            format!("it has {size} bytes and the volume {expected}: the last {} are missing", expected - size)
        } else {
            format!("it has {size} bytes and the volume {expected}, by volume.meta")
        };
        let advice = "what was written after the last snapshot cannot be trusted; the snapshots can still be exported";
        self.breaks(image, FindingKind::HeadSize, image, what, advice);
    }

    fn cut(&mut self, image: &str, what: String) {
        let advice = "rebuild from another replica or restore a backup; layers that do not stand on it can be exported";
        self.breaks(image, FindingKind::ImageCut, image, what, advice);
    }

    /// Older than an expansion, or cut.
    fn short(&mut self, image: &str, size: u64, child: &str, child_size: u64) {
        let whole = |size: u64| size.is_multiple_of(VOLUME_SIZE_ALIGNMENT.bytes());
        if whole(child_size) && !whole(size) {
            let what = format!(
                "it has {size} bytes, which no volume of Longhorn has, and {child} above it {child_size}: it was cut"
            );
            return self.cut(image, what);
        }
        let what = format!("it has {size} bytes and {child} above it {child_size}");
        let advice =
            "right if the volume was expanded after this snapshot; else the image was cut, and its end reads as zeros";
        self.find(FindingKind::ImageShort, image, what, advice);
    }
}

fn largest_child<'survey>(survey: &'survey Survey, image: &str) -> Option<(&'survey str, u64)> {
    let children = survey.records.0.iter().filter(|(_, record)| record.parent == image);
    let sizes = children.filter_map(|(child, _)| Some((child.as_str(), survey.layers.get(child)?.size()?)));
    sizes.max_by_key(|&(_, size)| size)
}

/// Whether the snapshot of an expansion is still there.
fn was_expanded(survey: &Survey) -> bool {
    survey.records.0.iter().any(|(image, record)| {
        names::snapshot_of(image).is_some_and(|name| name.starts_with(EXPANSION_PREFIX))
            || record.labels.as_ref().is_some_and(|labels| labels.contains_key(expand::LABEL))
    })
}
