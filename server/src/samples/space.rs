//! What a disk had within a step.

use aurochs_api::sample::SpacePoint;

use super::chunk::Sample;
use super::varint::{Damaged, Reader, put};

/// Bytes, as they were at the end of the step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpaceSample {
    pub(super) maximum: u64,
    pub(super) available: u64,
    /// The least within the step.
    pub(super) available_minimum: u64,
    pub(super) scheduled: u64,
    pub(super) reserved: u64,
}

impl SpaceSample {
    pub(super) const fn point(&self, at: u64) -> SpacePoint {
        let Self { maximum, available, available_minimum, scheduled, reserved } = *self;
        SpacePoint { at, maximum, available, available_minimum, scheduled, reserved }
    }
}

impl Sample for SpaceSample {
    const KIND: &'static str = "space";

    fn merge(&mut self, later: &Self) {
        *self = Self { available_minimum: self.available_minimum.min(later.available_minimum), ..later.clone() };
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let missing = self.available.saturating_sub(self.available_minimum);
        [self.maximum, self.available, missing, self.scheduled, self.reserved]
            .into_iter()
            .for_each(|number| put(out, number));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (maximum, available, missing) = (reader.number()?, reader.number()?, reader.number()?);
        let available_minimum = available.saturating_sub(missing);
        Ok(Self { maximum, available, available_minimum, scheduled: reader.number()?, reserved: reader.number()? })
    }
}
