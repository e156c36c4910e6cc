//! The kernel's own NFS server, for NFSv4 alone, on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::node::run;
use crate::server_address::ADDRESS;
use crate::share::{Server, Share};

const CONTROL: &str = "/proc/fs/nfsd";
const ANYBODY: &str = "*";

/// A running server with its exports. Dropped, it is gone with all of them.
pub(crate) struct NfsServer {
    mountd: Child,
    place: TempDir,
}

impl NfsServer {
    pub(crate) async fn start() -> Self {
        run("modprobe", &["nfsd"]).await;
        if !Path::new(CONTROL).join("threads").exists() {
            run("mount", &["-t", "nfsd", "nfsd", CONTROL]).await;
        }
        // The least that it takes: so long does a server that was started again wait for its clients.
        control("nfsv4leasetime", "10");
        control("nfsv4gracetime", "10");
        for list in ["etab", "rmtab"] {
            fs::create_dir_all("/var/lib/nfs").unwrap();
            fs::write(Path::new("/var/lib/nfs").join(list), "").unwrap();
        }
        let mountd = Command::new("rpc.mountd")
            .args(["--foreground", "-N", "2", "-N", "3"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        // Whoever root is made into gets through here too.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut this = Self { mountd, place };
        Server::start(&mut this).await;
        this
    }

    /// A directory of the server that it may or may not export.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.place.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// A target in a new directory that everybody may mount, with these options besides.
    pub(crate) async fn share(&self, name: &str, options: &str) -> Share {
        self.share_with(ANYBODY, name, options).await
    }

    /// As [`NfsServer::share`], on a disk of 1 MiB.
    pub(crate) async fn small_share(&self, name: &str, options: &str) -> Share {
        let disk = self.directory(name);
        run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk.to_str().unwrap()]).await;
        // It has no name of its own by which clients could know it.
        self.share(name, &format!("{options},fsid=7")).await
    }

    /// As [`NfsServer::share`], for these clients.
    pub(crate) async fn share_with(&self, clients: &str, name: &str, options: &str) -> Share {
        let directory = self.directory(name);
        let exported = format!("{clients}:{}", directory.display());
        run("exportfs", &["-o", &format!("no_subtree_check,{options}"), &exported]).await;
        Share { url: url(&directory), credentials: Vec::new(), directory }
    }
}

/// The URL of a directory of the server.
pub(crate) fn url(directory: &Path) -> String {
    format!("nfs://{ADDRESS}:{}", directory.display())
}

impl Server for NfsServer {
    async fn stop(&mut self) {
        control("threads", "0");
    }

    async fn start(&mut self) {
        control("versions", "-3 +4 +4.1 +4.2");
        control("portlist", "tcp 2049");
        control("threads", "4");
        // Where a server of before has clients it waits for them; none of them has anything that it could lose.
        let _ = fs::write(Path::new(CONTROL).join("v4_end_grace"), "Y");
    }
}

impl Drop for NfsServer {
    fn drop(&mut self) {
        let _ = Command::new("exportfs").arg("-ua").status();
        let _ = fs::write(Path::new(CONTROL).join("threads"), "0");
        let _ = self.mountd.kill();
        let _ = self.mountd.wait();
        for disk in fs::read_dir(self.place.path()).into_iter().flatten().flatten() {
            let _ = Command::new("umount").arg("-q").arg(disk.path()).stderr(Stdio::null()).status();
        }
    }
}

fn control(file: &str, value: &str) {
    let file = Path::new(CONTROL).join(file);
    fs::write(&file, format!("{value}\n")).unwrap_or_else(|error| panic!("{value} to {}: {error}", file.display()));
}
