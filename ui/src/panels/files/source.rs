//! What is looked at, as it stands in the address of the page, and the addresses of the API that follow from it.

use leptos_router::params::ParamsMap;

use crate::live::Thing;

/// Whose files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Snapshot {
        volume: String,
        snapshot: String,
    },
    /// `id` is that of the backup volume.
    Backup {
        id: String,
        backup: String,
    },
}

/// A folder of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: Source,
    /// From the root on, without a slash at the end but for the root itself.
    pub(crate) path: String,
    /// Number of the partition, where there are several; empty for the only one.
    pub(crate) partition: String,
}

impl Place {
    /// `None` where nothing is named.
    pub(crate) fn of(query: &ParamsMap) -> Option<Self> {
        let get = |key: &str| query.get(key).filter(|value| !value.is_empty());
        let snapshot = || Some(Source::Snapshot { volume: get("volume")?, snapshot: get("snapshot")? });
        let source =
            get("id").zip(get("backup")).map(|(id, backup)| Source::Backup { id, backup }).or_else(snapshot)?;
        let path = get("path").filter(|path| path.starts_with('/')).unwrap_or_else(|| "/".to_owned());
        Some(Self { source, path, partition: get("partition").unwrap_or_default() })
    }

    /// The same source at another path.
    pub(crate) fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// Address of the page.
    pub(crate) fn page(&self) -> String {
        let what = match &self.source {
            Source::Snapshot { volume, snapshot } => {
                format!("volume={}&snapshot={}", encoded(volume), encoded(snapshot))
            }
            Source::Backup { id, backup } => format!("id={}&backup={}", encoded(id), encoded(backup)),
        };
        format!("files?{what}{}", self.rest())
    }

    /// Address of the list of what is in the folder, behind the name `after`.
    pub(crate) fn list(&self, after: &str) -> String {
        let after = if after.is_empty() { String::new() } else { format!("&after={}", encoded(after)) };
        format!("{}{after}", self.api(""))
    }

    /// Address of the content: a file as it is, a folder as a tar.
    pub(crate) fn content(&self) -> String {
        self.api("/content")
    }

    fn api(&self, below: &str) -> String {
        let (of, what) = match &self.source {
            Source::Snapshot { volume, snapshot } => {
                (format!("volumes/{}", encoded(volume)), format!("snapshot={}", encoded(snapshot)))
            }
            Source::Backup { id, backup } => {
                (format!("backupvolumes/{}", encoded(id)), format!("backup={}", encoded(backup)))
            }
        };
        format!("v1/{of}/files{below}?{what}{}", self.rest())
    }

    fn rest(&self) -> String {
        let partition =
            if self.partition.is_empty() { String::new() } else { format!("&partition={}", encoded(&self.partition)) };
        format!("&path={}{partition}", encoded(&self.path))
    }

    /// Folders from the root to this one: name and path.
    pub(crate) fn folders(&self) -> Vec<(String, String)> {
        let mut path = String::new();
        let mut folders = Vec::new();
        for name in self.path.split('/').filter(|name| !name.is_empty()) {
            path = format!("{path}/{name}");
            folders.push((name.to_owned(), path.clone()));
        }
        folders
    }
}

/// Address of the page that shows the files of a backup.
pub(crate) fn address_of_backup(volume: &Thing, backup: &Thing) -> String {
    let source = Source::Backup { id: volume.id().to_owned(), backup: backup.id().to_owned() };
    Place { source, path: "/".to_owned(), partition: String::new() }.page()
}

/// As `encodeURIComponent`, without the browser: what is not a letter, digit or one of `-_.~/` is escaped.
fn encoded(text: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/');
    text.bytes().map(|byte| if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        let source = Source::Snapshot { volume: "data".into(), snapshot: "before & after".into() };
        Place { source, path: path.into(), partition: "2".into() }
    }

    #[test]
    fn addresses_keep_what_names_have() {
        let place = place("/etc/ä b");
        assert_eq!(place.page(), "files?volume=data&snapshot=before%20%26%20after&path=/etc/%C3%A4%20b&partition=2");
        assert_eq!(
            place.list("x?"),
            "v1/volumes/data/files?snapshot=before%20%26%20after&path=/etc/%C3%A4%20b&partition=2&after=x%3F"
        );
        let source = Source::Backup { id: "data-1234".into(), backup: "backup-1".into() };
        let root = Place { source, path: "/".into(), partition: String::new() };
        assert_eq!(root.content(), "v1/backupvolumes/data-1234/files/content?backup=backup-1&path=/");
    }

    #[test]
    fn folders_lead_up() {
        assert_eq!(place("/a/b").folders(), [("a".to_owned(), "/a".to_owned()), ("b".to_owned(), "/a/b".to_owned())]);
        assert!(place("/").folders().is_empty());
    }
}
