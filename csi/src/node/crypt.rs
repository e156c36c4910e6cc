//! Encrypted volumes: LUKS between the device and what is made of it.
//!
//! The plain side is `/dev/mapper/<volume>`. Its name follows from the volume's, so that a driver that was started again finds
//! it; which device it stands on is looked up in the kernel, since an older device of the volume is another one.
//!
//! Invariants, beside those of the crate:
//! 1. A device is given a header of LUKS only when it is empty ([`content`]). One that has a header is opened, and whatever else
//!    is on it is refused. A volume that is to be encrypted is never used without.
//! 2. The plain side is used only while the header is there: without it nothing that is written could be read again.
//! 3. The plain side is closed after what was mounted of it is gone, and the device is given back after that.
//! 4. Only what `cryptsetup` has made for LUKS, over the volume's own device or one that is no more, is taken for a plain side.
//! 5. The passphrase goes to `cryptsetup` by its standard input, and is in no argument, no message and no log.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::content::{self, Content};
use super::device::{Below, Device};
use super::mounts::{self, Number};
use super::programs::{self, Ended, LONG, QUICK};
use super::unmount::{self, InUse};
use crate::failure::{Failure, Kind};
use crate::parameters::{self, Parameters};

const MAPPER: &str = "/dev/mapper";
const SECTOR_BYTES: u64 = 512;
/// What `blkid` calls it.
const LUKS: &str = "crypto_LUKS";
/// What the kernel's name of a plain side begins with.
const OF_LUKS: &str = "CRYPT-LUKS";
/// Names of the kernel's for devices that volumes have.
const KINDS: [&str; 3] = ["loop", "nbd", "ublkb"];
/// What `cryptsetup` ends with when the passphrase is wrong, and when there is no such mapping.
const NO_PERMISSION: i32 = 2;
const NO_MAPPING: i32 = 4;

/// How a volume is encrypted: the secrets of the request, with Longhorn's names.
pub(super) struct Key {
    passphrase: String,
    cipher: String,
    hash: String,
    bits: String,
    derivation: String,
    iterations: String,
    memory: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("cipher", &self.cipher).finish_non_exhaustive()
    }
}

impl Key {
    /// `purpose` is the part of the class's parameter that names the secret: `node-stage`.
    pub(super) fn of(secrets: &HashMap<String, String>, purpose: &str) -> Result<Self, Failure> {
        let said = |name: &str| secrets.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let or = |name: &str, default: &str| said(name).unwrap_or(default).to_owned();
        if let Some(other) = said("CRYPTO_KEY_PROVIDER").filter(|provider| *provider != "secret") {
            let message = format_args!("the secret's CRYPTO_KEY_PROVIDER can't be {other:?}");
            return Err(Failure::invalid(message, "Give secret, or leave it out."));
        }
        let passphrase = said("CRYPTO_KEY_VALUE").ok_or_else(|| {
            let parameter = format!("csi.storage.k8s.io/{purpose}-secret-name");
            Failure::invalid(
                "the volume is encrypted, and no secret with a CRYPTO_KEY_VALUE came with the request",
                format_args!("Name the secret in the class: {parameter} and the same with -namespace."),
            )
        })?;
        let key = Self {
            passphrase: passphrase.to_owned(),
            cipher: or("CRYPTO_KEY_CIPHER", "aes-xts-plain64"),
            hash: or("CRYPTO_KEY_HASH", "sha256"),
            bits: or("CRYPTO_KEY_SIZE", "256"),
            derivation: or("CRYPTO_PBKDF", "argon2i"),
            iterations: or("CRYPTO_PBKDF_FORCE_ITERATIONS", ""),
            memory: or("CRYPTO_PBKDF_MEMORY", ""),
        };
        let unusable = key.words().into_iter().find(|(_, value)| !is_word(value)).map(|(name, _)| name);
        match unusable {
            Some(name) => Err(Failure::invalid(format_args!("what the secret has for {name} can't be used"), "")),
            None => Ok(key),
        }
    }

