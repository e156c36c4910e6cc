//! File names of a replica directory.

use super::error::ReplicaError;

pub(crate) const VOLUME_META: &str = "volume.meta";
pub(crate) const REVISION_COUNTER: &str = "revision.counter";
/// Ours; Longhorn ignores it.
pub(crate) const STATE_FILE: &str = "aurochs.state";
/// Ours too: what is still in a backup (`remote_map`).
pub(crate) const REMOTE_FILE: &str = "aurochs.remote";
/// And the log of dirty regions (`regions`).
pub(crate) const REGIONS_FILE: &str = "aurochs.regions";
/// In front of those of an image's blocks (`sums`).
pub(crate) const SUMS_PREFIX: &str = "aurochs.sums.";
/// Behind the name of such a file whose image is being changed.
pub(crate) const CHANGING_SUFFIX: &str = ".changing";
pub(crate) const FIRST_HEAD: &str = "volume-head-000.img";
pub(crate) const META_SUFFIX: &str = ".meta";
pub(crate) const TMP_SUFFIX: &str = ".tmp";
pub(crate) const ABANDONED_SUFFIX: &str = ".abandoned";
pub(crate) const UNFINISHED_SUFFIX: &str = ".snap_tmp";
const ASIDE_SUFFIX: &str = ".aside";
/// As many strangers of one name are looked at by a person rather than gathered.
const MOST_ASIDE: u32 = 99;
const CHECKSUM_SUFFIX: &str = ".checksum";

const HEAD_PREFIX: &str = "volume-head-";
const SNAPSHOT_PREFIX: &str = "volume-snap-";
const IMAGE_SUFFIX: &str = ".img";
/// `NAME_MAX` of Linux: the longest file name in bytes.
const FILE_NAME_MAX: usize = 255;
/// Room for what is put behind an image's name: `.checksum..tmp` is the longest.
const LONGEST_SUFFIX: usize = 14;

/// Second name of an image that is being given up.
pub(crate) fn abandoned_of(image: &str) -> String {
    format!("{image}{ABANDONED_SUFFIX}")
}

/// Whether this is the second name of an image that is, or was about to be, given up.
pub(crate) fn is_abandoned(file_name: &str) -> bool {
    file_name.strip_suffix(ABANDONED_SUFFIX).is_some_and(is_layer)
}

/// Names for a file that had the name of a new layer and is none, best one first.
pub(crate) fn aside(image: &str) -> impl Iterator<Item = String> {
    let numbered = (2..=MOST_ASIDE).map(move |number| format!("{image}{ASIDE_SUFFIX}-{number}"));
    std::iter::once(format!("{image}{ASIDE_SUFFIX}")).chain(numbered)
}

/// Whether this is what stands behind the name of an image that was moved aside.
pub(crate) fn is_aside_suffix(suffix: &str) -> bool {
    let is_number = |rest: &str| rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok());
    suffix.strip_prefix(ASIDE_SUFFIX).is_some_and(|rest| rest.is_empty() || is_number(rest))
}

/// Metadata of an image.
pub(crate) fn meta_of(image: &str) -> String {
    format!("{image}{META_SUFFIX}")
}

/// An image that is being filled and is no layer yet; Longhorn's name for a restore that has not ended.
pub(crate) fn unfinished(image: &str) -> String {
    format!("{image}{UNFINISHED_SUFFIX}")
}

/// The image that a metadata file belongs to.
pub(crate) fn image_of_meta(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(META_SUFFIX).filter(|image| image.ends_with(IMAGE_SUFFIX))
}

/// Longhorn's checksum of an image.
pub(crate) fn checksum_of(image: &str) -> String {
    format!("{image}{CHECKSUM_SUFFIX}")
}

/// Where the new content of a small file is written before it replaces the old one. Longhorn has two dots for a
/// checksum.
pub(crate) fn tmp_of(file: &str) -> String {
    let dot = if file.ends_with(CHECKSUM_SUFFIX) { "." } else { "" };
    format!("{file}{dot}{TMP_SUFFIX}")
}

/// Whether a crash while a small file was replaced may have left this one.
pub(crate) fn is_tmp(file: &str) -> bool {
    let Some(target) = file.strip_suffix(TMP_SUFFIX) else { return false };
    let of_layer = |suffix| target.strip_suffix(suffix).is_some_and(is_layer);
    of_layer(".checksum.")
        || of_layer(META_SUFFIX)
        || [VOLUME_META, STATE_FILE, REMOTE_FILE, REGIONS_FILE, REVISION_COUNTER].contains(&target)
}

/// Whether an image of this name is a layer.
pub(crate) fn is_layer(file_name: &str) -> bool {
    is_head(file_name) || snapshot_of(file_name).is_some()
}

