//! Where everything of a standalone installation lies.
//!
//! | path | what |
//! |---|---|
//! | `DATA/aurochs.db` | resources, sessions, history, audit log |
//! | `DATA/users`, `DATA/roles` | who may log in, and do what |
//! | `DATA/notification-secrets` | addresses of webhooks, passwords of mail servers |
//! | `DATA/backup-credentials` | keys and passwords of backup targets |
//! | `DATA/aurochs.pid` | the running manager, locked while it runs |
//! | `DATA/records/` | control records of the volumes |
//! | `DATA/nodes/node-N/` | a node's disk: `longhorn-disk.cfg`, `replicas/` |
//! | `DATA/logs/` | logs of the instance managers |
//! | `DATA/cluster/api-server.json` | how instance managers reach the API server of a cluster |
//! | `DATA/cluster/tls/` | certificate of the machine's processes for those of other machines |
//! | `DATA/support-bundles/` | archives that wait to be downloaded |
//! | `RUN/node-N/im.sock` | a node's instance manager |
//!
//! In a cluster a node has the cluster's name for it, and its directories are called `node-N` all the same: such a name may be
//! long.
//!
//! RUN is `/run/aurochs-<8 hex of the data directory's path>` for root, else under `$XDG_RUNTIME_DIR` or `/tmp`: paths
//! of unix sockets must be short, data directories need not be. `$AUROCHS_RUN` is taken before all of these, as the directory that
//! RUN is in.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::environment::premises::Premises;

/// The longest path of a unix socket is 108 bytes with its end; engines add file names below the run directory.
const RUN_PATH_MAXIMUM: usize = 60;
/// Longest name of a node: names of files are made of it.
const NODE_NAME_MAXIMUM: usize = 200;
/// Hardly more than one machine can use; a number beyond is a typing error.
const NODES_MAXIMUM: u32 = 32;

#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("can't {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{0} logical nodes are not possible; give 1 to 32 with --nodes")]
    Nodes(u32),
    #[error(
        "{0:?} can't be the name of a node; it has small letters, digits, dashes and dots, at most 200 (--node-name)"
    )]
    NodeName(String),
    #[error("the directory for sockets {0} is too long a path; set XDG_RUNTIME_DIR to a shorter one")]
    RunPathTooLong(PathBuf),
    #[error("{0} belongs to another user; remove it or set XDG_RUNTIME_DIR")]
    RunDirectoryOfOther(PathBuf),
}

/// Paths of one installation.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Canonical.
    pub data: PathBuf,
    pub run: PathBuf,
    /// Names of the nodes.
    pub nodes: Vec<String>,
    /// Node name to the name of its directories, where that is another one.
    directories: BTreeMap<String, String>,
}

impl Layout {
    /// Where the nodes' disks are, below the data directory.
    pub const NODE_DIRECTORIES: &str = "nodes";

    /// Makes the directories for this number of nodes: `node-1`, `node-2`, …
    pub fn make(data: &Path, nodes: u32) -> Result<Self, LayoutError> {
        Self::make_named(data, nodes, None)
    }

    /// The same with another name: that of the one node, or what the names of several begin with.
    pub fn make_named(data: &Path, nodes: u32, name: Option<&str>) -> Result<Self, LayoutError> {
        if nodes == 0 || nodes > NODES_MAXIMUM {
            return Err(LayoutError::Nodes(nodes));
        }
        if let Some(name) = name.filter(|name| !is_node_name(name)) {
            return Err(LayoutError::NodeName(name.to_owned()));
        }
        make_private(data)?;
        let named = (1..=nodes).map(|number| match name {
            None => (format!("node-{number}"), format!("node-{number}")),
            Some(name) if nodes == 1 => (name.to_owned(), format!("node-{number}")),
            Some(name) => (format!("{name}-{number}"), format!("node-{number}")),
        });
        let directories: BTreeMap<String, String> = named.clone().collect();
        let nodes = named.map(|(name, _)| name).collect();
        let layout = Self { nodes, directories, ..Self::find(data)? };
        make_private(&layout.run)?;
        let owner = fs::symlink_metadata(&layout.run).map(|metadata| (metadata.uid(), metadata.is_dir()));
        if owner.ok() != Some((nix::unistd::geteuid().as_raw(), true)) {
            return Err(LayoutError::RunDirectoryOfOther(layout.run));
        }
        make_private(&layout.logs())?;
        make_private(&layout.records())?;
        make_private(&layout.cluster())?;
        for node in &layout.nodes {
            make_private(&layout.node_data(node))?;
            make_private(&layout.node_run(node))?;
        }
        Ok(layout)
    }