    fn words(&self) -> [(&'static str, &str); 6] {
        [
            ("--cipher", &self.cipher),
            ("--hash", &self.hash),
            ("--key-size", &self.bits),
            ("--pbkdf", &self.derivation),
            ("--pbkdf-force-iterations", &self.iterations),
            ("--pbkdf-memory", &self.memory),
        ]
    }

    async fn run(&self, words: &[&str], paths: &[&Path], patience: Duration) -> Result<Ended, Failure> {
        programs::run_with("cryptsetup", words, paths, Some(self.passphrase.as_bytes()), patience).await
    }
}

/// What becomes an argument of a program.
fn is_word(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_');
    !value.starts_with('-') && value.bytes().all(is_plain)
}

/// The volume itself may say so, or what its claim was made with.
pub(super) fn is_wanted(volume_is: bool, context: &Parameters) -> Result<bool, Failure> {
    Ok(volume_is || parameters::flag(context, parameters::ENCRYPTED)? == Some(true))
}

/// The plain side of the volume's device `raw`, opened, and given a header first where the device is empty. One that is open
/// needs no secret.
pub(super) async fn open(
    volume: &str,
    raw: &Device,
    secrets: &HashMap<String, String>,
    purpose: &str,
    staging: &Path,
) -> Result<Device, Failure> {
    if let Some(plain) = opened(volume) {
        let has_header = content::known(raw).await? == Some(Content::Typed(LUKS.to_owned()));
        if has_header && stands_on(plain.number, raw.number) {
            return with_below(volume, plain, raw).await;
        }
        tracing::warn!(volume, "the plain side is one of an older device, or of a header that is gone; it is closed");
        if mounts::at(staging)?.is_some_and(|mount| mount.device == plain.number) {
            let is_older = !stands_on(plain.number, raw.number);
            unmount::all(staging, if is_older { InUse::GoLazily } else { InUse::Fail }).await?;
        }
        close(volume).await?;
    }
    let key = Key::of(secrets, purpose)?;
    let alone = raw.open_alone().await?;
    let found = content::of(raw).await?;
    drop(alone);
    match found {
        Content::Empty => format(raw, &key).await?,
        Content::Typed(kind) if kind == LUKS => {}
        Content::Typed(what) | Content::Other(what) => {
            let path = raw.path.display();
            let message = format_args!("{path} holds {what} and is not encrypted; nothing is written onto it");
            let next_step = "Use a class without the parameter encrypted, or another volume.";
            return Err(Failure::wrong_state(message, next_step));
        }
    }
    let ended = key.run(&["luksOpen", "--key-file", "-", "--"], &[&raw.path, Path::new(volume)], LONG).await?;
    if ended.code == Some(NO_PERMISSION) {
        let message = format_args!("volume {volume} is encrypted with another passphrase");
        return Err(Failure::invalid(message, "Correct CRYPTO_KEY_VALUE of the secret."));
    }
    ended.good(&format!("opening the encrypted volume {volume}"))?;
    let plain = opened(volume).ok_or_else(|| {
        let message = format!("{} is not there after all", mapper(volume).display());
        Failure::internal(message, "Is the node's /dev mounted where the driver runs?")
    })?;
    with_below(volume, plain, raw).await
}

/// The plain side of the volume's device, where it is open.
pub(super) async fn open_already(volume: &str, raw: &Device) -> Result<Option<Device>, Failure> {
    match opened(volume).filter(|plain| stands_on(plain.number, raw.number)) {
        Some(plain) => with_below(volume, plain, raw).await.map(Some),
        None => Ok(None),
    }
}

async fn format(raw: &Device, key: &Key) -> Result<(), Failure> {
    let given = key.words().into_iter().filter(|(_, value)| !value.is_empty());
    let mut words = vec!["-q", "luksFormat", "--type", "luks2"];
    words.extend(given.flat_map(|(name, value)| [name, value]));
    words.extend(["--key-file", "-", "--"]);
    tracing::info!(device = %raw.path.display(), "the volume is empty; it gets a header of LUKS");
    let made = key.run(&words, &[&raw.path], LONG).await?;
    made.good(&format!("encrypting {}", raw.path.display()))?;
    raw.write_out().await
}

fn mapper(volume: &str) -> PathBuf {
    Path::new(MAPPER).join(volume)
}

/// A plain side of this name, whatever it stands on.
fn opened(volume: &str) -> Option<Device> {
    Device::at(&mapper(volume)).ok().filter(|device| is_of_luks(device.number))
}

fn kernel(number: Number) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{}:{}", number.major, number.minor))
}

fn is_of_luks(number: Number) -> bool {
    std::fs::read_to_string(kernel(number).join("dm/uuid")).is_ok_and(|name| name.starts_with(OF_LUKS))
}

fn stands_on(plain: Number, below: Number) -> bool {
    foundation(plain).iter().any(|(_, number)| *number == below)
}

/// The devices that a plain side stands on: the kernel's names (`loop3`) and numbers.
fn foundation(plain: Number) -> Vec<(String, Number)> {
    let slaves = std::fs::read_dir(kernel(plain).join("slaves")).into_iter().flatten().flatten();
    let read = slaves.filter_map(|slave| {
        let number = std::fs::read_to_string(slave.path().join("dev")).ok()?;
        Some((slave.file_name().into_string().ok()?, Number::parse(number.trim())?))
    });
    read.collect()
}

/// Whether it is the volume's to close: it stands on its device, or on one as volumes have them that is no volume's any more.
fn is_of(volume: &str, plain: Number) -> bool {
    foundation(plain).iter().all(|(name, number)| match Device::volume(*number) {
        Some(owner) => owner == volume,
        None => KINDS.iter().any(|kind| name.starts_with(kind)),
    })
}

/// The volume whose plain side has this number now; none for one of a device that is no more.
pub(super) fn owner(plain: Number) -> Option<String> {
    if !is_of_luks(plain) {
        return None;
    }
    let name = std::fs::read_to_string(kernel(plain).join("dm/name")).ok()?.trim().to_owned();
    let raw = Device::attached(&name)?;
    stands_on(plain, raw.number).then_some(name)
}

