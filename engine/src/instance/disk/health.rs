//! What devices say of their own health (SMART), by way of `smartctl --json`.
//!
//! Bounds: one question at a time for each device, some seconds each, a megabyte of answer. A program that hangs with its
//! device is killed, and the device is not asked again until it has gone.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::devices;
use crate::grpc::instance_v1::{DeviceHealth, HealthAttribute};

const PROGRAM: &str = "smartctl";
/// A healthy device answers within one second; one that sleeps has to spin up.
const PATIENCE: Duration = Duration::from_secs(8);
const ANSWER_MAXIMUM_BYTES: u64 = 1 << 20;
/// A device has a few dozen.
const ATTRIBUTES_MAXIMUM: usize = 256;
const TEXT_MAXIMUM_CHARACTERS: usize = 128;

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    #[error("smartctl is not installed, so that the health of disks is not known; install smartmontools")]
    NoProgram,
    #[error("could not run smartctl: {0}")]
    Run(io::Error),
    #[error("smartctl did not answer for {device} within {} s; the device hangs", PATIENCE.as_secs())]
    Hangs { device: String },
    #[error("what smartctl answered for {device} is no JSON: {source}")]
    NotJson { device: String, source: serde_json::Error },
}

/// Asks devices. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct Health {
    program: PathBuf,
    /// Devices that are being asked.
    asked: Arc<Mutex<HashSet<String>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self { program: PathBuf::from(PROGRAM), asked: Arc::default() }
    }
}

impl Health {
    /// The devices below the file system at `path`. One that can't be asked is there with the status `UNKNOWN`.
    ///
    /// # Errors
    /// [`HealthError::NoProgram`].
    pub async fn of(&self, path: &Path) -> Result<Vec<DeviceHealth>, HealthError> {
        let path = path.to_owned();
        let names = tokio::task::spawn_blocking(move || devices::below(&path)).await.unwrap_or_default();
        // All at once: one that hangs must not keep the others waiting.
        let answers = futures::future::join_all(names.iter().map(|name| self.ask(name))).await;
        names.iter().zip(answers).map(|(name, answer)| told_or_unknown(name, answer)).collect()
    }

    async fn ask(&self, device: &str) -> Result<DeviceHealth, HealthError> {
        let hangs = || HealthError::Hangs { device: device.to_owned() };
        let question = Question::begin(&self.asked, device).ok_or_else(hangs)?;
        let mut command = Command::new(&self.program);
        command.args(["--json=c", "--all"]).arg(Path::new("/dev").join(device));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => HealthError::NoProgram,
            _ => HealthError::Run(error),
        })?;
        let answer = tokio::time::timeout(PATIENCE, answer(&mut child)).await;
        // In the background: a process that waits for a dead device does not even end when it is killed.
        tokio::spawn(async move {
            let _question = question;
            let _ = child.kill().await;
        });
        let answer = answer.map_err(|_| hangs())?.map_err(HealthError::Run)?;
        let json: Value = serde_json::from_slice(&answer)
            .map_err(|source| HealthError::NotJson { device: device.to_owned(), source })?;
        Ok(read(device, &json))
    }
}

fn told_or_unknown(name: &str, answer: Result<DeviceHealth, HealthError>) -> Result<DeviceHealth, HealthError> {
    match answer {
        Err(error @ HealthError::NoProgram) => Err(error),
        Err(error) => {
            tracing::warn!(device = name, %error, "a device's health is not known");
            Ok(DeviceHealth { name: name.to_owned(), status: "UNKNOWN".into(), ..DeviceHealth::default() })
        }
        told => told,
    }
}

/// Its exit code tells of the device, not of the answer.
async fn answer(child: &mut Child) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER_MAXIMUM_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// While it is there nobody else asks the device.
struct Question {
    asked: Arc<Mutex<HashSet<String>>>,
    device: String,
}

impl Question {
    fn begin(asked: &Arc<Mutex<HashSet<String>>>, device: &str) -> Option<Self> {
        let is_first = asked.lock().unwrap_or_else(PoisonError::into_inner).insert(device.to_owned());
        is_first.then(|| Self { asked: Arc::clone(asked), device: device.to_owned() })
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.device);
    }
}

// === reading the answer ===

fn read(device: &str, json: &Value) -> DeviceHealth {
    let text = |pointers: &[&str]| {
        let found = pointers.iter().find_map(|pointer| json.pointer(pointer)?.as_str());
        short(found.unwrap_or_default())
    };
    let number = |pointer: &str| json.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let ata = json.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    let nvme = json.pointer("/nvme_smart_health_information_log").and_then(Value::as_object);
    let attributes: Vec<HealthAttribute> = match (ata, nvme) {
        (Some(table), _) => table.iter().take(ATTRIBUTES_MAXIMUM).map(of_ata).collect(),
        (None, Some(log)) => log.iter().take(ATTRIBUTES_MAXIMUM).filter_map(of_nvme).collect(),
        (None, None) => Vec::new(),
    };
    DeviceHealth {
        name: device.to_owned(),
        kind: text(&["/device/type"]),
        status: status(json, &attributes).to_owned(),
        model: text(&["/model_name", "/scsi_model_name"]),
        serial: text(&["/serial_number"]),
        firmware: text(&["/firmware_version", "/scsi_revision"]),
        capacity_bytes: json.pointer("/user_capacity/bytes").and_then(Value::as_u64).unwrap_or_default(),
        temperature_celsius: number("/temperature/current"),
        attributes,
    }
}

