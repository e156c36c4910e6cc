//! What a volume with three replicas takes, idle and under load.

use std::fs;
use std::time::Duration;

use crate::fio;
use crate::fio::Place;
use crate::job;
use crate::record::{Memory, Resident};
use crate::settings::Settings;
use crate::target::volume::{Offer, Spec, Storage, Volume};
use crate::workplace::Workplace;

const SIZE: u64 = 10 << 30;
/// A process gives memory back when it has had nothing to do for 15 seconds.
const IDLE: Duration = Duration::from_secs(30);
/// The part of the volume that is written; room on the disk is not what this is about.
const WRITTEN: u64 = 256 << 20;
/// Many small requests, and few large ones: both keep memory.
const JOBS: [&str; 4] = ["rw4k-q32", "rr4k-q32", "sw1m-q4", "sr1m-q4"];

pub(crate) async fn measure(settings: &Settings, workplace: &Workplace) -> Memory {
    let (storage, offer) = (Storage::Disk, Offer { iscsi: false, block_device: true, ..Offer::default() });
    let spec = Spec { name: "memory", size: SIZE, copies: 3, storage, offer };
    let volume = Volume::start(settings, workplace, &spec).await;
    let pids: Vec<u32> = volume.counted().iter().map(|server| server.pid).collect();
    tokio::time::sleep(IDLE).await;
    let fresh = resident(&pids);
    for name in JOBS {
        let place = Place::Nbd(volume.nbd_uri.clone());
        let arguments = fio::arguments(&place, job::named(name), WRITTEN, settings.seconds());
        fio::run(&fio::program(settings), &arguments).await;
    }
    let peak_mib = pids.iter().map(|&pid| mib(pid, "status", "VmHWM:")).sum();
    tokio::time::sleep(IDLE).await;
    let memory = Memory { fresh, after_load: resident(&pids), peak_mib };
    volume.stop().await;
    memory
}

fn resident(pids: &[u32]) -> Resident {
    Resident {
        rss_mib: pids.iter().map(|&pid| mib(pid, "status", "VmRSS:")).sum(),
        pss_mib: pids.iter().map(|&pid| mib(pid, "smaps_rollup", "Pss:")).sum(),
    }
}

fn mib(pid: u32, file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
