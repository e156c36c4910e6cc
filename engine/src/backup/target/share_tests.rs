use super::*;

fn nfs(options: Option<&str>) -> Share {
    Share {
        kind: Kind::Nfs,
        server: "10.0.0.1".to_owned(),
        path: "/opt/backup".to_owned(),
        options: options.map(str::to_owned),
    }
}

fn cifs() -> Share {
    Share { kind: Kind::Cifs, server: "nas.example".to_owned(), path: "/share/sub".to_owned(), options: None }
}

#[test]
fn options_and_places_are_those_of_longhorn() {
    let share = nfs(None);
    assert_eq!(share.device(), "10.0.0.1:/opt/backup");
    assert_eq!(
        share.options(),
        [
            "nfsvers=4.2,actimeo=1,soft,timeo=300,retry=2",
            "nfsvers=4.1,actimeo=1,soft,timeo=300,retry=2",
            "nfsvers=4.0,actimeo=1,soft,timeo=300,retry=2"
        ]
    );
    let mounts = Path::new("/var/lib/longhorn-backupstore-mounts");
    assert_eq!(share.mount_point(mounts), mounts.join("10_0_0_1/opt/backup"));
    assert_eq!(nfs(Some("soft,timeo=330")).options(), ["soft,timeo=330"]);
    assert_eq!(cifs().device(), "//nas.example/share/sub");
    assert_eq!(cifs().options(), ["soft"]);
    assert_eq!(cifs().mount_point(mounts), mounts.join("nas_example/share/sub"));
}

#[test]
fn a_mount_is_known_by_what_it_is_of() {
    let mountinfo = "22 1 0:20 / / rw shared:1 - ext4 /dev/sda1 rw\n\
        40 22 0:50 / /m/10_0_0_1/opt/backup rw,relatime shared:5 - nfs4 10.0.0.1:/opt/backup rw,vers=4.2\n\
        41 22 0:51 / /m/with\\040blank rw - cifs //s/with\\040blank rw\n\
        42 40 0:52 / /m/10_0_0_1/opt/backup rw - nfs4 10.0.0.2:/other rw\n";
    let found = mounts_at(Path::new("/m/10_0_0_1/opt/backup"), mountinfo);
    assert_eq!(found.iter().map(|mount| nfs(None).is(mount)).collect::<Vec<_>>(), [true, false]);
    assert_eq!(mounts_at(Path::new("/m/with blank"), mountinfo)[0].device, "//s/with blank");
    assert!(mounts_at(Path::new("/m"), mountinfo).is_empty());
    // What the kernel tells of a share whose path ends with a slash.
    let root = Share { path: "/".to_owned(), ..nfs(None) };
    let mount = Mount { place: PathBuf::new(), type_name: "nfs4".to_owned(), device: "10.0.0.1:/".to_owned() };
    assert!(root.is(&mount) && !nfs(None).is(&mount));
}

#[test]
fn what_mount_says_becomes_a_cause_and_a_next_step() {
    for (words, kind, step) in [
        (
            "mount.nfs4: Connection refused for 10.0.0.1:/opt/backup on /m",
            ErrorKind::Unreachable,
            "start the NFS server",
        ),
        ("mount.nfs4: Connection timed out", ErrorKind::Timeout, ""),
        ("mount.nfs4: access denied by server while mounting 10.0.0.1:/x", ErrorKind::Denied, "export /opt/backup"),
        (
            "mount.nfs4: mounting 10.0.0.1:/x failed, reason given by server: No such file or directory",
            ErrorKind::NoBucket,
            "export it",
        ),
        ("mount.nfs4: No such device", ErrorKind::Mount, "modprobe nfsv4"),
        ("mount: /m: unknown filesystem type 'nfs4'.", ErrorKind::Mount, "modprobe nfsv4"),
        ("mount.nfs4: Failed to resolve server nope: Name or service not known", ErrorKind::Unreachable, "name"),
        ("mount.nfs4: Protocol not supported", ErrorKind::Mount, "version"),
        ("mount.nfs4: Operation not permitted", ErrorKind::Denied, "root"),
        ("mount: /m: must be superuser to use mount.", ErrorKind::Denied, "root"),
        ("mount.nfs: an incorrect mount option was specified", ErrorKind::Mount, "correct the options"),
    ] {
        let failure = nfs(None).explain(words, true);
        assert_eq!(failure.kind, kind, "{words}: {failure}");
        assert!(failure.next_step.unwrap_or_default().contains(step), "{words}");
    }
    for (words, kind) in [
        ("mount error(13): Permission denied", ErrorKind::Credentials),
        ("mount error(2): No such file or directory", ErrorKind::NoBucket),
        ("mount error(111): could not connect to 10.0.0.1", ErrorKind::Unreachable),
        ("mount error: could not resolve address for nas.example: Unknown error", ErrorKind::Unreachable),
    ] {
        assert_eq!(cifs().explain(words, true).kind, kind, "{words}");
    }
}

#[test]
fn tools_that_are_missing_are_named() {
    let words = "mount: /m: bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper program.";
    let failure = nfs(None).explain(words, false);
    assert!(failure.next_step.as_ref().unwrap().contains("nfs-common"), "{failure:?}");
    assert!(cifs().explain(words, false).next_step.unwrap().contains("cifs-utils"));
}

#[test]
fn errors_of_files_on_a_share_speak_of_its_server() {
    for (error, share, kind, why, step) in [
        (libc::EIO, nfs(None), ErrorKind::Unreachable, "NFS server 10.0.0.1 does not answer", ""),
        (libc::EHOSTDOWN, cifs(), ErrorKind::Unreachable, "CIFS server nas.example does not answer", ""),
        (libc::EACCES, nfs(None), ErrorKind::Denied, "does not allow", "no_root_squash"),
        (libc::EACCES, cifs(), ErrorKind::Denied, "does not allow", "CIFS_USERNAME"),
        (libc::EROFS, nfs(None), ErrorKind::Denied, "read-only", "export /opt/backup for writing"),
    ] {
        let failure = share.explain_io(&io::Error::from_raw_os_error(error)).unwrap();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.why.contains(why) && !failure.why.contains("os error"), "{failure}");
        assert!(failure.next_step.unwrap_or_default().contains(step));
    }
    for error in [libc::ENOENT, libc::ENOSPC, libc::ESTALE] {
        assert!(nfs(None).explain_io(&io::Error::from_raw_os_error(error)).is_none());
    }
}
