//! `make bench-backup`: how fast volumes are backed up and restored, beside what hashing and compressing allow.
//!
//! 1. [`settings`] — how much, for how long, where; [`content`] — half of it does not compress;
//! 2. [`limits`] — SHA-512 and LZ4 alone and together, on one core and on all: nothing can be faster;
//! 3. [`pipeline`] — the library in this process: a source in memory, a directory or a real S3 server on this machine, and
//!    back into nowhere: what is lost on the way besides hashing and compressing;
//! 4. [`volume`] — a running volume through its engine: time, memory, and what a client of the volume feels meanwhile;
//!    [`processors`]: whether they were idle meanwhile, and what else was busy;
//! 5. [`report`] — medians over the rounds, the spread, all figures as JSON.
//!
//! A round measures everything once, every other round backwards, so that whatever the machine does meanwhile hits all alike.
//! Ratios are of one round; their median is what is told. Absolute figures of a shared machine say little.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people that stops at the first surprise"
)]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "parts are shared with the other benchmark, which uses more of them"
)]

mod content;
#[path = "../volume_speed/fio.rs"]
mod fio;
#[path = "../volume_speed/job.rs"]
mod job;
mod limits;
mod pipeline;
mod processors;
mod report;
#[path = "../../tests/s3_server/mod.rs"]
mod s3_server;
#[path = "../volume_speed/server.rs"]
mod server;
mod settings;
#[path = "../volume_speed/sizes.rs"]
mod sizes;
mod target;
mod volume;
#[path = "../volume_speed/workplace.rs"]
mod workplace;

use clap::Parser;

use self::report::Record;
use self::settings::Settings;
use self::workplace::Workplace;

fn main() {
    run(&Settings::parse());
}

/// The servers are told to end with the thread that started them: it is this one.
fn run(settings: &Settings) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        // Whatever ends the run, the workplace is dropped and takes servers and files with it.
        let workplace = Workplace::make(settings);
        tokio::select! {
            () = measure(settings, &workplace) => {}
            _ = tokio::signal::ctrl_c() => eprintln!("interrupted; cleaning up"),
            _ = terminate.recv() => eprintln!("asked to end; cleaning up"),
        }
    });
}

async fn measure(settings: &Settings, workplace: &Workplace) {
    let mut record = Record::begin(settings);
    let volume = volume::Measured::start(settings, workplace).await;
    let stores = pipeline::Stores::open(settings, workplace).await;
    for round in 0..settings.rounds() {
        let mut steps = vec!["limits", "directory", "s3", "volume", "foreground"];
        if round % 2 == 1 {
            steps.reverse();
        }
        for step in steps.into_iter().filter(|step| settings.has(step)) {
            eprintln!("round {} of {}: {step}", round + 1, settings.rounds());
            match step {
                "limits" => record.add(limits::measure(settings, workplace)),
                "directory" => record.add(pipeline::measure(settings, &stores.directory, "directory", round).await),
                "s3" => match &stores.s3 {
                    Some(s3) => record.add(pipeline::measure(settings, &s3.store, "s3", round).await),
                    None => record.note("no S3 server could be started here: its rows are missing"),
                },
                "volume" => record.add(volume.transfer(settings, workplace, round).await),
                _ => record.add(volume.foreground(settings, round).await),
            }
        }
    }
    volume.stop().await;
    drop(stores);
    record.end();
    std::fs::write(&settings.json, serde_json::to_vec_pretty(&record).unwrap()).unwrap();
    println!("{}", record.markdown());
    println!("All figures: {}", settings.json.display());
}
