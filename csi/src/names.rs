//! Names that follow from others: Longhorn's rules, so that what it made is found under the same names.

use std::fmt::Write;

use aurochs_api::ids::NAME_LENGTH_MAXIMUM;
use sha2::{Digest, Sha256, Sha512};

use crate::failure::Failure;

/// What is left of a name that is too long, before a dash and a part of its hash.
const KEPT_CHARACTERS: usize = 31;
const HASH_CHARACTERS: usize = 8;

/// Name of the volume that a `CreateVolume` of this name makes.
#[must_use]
pub fn volume(asked: &str) -> String {
    let lower = asked.to_lowercase();
    if lower.len() <= NAME_LENGTH_MAXIMUM {
        return lower;
    }
    let kept: String = lower.chars().take(KEPT_CHARACTERS).collect();
    let hash = hexadecimal(&Sha512::digest(asked.as_bytes()));
    format!("{}-{}", kept.trim_end_matches('-'), &hash[..HASH_CHARACTERS])
}

/// Id of the ticket that attaches a volume to a node: the name that Kubernetes gives to the attachment, too.
#[must_use]
pub fn ticket(volume: &str, driver: &str, node: &str) -> String {
    let digest = Sha256::digest(format!("{volume}{driver}{node}").as_bytes());
    format!("csi-{}", hexadecimal(&digest))
}

/// An id of the request that becomes a part of a path: one part, whatever is in it.
pub fn path_part(id: &str) -> Result<&str, Failure> {
    if id.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    if id == "." || id == ".." || id.contains(['/', '\0']) || id.len() > 255 {
        return Err(Failure::invalid(format_args!("{id:?} is no id of a volume"), ""));
    }
    Ok(id)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_names() {
        assert_eq!(volume("PVC-1a"), "pvc-1a");
        let uuid = "pvc-0f3c2f6e-8a9b-4c1d-9e57-3b1f5a7c9d2e";
        assert_eq!(volume(uuid), uuid, "Kubernetes' own names stay as they are");
        let long = volume(&format!("Longer-Than-Any-Name-Of-A-Volume-{}", "x".repeat(90)));
        assert!(long.starts_with("longer-than-any-name-of-a-volum-"), "{long}");
        assert_eq!(long.len(), NAME_LENGTH_MAXIMUM);
        assert_eq!(volume(&format!("{}--{}", "a".repeat(29), "b".repeat(20))).find("--"), None, "dashes are cut");
        assert_ne!(volume(&"X".repeat(50)), volume(&"x".repeat(50)), "the hash is that of the name as it was given");
        // The 31st character may have several bytes.
        assert!(volume(&"ü".repeat(60)).chars().count() == NAME_LENGTH_MAXIMUM);
    }

    #[test]
    fn tickets_are_named_as_kubernetes_names_attachments() {
        // echo -n 'vdriver.longhorn.ion' | sha256sum
        let found = ticket("v", "driver.longhorn.io", "n");
        assert_eq!(found.len(), 4 + 64);
        assert_eq!(found, "csi-f629bc678e8dd09528023c55f28e57126ca3fc62e0c48260b75b6d104dbd9743");
        assert_ne!(found, ticket("v", "driver.longhorn.io", "m"));
    }

    #[test]
    fn ids_stay_within_their_part_of_a_path() {
        assert_eq!(path_part("pvc-1"), Ok("pvc-1"));
        for wrong in ["", ".", "..", "a/b", "/", "a\0b"] {
            assert!(path_part(wrong).is_err(), "{wrong:?}");
        }
    }
}
