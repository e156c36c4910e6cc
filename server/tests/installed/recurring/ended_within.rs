//! A manager that ends in the middle of a run, wherever: the next one goes on, and nothing is done twice.

use aurochs_server::recurring::clock::Clock;
use aurochs_server::recurring::retain::is_own;
use aurochs_server::resources::volume::VolumeState;
use aurochs_server::resources::{LABEL_VOLUME, RecurringJob, Snapshot, Volume, VolumeAttachment};
use aurochs_server::store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::installation::{Installation, MIB, VOLUME};

const JOB: &str = "nightly";
const TICKET: &str = "snapshot-controller-recurring-job:nightly";

/// How far the run is when its manager ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Wanted,
    Ticket,
    AskedFor,
    Taken,
    Over,
}

impl Moment {
    async fn has_come(self, store: &Store, run: u64) -> bool {
        let job = store.get::<RecurringJob>(JOB).await.unwrap();
        if job.status.execution_count < run {
            return false;
        }
        let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap().spec.attachment_tickets;
        let known = store.list_labelled::<Snapshot>(LABEL_VOLUME, VOLUME).await.unwrap();
        let own: Vec<_> = known.iter().filter(|snapshot| is_own(snapshot, JOB)).collect();
        // Each run leaves one more.
        let asked = own.len() as u64 >= run;
        let is_over = job.status.run.is_none();
        is_over
            || match self {
                Self::Wanted => true,
                Self::Ticket => tickets.contains_key(TICKET),
                Self::AskedFor => asked,
                Self::Taken => asked && own.iter().all(|snapshot| snapshot.status.ready_to_use),
                Self::Over => false,
            }
    }
}

/// The volume is detached: it is attached for the run, and goes back afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_done_once_whenever_its_manager_ends() {
    let begin: Timestamp = "2040-01-02T00:00:30Z".parse().unwrap();
    let (clock, hands) = Clock::simulated(begin);
    let mut installation = Installation::start_by(1, clock).await;
    installation.create(1, |_| {}).await;
    installation.set("allow-recurring-job-while-volume-detached", "true").await;
    installation.add_job(JOB, "snapshot-force-create", "0 2 * * *", 20, 1).await;
    for (run, moment) in (1..).zip([Moment::Wanted, Moment::Ticket, Moment::AskedFor, Moment::Taken, Moment::Over]) {
        hands.set(begin + SignedDuration::from_hours(24 * i64::try_from(run).unwrap()));
        installation.until(&format!("{moment:?} has come"), async |store| moment.has_come(store, run).await).await;
        installation.start_manager(1).await;
        let last = installation.until_run(JOB, run).await;
        assert_eq!(last.outcome, "succeeded", "{moment:?}: {last:?}");
        assert_eq!(installation.own_snapshots(JOB).await.len() as u64, run, "{moment:?}: one for each run");
        let history = installation.runs_in_history(JOB).await;
        assert_eq!(history.len() as u64, run, "{moment:?}: {history:#?}");
        installation
            .until("nobody wants the volume any more", async |store| {
                let volume = store.get::<Volume>(VOLUME).await.unwrap();
                let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap();
                volume.status.state == VolumeState::Detached && tickets.spec.attachment_tickets.is_empty()
            })
            .await;
    }
    // What is written by nobody is new to nobody, and a volume that is attached for that alone goes back.
    let change = serde_json::json!({"task": "snapshot"});
    installation.call("PUT", &format!("/v1/recurringjobs/{JOB}"), change).await;
    installation.run_now(JOB).await;
    installation.until_run(JOB, 6).await;
    assert_eq!(installation.own_snapshots(JOB).await.len(), 5);
    installation.until_detached().await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.write(0, MIB, 1).await;
    installation.run_now(JOB).await;
    installation.until_run(JOB, 7).await;
    assert_eq!(installation.own_snapshots(JOB).await.len(), 6);
    installation.stop().await;
}
