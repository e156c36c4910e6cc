//! Programs are killed at random moments while volumes are provisioned, attached, written, snapshotted, expanded and deleted:
//! everything comes to its end, what was written is there, and nothing is left. `AUROCHS_KILLS` says how many (`make crash-k8s`),
//! `AUROCHS_SEED` repeats a run's choices.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says with a panic what is wrong, and what it did"
)]

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Namespace, Product, directory, kubectl, processes};
use serde_json::{Value, json};

/// In CI.
const KILLS: u32 = 10;
/// Between two kills: programs get to work again in between, and are hit in the middle of it.
const PAUSE_MILLISECONDS: u64 = 6000;
const VICTIMS: [&str; 6] =
    ["aurochs", "aurochs-csi", "csi-provisioner", "csi-attacher", "csi-resizer", "csi-snapshotter"];

/// A sequence of numbers that a seed repeats (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn killed_at_random_moments_everything_converges() {
    let wanted = number("AUROCHS_KILLS").map_or(KILLS, |kills| u32::try_from(kills).unwrap());
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = number("AUROCHS_SEED").unwrap_or_else(|| u64::from(now()) | 1);
    eprintln!("AUROCHS_SEED={seed} AUROCHS_KILLS={wanted}");
    Product::get().wait_until_ready();
    let (killed, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    let ended = std::thread::scope(|scope| {
        let killer = scope.spawn(|| kill_some(Dice(seed), wanted, &killed, &is_over));
        let mut round = 0;
        let lives = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while killed.load(Ordering::Relaxed) < wanted {
                round += 1;
                life(round);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        killer.join().unwrap();
        eprintln!("{round} lives of a volume, {} kills", killed.load(Ordering::Relaxed));
        lives
    });
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
    nothing_is_left();
}

fn kill_some(mut dice: Dice, wanted: u32, killed: &AtomicU32, is_over: &AtomicBool) {
    while killed.load(Ordering::Relaxed) < wanted && !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(dice.below(PAUSE_MILLISECONDS)));
        let victim = VICTIMS[usize::try_from(dice.below(VICTIMS.len() as u64)).unwrap()];
        if victim == "aurochs" {
            Product::get().kill_manager();
        } else {
            let running = processes::of(victim);
            // It is being started again.
            if running.is_empty() {
                continue;
            }
            running.into_iter().for_each(processes::kill);
        }
        eprintln!("killed {victim}");
        killed.fetch_add(1, Ordering::Relaxed);
    }
}

/// All that happens to a volume.
fn life(round: u32) {
    let namespace = Namespace::new(&format!("crash-{round}"));
    namespace.claim("it", "64Mi");
    let pod = namespace.pod_with("user", "it");
    pod.run(&format!("echo {round} >/data/file && sync"));
    namespace.apply_object(&json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": "crash"},
        "driver": "driver.longhorn.io", "deletionPolicy": "Delete", "parameters": {"type": "snap"},
    }));
    namespace.apply_object(&json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "it"},
        "spec": {"volumeSnapshotClassName": "crash", "source": {"persistentVolumeClaimName": "it"}},
    }));
    namespace.wait(&["--for=jsonpath={.status.readyToUse}=true", "volumesnapshot/it"]);
    namespace.run(&["patch", "pvc", "it", "-p", r#"{"spec": {"resources": {"requests": {"storage": "96Mi"}}}}"#]);
    let volume = namespace.volume_of("it");
    kubectl::wait(&["--for=jsonpath={.spec.capacity.storage}=96Mi", &format!("pv/{volume}")]);
    pod.delete();
    let pod = namespace.pod_with("user", "it");
    assert_eq!(pod.run("cat /data/file"), round.to_string());
}

fn nothing_is_left() {
    kubectl::run(&["delete", "volumesnapshotclass", "crash"]);
    let names = |kind: &str| -> Vec<Value> {
        let list = kubectl::object(&["-A", kind]);
        list["items"].as_array().unwrap().iter().map(|object| object["metadata"]["name"].clone()).collect()
    };
    for kind in ["pv", "volumeattachments.storage.k8s.io", "volumesnapshotcontents"] {
        assert_eq!(names(kind), [] as [Value; 0], "{kind}");
    }
    for kind in ["volumes", "engines", "replicas", "snapshots", "volumeattachments"] {
        let kind = format!("{kind}.longhorn.io");
        kubectl::wait(&["-n", NAMESPACE, "--for=delete", "--all", &kind]);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let kubelets = directory().join("kubelet").display().to_string();
    let left: Vec<&str> = mounts.lines().filter(|line| line.contains(&kubelets) && line.contains("pvc-")).collect();
    assert_eq!(left, [] as [&str; 0]);
    for device in fs::read_dir("/sys/block").unwrap().flatten() {
        let file = fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
        assert!(!file.contains("/pvc-"), "{} is bound to {file}", device.path().display());
    }
    // The disk is where the manifest says, and the last replica's directory went with its volume.
    let replicas = fs::read_dir("/var/lib/longhorn/replicas").unwrap().flatten();
    let left: Vec<_> = replicas.map(|entry| entry.file_name()).collect();
    assert_eq!(left, [] as [&str; 0]);
}