    /// The paths of an existing installation; its nodes are those with a run directory.
    pub fn find(data: &Path) -> Result<Self, LayoutError> {
        let canonical = data.canonicalize();
        let data = canonical.map_err(|source| LayoutError::Io { what: "find", path: data.to_owned(), source })?;
        let run = run_directory(&data);
        if run.as_os_str().len() > RUN_PATH_MAXIMUM {
            return Err(LayoutError::RunPathTooLong(run));
        }
        let mut nodes = Vec::new();
        for entry in fs::read_dir(&run).into_iter().flatten().flatten() {
            if entry.path().join("im.sock").exists() {
                nodes.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        nodes.sort();
        Ok(Self { data, run, nodes, directories: BTreeMap::new() })
    }

    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data.join("aurochs.db")
    }

    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.data.join("aurochs.pid")
    }

    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.data.join("records")
    }

    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// What there is in a cluster alone.
    #[must_use]
    pub fn cluster(&self) -> PathBuf {
        self.data.join("cluster")
    }

    #[must_use]
    pub fn api_server_file(&self) -> PathBuf {
        self.cluster().join("api-server.json")
    }

    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.cluster().join("tls")
    }

    #[must_use]
    pub fn support_bundles(&self) -> PathBuf {
        self.data.join("support-bundles")
    }

    #[must_use]
    pub fn node_data(&self, node: &str) -> PathBuf {
        self.node_directories().join(self.directory(node))
    }

    #[must_use]
    pub fn node_directories(&self) -> PathBuf {
        self.data.join(Self::NODE_DIRECTORIES)
    }

    #[must_use]
    pub fn node_run(&self, node: &str) -> PathBuf {
        self.run.join(self.directory(node))
    }

    fn directory<'a>(&'a self, node: &'a str) -> &'a str {
        self.directories.get(node).map_or(node, String::as_str)
    }

    #[must_use]
    pub fn instance_manager_addresses(&self) -> BTreeMap<String, String> {
        let address = |node: &String| format!("unix:{}", self.node_run(node).join("im.sock").display());
        self.nodes.iter().map(|node| (node.clone(), address(node))).collect()
    }

    /// Where disks can't be.
    #[must_use]
    pub fn premises(&self) -> Premises {
        let own = [
            self.node_directories(),
            self.records(),
            self.logs(),
            self.cluster(),
            self.support_bundles(),
            self.run.clone(),
        ];
        Premises::new(&self.data, own, self.default_disks())
    }

    /// Node name to the path of its disk.
    #[must_use]
    pub fn default_disks(&self) -> BTreeMap<String, PathBuf> {
        self.nodes.iter().map(|node| (node.clone(), self.node_data(node))).collect()
    }
}

/// As Kubernetes names its nodes.
fn is_node_name(name: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_end(byte) || matches!(byte, b'-' | b'.');
    let ends = name.bytes().next().is_some_and(is_end) && name.bytes().next_back().is_some_and(is_end);
    ends && name.len() <= NODE_NAME_MAXIMUM && name.bytes().all(is_inner)
}

fn run_directory(data: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let digest = Sha256::digest(data.as_os_str().as_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let uid = nix::unistd::geteuid();
    if let Some(directory) = std::env::var_os("AUROCHS_RUN").filter(|directory| !directory.is_empty()) {
        return PathBuf::from(directory).join(format!("aurochs-{hash}"));
    }
    if uid.is_root() {
        return PathBuf::from(format!("/run/aurochs-{hash}"));
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
        Some(directory) => PathBuf::from(directory).join(format!("aurochs-{hash}")),
        None => PathBuf::from(format!("/tmp/aurochs-{uid}-{hash}")),
    }
}

/// Only for its owner: data of volumes and sockets that command them lie within.
fn make_private(path: &Path) -> Result<(), LayoutError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| LayoutError::Io { what: "make the directory", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_directory_by_another_path_is_the_same_installation() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        let roundabout = directory.path().join("data/../data");
        assert_eq!(Layout::find(&data).unwrap().run, Layout::find(&roundabout).unwrap().run);
        assert_ne!(Layout::find(&data).unwrap().run, Layout::find(directory.path()).unwrap().run);
    }

    #[test]
    fn node_numbers_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Layout::make(directory.path(), 0), Err(LayoutError::Nodes(0))));
        assert!(matches!(Layout::make(directory.path(), 33), Err(LayoutError::Nodes(33))));
    }

    #[test]
    fn a_long_name_of_a_node_makes_no_long_path() {
        let directory = tempfile::tempdir().unwrap();
        let name = "ip-10-0-1-23.eu-central-1.compute.internal";
        let layout = Layout::make_named(directory.path(), 1, Some(name)).unwrap();
        assert_eq!(layout.nodes, [name]);
        assert!(layout.node_run(name).ends_with("node-1") && layout.node_data(name).ends_with("nodes/node-1"));
        let layout = Layout::make_named(directory.path(), 2, Some("b")).unwrap();
        assert_eq!(layout.nodes, ["b-1", "b-2"]);
        assert!(layout.node_run("b-2").ends_with("node-2"));
        fs::remove_dir_all(&layout.run).unwrap();
        for bad in ["", "Node", "-a", "a-", "a/b", ".."] {
            let refused = Layout::make_named(directory.path(), 1, Some(bad));
            assert!(matches!(refused, Err(LayoutError::NodeName(_))), "{bad}");
        }
    }
}
