//! Two machines of a cluster: volumes have a copy on each, and outlive managers and machines.

use aurochs_engine::link::Address;
use aurochs_engine::link::tls::{AUTHORITY_FILE, CERTIFICATE_FILE, Identity, KEY_FILE, MEMBER};
use aurochs_server::resources::volume::Robustness;
use aurochs_server::resources::{InstanceManager, Volume};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::machine::Machine;
use crate::member::{Member, NAMESPACED, holder, plane, until};

const A: &str = "machine-a";
const B: &str = "machine-b";

fn both(a: bool, b: bool) -> Vec<(String, bool)> {
    vec![(A.to_owned(), a), (B.to_owned(), b)]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn volumes_outlive_managers_and_machines() {
    let plane = plane().await;
    let mut a = Machine::start(&plane, A, "127.0.0.2");
    until("the first acts", async || !holder(&plane).is_empty()).await;
    let acting = holder(&plane);
    let mut b = Member::start_far(&plane, B, "127.0.0.3").await;
    until("both nodes are there", async || b.nodes().await == both(true, true)).await;
    assert_eq!(holder(&plane), acting, "the other machine's manager acts");
    b.make_room().await;

    // Used on the machine whose manager does not act.
    b.attached("v", B).await;
    let mut places = b.places("v").await;
    places.sort();
    assert_eq!(places, [A, B]);
    let pattern = vec![0x5a; 1 << 20];
    let mut client = b.client("v").await;
    client.write(0, &pattern).unwrap();

    // Its manager dies without a word: nobody who uses a volume hears of it.
    a.kill_manager();
    client.write(1 << 20, &pattern).unwrap();
    until("the other one acts", async || !holder(&plane).is_empty() && holder(&plane) != acting).await;
    let snapshot = b.call("POST", "/v1/volumes/v?action=snapshotCreate", json!({"name": "s"})).await;
    assert_eq!(snapshot["name"], "s");
    assert_eq!(b.nodes().await, both(true, true), "its instance manager is there");

    // To the machine without a manager, and back.
    drop(client);
    b.detach("v").await;
    b.attach("v", A).await;
    assert!(b.engine("v").await.status.address.starts_with("tls:127.0.0.2:"));
    let mut client = b.client("v").await;
    assert!(client.read(0, 2 << 20).unwrap().iter().all(|byte| *byte == 0x5a));
    drop(client);
    b.detach("v").await;
    b.attach("v", B).await;

    // The machine dies: its copy is out of the record before the next write is answered.
    let mut client = b.client("v").await;
    let (gone, stays) = (b.replica_on("v", A).await, b.replica_on("v", B).await);
    a.lose();
    let written = tokio::task::spawn_blocking(move || client.write(2 << 20, &vec![0x5a; 1 << 20]).map(|()| client));
    let mut client = written.await.unwrap().unwrap();
    let members = "jsonpath={.status.controlRecord.members}";
    let told = plane.kubectl(&[NAMESPACED, "get", "lhv", "v", "-o", members], "").unwrap();
    assert!(told.contains(&stays) && !told.contains(&gone), "{told}");
    until("its node is down", async || b.nodes().await == both(false, true)).await;
    until("the volume says so", async || b.volume("v").await.status.robustness == Robustness::Degraded).await;

    // It comes back, and gets what it missed.
    a.start_again();
    until("its node is up", async || b.nodes().await == both(true, true)).await;
    b.until_healthy("v").await;
    let record = b.volume("v").await.status.control_record.unwrap();
    assert_eq!((record.members.len(), record.joining.len()), (2, 0), "{record:?}");
    assert!(client.read(0, 3 << 20).unwrap().iter().all(|byte| *byte == 0x5a));
    drop(client);
    b.detach("v").await;
    b.call("DELETE", "/v1/volumes/v", Value::Null).await;
    until("it is gone", async || b.app().store.find::<Volume>("v").await.unwrap().is_none()).await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: make test-k8s"]
async fn who_is_no_member_is_not_spoken_with() {
    let plane = plane().await;
    let mut b = Member::start_far(&plane, B, "127.0.0.3").await;
    until("its node is there", async || b.nodes().await == [(B.to_owned(), true)]).await;
    let managers = b.app().store.list::<InstanceManager>().await.unwrap();
    let address: Address = managers[0].status.address.parse().unwrap();
    assert_eq!(managers[0].status.ip, "127.0.0.3");

    let place = tempfile::tempdir().unwrap();
    foreign(place.path());
    let stranger = Identity::open(place.path()).unwrap();
    let refused = address.connect_as(Some(&stranger)).await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let plain: Address = address.to_string().replace("tls:", "tcp:").parse().unwrap();
    let mut stream = plain.connect().await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    // An alert of TLS, at most; certainly no frame of HTTP/2.
    assert!(heard.len() < 16, "{heard:?}");
    b.stop().await;
}

/// A certificate in a member's name, of an authority that nobody knows.
fn foreign(directory: &std::path::Path) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = parameters.clone().self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(parameters, key);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([MEMBER.to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    for (name, text) in
        [(AUTHORITY_FILE, authority), (CERTIFICATE_FILE, certificate.pem()), (KEY_FILE, own.serialize_pem())]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}
