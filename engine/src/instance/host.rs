//! A node's directories, for an instance manager in a container: each at its own path, so that disks, records and certificates are
//! called the same everywhere, and a disk can come that nobody knew of when the container was made.
//!
//! What a container needs of itself ([`OWN`]) stays its own. Whatever is mounted on the node later appears here too, where the
//! node's root came with propagation (`HostToContainer`).
//!
//! Invariant: **no disk is made in what is the container's**: it would be gone with it. [`show_disk`] refuses a path that no file
//! system of the node holds. Test: `directories_of_the_node_are_at_their_own_paths`.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use nix::mount::{MsFlags, mount};

/// Directories that are the container's, below the root and below `/var`.
const OWN: &[&str] = &[
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "tmp", "usr",
    "var/lock", "var/run", "var/tmp",
];
/// Taken apart, since some of what is below is the container's.
const APART: &str = "var";

/// Where the node's root is mounted; nowhere for a process that is not in a container.
static HOST: OnceLock<PathBuf> = OnceLock::new();

/// Why a directory of the node can't be shown.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path} failed: {source}; the container needs root, the capability SYS_ADMIN and the node's root directory", path = .path.display())]
pub struct HostError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl HostError {
    fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { what, path, source }
    }
}

/// Whether a path leads to what is a container's own, so that nothing of the node can be there.
#[must_use]
pub fn is_of_a_container(path: &Path) -> bool {
    let inside = path.strip_prefix("/").unwrap_or(path);
    OWN.iter().any(|own| inside.starts_with(own))
}

/// Shows the directories of `host`, where the node's root is mounted, at their own paths from now on, and keeps `run`, a directory of
/// sockets, from others.
///
/// # Errors
/// The node's root can't be read. A directory that can't be shown is told of in the log, and no disk can be there.
pub fn begin(host: &Path, run: &Path) -> Result<(), HostError> {
    show(host, Path::new("/"))?;
    let _ = HOST.set(host.to_owned());
    fs::set_permissions(run, fs::Permissions::from_mode(0o700)).map_err(HostError::at("closing", run))
}

/// Sees to it that a disk's path is the node's, and shows a directory of its root that has come since. With `make` the directory is
/// made, on the node, if there is none.
///
/// # Errors
/// It would be in the container, or it can't be shown or made. In a process that is no container's there is no error.
pub fn show_disk(path: &Path, make: bool) -> io::Result<()> {
    let Some(host) = HOST.get() else { return Ok(()) };
    show_disk_of(host, Path::new("/"), path, make)
}

fn show_disk_of(host: &Path, root: &Path, path: &Path, make: bool) -> io::Result<()> {
    let inside = path.strip_prefix("/").unwrap_or(path);
    let at_home = || io::Error::other("it is a directory of the container, and not of the node");
    if is_of_a_container(path) {
        return Err(at_home());
    }
    let there = host.join(inside);
    if make {
        fs::create_dir_all(&there)?;
    }
    let depth = if inside.starts_with(APART) { 2 } else { 1 };
    let first: PathBuf = inside.components().take(depth).filter(|part| matches!(part, Component::Normal(_))).collect();
    show_one(host, root, &first).map_err(io::Error::other)?;
    let here = root.join(inside);
    match (fs::metadata(&here), fs::metadata(&there)) {
        (Ok(here), Ok(there)) if is_same(&here, &there) => Ok(()),
        (Ok(_), _) => Err(at_home()),
        // Whoever looks says that it is not there.
        (Err(_), _) => Ok(()),
    }
}

fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Shows what is in `host` below `root`, this process's own.
fn show(host: &Path, root: &Path) -> Result<(), HostError> {
    for name in names(host)? {
        if name != APART {
            show_or_tell(host, root, Path::new(&name));
            continue;
        }
        make_directory(&root.join(APART))?;
        for inner in names(&host.join(APART))? {
            show_or_tell(host, root, &Path::new(APART).join(inner));
        }
    }
    Ok(())
}

/// One that is in trouble, as a file system whose server is gone, is no reason to serve no volume.
fn show_or_tell(host: &Path, root: &Path, path: &Path) {
    if let Err(error) = show_one(host, root, path) {
        tracing::warn!(%error, "a directory of the node is not seen here: no disk can be there");
    }
}

fn names(directory: &Path) -> Result<Vec<String>, HostError> {
    let failed = || HostError::at("reading", directory);
    let entries = fs::read_dir(directory).map_err(failed())?;
    // A name that is no text is none that a disk could be told by.
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok()).transpose();
    entries.filter_map(name).collect::<io::Result<_>>().map_err(failed())
}

