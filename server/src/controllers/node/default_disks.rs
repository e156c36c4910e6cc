//! Disks and tags that a node gets by itself: from its label and annotations, or the default one (W11). Pure.
//!
//! | setting `create-default-disk-labeled-nodes` | node | gets |
//! |---|---|---|
//! | off | new | the default disk |
//! | on | without a disk, label `true` | the default disk |
//! | on | without a disk, label `config` | the disks of its annotation |
//! | either | any other | nothing |

use aurochs_api::node::DiskType;
use aurochs_api::size::{ByteSize, as_number};
use serde::Deserialize;

use crate::environment::disk_paths::{self, DISKS_MAXIMUM};
use crate::resources::Metadata;
use crate::resources::node::{
    ANNOTATION_DEFAULT_DISKS, ANNOTATION_DEFAULT_TAGS, DiskSpec, LABEL_CREATE_DEFAULT_DISK, NodeSpec,
};

/// What a node is to get.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    Nothing,
    Default,
    These(Vec<DiskWish>),
    /// The label or annotation can't be understood.
    Unreadable(String),
}

/// One disk of the annotation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DiskWish {
    /// Made from the file system's identity when empty.
    pub(super) name: String,
    pub(super) path: String,
    pub(super) allow_scheduling: bool,
    pub(super) eviction_requested: bool,
    #[serde(with = "as_number")]
    pub(super) storage_reserved: ByteSize,
    pub(super) tags: Vec<String>,
    pub(super) disk_type: DiskType,
    pub(super) disk_driver: String,
}

impl DiskWish {
    pub(super) fn spec(&self) -> DiskSpec {
        DiskSpec {
            kind: self.disk_type,
            disk_driver: self.disk_driver.clone(),
            path: self.path.clone(),
            // Longhorn's rule: a disk that is emptied takes nothing new.
            allow_scheduling: self.allow_scheduling && !self.eviction_requested,
            eviction_requested: self.eviction_requested,
            storage_reserved: self.storage_reserved,
            tags: sorted(&self.tags),
        }
    }
}

/// What a node with this metadata and these disks is to get. `is_new`: it is seen for the first time.
pub(super) fn wish(metadata: &Metadata, spec: &NodeSpec, only_labelled: bool, is_new: bool) -> Wish {
    if !spec.disks.is_empty() {
        return Wish::Nothing;
    }
    if !only_labelled {
        return if is_new { Wish::Default } else { Wish::Nothing };
    }
    match metadata.labels.get(LABEL_CREATE_DEFAULT_DISK).map(|value| value.to_lowercase()).as_deref() {
        None => Wish::Nothing,
        Some("true") => Wish::Default,
        Some("config") => match disks(metadata.annotations.get(ANNOTATION_DEFAULT_DISKS)) {
            Ok(disks) => Wish::These(disks),
            Err(why) => Wish::Unreadable(format!("the annotation {ANNOTATION_DEFAULT_DISKS} {why}")),
        },
        Some(other) => {
            Wish::Unreadable(format!("the label {LABEL_CREATE_DEFAULT_DISK} is {other:?}, and neither true nor config"))
        }
    }
}

fn disks(annotation: Option<&String>) -> Result<Vec<DiskWish>, String> {
    let text = annotation.ok_or("is missing")?;
    let disks: Vec<DiskWish> =
        serde_json::from_str(text).map_err(|error| format!("is no JSON list of disks: {error}"))?;
    if disks.is_empty() {
        return Err("has no disk in it".to_owned());
    }
    if disks.len() > DISKS_MAXIMUM {
        return Err(format!("has {} disks in it, more than {DISKS_MAXIMUM}", disks.len()));
    }
    if let Some(block) = disks.iter().find(|disk| disk.disk_type == DiskType::Block) {
        return Err(format!("asks for the block disk {}, which this version can't use", block.path));
    }
    let mut names: Vec<&str> = disks.iter().map(|disk| disk.name.as_str()).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("names two disks {}", twice[0]));
    }
    // A disk without a name gets one later; its path stands for it here.
    let named = disks.iter().enumerate().map(|(index, disk)| {
        (if disk.name.is_empty() { format!("number {}", index + 1) } else { disk.name.clone() }, disk.path.as_str())
    });
    let named: Vec<_> = named.collect();
    disk_paths::check(named.iter().map(|(name, path)| (name.as_str(), *path)))
        .map_err(|error| format!("can't be used: {error}"))?;
    Ok(disks)
}

/// Longhorn's name of a disk that got none, different from those that are there.
pub(super) fn name_for(filesystem_id: &str, taken: &NodeSpec) -> String {
    let name = format!("default-disk-{filesystem_id}");
    if !taken.disks.contains_key(&name) {
        return name;
    }
    // Two directories on one file system.
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    numbered.into_iter().find(|name| !taken.disks.contains_key(name)).unwrap_or(name)
}

/// Tags for a node that has none; the error tells what is wrong with the annotation.
pub(super) fn tags(metadata: &Metadata, spec: &NodeSpec) -> Result<Option<Vec<String>>, String> {
    let Some(text) = metadata.annotations.get(ANNOTATION_DEFAULT_TAGS).filter(|_| spec.tags.is_empty()) else {
        return Ok(None);
    };
    let tags: Vec<String> = serde_json::from_str(text)
        .map_err(|error| format!("the annotation {ANNOTATION_DEFAULT_TAGS} is no JSON list of texts: {error}"))?;
    if tags.iter().any(|tag| tag.trim().is_empty() || tag.contains(char::is_whitespace) || tag.contains(',')) {
        return Err(format!(
            "the annotation {ANNOTATION_DEFAULT_TAGS} has a tag that is empty or has a blank or a comma"
        ));
    }
    Ok(Some(sorted(&tags)).filter(|tags| !tags.is_empty()))
}

