//! A volume to measure, as the other benchmark starts one.

#[path = "../volume_speed/target/volume.rs"]
pub(crate) mod volume;