/// Once; what is shown already stays as it is.
fn show_one(host: &Path, root: &Path, path: &Path) -> Result<(), HostError> {
    if OWN.iter().any(|own| Path::new(own) == path) {
        return Ok(());
    }
    let (there, here) = (host.join(path), root.join(path));
    // It may have gone meanwhile.
    let Ok(metadata) = fs::symlink_metadata(&there) else { return Ok(()) };
    if metadata.is_symlink() {
        let target = fs::read_link(&there).map_err(HostError::at("reading", &there))?;
        // An empty directory of the image gives way; one with something in it is the container's.
        let _ = fs::remove_dir(&here);
        return match symlink(target, &here) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(HostError::at("linking", &here)(error)),
            _ => Ok(()),
        };
    }
    // The directory that the node's root itself is mounted on is not shown in itself.
    if !metadata.is_dir() || here == host {
        return Ok(());
    }
    make_directory(&here)?;
    if fs::metadata(&here).is_ok_and(|shown| is_same(&shown, &metadata)) {
        return Ok(());
    }
    let (flags, none) = (MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>);
    mount(Some(&there), &here, none, flags, none).map_err(|errno| HostError::at("mounting", &here)(errno.into()))
}

fn make_directory(path: &Path) -> Result<(), HostError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(HostError::at("making", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// In a mount namespace of its own, by a process of its own: nothing is left of it.
    #[test]
    fn directories_of_the_node_are_at_their_own_paths() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        if std::env::var_os("AUROCHS_TEST_HOST").is_none() {
            let test = std::env::current_exe().unwrap();
            let mut inside = Command::new("unshare");
            inside.args(["--mount", "--propagation", "private"]).arg(test).args(["--exact", "--nocapture"]);
            let name = std::thread::current().name().unwrap().to_owned();
            let ended = inside.arg(name).env("AUROCHS_TEST_HOST", "1").status().unwrap();
            assert!(ended.success());
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        let host = root.join("host");
        for directory in ["mnt/disk", "usr/bin", "srv", "var/lib/longhorn", "var/run", "var/home", "data"] {
            fs::create_dir_all(host.join(directory)).unwrap();
        }
        fs::create_dir_all(root.join("home")).unwrap();
        fs::create_dir_all(root.join("opt")).unwrap();
        fs::create_dir_all(root.join("var/run/secrets")).unwrap();
        symlink("var/home", host.join("home")).unwrap();
        fs::write(host.join("swapfile"), b"").unwrap();
        fs::write(host.join("var/lib/longhorn/here"), b"").unwrap();
        show(&host, &root).unwrap();
        fs::write(root.join("var/lib/longhorn/there"), b"").unwrap();
        assert!(root.join("var/lib/longhorn/here").exists() && host.join("var/lib/longhorn/there").exists());
        assert!(root.join("mnt/disk").is_dir() && root.join("data").is_dir() && !root.join("swapfile").exists());
        assert!(root.join("var/run/secrets").exists(), "the container's own stays");
        assert!(!root.join("usr").exists());
        assert_eq!(fs::read_link(root.join("home")).unwrap(), Path::new("var/home"));

        let disk = |path: &str, make: bool| show_disk_of(&host, &root, Path::new(path), make);
        disk("/var/lib/longhorn", true).unwrap();
        disk("/mnt/disk", false).unwrap();
        for path in ["/tmp/disk", "/var/tmp/disk", "/usr/disk"] {
            assert!(disk(path, true).is_err() && !root.join(&path[1..]).exists(), "{path}");
        }
        // The image has it, and the node does not.
        assert!(disk("/opt", false).is_err());
        disk("/opt/disk", true).unwrap();
        assert!(host.join("opt/disk").is_dir() && root.join("opt/disk").is_dir());
        // One that came later, and one that nobody has.
        fs::create_dir_all(host.join("later/disk")).unwrap();
        disk("/later/disk", false).unwrap();
        assert!(root.join("later/disk").is_dir());
        disk("/never/disk", false).unwrap();
        assert!(!root.join("never").exists());
        for shown in ["mnt", "srv", "data", "var/lib", "var/home", "opt", "later"] {
            nix::mount::umount(&root.join(shown)).unwrap();
        }
        assert!(!root.join("mnt/disk").exists(), "it was mounted once");
    }
}
