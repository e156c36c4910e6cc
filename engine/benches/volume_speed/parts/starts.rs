//! How long processes take to be ready.

use std::time::Duration;

use crate::cell::Spread;
use crate::record::Starts;
use crate::settings::Settings;
use crate::target::volume::{Offer, Spec, Storage, Volume};
use crate::workplace::Workplace;

const TIMES: usize = 7;

/// New directories, three replicas.
pub(crate) async fn measure(settings: &Settings, workplace: &Workplace) -> Starts {
    let (mut replicas, mut engines) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        let name = format!("start-{number}");
        let (storage, offer) = (Storage::Disk, Offer::default());
        let spec = Spec { name: &name, size: settings.size(), copies: 3, storage, offer };
        let volume = Volume::start(settings, workplace, &spec).await;
        replicas.extend(volume.replicas.iter().map(|replica| milliseconds(replica.start)));
        engines.push(milliseconds(volume.engine_start));
        volume.stop().await;
    }
    Starts { replica_ms: Spread::of(replicas).unwrap(), engine_ms: Spread::of(engines).unwrap() }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
