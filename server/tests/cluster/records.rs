//! Control records in the API server: who has all of a volume's data.

use aurochs_engine::grpc::engine_v1::StatusRequest;
use aurochs_engine::grpc::instance_v1::{InstanceListRequest, Record, RecordCompareAndSetRequest, RecordGetRequest};
use aurochs_server::cluster::NAMESPACE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tonic::Code;

use crate::member::{Member, plane, until};

const A: &str = "machine-a";
const B: &str = "machine-b";

async fn record(member: &Member, node: &str) -> Record {
    let mut manager = member.app().clients.manager(node).unwrap();
    let reply = manager.record_get(RecordGetRequest { volume: "v".to_owned() }).await.unwrap();
    reply.into_inner().record.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn a_change_is_made_by_who_saw_the_last_one_and_waits_for_the_api_server() {
    let mut plane = plane().await;
    let mut a = Member::start_far(&plane, A, "127.0.0.2").await;
    let mut b = Member::start_far(&plane, B, "127.0.0.3").await;
    let both = [(A.to_owned(), true), (B.to_owned(), true)];
    until("both nodes are there", async || b.nodes().await == both).await;
    b.make_room().await;
    b.attached("v", B).await;

    // The same for whoever asks, and not to be changed by who saw an older one.
    let now = record(&b, B).await;
    assert_eq!((record(&b, A).await, now.members.len()), (now.clone(), 2));
    let older = RecordCompareAndSetRequest {
        expected_epoch: now.epoch,
        expected_generation: now.generation - 1,
        next: Some(Record { members: now.members[..1].to_vec(), ..now.clone() }),
    };
    let refused = b.app().clients.manager(A).unwrap().record_compare_and_set(older).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted, "{refused}");
    // What others write beside it leaves it there.
    let other = r#"{"status": {"shareState": "x"}}"#;
    let patch = ["-n", NAMESPACE, "patch", "lhv", "v", "--subresource=status", "--type=merge", "-p", other];
    plane.kubectl(&patch, "").unwrap();
    b.call(
        "POST",
        "/v1/volumes/v?action=updateReplicaAutoBalance",
        serde_json::json!({"replicaAutoBalance": "disabled"}),
    )
    .await;
    assert_eq!(record(&b, B).await, now);

    // A copy is lost while nobody can record it: who writes waits, and is told why.
    let gone = b.replica_on("v", A).await;
    let stays = b.replica_on("v", B).await;
    let list = a.app().clients.manager(A).unwrap().instance_list(InstanceListRequest {}).await.unwrap().into_inner();
    let process = list.instances.iter().find(|instance| instance.name == gone).unwrap().pid;
    let address = b.engine("v").await.status.address;
    let mut engine = b.app().clients.engine(&address).unwrap();
    let mut client = b.client("v").await;
    plane.kill_api_server();
    kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL).unwrap();
    let writing = tokio::task::spawn_blocking(move || client.write(0, &[0x5a; 4096]));
    let mut cause = String::new();
    until("the engine says what it waits for", async || {
        cause = engine.status(StatusRequest {}).await.unwrap().into_inner().cause;
        cause.contains("the Kubernetes API server does not answer since")
    })
    .await;
    assert!(cause.contains("I/O waits") && !writing.is_finished(), "{cause}");
    plane.start_api_server().await;
    writing.await.unwrap().unwrap();
    let after = record(&b, B).await;
    // It may be back by now: then it left, joined and became a member again.
    let changes = if after.members.contains(&gone) { 3 } else { 1 };
    assert!(after.members.contains(&stays) && after.generation >= now.generation + changes, "{now:?} {after:?}");
    b.until_healthy("v").await;
    a.stop().await;
    b.stop().await;
}
