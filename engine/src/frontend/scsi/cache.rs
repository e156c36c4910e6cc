//! SYNCHRONIZE CACHE and PRE-FETCH, (10) and (16).

use super::block_range::Addressed;
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use crate::frontend::BlockDevice;

/// SYNCHRONIZE CACHE. The whole volume is flushed whatever the range: replicas sync whole files. It is answered when
/// that is done, with IMMED too, so that GOOD always means durable.
pub(super) async fn synchronize<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    Addressed::of(call.cdb).on_device(call.unit.size_bytes())?;
    flush(call).await
}

pub(super) async fn flush<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    call.unit.device.flush().await.map_err(|error| Failure::of_write(&error))?;
    Ok(Completion::good())
}

/// PRE-FETCH. There is no cache to read into; GOOD (not CONDITION MET) says that the blocks are not in one.
pub(super) fn pre_fetch<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    Addressed::of(call.cdb).on_device(call.unit.size_bytes())?;
    Ok(Completion::good())
}
