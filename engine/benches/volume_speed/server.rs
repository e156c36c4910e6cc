//! A process that serves something, for as long as it is needed.

use std::ffi::OsStr;
use std::fs::File;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Longest wait for a server to be ready; one that needs it is broken.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to end when it is asked to.
const END_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    role: &'static str,
    child: Child,
    log: PathBuf,
    end: Signal,
}

/// A process whose processor time counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// What it is; times of equal ones are added.
    pub(crate) role: &'static str,
    pub(crate) pid: u32,
}

impl Server {
    /// Starts `program`; it ends with this process, whatever ends that. `log` takes what it says.
    pub(crate) fn start<A: AsRef<OsStr>>(
        role: &'static str,
        log: PathBuf,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let said = File::create(&log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).kill_on_drop(true);
        let child = command.spawn().expect("setpriv of util-linux");
        Self { role, child, log, end: Signal::SIGTERM }
    }

    /// It is killed at its end instead of asked to end.
    pub(crate) fn killed(self) -> Self {
        Self { end: Signal::SIGKILL, ..self }
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted { role: self.role, pid: self.pid() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("a server that runs")
    }

    /// Waits until `is_ready` says so, asking every few milliseconds.
    pub(crate) async fn ready<F: Future<Output = bool>>(&mut self, is_ready: impl Fn() -> F) {
        let log = self.log.clone();
        let role = self.role;
        let waiting = async {
            while !is_ready().await {
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!("{role} ended at its start: {status}\n{}", said(&log));
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        let ready = timeout(READY_PATIENCE, waiting).await;
        ready.unwrap_or_else(|_| panic!("{role} is not ready after {READY_PATIENCE:?}\n{}", said(&log)));
    }

    /// Waits until it takes connections.
    pub(crate) async fn listening(&mut self, address: SocketAddr) {
        self.ready(|| async move { tokio::net::TcpStream::connect(address).await.is_ok() }).await;
    }

    pub(crate) async fn stop(mut self) {
        let _ = kill(Pid::from_raw(self.pid() as i32), self.end);
        if timeout(END_PATIENCE, self.child.wait()).await.is_err() {
            eprintln!("{} did not end when it was asked to and is killed\n{}", self.role, said(&self.log));
            self.child.kill().await.unwrap();
        }
    }
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().unwrap()
}

/// Runs a tool to its end; what it printed.
pub(crate) async fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> String {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
    let output = command.output().await.unwrap_or_else(|error| panic!("{program} does not run: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {}\n{complaint}", command.as_std(), output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
