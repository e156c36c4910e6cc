//! What goes wrong, with what it says and the code that a script gets.

use std::process::Command;

use crate::world::{World, said};

#[test]
fn every_kind_of_failure_has_its_code_and_says_what_to_do() {
    let world = World::start(1);
    // Not found, refused, wrong words.
    let unknown = world.fails(4, "volume show nothing");
    assert!(unknown.contains("error: ") && unknown.contains("nothing"), "{unknown}");
    assert!(world.fails(1, "volume create data --size 1").contains("next: "));
    assert!(world.fails(2, "volume create data --size ten").contains("10Gi"));
    world.fails(2, "volume create data");
    world.fails(2, "volume create data --size 1Gi --data-locality near");
    assert!(world.fails(2, "volume attach data --timeout soon").contains("5m"));
    world.fails(2, "volume set data");

    // Nobody types: what can't be undone is not done.
    world.volume("data", "--replicas 1");
    assert!(world.fails(2, "volume rm data").contains("--yes"));
    assert_eq!(world.ok("volume ls -o name"), "data\n");

    // Wrong password, none at all, one in the address, and those of files.
    let mut wrong = world.command("volume ls");
    let refused = said(wrong.env("AUROCHS_PASSWORD", "wrong").output().unwrap());
    assert!(
        refused.code == 5 && refused.err.contains("--password-file") && !refused.err.contains("wrong\""),
        "{refused:?}"
    );
    let none = said(world.command("volume ls").env_remove("AUROCHS_PASSWORD").output().unwrap());
    assert!(none.code == 2 && none.err.contains("AUROCHS_PASSWORD"), "{none:?}");
    let address = world.server.replace("://", "://admin:planted-secret@");
    let refused = world.fails(2, &format!("volume ls --server {address}"));
    assert!(refused.contains("--password-file") && !refused.contains("planted-secret"), "{refused}");
    let data = world.data();
    let data = data.display();
    for place in [format!("--data {data}"), format!("--password-file {data}/admin-password")] {
        let listed =
            said(world.command(&format!("volume ls -o name {place}")).env_remove("AUROCHS_PASSWORD").output().unwrap());
        assert_eq!((listed.code, listed.out.as_str()), (0, "data\n"), "{listed:?}");
    }
    assert!(world.fails(2, "volume ls --password-file /nowhere").contains("/nowhere"));
    assert!(world.fails(2, "volume ls --ca-file /nowhere").contains("/nowhere"));
    assert!(world.fails(2, "volume ls --server ftp://host").contains("http"));
    let warned = world.run("volume ls --insecure-skip-verify");
    assert!(warned.code == 0 && warned.err.contains("warning"), "{warned:?}");
}

#[test]
fn a_viewer_looks_and_changes_nothing() {
    let world = World::start(1);
    let added = Command::new(env!("CARGO_BIN_EXE_aurochs"));
    let mut added = added;
    added.args(["user", "add", "vera", "--role", "viewer", "--data"]).arg(world.data());
    added.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = added.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"vera's own password\n").unwrap();
    assert!(child.wait().unwrap().success());
    let as_vera = |line: &str| {
        said(
            world
                .command(line)
                .env("AUROCHS_USER", "vera")
                .env("AUROCHS_PASSWORD", "vera's own password")
                .output()
                .unwrap(),
        )
    };
    world.until("vera is known", || as_vera("volume ls").code == 0);
    for change in
        ["volume create data --size 64Mi", "setting set replica-replenishment-wait-interval 1", "node cordon node-1"]
    {
        let refused = as_vera(change);
        assert!(refused.code == 5 && refused.err.contains("error: "), "{change}: {refused:?}");
    }
    assert_eq!(world.ok("volume ls -o name"), "");
}

#[test]
fn a_server_that_is_none_is_told() {
    let world = World::start(1);
    // Nobody listens at a port that was just given back.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gone = world.fails(3, &format!("volume ls --server http://{address}"));
    assert!(gone.contains("can't be reached") && gone.contains("AUROCHS_SERVER"), "{gone}");
    // Something else answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut request).unwrap();
        let answer = b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n";
        std::io::Write::write_all(&mut stream, answer).unwrap();
    });
    let other = world.fails(3, &format!("volume ls --server http://{address}"));
    assert!(other.contains("http://elsewhere/"), "{other}");
    answering.join().unwrap();
}