/// With the place where its bytes are stored.
async fn with_below(volume: &str, plain: Device, raw: &Device) -> Result<Device, Failure> {
    let told = programs::run("cryptsetup", &["status", "--"], &[Path::new(volume)], QUICK).await?;
    let told = told.good(&format!("looking at the encrypted volume {volume}"))?;
    let offset = offset_told(&told.output).ok_or_else(|| {
        Failure::internal(format_args!("cryptsetup does not say where volume {volume} begins: {}", told.told()), "")
    })?;
    Ok(Device { below: Some(Below { path: raw.path.clone(), offset }), ..plain })
}

/// `offset:  32768 sectors`, or `offset:  32768 [512-byte units] (16777216 [bytes])`.
fn offset_told(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.trim().strip_prefix("offset:"))?.trim();
    let (sectors, unit) = line.split_once(' ')?;
    let is_known = unit.starts_with("sectors") || unit.starts_with("[512-byte units]");
    sectors.parse::<u64>().ok().filter(|_| is_known)?.checked_mul(SECTOR_BYTES)
}

/// Lets the plain side have all of the device, as that is now. One that has it already needs no secret.
pub(super) async fn grow(
    volume: &str,
    plain: &Device,
    raw: &Device,
    secrets: &HashMap<String, String>,
) -> Result<(), Failure> {
    let offset = plain.below.as_ref().map_or(0, |below| below.offset);
    if plain.size().await?.bytes() >= raw.size().await?.bytes().saturating_sub(offset) {
        return Ok(());
    }
    let key = Key::of(secrets, "node-expand").map_err(|failure| {
        let next_step = format_args!("{} Or end its pods: it grows when it is staged again.", failure.next_step);
        Failure::wrong_state(failure.message.clone(), next_step)
    })?;
    let ended = key.run(&["resize", "--key-file", "-", "--"], &[Path::new(volume)], QUICK).await?;
    ended.good(&format!("growing the encrypted volume {volume}")).map(drop)
}

/// Closes the plain side, which nobody may have mounted any more. One that is not open is fine.
pub(super) async fn close(volume: &str) -> Result<(), Failure> {
    let Some(plain) = opened(volume) else { return Ok(()) };
    if !is_of(volume, plain.number) {
        let message = format!("{} is there, and is not of volume {volume}", mapper(volume).display());
        return Err(Failure::wrong_state(message, "Close it, or give it another name."));
    }
    let ended = programs::run("cryptsetup", &["luksClose", "--"], &[Path::new(volume)], QUICK).await?;
    if ended.code == Some(0) || ended.code == Some(NO_MAPPING) {
        return Ok(());
    }
    let message = format_args!("the encrypted volume {volume} can't be closed: {}", ended.told());
    Err(Failure::new(Kind::Internal, message, "End the processes that use it; it is tried again."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(all: &[(&str, &str)]) -> HashMap<String, String> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn longhorns_defaults() {
        let all = secrets(&[("CRYPTO_KEY_VALUE", "hush"), ("CRYPTO_KEY_PROVIDER", "secret")]);
        let key = Key::of(&all, "node-stage").unwrap();
        let words: Vec<_> = key.words().into_iter().map(|(_, value)| value).collect();
        assert_eq!(words, ["aes-xts-plain64", "sha256", "256", "argon2i", "", ""]);
        assert!(!format!("{key:?}").contains("hush"));
    }

    #[test]
    fn secrets_that_are_none() {
        for wrong in [
            &[][..],
            &[("CRYPTO_KEY_VALUE", "")],
            &[("CRYPTO_KEY_VALUE", "hush"), ("CRYPTO_KEY_PROVIDER", "vault")],
            &[("CRYPTO_KEY_VALUE", "hush"), ("CRYPTO_KEY_CIPHER", "aes /dev/sda")],
            &[("CRYPTO_KEY_VALUE", "hush"), ("CRYPTO_PBKDF", "--batch-mode")],
        ] {
            let failure = Key::of(&secrets(wrong), "node-stage").unwrap_err();
            assert_eq!(failure.kind, Kind::Invalid, "{wrong:?}");
            assert!(!failure.to_string().contains("hush"), "{failure}");
        }
        let none = Key::of(&secrets(&[]), "node-stage").unwrap_err();
        assert!(none.next_step.contains("node-stage-secret-name"), "{none}");
    }

    #[test]
    fn who_wants_it() {
        let wanted: Parameters = [("encrypted".to_owned(), "true".to_owned())].into();
        assert_eq!(is_wanted(false, &wanted), Ok(true));
        assert_eq!(is_wanted(true, &Parameters::new()), Ok(true));
        assert_eq!(is_wanted(false, &Parameters::new()), Ok(false));
    }

    #[test]
    fn where_the_plain_side_begins() {
        let status = "/dev/mapper/v is active.\n  type:    LUKS2\n  offset:  32768 sectors\n  size:    98304 sectors\n";
        assert_eq!(offset_told(status), Some(16 << 20));
        assert_eq!(offset_told("  offset:  32768 [512-byte units] (16777216 [bytes])\n"), Some(16 << 20));
        assert_eq!(offset_told("type: LUKS2"), None);
        assert_eq!(offset_told("offset: 3 pages"), None);
    }
}
