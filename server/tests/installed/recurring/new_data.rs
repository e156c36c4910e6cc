//! What counts as new data: whatever the live volume shows that the last snapshot does not.

use serde_json::json;

use crate::installation::{Installation, MIB};
use crate::snapshots::run;

const JOB: &str = "daily";

struct Runs {
    installation: Installation,
    count: u64,
    /// What the last run said, and what the volume had after it.
    told: String,
}

impl Runs {
    /// Runs the job; whether it took a snapshot.
    async fn takes(&mut self) -> bool {
        let before = self.installation.own_snapshots(JOB).await;
        self.count += 1;
        self.installation.run_now(JOB).await;
        let ended = self.installation.until_run(JOB, self.count).await;
        assert_eq!(ended.outcome, "succeeded", "{ended:?}");
        let runs = self.installation.runs_in_history(JOB).await;
        self.told = format!("{}\n{:#?}", self.installation.log_of(&runs[0]).await, self.installation.layers().await);
        let now = self.installation.own_snapshots(JOB).await;
        now.iter().any(|name| !before.contains(name))
    }

    async fn io(&self, command: &str) {
        let uri = self.installation.engine().await.status.nbd_uri;
        let done = run("qemu-io", &["-f", "raw", "-d", "unmap", "-c", command, "-c", "flush", &uri]).await;
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_taken_when_the_volume_shows_something_else() {
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    // Not while the test runs, or else at a moment that changes nothing but the count.
    installation.add_job(JOB, "snapshot", "0 0 29 2 *", 20, 1).await;
    let mut runs = Runs { installation, count: 0, told: String::new() };
    assert!(!runs.takes().await, "nothing was ever written: {}", runs.told);
    runs.installation.write(0, 2 * MIB, 7).await;
    assert!(runs.takes().await, "written: {}", runs.told);
    assert!(!runs.takes().await, "not written since: {}", runs.told);
    runs.io("write -P 9 0 64k").await;
    runs.io("discard 0 1M").await;
    assert!(!runs.takes().await, "a discard brought back what the snapshot has: {}", runs.told);
    runs.io("write -z 0 4k").await;
    assert!(runs.takes().await, "zeros hide data: {}", runs.told);
    runs.io("write -z 8M 4k").await;
    runs.io("discard 8M 4k").await;
    runs.installation.detach_by_api().await;
    runs.installation.attach_by_api(false).await;
    assert!(!runs.takes().await, "neither an attachment nor zeros where nothing was: {}", runs.told);

    // The newest is given up by a user: what it alone held is in no snapshot.
    let newest = runs.installation.own_snapshots(JOB).await.pop().unwrap();
    runs.installation.act("snapshotCRDelete", json!({"name": newest})).await;
    runs.installation.until_snapshot(&newest, "is marked", |snapshot| snapshot.status.mark_removed).await;
    assert!(runs.takes().await, "given up: {}", runs.told);
    runs.installation.stop().await;
}
