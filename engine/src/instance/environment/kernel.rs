//! The kernel, and what this process may do with it.

use std::path::Path;

use super::host::Host;
use super::{Item, Severity};
use crate::frontend::FrontendKind;
use crate::frontend::choice::{self, FrontendOffer};
use crate::frontend::fuse_loop::mounts;
use crate::sys::ring::Ring;

/// Loop devices are set up in one step since then (`LOOP_CONFIGURE`).
const KERNEL_MINIMUM: (u32, u32) = (5, 8);

pub(super) fn check(host: &Host) -> Vec<Item> {
    let mut items = vec![release(&host.kernel_release()), io_uring(host)];
    items.extend(frontends(&choice::offers()));
    let root = mounts::all().unwrap_or_default().into_iter().rfind(|mount| mount.mount_point == Path::new("/"));
    items.push(mount_propagation(root.is_some_and(|root| root.is_shared)));
    items.push(multipathd(host));
    items
}

fn release(release: &str) -> Item {
    let (name, severity) = ("kernel", Severity::Warning);
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < KERNEL_MINIMUM => {
            let (wanted_major, wanted_minor) = KERNEL_MINIMUM;
            let message = format!("Linux {release} is too old for block devices of volumes");
            Item::bad(name, severity, message, format!("Use Linux {wanted_major}.{wanted_minor} or newer."))
        }
        _ => Item::good(name, severity, format!("Linux {release}")),
    }
}

fn io_uring(host: &Host) -> Item {
    let (name, severity) = ("io-uring", Severity::Info);
    match Ring::<std::fs::File, ()>::new() {
        Ok(_) => Item::good(name, severity, "the kernel takes disk requests through io_uring"),
        Err(error) => {
            let message = format!("io_uring can't be used ({error}): disks are slower and take more processor time");
            let off = !matches!(host.read("/proc/sys/kernel/io_uring_disabled").trim(), "" | "0");
            let remedy = if off {
                "Allow it: sysctl kernel.io_uring_disabled=0"
            } else {
                "Let the container's seccomp profile allow io_uring_setup, or use a kernel that has it."
            };
            Item::bad(name, severity, message, remedy)
        }
    }
}

/// One item that says whether there are block devices at all, and one for each kind of them that is missing.
fn frontends(offers: &[FrontendOffer]) -> Vec<Item> {
    let devices: Vec<_> = offers
        .iter()
        .filter(|offer| offer.kind.gives_block_device() && offer.kind != FrontendKind::IscsiKernel)
        .collect();
    let mut items = Vec::new();
    match devices.iter().find(|offer| offer.available) {
        Some(best) => items.push(Item::good("block-device", Severity::Warning, best.reason.as_str())),
        None => {
            let reasons: Vec<_> = devices.iter().map(|offer| offer.reason.as_str()).collect();
            let message = format!("volumes get no block device on this node: {}", reasons.join("; "));
            let remedy = "Do what one of these asks for, or use volumes over NBD or iSCSI.";
            items.push(Item::bad("block-device", Severity::Warning, message, remedy));
        }
    }
    let missing = devices.iter().filter(|offer| !offer.available);
    items.extend(missing.map(|offer| Item {
        name: offer.kind.to_string(),
        ok: false,
        severity: Severity::Info,
        message: without_kind(offer),
        remedy: String::new(),
    }));
    items
}

/// The reason begins with the kind, which is the item's name already.
fn without_kind(offer: &FrontendOffer) -> String {
    let prefix = format!("{}: ", offer.kind);
    offer.reason.strip_prefix(&prefix).unwrap_or(&offer.reason).to_owned()
}

fn mount_propagation(is_shared: bool) -> Item {
    let (name, severity) = ("mount-propagation", Severity::Info);
    if is_shared {
        return Item::good(name, severity, "mounts reach containers (/ is a shared mount)");
    }
    let message = "what is mounted here does not reach containers (/ is no shared mount)";
    Item::bad(name, severity, message, "Needed only for volumes in containers: mount --make-rshared /")
}

fn multipathd(host: &Host) -> Item {
    let (name, severity) = ("multipathd", Severity::Info);
    if !host.is_running("multipathd") {
        return Item::good(name, severity, "multipathd is not running");
    }
    let message = "multipathd is running; it takes hold of iSCSI disks (sd*) of volumes";
    Item::bad(name, severity, message, "Add blacklist { devnode \"^sd[a-z0-9]+\" } to /etc/multipath.conf, or stop it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for (text, ok) in [("6.18.0-1-amd64", true), ("5.8.0", true), ("5.7.19", false), ("4.18", false), ("odd", true)]
        {
            assert_eq!(release(text).ok, ok, "{text}");
        }
    }

    #[test]
    fn without_any_block_device_every_way_to_one_is_told() {
        let offer = |kind, available| FrontendOffer { kind, available, reason: format!("{kind} reason") };
        let none = frontends(&[
            offer(FrontendKind::Ublk, false),
            offer(FrontendKind::FuseLoop, false),
            offer(FrontendKind::Nbd, true),
        ]);
        assert!(!none[0].ok && none[0].message.contains("ublk reason; fuse-loop reason"), "{none:?}");
        let one = frontends(&[offer(FrontendKind::Ublk, false), offer(FrontendKind::FuseLoop, true)]);
        assert!(one[0].ok && one[0].message == "fuse-loop reason");
        assert_eq!((one.len(), one[1].name.as_str(), one[1].severity), (2, "ublk", Severity::Info));
    }
}
