//! Programs that the product, or those who use its volumes, call.

use super::host::{Host, Package};
use super::{Item, Severity};

/// A package and what goes without it.
struct Wanted {
    name: &'static str,
    package: Package,
    programs: &'static [&'static str],
    severity: Severity,
    /// "formatting volumes with ext4"
    purpose: &'static str,
}

const WANTED: &[Wanted] = &[
    Wanted {
        name: "package-util-linux",
        package: Package::named("util-linux"),
        programs: &["setsid", "mount", "umount"],
        severity: Severity::Error,
        purpose: "starting the node's processes and mounting volumes",
    },
    Wanted {
        name: "package-e2fsprogs",
        package: Package::named("e2fsprogs"),
        programs: &["mkfs.ext4", "e2fsck", "resize2fs"],
        severity: Severity::Warning,
        purpose: "file systems of the kind ext4 on volumes",
    },
    Wanted {
        name: "package-xfsprogs",
        package: Package::named("xfsprogs"),
        programs: &["mkfs.xfs", "xfs_growfs"],
        severity: Severity::Info,
        purpose: "file systems of the kind xfs on volumes",
    },
    Wanted {
        name: "package-cryptsetup",
        package: Package::named("cryptsetup"),
        programs: &["cryptsetup"],
        severity: Severity::Info,
        purpose: "encrypted volumes",
    },
    Wanted {
        name: "package-iscsi",
        package: Package { red_hat: "iscsi-initiator-utils", ..Package::named("open-iscsi") },
        programs: &["iscsiadm"],
        severity: Severity::Info,
        purpose: "attaching volumes of other machines by iSCSI",
    },
    Wanted {
        name: "package-smartmontools",
        package: Package::named("smartmontools"),
        programs: &["smartctl"],
        severity: Severity::Info,
        purpose: "the health of disks",
    },
];

const NFS: Package = Package {
    red_hat: "nfs-utils",
    suse: "nfs-client",
    alpine: "nfs-utils",
    arch: "nfs-utils",
    ..Package::named("nfs-common")
};

pub(super) fn check(host: &Host) -> Vec<Item> {
    let mut items: Vec<Item> = WANTED.iter().map(|wanted| package(host, wanted)).collect();
    items.push(nfs_client(host));
    items
}

fn package(host: &Host, wanted: &Wanted) -> Item {
    let missing: Vec<&str> = wanted.programs.iter().copied().filter(|name| !host.has_program(name)).collect();
    let purpose = wanted.purpose;
    if missing.is_empty() {
        let found = wanted.programs.join(", ");
        return Item::good(wanted.name, wanted.severity, format!("{found}: for {purpose}"));
    }
    let message = format!("{} not installed, needed for {purpose}", are(&missing));
    Item::bad(wanted.name, wanted.severity, message, host.family().install(&wanted.package))
}

fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// For backups on NFS and volumes that several nodes mount.
fn nfs_client(host: &Host) -> Item {
    let (name, severity) = ("nfs-client", Severity::Info);
    let purpose = "backups on NFS and volumes that several nodes mount";
    if !host.has_program("mount.nfs4") && !host.has_program("mount.nfs") {
        let message = format!("the NFS client is not installed, needed for {purpose}");
        return Item::bad(name, severity, message, host.family().install(&NFS));
    }
    let in_kernel = host.knows_filesystem("nfs4") || host.has_module("nfsv4");
    if in_kernel || host.can_load_module("nfsv4") {
        return Item::good(name, severity, format!("the NFS client is installed, for {purpose}"));
    }
    let message = format!("the kernel has no NFS 4 client (module nfsv4), needed for {purpose}");
    Item::bad(name, severity, message, "Use a kernel with CONFIG_NFS_V4, or install its extra modules.")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A machine with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn item(root: &tempfile::TempDir, name: &str) -> Item {
        check(&Host::at(root.path())).into_iter().find(|item| item.name == name).unwrap()
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let root = machine(&[("/etc/os-release", "ID=fedora"), ("/usr/bin/mount", ""), ("/usr/bin/umount", "")]);
        let missing = item(&root, "package-util-linux");
        assert_eq!((missing.ok, missing.severity), (false, Severity::Error));
        assert!(missing.message.starts_with("setsid is not installed"), "{missing:?}");
        assert_eq!(missing.remedy, "Install it: dnf install util-linux");
        assert_eq!(item(&root, "package-iscsi").remedy, "Install it: dnf install iscsi-initiator-utils");
        assert_eq!(item(&root, "nfs-client").remedy, "Install it: dnf install nfs-utils");
    }

    #[test]
    fn an_nfs_client_is_a_program_and_a_module() {
        let release = ("/proc/sys/kernel/osrelease", "6.1.0\n");
        let program = ("/usr/sbin/mount.nfs", "");
        assert!(!item(&machine(&[release, program]), "nfs-client").ok);
        let loadable = ("/lib/modules/6.1.0/modules.dep", "kernel/fs/nfs/nfsv4.ko.xz: kernel/fs/nfs/nfs.ko.xz\n");
        assert!(item(&machine(&[release, program, loadable]), "nfs-client").ok);
        assert!(item(&machine(&[release, program, ("/proc/filesystems", "nodev\tnfs4\n")]), "nfs-client").ok);
        assert!(!item(&machine(&[release, loadable]), "nfs-client").ok);
    }
}
