//! What a node can do, what it lacks, and which directories can be its disks. Pure functions over what its instance
//! manager found.

pub mod conditions;
pub mod disk_paths;
pub mod premises;
