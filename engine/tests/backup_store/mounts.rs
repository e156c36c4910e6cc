//! NFS and CIFS on a machine that can't mount them: it has no tools, no client in its kernel, or no rights. Whichever it
//! is, it is said, and soon.

use std::process::Command;

use aurochs_engine::backup::{ErrorKind, Settings, Store};

use crate::target;

#[tokio::test]
async fn a_share_that_cannot_be_mounted_says_why() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let settings = Settings { mounts: place.path().to_owned(), ..Settings::default() };
    // Port 1: nothing listens there, if the attempt comes so far.
    for (url, at) in [
        ("nfs://127.0.0.1:/export?nfsOptions=port=1,soft,retry=0", "127_0_0_1/export"),
        ("cifs://127.0.0.1/share?cifsOptions=port=1", "127_0_0_1/share"),
    ] {
        let user = [("CIFS_USERNAME", "somebody"), ("CIFS_PASSWORD", "hunter2")];
        let user = user.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let error = Store::open_with(&target(url, user), &settings).await.unwrap_err();
        let told = [ErrorKind::Mount, ErrorKind::Denied, ErrorKind::Unreachable, ErrorKind::Timeout];
        assert!(told.contains(&error.kind()), "{error}");
        assert_eq!(error.operation(), "mount");
        assert!(!error.reason().starts_with("mount says"), "not understood: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        println!("{error}");
        assert!(place.path().join(at).is_dir());
        assert_eq!(std::fs::read_dir(place.path().join(at)).unwrap().count(), 0);
        Store::forget(&url.parse().unwrap(), &settings).await.unwrap();
    }
}

/// As root only: others can't put a wrong mount there.
#[tokio::test]
async fn a_mount_of_something_else_is_taken_away_first() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let settings = Settings { mounts: place.path().to_owned(), ..Settings::default() };
    let share = place.path().join("127_0_0_1/wrong one");
    std::fs::create_dir_all(&share).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "not-a-share"]).arg(&share).output().unwrap();
    if !mounted.status.success() {
        println!("nothing is tested: {}", String::from_utf8_lossy(&mounted.stderr));
        return;
    }
    std::fs::write(share.join("of somebody else"), "x").unwrap();
    let url = "nfs://127.0.0.1:/wrong%20one?nfsOptions=port=1,soft,retry=0";
    // What is not of this target is left alone when the target goes.
    Store::forget(&url.parse().unwrap(), &settings).await.unwrap();
    assert!(share.join("of somebody else").exists());
    let error = Store::open_with(&target(url, []), &settings).await.unwrap_err();
    assert_eq!(error.operation(), "mount", "{error}");
    assert!(!share.join("of somebody else").exists(), "the wrong mount is still there: {error}");
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(place.path().to_str().unwrap()));
}
