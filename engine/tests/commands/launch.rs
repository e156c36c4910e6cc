//! A volume without a cluster: format, mount, write, stop, start again; killed and started again.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{binary, inspect, run, scratch, text};

/// A launched volume in a place of its own. Dropped, it is killed.
struct Launched {
    child: Child,
    /// What it printed until it was ready.
    announced: String,
    output: BufReader<std::process::ChildStdout>,
}

struct Place {
    root: TempDir,
    name: String,
}

impl Place {
    fn new(name: &str) -> Self {
        // Short: the sockets' paths have a limit.
        let root = scratch::directory();
        // Devices and mounts are the whole machine's.
        Self { root, name: format!("{name}-{}", std::process::id()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn directory(&self) -> PathBuf {
        self.path("volume")
    }

    fn device(&self) -> PathBuf {
        self.path("dev").join(&self.name)
    }

    fn mount_point(&self) -> PathBuf {
        self.path("mnt")
    }

    fn launch(&self, more: &[&str]) -> Launched {
        let mut child = binary()
            .arg("launch-simple-longhorn")
            .arg(self.directory())
            .args(["--name", &self.name, "--run-directory", text(&self.path("run"))])
            .args(["--device-directory", text(&self.path("dev"))])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut announced = String::new();
        // The last line says how to stop it.
        while !announced.lines().any(|line| line.trim_start().starts_with("stop ")) {
            if output.read_line(&mut announced).unwrap() == 0 {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("it ended: {error}");
            }
        }
        Launched { child, announced, output }
    }

    fn mount(&self) {
        std::fs::create_dir_all(self.mount_point()).unwrap();
        shell("mount", &[&self.device(), &self.mount_point()]);
    }

    fn unmount(&self) {
        shell("umount", &[&self.mount_point()]);
    }

    /// A file of the mounted file system. Processes of their own read and write it: one that another test starts meanwhile
    /// has a copy of every file that is open in this process until it runs its program, and keeps the mount busy.
    fn letter(&self) -> PathBuf {
        self.mount_point().join("letter")
    }

    fn write_letter(&self, content: &str) {
        let script = r#"printf %s "$1" > "$0""#;
        shell("sh", &[Path::new("-c"), Path::new(script), &self.letter(), Path::new(content)]);
    }

    fn letter_says(&self) -> String {
        let output = Command::new("cat").arg(self.letter()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Only after a failure is anything left.
        let fuse = self.path("run").join(&self.name).join("fuse");
        for mount in [self.mount_point(), fuse] {
            let _ = Command::new("umount").arg("-lq").arg(mount).stderr(Stdio::null()).status();
        }
    }
}

impl Launched {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end; gives its code and what it printed since it was ready.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    /// Waits for a line on its standard error.
    fn wait_for(&mut self, phrase: &str) {
        let mut errors = BufReader::new(self.child.stderr.as_mut().unwrap());
        let mut line = String::new();
        while !line.contains(phrase) {
            line.clear();
            assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it ended without saying {phrase:?}");
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shell(program: &str, arguments: &[&Path]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_volume_is_made_mounted_stopped_and_there_again() {
    let place = Place::new("simple");
    let mut first = place.launch(&["--size", "64mb"]);
    assert!(first.announced.contains("64 MiB, new, empty"), "{}", first.announced);
    assert!(first.announced.contains(&format!("mount {}", place.device().display())), "{}", first.announced);
    shell("mkfs.ext4", &[Path::new("-q"), &place.device()]);
    place.mount();
    place.write_letter("kept");

    // As long as it is mounted it says so and goes on.
    first.signal(Signal::SIGINT);
    first.wait_for("not stopped yet");
    assert_eq!(place.letter_says(), "kept");
    place.unmount();
    let (code, said) = first.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("closed"), "{said}");
    assert!(!place.path("run").join(&place.name).exists(), "no sockets or mounts are left");

    let closed = inspect(&place.directory());
    assert_eq!(closed["volume"]["dirty"], false);
    assert_eq!(closed["aurochs_state"]["epoch"], (1_u64 << 40) + 1, "far above a cluster's");

    let other_size = run(&["launch-simple-longhorn", text(&place.directory()), "--name", "v", "--size", "1g"]);
    assert_eq!(other_size.code, 1);
    assert!(other_size.stderr.contains("64 MiB"), "{}", other_size.stderr);

    let mut second = place.launch(&[]);
    place.mount();
    assert_eq!(place.letter_says(), "kept");
    place.unmount();
    second.signal(Signal::SIGTERM);
    assert_eq!(second.ended().0, Some(0));
    assert_eq!(inspect(&place.directory())["aurochs_state"]["epoch"], (1_u64 << 40) + 2, "epochs rise over restarts");
}

#[test]
fn a_killed_one_leaves_what_was_synced() {
    let place = Place::new("killed");
    let mut first = place.launch(&["--size", "64m"]);
    shell("mkfs.ext4", &[Path::new("-q"), &place.device()]);
    place.mount();
    place.write_letter("synced");
    shell("sync", &[&place.letter()]);
    first.signal(Signal::SIGKILL);
    first.ended();
    // The device is dead under the file system.
    shell("umount", &[Path::new("-l"), &place.mount_point()]);

    let left = inspect(&place.directory());
    assert_eq!(left["volume"]["dirty"], true);
    assert_eq!(left["exportable"]["head"], true);

    let mut second = place.launch(&[]);
    place.mount();
    assert_eq!(place.letter_says(), "synced");
    place.unmount();
    second.signal(Signal::SIGTERM);
    assert_eq!(second.ended().0, Some(0));
    assert_eq!(inspect(&place.directory())["volume"]["dirty"], false);
}

#[test]
fn one_whose_device_breaks_down_ends_and_says_why() {
    let place = Place::new("broken");
    let mut first = place.launch(&["--size", "64m"]);
    let fuse = place.path("run").join(&place.name).join("fuse");
    // Refused, since the device is in use, after the kernel has ended the session.
    nix::mount::umount2(&fuse, nix::mount::MntFlags::MNT_FORCE).unwrap_err();
    assert_eq!(first.ended().0, Some(1));
    let mut said = String::new();
    first.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.lines().last().unwrap().contains("FUSE session behind the block device has ended"), "{said}");

    let mut second = place.launch(&[]);
    shell("mkfs.ext4", &[Path::new("-q"), &place.device()]);
    second.signal(Signal::SIGTERM);
    assert_eq!(second.ended().0, Some(0));
}

#[test]
fn a_second_request_detaches_what_is_mounted_and_keeps_its_data() {
    let place = Place::new("forced");
    let mut launched = place.launch(&["--size", "64m"]);
    shell("mkfs.ext4", &[Path::new("-q"), &place.device()]);
    place.mount();
    place.write_letter("written");
    launched.signal(Signal::SIGINT);
    launched.wait_for("not stopped yet");
    launched.signal(Signal::SIGINT);
    assert_eq!(launched.ended().0, Some(0));
    shell("umount", &[Path::new("-l"), &place.mount_point()]);

    let mut again = place.launch(&[]);
    place.mount();
    assert_eq!(place.letter_says(), "written");
    place.unmount();
    again.signal(Signal::SIGTERM);
    assert_eq!(again.ended().0, Some(0));
}

#[test]
fn a_directory_of_longhorns_is_served_over_nbd_without_a_device() {
    let golden = crate::golden_archive::Golden::extract("s01-basic");
    let place = Place::new("nbd");
    std::fs::rename(&golden.dir, place.directory()).unwrap();
    let socket = place.path("nbd.sock");
    let mut launched = place.launch(&["--frontend", "nbd", "--nbd-socket", text(&socket)]);
    assert!(launched.announced.contains("16 MiB, as it was left"), "{}", launched.announced);
    assert!(!place.device().exists());
    let uri = format!("nbd+unix:///{}?socket={}", place.name, socket.display());
    assert!(launched.announced.contains(&uri), "{}", launched.announced);
    let copy = place.path("copy.img");
    let copied = Command::new("nbdcopy").arg(&uri).arg(&copy).status().unwrap();
    assert!(copied.success());
    let head = &golden.manifest.disks[&golden.manifest.head];
    assert_eq!(crate::golden_archive::sha256(&copy), head.sha256_at_file_size);
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.ended().0, Some(0));
    let left = inspect(&place.directory());
    assert_eq!(
        (&left["volume"]["dirty"], left["revision_counter"].as_u64()),
        (&false.into(), golden.manifest.revision_counter)
    );
}

#[test]
fn a_replica_of_a_cluster_is_left_to_it_unless_it_is_taken_away() {
    use aurochs_engine::replica::{OpenOptions, Replica, ReplicaError};
    let place = Place::new("taken");
    Replica::create(&place.directory(), 1 << 20, OpenOptions::default()).unwrap();
    let served = |epoch| {
        let replica = Replica::open(&place.directory(), OpenOptions::default()).unwrap();
        let raised = replica.raise_fence(epoch, 1);
        replica.close().unwrap();
        raised
    };
    served(5).unwrap();

    let directory = place.directory();
    let arguments = ["launch-simple-longhorn", text(&directory), "--name", &place.name, "--frontend", "nbd"];
    let refused = binary().args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(words.contains("epoch 5") && words.contains("--take-over") && words.contains("export"), "{words}");
    assert_eq!(inspect(&place.directory())["aurochs_state"]["epoch"], 5, "nothing was changed");

    let mut launched = place.launch(&["--frontend", "nbd", "--take-over"]);
    launched.signal(Signal::SIGTERM);
    assert_eq!(launched.ended().0, Some(0));
    // The cluster's next engine hears of it instead of taking the replica for equal to the others.
    assert!(matches!(served(6), Err(ReplicaError::StaleEpoch { offered: 6, .. })));
    let mut again = place.launch(&["--frontend", "nbd"]);
    again.signal(Signal::SIGTERM);
    assert_eq!(again.ended().0, Some(0));
}
