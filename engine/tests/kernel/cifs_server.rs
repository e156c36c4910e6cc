//! The kernel's own CIFS server, ksmbd, on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::node::{run, run_any};
use crate::server_address::ADDRESS;
use crate::share::{Server, Share};
use crate::wait_for;

pub(crate) const USER: &str = "keeper";
pub(crate) const PASSWORD: &str = "correct, horse: battery";

/// A running server that one user knows. Dropped, it is gone.
pub(crate) struct CifsServer {
    daemon: Option<Child>,
    place: TempDir,
}

impl CifsServer {
    /// With a share that can be written to and one that can't.
    pub(crate) async fn start() -> Self {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let mut configuration = "[global]\ninterfaces = lo\nbind interfaces only = yes\n".to_owned();
        for (name, is_read_only) in [("backups", "no"), ("read-only", "yes")] {
            let directory = place.path().join(name);
            fs::create_dir(&directory).unwrap();
            // The server acts as its user.
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
            configuration += &format!("[{name}]\npath = {}\nread only = {is_read_only}\n", directory.display());
        }
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(place.path().join("ksmbd.conf"), configuration).unwrap();
        let mut this = Self { daemon: None, place };
        let (configuration, users) = (this.file("ksmbd.conf"), this.file("users"));
        run("ksmbd.adduser", &["-a", USER, "-p", PASSWORD, "-i", &users, "-c", &configuration]).await;
        Server::start(&mut this).await;
        this
    }

    pub(crate) fn share(&self, name: &str) -> Share {
        let credentials = [("CIFS_USERNAME", USER), ("CIFS_PASSWORD", PASSWORD)];
        Share {
            url: format!("cifs://{ADDRESS}/{name}"),
            credentials: credentials.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            directory: self.place.path().join(name),
        }
    }

    fn file(&self, name: &str) -> String {
        self.place.path().join(name).display().to_string()
    }

    fn is_listening() -> bool {
        std::net::TcpStream::connect((ADDRESS, 445)).is_ok()
    }
}

impl Server for CifsServer {
    async fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        shut_down(&mut daemon);
        wait_for("the end of the CIFS server", || (!Self::is_listening()).then_some(())).await;
        // It begins anew with its module.
        run_any("modprobe", &["-r", "ksmbd"]).await;
    }

    async fn start(&mut self) {
        run("modprobe", &["ksmbd"]).await;
        let daemon = Command::new("ksmbd.mountd")
            .args(["-n", "-c", &self.file("ksmbd.conf"), "-u", &self.file("users")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        wait_for("the CIFS server", || Self::is_listening().then_some(())).await;
    }
}

impl Drop for CifsServer {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            shut_down(daemon);
        }
        let _ = Command::new("modprobe").args(["-rq", "ksmbd"]).status();
    }
}

/// Ends the part in the kernel with all its connections, and the daemon that it asks.
fn shut_down(daemon: &mut Child) {
    let _ = Command::new("ksmbd.control").arg("--shutdown").status();
    let _ = daemon.kill();
    let _ = daemon.wait();
}
