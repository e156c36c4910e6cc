use super::*;

fn place(text: &str) -> Place {
    text.parse::<TargetUrl>().unwrap().place().clone()
}

fn refusal(text: &str) -> String {
    text.parse::<TargetUrl>().unwrap_err().to_string()
}

#[test]
fn every_kind_is_understood() {
    let s3 = |bucket: &str, region: Option<&str>, prefix: &str| Place::S3 {
        bucket: bucket.to_owned(),
        region: region.map(str::to_owned),
        prefix: prefix.to_owned(),
    };
    assert_eq!(place("s3://backups@us-east-1/"), s3("backups", Some("us-east-1"), ""));
    assert_eq!(place("s3://backups@eu/a//b/"), s3("backups", Some("eu"), "a/b"));
    assert_eq!(place("s3://Back_ups.x/p"), s3("Back_ups.x", None, "p"));
    assert_eq!(
        place("nfs://10.0.0.1:/opt/backup?nfsOptions=soft,timeo=330&nfsOptions=retrans=3"),
        Place::Nfs {
            server: "10.0.0.1".to_owned(),
            path: "/opt/backup".to_owned(),
            options: Some("soft,timeo=330,retrans=3".to_owned())
        }
    );
    assert_eq!(
        place("nfs://[fd00::1]:/b"),
        Place::Nfs { server: "[fd00::1]".to_owned(), path: "/b".to_owned(), options: None }
    );
    assert_eq!(
        place("cifs://server/share/sub?cifsOptions=vers=3.0"),
        Place::Cifs {
            server: "server".to_owned(),
            path: "/share/sub".to_owned(),
            options: Some("vers=3.0".to_owned())
        }
    );
    assert_eq!(
        place("azblob://c@core.windows.net/x"),
        Place::Azure { container: "c".to_owned(), suffix: Some("core.windows.net".to_owned()), prefix: "x".to_owned() }
    );
    assert_eq!(place("vfs:///var/backups"), Place::Local { path: PathBuf::from("/var/backups") });
    assert_eq!(place("vfs:///with%20space"), Place::Local { path: PathBuf::from("/with space") });
}

#[test]
fn what_is_wrong_is_said_with_an_example() {
    for (text, why) in [
        ("", "no scheme"),
        ("http://host/", "not known"),
        ("s3://bucket@region", "no path"),
        ("s3://@region/", "names no bucket"),
        ("s3://bucket@/", "nothing behind the @"),
        ("s3://bucket/a/../b", "\"..\""),
        ("s3://bucket/?backup=b", "\"backup\""),
        ("nfs://:/path", "no server"),
        ("nfs://-o:/path", "no server"),
        ("nfs://server", "no path"),
        ("nfs://server:/p?cifsOptions=soft", "cifsOptions"),
        ("cifs://user@server/share", "credentials"),
        ("cifs://server/", "no share"),
        ("vfs://host/path", "third /"),
        ("vfs://", "no path"),
        ("vfs:///a%00b", "control characters"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(why), "{text}: {refusal}");
        assert!(refusal.contains("write it like"), "{refusal}");
    }
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    for text in ["cifs://user:hunter2@server/share", "s3://key:hunter2@region/path", "ftp://a:hunter2@host/"] {
        assert!(!refusal(text).contains("hunter2"), "{}", refusal(text));
    }
}

#[test]
fn a_backup_has_the_url_of_longhorn() {
    let target: TargetUrl = "s3://backups@us-east-1/".parse().unwrap();
    let url = BackupUrl::backup(target.clone(), "vol-1", "backup-0123456789abcdef");
    assert_eq!(url.to_string(), "s3://backups@us-east-1/?backup=backup-0123456789abcdef&volume=vol-1");
    assert_eq!(BackupUrl::volume(target.clone(), "vol-1").to_string(), "s3://backups@us-east-1/?volume=vol-1");
    assert_eq!(BackupUrl::backing_image(target, "bi").to_string(), "s3://backups@us-east-1/?backingImage=bi");

    let target: TargetUrl = "nfs://s:/p?nfsOptions=soft,timeo=1".parse().unwrap();
    let url = BackupUrl::backup(target, "v1", "b1");
    assert_eq!(url.to_string(), "nfs://s:/p?nfsOptions=soft,timeo=1&backup=b1&volume=v1");
}

#[test]
fn a_url_of_a_backup_is_read_in_any_order_and_with_escaped_ampersands() {
    for text in [
        "nfs://s:/p?backup=b1&nfsOptions=soft%2Ctimeo%3D1&volume=v1",
        "nfs://s:/p?backup=b1\\u0026nfsOptions=soft%2Ctimeo%3D1\\u0026volume=v1",
        "nfs://s:/p?nfsOptions=soft%2Ctimeo%3D1u0026volume=v1u0026backup=b1",
    ] {
        let url: BackupUrl = text.parse().unwrap();
        assert_eq!((url.backup.as_deref(), url.volume.as_deref()), (Some("b1"), Some("v1")), "{text}");
        assert_eq!(url.target.as_str(), "nfs://s:/p?nfsOptions=soft%2Ctimeo%3D1");
        assert_eq!(url.to_string().parse::<BackupUrl>().unwrap(), url);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(s3|nfs|cifs|azblob|vfs|.{0,3})(://)?.{0,30}") {
        if let Ok(url) = text.parse::<TargetUrl>() {
            assert_eq!(url.to_string().parse::<TargetUrl>().unwrap(), url);
        }
        if let Ok(url) = text.parse::<BackupUrl>() {
            assert_eq!(url.to_string().parse::<BackupUrl>().unwrap(), url);
        }
    }
}

#[test]
fn one_place_has_many_addresses() {
    let same = |one: &str, other: &str| {
        let (one, other): (TargetUrl, TargetUrl) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(one.is_same_place(&other), other.is_same_place(&one));
        one.is_same_place(&other)
    };
    for (one, other) in [
        ("nfs://server:/path", "nfs://server:/path?nfsOptions=soft,timeo=330"),
        ("nfs://server:/path?nfsOptions=nfsvers=4.2", "nfs://SERVER:/path//?nfsOptions=nfsvers=4.1"),
        ("cifs://server/share/path", "cifs://server/share/path/?cifsOptions=vers=3.0"),
        ("azblob://container/path", "azblob://container@core.windows.net/path/"),
        ("s3://bucket@region/path", "s3://bucket@region/path/"),
        ("vfs:///a/b", "vfs:///a//b/"),
    ] {
        assert!(same(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("nfs://server:/path", "nfs://server:/path/below"),
        ("nfs://server:/path", "nfs://other:/path"),
        ("nfs://server:/path", "cifs://server/path"),
        ("s3://bucket@here/path", "s3://bucket@there/path"),
        ("s3://bucket@here/path", "s3://bucket@here/Path"),
        ("azblob://container@one/path", "azblob://container@two/path"),
        ("vfs:///a", "vfs:///b"),
    ] {
        assert!(!same(one, other), "{one} {other}");
    }
}