fn sorted(tags: &[String]) -> Vec<String> {
    let mut tags = tags.to_vec();
    tags.sort();
    tags.dedup();
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(label: Option<&str>, annotation: Option<&str>) -> Metadata {
        let mut metadata = Metadata::default();
        if let Some(label) = label {
            metadata.labels.insert(LABEL_CREATE_DEFAULT_DISK.to_owned(), label.to_owned());
        }
        if let Some(annotation) = annotation {
            metadata.annotations.insert(ANNOTATION_DEFAULT_DISKS.to_owned(), annotation.to_owned());
        }
        metadata
    }

    /// The table above.
    #[test]
    fn who_gets_a_disk() {
        let empty = NodeSpec::default();
        let with_disk = NodeSpec { disks: [("d".to_owned(), DiskSpec::default())].into(), ..NodeSpec::default() };
        for (case, metadata, spec, only_labelled, is_new, wanted) in [
            ("new", node(None, None), &empty, false, true, Wish::Default),
            ("its disks were taken away", node(None, None), &empty, false, false, Wish::Nothing),
            ("new, not labelled", node(None, None), &empty, true, true, Wish::Nothing),
            ("labelled", node(Some("true"), None), &empty, true, false, Wish::Default),
            ("labelled, has a disk", node(Some("true"), None), &with_disk, true, false, Wish::Nothing),
            ("labelled, setting off", node(Some("true"), None), &empty, false, false, Wish::Nothing),
        ] {
            assert_eq!(wish(&metadata, spec, only_labelled, is_new), wanted, "{case}");
        }
    }

    /// W11: exactly these disks.
    #[test]
    fn disks_of_the_annotation() {
        let text = r#"[{"path":"/mnt/longhorn-sdb","allowScheduling":true},
            {"name":"fast","path":"/mnt/longhorn-sdc","allowScheduling":true,"storageReserved":10,"tags":["ssd","a","ssd"]}]"#;
        let Wish::These(disks) = wish(&node(Some("config"), Some(text)), &NodeSpec::default(), true, false) else {
            panic!("no disks")
        };
        let paths: Vec<_> = disks.iter().map(|disk| (disk.name.as_str(), disk.path.as_str())).collect();
        assert_eq!(paths, [("", "/mnt/longhorn-sdb"), ("fast", "/mnt/longhorn-sdc")]);
        let fast = disks[1].spec();
        assert_eq!((fast.storage_reserved, fast.tags), (ByteSize(10), vec!["a".to_owned(), "ssd".to_owned()]));
        assert!(fast.allow_scheduling);
    }

    #[test]
    fn what_can_not_be_understood_is_told_and_makes_no_disk() {
        let annotated = |text| node(Some("config"), Some(text));
        for (metadata, words) in [
            (node(Some("maybe"), None), "neither true nor config"),
            (node(Some("config"), None), "is missing"),
            (annotated("{}"), "no JSON list"),
            (annotated("[]"), "no disk in it"),
            (annotated(r#"[{"path":"relative"}]"#), "no absolute path"),
            (annotated(r#"[{"path":"/a"},{"path":"/a/"}]"#), "the same path"),
            (annotated(r#"[{"path":"/a"},{"path":"/a/b"}]"#), "lies within"),
            (annotated(r#"[{"name":"x","path":"/a"},{"name":"x","path":"/b"}]"#), "two disks x"),
            (annotated(r#"[{"path":"/dev/sdb","diskType":"block"}]"#), "block disk"),
            (annotated(r#"[{"path":"/a","storageReserved":"many"}]"#), "no JSON list"),
        ] {
            let Wish::Unreadable(why) = wish(&metadata, &NodeSpec::default(), true, false) else {
                panic!("{words}: understood")
            };
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn names_of_disks_without_one() {
        let mut spec = NodeSpec::default();
        for wanted in ["default-disk-fd", "default-disk-fd-2", "default-disk-fd-3"] {
            let name = name_for("fd", &spec);
            assert_eq!(name, wanted);
            spec.disks.insert(name, DiskSpec::default());
        }
    }

    #[test]
    fn tags_for_a_node_without_any() {
        let annotated = |text: &str| Metadata {
            annotations: [(ANNOTATION_DEFAULT_TAGS.to_owned(), text.to_owned())].into(),
            ..Metadata::default()
        };
        let bare = NodeSpec::default();
        let tagged = NodeSpec { tags: vec!["x".into()], ..NodeSpec::default() };
        assert_eq!(tags(&annotated(r#"["b","a"]"#), &bare), Ok(Some(vec!["a".into(), "b".into()])));
        assert_eq!(tags(&annotated(r#"["a"]"#), &tagged), Ok(None));
        assert_eq!(tags(&annotated("[]"), &bare), Ok(None));
        assert_eq!(tags(&Metadata::default(), &bare), Ok(None));
        for bad in ["a,b", r#"["a b"]"#, r#"[1]"#, r#"[""]"#] {
            assert!(tags(&annotated(bad), &bare).is_err(), "{bad}");
        }
    }
}
