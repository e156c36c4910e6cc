//! `make bench`: how fast volumes are beside the bare file and beside other servers, in one run on one machine.
//!
//! 1. [`settings`] — what to measure, for how long, where;
//! 2. [`workplace`] — a directory with everything in it, and what a killed run left behind cleaned up;
//! 3. [`target`] — every server on a fully written image of its own: peers, volumes, and the steps of the ladder;
//! 4. [`rounds`] — round → job → target, the order of targets reversed every other round, one [`cell`] each;
//! 5. [`parts`] — memory, rebuild, snapshot under load, start of processes;
//! 6. [`report`] and [`verdict`] — tables in Markdown, all figures as JSON, and what has to be reached.
//!
//! Absolute figures of a shared or virtual machine say little. What can be compared are ratios of the same round and
//! seconds of processor time. A cell in which others used more than [`cpu::QUIET_CORES`] is repeated, and marked where
//! that did not help.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people that stops at the first surprise"
)]

mod cell;
mod cpu;
mod fio;
mod job;
mod ladder;
mod parts;
mod record;
mod report;
mod rounds;
mod server;
mod settings;
mod sizes;
mod target;
mod verdict;
mod workplace;

use clap::Parser;

use self::record::Record;
use self::settings::{Command, Part, Settings};
use self::workplace::Workplace;

fn main() {
    let settings = Settings::parse();
    match &settings.command {
        Some(Command::NullDevice { listen, size }) => ladder::null_device::serve(*listen, *size),
        Some(Command::NullReplica { listen, size }) => ladder::null_replica::serve(*listen, *size),
        Some(Command::BareForwarder { listen, size, disks }) => {
            ladder::bare_hops::serve_forwarder(*listen, *size, disks);
        }
        Some(Command::BareDisk { listen, image }) => ladder::bare_hops::serve_disk(*listen, image),
        Some(Command::NullIscsi { listen, size }) => ladder::null_device::serve_over_iscsi(*listen, *size),
        Some(Command::NullLoop { directory, size }) => ladder::null_device::serve_as_block_device(directory, *size),
        Some(Command::Show { file }) => {
            let record: Record = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            println!("{}", report::markdown(&record));
        }
        None => {
            settings.check();
            run(&settings);
        }
    }
}

/// One thread: the servers are told to end with the thread that started them, and measuring needs no second one.
#[tokio::main(flavor = "current_thread")]
async fn run(settings: &Settings) {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    // Whatever ends the run, the workplace is dropped and takes servers, mounts and loop devices with it.
    let workplace = Workplace::make(settings);
    tokio::select! {
        () = measure(settings, &workplace) => {}
        _ = tokio::signal::ctrl_c() => eprintln!("interrupted; cleaning up"),
        _ = terminate.recv() => eprintln!("asked to end; cleaning up"),
    }
}

async fn measure(settings: &Settings, workplace: &Workplace) {
    let mut record = Record::begin(settings);
    if settings.has(Part::Rounds) {
        let running = target::start(settings, workplace, &mut record.absent).await;
        if settings.hold {
            hold(&running.targets).await;
        }
        rounds::run(settings, &running.targets, &mut record).await;
        running.stop().await;
    }
    if settings.has(Part::Starts) {
        record.starts = Some(parts::starts::measure(settings, workplace).await);
    }
    if settings.has(Part::Memory) {
        record.memory = Some(parts::memory::measure(settings, workplace).await);
    }
    if settings.has(Part::Snapshot) {
        record.snapshots = parts::snapshot::measure(settings, workplace).await;
    }
    if settings.has(Part::Rebuild) {
        record.rebuilds = parts::rebuild::measure(settings, workplace).await;
    }
    record.end();
    std::fs::write(&settings.json, serde_json::to_vec_pretty(&record).unwrap()).unwrap();
    println!("{}", report::markdown(&record));
    println!("All figures: {} (`… show FILE` prints these tables again).", settings.json.display());
}

/// Until somebody ends the run.
async fn hold(targets: &[target::Target]) {
    for target in targets {
        let servers: Vec<u32> = target.servers.iter().map(|server| server.pid).collect();
        println!("{:<14} {:?} served by {servers:?}", target.name, target.place);
    }
    std::future::pending().await
}
