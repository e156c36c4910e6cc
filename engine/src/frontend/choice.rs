//! Which frontends this node can offer, which one is taken, and why.

use std::path::Path;

use nix::unistd::geteuid;

use super::{FrontendKind, kernel_nbd, ublk};

/// One kind on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontendOffer {
    pub kind: FrontendKind,
    pub available: bool,
    /// Why it is available or not; if not, what would change that.
    pub reason: String,
}

/// A kind and why it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub kind: FrontendKind,
    pub reason: String,
}

/// Looks at the node: devices, modules, rights. Best kind first, one entry for each.
#[must_use]
pub fn offers() -> Vec<FrontendOffer> {
    FrontendKind::ALL.into_iter().map(offer).collect()
}

/// The best available kind that gives a block device, else the best available one. The reason names what was
/// passed over. `None` when nothing is available.
#[must_use]
pub fn choose(offers: &[FrontendOffer]) -> Option<Choice> {
    let available = || offers.iter().filter(|offer| offer.available);
    let best = available().find(|offer| offer.kind.gives_block_device()).or_else(|| available().next())?;
    let passed_over: Vec<&str> = offers
        .iter()
        .take_while(|offer| offer.kind != best.kind)
        .filter(|offer| !offer.available)
        .map(|offer| offer.reason.as_str())
        .collect();
    let reason = if passed_over.is_empty() {
        best.reason.clone()
    } else {
        format!("{}; better ones are not possible here: {}", best.reason, passed_over.join("; "))
    };
    Some(Choice { kind: best.kind, reason })
}

fn offer(kind: FrontendKind) -> FrontendOffer {
    let (available, reason) = match kind {
        FrontendKind::Ublk => match root_obstacle().map_or_else(ublk_driver, Err) {
            Ok(()) => (true, "ublk: a block device by the kernel's userspace block driver, which is loaded".into()),
            Err(obstacle) => (false, format!("ublk: {obstacle}")),
        },
        FrontendKind::NbdKernel => match root_obstacle().map_or_else(nbd_driver, Err) {
            Ok(()) => {
                (true, "nbd-kernel: a block device by the kernel's own NBD client, which has its driver loaded".into())
            }
            Err(obstacle) => (false, format!("nbd-kernel: {obstacle}")),
        },
        FrontendKind::IscsiKernel => (false, unimplemented_yet("iscsi-kernel", iscsi_initiator())),
        FrontendKind::FuseLoop => match fuse_loop_obstacle() {
            None => (true, "fuse-loop: a block device by FUSE and the loop driver, which this kernel has".into()),
            Some(obstacle) => (false, format!("fuse-loop: {obstacle}")),
        },
        FrontendKind::Nbd => (true, "nbd: an NBD server in the engine itself, for any client, without root".into()),
        FrontendKind::Iscsi => {
            (true, "iscsi: an iSCSI target in the engine itself, for any initiator, without root".into())
        }
    };
    FrontendOffer { kind, available, reason }
}

/// Says both what the node lacks and that it would not help yet.
fn unimplemented_yet(name: &str, driver: Result<(), String>) -> String {
    match driver {
        Ok(()) => format!("{name}: this version of Aurochs does not have this frontend yet (the node is ready for it)"),
        Err(obstacle) => {
            format!("{name}: this version of Aurochs does not have this frontend yet; besides, {obstacle}")
        }
    }
}

fn ublk_driver() -> Result<(), String> {
    present(
        "/dev/ublk-control",
        "the kernel has not loaded ublk_drv; load it with `modprobe ublk_drv` (Linux 6.16 or newer)",
    )?;
    ublk::driver_answers().map_err(|error| error.to_string())?;
    if !ublk::driver_resizes() {
        return Err("the kernel's ublk driver can't resize a device in use (Linux 6.16 or newer can)".into());
    }
    Ok(())
}

fn nbd_driver() -> Result<(), String> {
    present("/sys/module/nbd", "the kernel has not loaded nbd; load it with `modprobe nbd`")?;
    kernel_nbd::driver_answers().map_err(|error| error.to_string())
}

fn iscsi_initiator() -> Result<(), String> {
    present("/sys/module/iscsi_tcp", "the kernel has not loaded iscsi_tcp; load it with `modprobe iscsi_tcp`")?;
    present("/sbin/iscsiadm", "the initiator is not installed; install open-iscsi")
}

/// What keeps this process from block devices of any kind.
fn root_obstacle() -> Option<String> {
    if !geteuid().is_root() {
        return Some("mounting and device nodes need root; run the instance manager as root".into());
    }
    if !has_capability(CAP_SYS_ADMIN) {
        return Some("this container may not mount; run the instance manager privileged (CAP_SYS_ADMIN)".into());
    }
    None
}

fn fuse_loop_obstacle() -> Option<String> {
    if let Some(obstacle) = root_obstacle() {
        return Some(obstacle);
    }
    present("/dev/fuse", "the kernel has not loaded fuse; load it with `modprobe fuse`")
        .and_then(|()| present("/dev/loop-control", "the kernel has not loaded loop; load it with `modprobe loop`"))
        .err()
}

/// `linux/capability.h`
const CAP_SYS_ADMIN: u32 = 21;

/// Root in a container has only the capabilities that it was given.
fn has_capability(number: u32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|set| set >> number & 1 == 1)
}

fn present(path: &str, otherwise: &str) -> Result<(), String> {
    if Path::new(path).exists() { Ok(()) } else { Err(format!("{path} is missing: {otherwise}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_available(kinds: &[FrontendKind]) -> Vec<FrontendOffer> {
        let offer = |kind: FrontendKind| {
            let available = kinds.contains(&kind);
            FrontendOffer { kind, available, reason: format!("{kind} {}", if available { "works" } else { "lacks" }) }
        };
        FrontendKind::ALL.into_iter().map(offer).collect()
    }

    #[test]
    fn the_best_block_device_wins_and_the_reason_names_the_others() {
        let choice = choose(&with_available(&[FrontendKind::FuseLoop, FrontendKind::Nbd])).unwrap();
        assert_eq!(choice.kind, FrontendKind::FuseLoop);
        assert_eq!(
            choice.reason,
            "fuse-loop works; better ones are not possible here: ublk lacks; nbd-kernel lacks; iscsi-kernel lacks"
        );
        let best = choose(&with_available(&FrontendKind::ALL)).unwrap();
        assert_eq!((best.kind, best.reason.as_str()), (FrontendKind::Ublk, "ublk works"));
    }

    #[test]
    fn without_a_block_device_the_server_is_left() {
        assert_eq!(choose(&with_available(&[FrontendKind::Nbd])).unwrap().kind, FrontendKind::Nbd);
        assert_eq!(choose(&with_available(&[])), None);
    }

    #[test]
    fn this_node_offers_every_kind_once_and_always_the_nbd_server() {
        let offers = offers();
        assert_eq!(offers.iter().map(|offer| offer.kind).collect::<Vec<_>>(), FrontendKind::ALL);
        assert!(offers.iter().all(|offer| offer.reason.starts_with(offer.kind.name())), "{offers:?}");
        assert!(offers.iter().any(|offer| offer.kind == FrontendKind::Nbd && offer.available));
    }
}
