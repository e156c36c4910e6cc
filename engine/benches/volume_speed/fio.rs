//! The client: one fio for all targets, so that its own costs are the same everywhere.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::job::{Job, Measures};
use crate::settings::Settings;

/// Where a client finds a target.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A file or a block device, without the page cache of the client's side.
    File(PathBuf),
    /// An NBD URI.
    Nbd(String),
    /// `iscsi://address/name/unit`
    Iscsi(String),
}

/// What fio saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) iops: f64,
    pub(crate) megabytes_per_second: f64,
    pub(crate) requests: f64,
    pub(crate) bytes: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// fio with libiscsi and libnbd.
pub(crate) fn program(settings: &Settings) -> PathBuf {
    settings.tools.join("fio")
}

pub(crate) fn arguments(place: &Place, job: &Job, size: u64, seconds: u32) -> Vec<String> {
    let mut arguments = at(place);
    arguments.extend([
        format!("--name={}", job.name),
        format!("--rw={}", job.pattern),
        format!("--bs={}k", job.block_kib),
        format!("--iodepth={}", job.depth),
        format!("--size={size}"),
        format!("--runtime={seconds}"),
    ]);
    let always = "--time_based --randrepeat=0 --norandommap --thread --output-format=json --percentile_list=50:99";
    arguments.extend(always.split(' ').map(str::to_owned));
    if job.measures == Measures::Flushes {
        // Files know a flush of data alone, the protocols one kind of flush.
        let flush = if matches!(place, Place::File(_)) { "--fdatasync=1" } else { "--fsync=1" };
        arguments.push(flush.to_owned());
    }
    arguments
}

fn at(place: &Place) -> Vec<String> {
    match place {
        Place::File(path) => {
            vec!["--ioengine=io_uring".into(), "--direct=1".into(), format!("--filename={}", path.display())]
        }
        Place::Nbd(uri) => vec!["--ioengine=nbd".into(), format!("--uri={uri}")],
        // fio takes a colon for the end of a file name.
        Place::Iscsi(url) => vec!["--ioengine=libiscsi".into(), format!("--filename={}", url.replace(':', "\\:"))],
    }
}

pub(crate) async fn run(program: &Path, arguments: &[String]) -> Seen {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
    let output = command.output().await.unwrap_or_else(|error| panic!("{} does not run: {error}", program.display()));
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "fio {arguments:?}: {}\n{text}{complaint}", output.status);
    // A flush that was refused counts for it as one that was done.
    assert!(!complaint.contains("request failed"), "fio {arguments:?}: {complaint}");
    // Notes of an ioengine come before the JSON.
    let json = text.find('{').map(|begin| &text[begin..]).unwrap_or_else(|| panic!("fio {arguments:?}: {text}"));
    seen(&serde_json::from_str(json).unwrap_or_else(|error| panic!("fio {arguments:?}: {error}\n{text}")))
}

fn seen(answer: &Value) -> Seen {
    let job = &answer["jobs"][0];
    assert_eq!(job["error"], 0, "fio met an error: {job}");
    let side = if job["read"]["total_ios"].as_f64() > Some(0.0) { &job["read"] } else { &job["write"] };
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let latency = |percentile: &str| number(&side["clat_ns"]["percentile"][percentile]) / 1000.0;
    Seen {
        iops: number(&side["iops"]),
        megabytes_per_second: number(&side["bw_bytes"]) / 1e6,
        requests: number(&side["total_ios"]),
        bytes: number(&side["io_bytes"]),
        p50_us: latency("50.000000"),
        p99_us: latency("99.000000"),
        max_us: number(&side["clat_ns"]["max"]) / 1000.0,
    }
}
