//! The control record of a volume with one replica, for as long as this process runs.
//!
//! With one member there is nothing to remember that the replica does not remember itself: the epoch is on its disk
//! before a request is served, the flock on its directory keeps a second engine out, and there is nobody it could
//! differ from. So the record is made anew at each start and kept in memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use crate::volume::record::{Epoch, Generation, Keeper, KeeperError, Record};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeeperError>> + Send + 'a>>;

pub(super) struct LoneKeeper(Mutex<Record>);

impl LoneKeeper {
    pub(super) fn new(volume: &str, epoch: Epoch, replica: &str) -> Self {
        Self(Mutex::new(Record {
            volume: volume.to_owned(),
            epoch,
            generation: Generation(0),
            members: [replica.to_owned()].into(),
            clean: true,
            ..Record::default()
        }))
    }
}

impl Keeper for LoneKeeper {
    fn get<'a>(&'a self, _: &'a str) -> Answer<'a, Record> {
        let record = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move { Ok(record) })
    }

    fn compare_and_set<'a>(&'a self, epoch: Epoch, generation: Generation, next: &'a Record) -> Answer<'a, ()> {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (volume, found, now) = (record.volume.clone(), record.epoch, record.generation);
        let outcome = if (found, now) == (epoch, generation) {
            *record = next.clone();
            Ok(())
        } else {
            Err(KeeperError::Conflict { volume, found, generation: now })
        };
        Box::pin(async move { outcome })
    }
}