/// The device's own judgement; a warning where it passes and still names something that fails now.
fn status(json: &Value, attributes: &[HealthAttribute]) -> &'static str {
    let passed = json.pointer("/smart_status/passed").and_then(Value::as_bool);
    let warns = json.pointer("/nvme_smart_health_information_log/critical_warning").and_then(Value::as_i64);
    let fails_now = attributes.iter().any(|attribute| attribute.when_failed == "now");
    match passed {
        Some(false) => "FAILED",
        _ if fails_now || warns.is_some_and(|bits| bits != 0) => "WARNING",
        Some(true) => "PASSED",
        None => "UNKNOWN",
    }
}

fn of_ata(row: &Value) -> HealthAttribute {
    let number = |pointer: &str| row.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let text = |pointer: &str| short(row.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    HealthAttribute {
        id: u32::try_from(number("/id")).unwrap_or_default(),
        name: text("/name"),
        value: number("/value"),
        worst: number("/worst"),
        threshold: number("/thresh"),
        raw_value: number("/raw/value"),
        raw_text: text("/raw/string"),
        when_failed: text("/when_failed"),
    }
}

fn of_nvme((name, value): (&String, &Value)) -> Option<HealthAttribute> {
    let raw_value = value.as_i64()?;
    Some(HealthAttribute {
        name: short(name),
        raw_value,
        raw_text: raw_value.to_string(),
        ..HealthAttribute::default()
    })
}

/// A device may say anything.
fn short(text: &str) -> String {
    text.trim().chars().filter(|letter| !letter.is_control()).take(TEXT_MAXIMUM_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ata(passed: bool, when_failed: &str) -> Value {
        json!({
            "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
            "model_name": "WDC WD40\u{7}", "serial_number": "S1", "firmware_version": "1.0",
            "user_capacity": {"bytes": 4_000_787_030_016_u64},
            "smart_status": {"passed": passed},
            "temperature": {"current": 35},
            "ata_smart_attributes": {"table": [{
                "id": 5, "name": "Reallocated_Sector_Ct", "value": 100, "worst": 99, "thresh": 10,
                "when_failed": when_failed, "raw": {"value": 8, "string": "8"},
            }]},
        })
    }

    #[test]
    fn answers_of_devices() {
        let nvme = |warning: i64| {
            json!({
                "device": {"type": "nvme"}, "smart_status": {"passed": true},
                "nvme_smart_health_information_log": {"critical_warning": warning, "media_errors": 3, "list": [1]},
            })
        };
        for (json, status, attributes) in [
            (ata(true, ""), "PASSED", 1),
            (ata(true, "past"), "PASSED", 1),
            (ata(true, "now"), "WARNING", 1),
            (ata(false, "now"), "FAILED", 1),
            (nvme(0), "PASSED", 2),
            (nvme(4), "WARNING", 2),
            (json!({"smartctl": {"exit_status": 2}}), "UNKNOWN", 0),
            (json!([1, "x"]), "UNKNOWN", 0),
        ] {
            let device = read("sda", &json);
            assert_eq!((device.status.as_str(), device.attributes.len()), (status, attributes), "{json}");
        }
        let device = read("sda", &ata(true, ""));
        assert_eq!((device.model.as_str(), device.temperature_celsius), ("WDC WD40", 35));
        let attribute = &device.attributes[0];
        assert_eq!((attribute.id, attribute.threshold, attribute.raw_value), (5, 10, 8));
    }

    #[tokio::test]
    async fn a_program_that_is_missing_or_answers_without_end() {
        let with = |program: &str| Health { program: PathBuf::from(program), ..Health::default() };
        assert!(matches!(with("/no/such/smartctl").ask("sda").await, Err(HealthError::NoProgram)));
        for program in ["yes", "true"] {
            assert!(matches!(with(program).ask("sda").await, Err(HealthError::NotJson { .. })), "{program}");
        }
        let unknown = told_or_unknown("sda", with("true").ask("sda").await).unwrap();
        assert_eq!((unknown.name.as_str(), unknown.status.as_str()), ("sda", "UNKNOWN"));
    }

    #[test]
    fn a_device_that_hangs_is_asked_once() {
        let health = Health::default();
        let first = Question::begin(&health.asked, "sda").unwrap();
        assert!(Question::begin(&health.asked, "sda").is_none());
        assert!(Question::begin(&health.asked, "sdb").is_some());
        drop(first);
        assert!(Question::begin(&health.asked, "sda").is_some());
    }
}
