//! Eviction: replicas of nodes and disks that are being emptied are replaced first, then removed.
//!
//! Not built yet: a pass goes on without it.

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::{Object, Volume};

/// The step of one pass.
pub(super) async fn step(_: &Volumes, _: &Object<Volume>, _: &Family, _: &mut Findings) -> Result<(), Error> {
    Ok(())
}