/// Whether a file of this name may be an image, or another name of one.
pub(crate) fn is_image_name(file_name: &str) -> bool {
    let suffixes = [ABANDONED_SUFFIX, UNFINISHED_SUFFIX, TMP_SUFFIX];
    is_layer(suffixes.iter().find_map(|suffix| file_name.strip_suffix(suffix)).unwrap_or(file_name))
}

pub(crate) fn is_head(file_name: &str) -> bool {
    file_name.starts_with(HEAD_PREFIX) && file_name.ends_with(IMAGE_SUFFIX)
}

/// The snapshot's name in its image's file name.
pub(crate) fn snapshot_of(file_name: &str) -> Option<&str> {
    file_name.strip_prefix(SNAPSHOT_PREFIX)?.strip_suffix(IMAGE_SUFFIX).filter(|name| !name.is_empty())
}

/// The image a snapshot of this name has.
pub(crate) fn snapshot_image(name: &str) -> Result<String, ReplicaError> {
    let invalid = |why| Err(ReplicaError::InvalidName { name: name.to_owned(), why });
    if name.is_empty() {
        return invalid("it is empty");
    }
    if name.contains(['/', '\0']) {
        return invalid("it becomes part of a file name and may hold neither '/' nor NUL");
    }
    let image = format!("{SNAPSHOT_PREFIX}{name}{IMAGE_SUFFIX}");
    if image.len() + LONGEST_SUFFIX > FILE_NAME_MAX {
        return invalid("it is too long for a file name");
    }
    Ok(image)
}

/// The head that follows `head`. Longhorn takes only the last digit of the old number, so that numbers run
/// 000 … 009, 010, 001, 002 …; whoever shares the directory with Longhorn counts the same way.
pub(crate) fn head_after(head: &str) -> Result<String, ReplicaError> {
    let last_digit = head
        .strip_prefix(HEAD_PREFIX)
        .and_then(|rest| rest.strip_suffix(IMAGE_SUFFIX))
        .and_then(|number| number.chars().last())
        .and_then(|digit| digit.to_digit(10))
        .ok_or_else(|| {
            ReplicaError::corrupt(head, "a head image is named volume-head-NNN.img with a decimal number")
        })?;
    Ok(format!("{HEAD_PREFIX}{:03}{IMAGE_SUFFIX}", last_digit + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_numbers_wrap_as_longhorns_do() {
        let mut head = FIRST_HEAD.to_owned();
        let mut numbers = Vec::new();
        for _ in 0..13 {
            head = head_after(&head).unwrap();
            numbers.push(head[12..15].to_owned());
        }
        assert_eq!(numbers.join(" "), "001 002 003 004 005 006 007 008 009 010 001 002 003");
        assert!(head_after("volume-head-.img").is_err());
        assert!(head_after("volume-head-00x.img").is_err());
    }

    #[test]
    fn what_a_replacement_leaves_is_recognised() {
        assert_eq!(tmp_of("volume.meta"), "volume.meta.tmp");
        assert_eq!(tmp_of(&checksum_of("volume-snap-a.img")), "volume-snap-a.img.checksum..tmp");
        for file in [VOLUME_META, STATE_FILE, REGIONS_FILE, REVISION_COUNTER, &checksum_of("volume-snap-a.img")] {
            assert!(is_tmp(&tmp_of(file)) && !is_tmp(file), "{file}");
        }
        assert!(!is_tmp("volume-snap-a.img.tmp"));
    }

    #[test]
    fn what_was_moved_aside_is_recognised_and_fits_into_a_file_name() {
        let image = snapshot_image(&"x".repeat(225)).unwrap();
        let names: Vec<String> = aside(&image).collect();
        assert_eq!(names.len(), MOST_ASIDE as usize);
        for name in &names {
            assert!(is_aside_suffix(name.strip_prefix(&image).unwrap()) && name.len() <= FILE_NAME_MAX, "{name}");
        }
        assert!(!is_aside_suffix(".aside-x") && !is_aside_suffix(".meta"));
    }

    #[test]
    fn snapshot_names_go_both_ways_and_cannot_leave_the_directory() {
        assert_eq!(snapshot_image("a b").unwrap(), "volume-snap-a b.img");
        assert_eq!(snapshot_of("volume-snap-a b.img"), Some("a b"));
        assert_eq!(snapshot_of("volume-snap-.img"), None);
        assert_eq!(snapshot_of("volume-head-000.img"), None);
        for bad in ["", "a/../b", "a\0", &"x".repeat(226)] {
            assert!(matches!(snapshot_image(bad), Err(ReplicaError::InvalidName { .. })), "{bad:?}");
        }
        assert!(snapshot_image(&"x".repeat(225)).is_ok());
    }
}
