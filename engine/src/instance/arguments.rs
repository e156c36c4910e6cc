//! The command lines of engine and replica processes.

use super::process::Settings;
use crate::grpc::instance_v1::{EngineSpec, ReplicaSpec};

pub(super) fn replica(replica: &ReplicaSpec, settings: &Settings) -> Vec<String> {
    let mut arguments = vec!["replica".to_owned(), "--directory".to_owned(), replica.directory.clone()];
    arguments.extend(["--size".to_owned(), replica.size_bytes.to_string()]);
    // One for all disks of the node.
    let hash_lock = settings.run_directory.join("hash.lock");
    arguments.extend(["--hash-lock".to_owned(), hash_lock.display().to_string()]);
    if replica.revision_counter {
        arguments.push("--revision-counter".to_owned());
    }
    if replica.checksums {
        arguments.push("--checksums".to_owned());
    }
    if replica.must_exist {
        arguments.push("--must-exist".to_owned());
    }
    if !replica.backing_file.is_empty() {
        arguments.extend(["--backing-file".to_owned(), replica.backing_file.clone()]);
    }
    arguments.extend(tls(settings));
    arguments
}

pub(super) fn engine(engine: &EngineSpec, settings: &Settings) -> Vec<String> {
    let mut arguments = vec!["engine".to_owned()];
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("--size", engine.size_bytes.to_string());
    add("--epoch", engine.epoch.to_string());
    add("--frontend", engine.frontend.clone());
    add("--keeper", settings.own_address.to_string());
    add("--run-directory", settings.run_directory.display().to_string());
    add("--device-directory", settings.device_directory.display().to_string());
    if engine.snapshot_max_count > 0 {
        add("--snapshot-max-count", engine.snapshot_max_count.to_string());
    }
    add("--snapshot-max-size", engine.snapshot_max_size_bytes.to_string());
    if engine.replica_timeout_seconds > 0 {
        add("--replica-timeout", engine.replica_timeout_seconds.to_string());
    }
    let mut replicas: Vec<_> = engine.replicas.iter().collect();
    replicas.sort();
    for (name, address) in replicas {
        add("--replica", format!("{name}={address}"));
    }
    let flags =
        [(engine.unmap_mark_snap_chain_removed, "--unmap-mark-snap-chain-removed"), (engine.salvage, "--salvage")];
    arguments.extend(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag.to_owned()));
    arguments.extend(network(engine));
    arguments.extend(tls(settings));
    arguments
}

/// What proves to other machines who the process is.
fn tls(settings: &Settings) -> Vec<String> {
    let network = settings.network.iter();
    network.flat_map(|network| ["--tls".to_owned(), network.tls.display().to_string()]).collect()
}

/// How clients on other machines reach the volume.
fn network(engine: &EngineSpec) -> Vec<String> {
    let named = [
        ("--nbd-listen", &engine.nbd_tcp_listen),
        ("--nbd-tls", &engine.nbd_tls),
        ("--nbd-tls-certificate", &engine.nbd_tls_certificate),
        ("--nbd-tls-key", &engine.nbd_tls_key),
        ("--nbd-tls-client-ca", &engine.nbd_tls_client_ca),
        ("--iscsi-chap-file", &engine.iscsi_chap_file),
    ];
    let portals = engine.iscsi_listen.iter().map(|portal| ("--iscsi-listen", portal));
    let given = named.into_iter().chain(portals).filter(|(_, value)| !value.is_empty());
    given.flat_map(|(flag, value)| [flag.to_owned(), value.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_is_passed_on() {
        assert!(network(&EngineSpec::default()).is_empty());
        let engine = EngineSpec {
            nbd_tcp_listen: "127.0.0.1:0".into(),
            iscsi_listen: vec!["10.0.0.1:3260".into(), "10.1.0.1:3260".into()],
            ..EngineSpec::default()
        };
        let expected =
            ["--nbd-listen", "127.0.0.1:0", "--iscsi-listen", "10.0.0.1:3260", "--iscsi-listen", "10.1.0.1:3260"];
        assert_eq!(network(&engine), expected);
    }
}
