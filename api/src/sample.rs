//! What volumes did and what disks had, over time.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// The query of `GET /v1/samples`: one volume, or one disk of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "samplesQuestion")]
pub struct SamplesQuestion {
    /// Name of the volume whose I/O is asked for.
    pub volume: String,
    /// Name of the node of the disk whose space is asked for.
    pub node: String,
    /// Name of the disk.
    pub disk: String,
    /// Seconds since 1970 or RFC 3339; an hour ago when it is left out.
    pub from: String,
    /// The same; now when it is left out.
    pub to: String,
    /// Seconds for which one point stands. What is kept may be coarser, and an answer has at most 1000 points: the answer
    /// says which step it has. About 300 points when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

/// The points of one volume or one disk. Where nothing is known there is no point.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "samples")]
pub struct Samples {
    pub volume: String,
    pub node: String,
    pub disk: String,
    /// Seconds since 1970.
    pub from: u64,
    pub to: u64,
    /// Seconds for which one point stands.
    pub step: u32,
    /// Of a volume.
    pub io: Vec<IoPoint>,
    /// Of a disk.
    pub space: Vec<SpacePoint>,
}

/// What a volume did.
#[derive(Clone, Debug, Default, PartialEq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "ioSample")]
pub struct IoPoint {
    /// When the step begins, in seconds since 1970.
    pub at: u64,
    /// How many seconds of the step are known; rates are those of these seconds.
    pub seconds: f64,
    pub reads_per_second: f64,
    pub writes_per_second: f64,
    pub read_bytes_per_second: f64,
    pub written_bytes_per_second: f64,
    /// How long requests took; null without any.
    pub read: Option<LatencyPoint>,
    pub write: Option<LatencyPoint>,
}

/// How long requests took, in nanoseconds. Half of them were not longer than `p50`, all but one of a hundred not longer
/// than `p99`; both are off by a fifth at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "latencySample")]
pub struct LatencyPoint {
    pub mean: u64,
    pub p50: u64,
    pub p99: u64,
}

/// What a disk had, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "spaceSample")]
pub struct SpacePoint {
    /// When the step begins, in seconds since 1970.
    pub at: u64,
    pub maximum: u64,
    /// Really free at the end of the step, and the least of it within.
    pub available: u64,
    pub available_minimum: u64,
    /// Promised to replicas.
    pub scheduled: u64,
    pub reserved: u64,
}

crate::actions! { Samples {} }
