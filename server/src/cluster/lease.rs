//! One manager at a time: who holds the lease acts, the others wait.
//!
//! The holder renews it every few seconds. A manager that could not renew it for [`GIVES_UP_AFTER`] stops acting, by its own
//! clock; another one takes it when it has seen no renewal for [`LASTS`], by its own clock too. The first is shorter than the
//! second, so that two clocks need not agree, only run at about the same speed. What the loser has under way is harmless
//! then: writes name the version that they replace, and replicas refuse an engine of an older epoch.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Its name in the namespace.
pub(super) const NAME: &str = "aurochs-manager";
/// Others take it when they saw no renewal for this long.
const LASTS: Duration = Duration::from_secs(15);
/// The holder stops acting when it could not renew it for this long.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);
/// Pause between two looks.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// A manager that wants to act.
#[derive(Clone)]
pub struct Candidate {
    leases: Api<Lease>,
    identity: String,
}

/// What is to be done about the lease as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nobody has it.
    Take,
    /// It is this manager's.
    Renew,
    /// Another one's.
    Wait,
}

/// `unrenewed`: for how long this manager has seen it unchanged.
fn judge(lease: Option<&LeaseSpec>, identity: &str, unrenewed: Duration) -> Step {
    let holder = lease.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    match holder {
        "" => Step::Take,
        holder if holder == identity => Step::Renew,
        _ if unrenewed >= lasts(lease) => Step::Take,
        _ => Step::Wait,
    }
}

/// As its holder said: it may be a version with other times than ours.
fn lasts(lease: Option<&LeaseSpec>) -> Duration {
    let said = lease.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    said.map_or(LASTS, Duration::from_secs)
}

impl Candidate {
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        Self { leases: Api::namespaced(client, namespace), identity: identity.to_owned() }
    }

    /// Returns when it is this manager's turn.
    pub async fn wait_for_turn(self) -> Turn {
        // Version of the lease, and since when it is that one.
        let mut seen: (Option<String>, Instant) = (None, Instant::now());
        let mut waits_for = String::new();
        loop {
            let asked = Instant::now();
            // An answer that comes later is of no use: the turn would be over already.
            match timeout(GIVES_UP_AFTER, self.look(&mut seen, &mut waits_for)).await {
                Ok(Ok(true)) => return Turn::begin(self, asked),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the manager's lease can't be had; trying again"),
                Err(_) => tracing::warn!("the API server does not answer about the manager's lease; trying again"),
            }
            sleep(LOOK_PERIOD).await;
        }
    }

    async fn look(&self, seen: &mut (Option<String>, Instant), waits_for: &mut String) -> Result<bool, kube::Error> {
        let lease = self.leases.get_opt(NAME).await?;
        let version = lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
        if version != seen.0 {
            *seen = (version, Instant::now());
        }
        let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        match judge(spec, &self.identity, seen.1.elapsed()) {
            Step::Take | Step::Renew => self.write(lease).await,
            Step::Wait => {
                let holder = spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
                if holder != *waits_for {
                    tracing::info!(holder, "another manager acts on this namespace; waiting for its lease");
                    *waits_for = holder;
                }
                Ok(false)
            }
        }
    }

    /// Writes the lease as this manager's. False when somebody else was quicker.
    async fn write(&self, read: Option<Lease>) -> Result<bool, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let is_new = read.is_none();
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        let mut lease = read.unwrap_or(Lease { metadata, spec: None });
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
            spec.acquire_time = Some(now.clone());
            spec.holder_identity = Some(self.identity.clone());
        }
        spec.lease_duration_seconds = i32::try_from(LASTS.as_secs()).ok();
        spec.renew_time = Some(now);
        let written = if is_new {
            self.leases.create(&PostParams::default(), &lease).await
        } else {
            self.leases.replace(NAME, &PostParams::default(), &lease).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// This manager's turn: the lease is renewed for as long as this lives.
pub struct Turn {
    candidate: Candidate,
    /// Ends when the turn does.
    renewing: JoinHandle<()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Turn {
    /// `renewed`: when the lease was last asked for successfully.
    fn begin(candidate: Candidate, renewed: Instant) -> Self {
        let renewing = tokio::spawn(keep(candidate.clone(), renewed));
        Self { candidate, renewing }
    }

    /// Returns when it is over: nothing may be done from then on.
    pub async fn lost(&mut self) {
        // However the task has ended, nobody renews the lease any more.
        let _ = (&mut self.renewing).await;
    }

    /// Gives it back, so that the next one need not wait.
    pub async fn give_back(self) {
        self.renewing.abort();
        let given = async {
            let Some(mut lease) = self.candidate.leases.get_opt(NAME).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.candidate.identity.as_str()) {
                spec.holder_identity = None;
                self.candidate.leases.replace(NAME, &PostParams::default(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        if !matches!(timeout(LOOK_PERIOD, given).await, Ok(Ok(()))) {
            tracing::debug!("the lease could not be given back; the next manager waits until it ends");
        }
    }
}

/// Renews the lease, and returns when it is not this manager's any more.
async fn keep(candidate: Candidate, mut renewed: Instant) {
    while let Some(left) = GIVES_UP_AFTER.checked_sub(renewed.elapsed()) {
        let asked = Instant::now();
        match timeout(left, candidate.renew()).await {
            Ok(Ok(true)) => renewed = asked,
            Ok(Ok(false)) => return tracing::error!("another manager has taken the lease"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease can't be renewed; trying again"),
            Err(_) => break,
        }
        sleep(LOOK_PERIOD).await;
    }
    tracing::error!("the lease could not be renewed in time");
}

impl Candidate {
    /// False when it is another one's.
    async fn renew(&self) -> Result<bool, kube::Error> {
        loop {
            let lease = self.leases.get_opt(NAME).await?;
            let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
            if judge(spec, &self.identity, Duration::ZERO) == Step::Wait {
                return Ok(false);
            }
            // Otherwise somebody wrote on it meanwhile; whose it is now, the next look tells.
            if self.write(lease).await? {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str) -> LeaseSpec {
        LeaseSpec { holder_identity: Some(holder.to_owned()), lease_duration_seconds: Some(15), ..LeaseSpec::default() }
    }

    #[test]
    fn whose_turn_it_is() {
        let (me, other) = (held_by("me"), held_by("other"));
        assert_eq!(judge(None, "me", Duration::ZERO), Step::Take);
        assert_eq!(judge(Some(&LeaseSpec::default()), "me", Duration::ZERO), Step::Take);
        assert_eq!(judge(Some(&me), "me", Duration::from_secs(60)), Step::Renew);
        assert_eq!(judge(Some(&other), "me", Duration::from_secs(14)), Step::Wait);
        assert_eq!(judge(Some(&other), "me", Duration::from_secs(15)), Step::Take);
        let slow = LeaseSpec { lease_duration_seconds: Some(60), ..other };
        assert_eq!(judge(Some(&slow), "me", Duration::from_secs(59)), Step::Wait);
    }

    #[test]
    fn the_holder_stops_before_another_one_begins() {
        // A renewal that succeeds at the last moment may be answered a pause later.
        assert!(GIVES_UP_AFTER + 2 * LOOK_PERIOD < LASTS);
    }
}
