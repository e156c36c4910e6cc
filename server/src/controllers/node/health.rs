//! The health of the devices below a node's disks (SMART): asked of the instance manager now and then, told as it was
//! last told in between. The setting `node-disk-health-monitoring` switches it off.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};
use aurochs_api::node::{DiskHealth, DiskHealthAttribute};
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::instance_v1::{DeviceHealth, DiskHealthRequest, HealthAttribute};

use super::super::Context;
use crate::instance::{LOOK_TIMEOUT, within};
use crate::resources::node::{DiskSpec, DiskStatus};
use crate::resources::{Node, Object, timestamp};
use crate::settings::Name;

/// Devices age in weeks; their counters would be written every time.
const PERIOD: Duration = Duration::from_secs(600);

/// By disk; what is not there stays as it was told before.
pub(super) type Told = BTreeMap<String, Vec<DiskHealth>>;

/// When each node's disks were last asked, and which they were.
#[derive(Debug, Default)]
pub(super) struct Memory {
    asked: Mutex<HashMap<String, (Instant, Vec<String>)>>,
}

impl Memory {
    /// What the devices say; none while the last answer is young enough. With the setting off there is nothing to be
    /// told of any disk.
    pub(super) async fn look(&self, context: &Context, node: &Object<Node>) -> Option<Told> {
        let disks = &node.spec.disks;
        if !context.settings.flag(Name::NodeDiskHealthMonitoring) {
            self.lock().remove(node.name());
            return Some(disks.keys().map(|name| (name.clone(), Vec::new())).collect());
        }
        let paths: Vec<String> = disks.values().map(|disk| disk.path.clone()).collect();
        let is_fresh = |(at, of): &(Instant, Vec<String>)| at.elapsed() < PERIOD && *of == paths;
        if self.lock().get(node.name()).is_some_and(is_fresh) {
            return None;
        }
        let look =
            async |(name, disk): (&String, &DiskSpec)| Some((name.clone(), ask(context, node, &disk.path).await?));
        let told = futures::future::join_all(disks.iter().map(look)).await;
        // One that can't answer is not asked in every pass either.
        self.lock().insert(node.name().to_owned(), (Instant::now(), paths));
        Some(told.into_iter().flatten().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Vec<String>)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None when nothing is known: there is no program to ask with, or the node is busy.
async fn ask(context: &Context, node: &Object<Node>, path: &str) -> Option<Vec<DiskHealth>> {
    let request = within(LOOK_TIMEOUT, DiskHealthRequest { path: path.to_owned() });
    match context.clients.manager(node.name()).ok()?.disk_health(request).await {
        Ok(reply) => Some(reply.into_inner().devices.into_iter().map(device).collect()),
        Err(error) => {
            tracing::debug!(node = node.name(), path, why = error.message(), "the health of a disk is not known");
            // Without the program nothing is known of it any more.
            (error.code() == tonic::Code::FailedPrecondition).then(Vec::new)
        }
    }
}

fn device(told: DeviceHealth) -> DiskHealth {
    DiskHealth {
        disk_name: told.name,
        disk_type: told.kind,
        health_status: told.status,
        source: "SMART".to_owned(),
        model_name: told.model,
        serial_number: told.serial,
        firmware_version: told.firmware,
        capacity: ByteSize(told.capacity_bytes),
        temperature: told.temperature_celsius,
        attributes: told.attributes.into_iter().map(attribute).collect(),
    }
}

fn attribute(told: HealthAttribute) -> DiskHealthAttribute {
    DiskHealthAttribute {
        id: told.id,
        name: told.name,
        value: told.value,
        worst: told.worst,
        threshold: told.threshold,
        raw_value: told.raw_value,
        raw_string: told.raw_text,
        when_failed: told.when_failed,
    }
}

/// Takes what was told of one disk into its status.
pub(super) fn take(disk: &mut DiskStatus, told: &[DiskHealth]) {
    disk.health_data = told.iter().map(|device| (device.disk_name.clone(), device.clone())).collect();
    disk.health_data_last_collected_at = if told.is_empty() { String::new() } else { timestamp::now() };
}

/// What a device that fails means for the disk on it; as it was last told.
pub(super) fn failing(node: &str, disk: &DiskStatus) -> Option<Cause> {
    let is_bad = |device: &&DiskHealth| matches!(device.health_status.as_str(), "FAILED" | "WARNING");
    let mut bad: Vec<&DiskHealth> = disk.health_data.values().filter(is_bad).collect();
    bad.sort_by_key(|device| device.health_status != "FAILED");
    let worst = bad.first()?;
    let (severity, says) = match worst.health_status.as_str() {
        "FAILED" => (Severity::Error, "says that it has failed or is about to"),
        _ => (Severity::Warning, "warns of itself"),
    };
    let (name, device) = (&disk.disk_name, &worst.disk_name);
    let message = format!(
        "The device {device} ({} {}) below disk {name} of {node} {says} (SMART).",
        worst.model_name, worst.serial_number
    );
    let next_step = format!("Evict the disk {name}, wait until it is empty, and replace the device.");
    let details = bad.iter().flat_map(|device| details(node, name, device)).collect();
    let cause = Cause::new(CauseCode::DiskFailing, severity, message, next_step);
    Some(cause.about([node, name.as_str(), device.as_str()]).detailed(details))
}

/// The attributes that fail now; where the device names none, its word alone.
fn details(node: &str, disk: &str, device: &DiskHealth) -> Vec<CauseDetail> {
    let detail = |rule: &str, text: String| CauseDetail {
        node: node.to_owned(),
        disk: disk.to_owned(),
        rule: rule.to_owned(),
        text,
        ..CauseDetail::default()
    };
    let failing = device.attributes.iter().filter(|attribute| attribute.when_failed == "now");
    let lines: Vec<CauseDetail> = failing
        .map(|one| {
            let text = format!(
                "{}: {} is {} and has to be above {} (raw {})",
                device.disk_name, one.name, one.value, one.threshold, one.raw_string
            );
            detail("smart-attribute", text)
        })
        .collect();
    if lines.is_empty() {
        return vec![detail("smart-status", format!("{}: {}", device.disk_name, device.health_status))];
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, status: &str, when_failed: &str) -> DiskHealth {
        let attribute = DiskHealthAttribute {
            id: 5,
            name: "Reallocated_Sector_Ct".into(),
            value: 3,
            threshold: 10,
            raw_string: "4000".into(),
            when_failed: when_failed.into(),
            ..DiskHealthAttribute::default()
        };
        DiskHealth {
            disk_name: name.into(),
            health_status: status.into(),
            attributes: vec![attribute],
            ..DiskHealth::default()
        }
    }

    #[test]
    fn a_failing_device_is_told_with_the_attribute_that_fails() {
        let mut disk = DiskStatus { disk_name: "d".into(), ..DiskStatus::default() };
        take(&mut disk, &[device("sda", "PASSED", ""), device("sdb", "UNKNOWN", "")]);
        assert_eq!(failing("node-1", &disk), None);
        assert!(!disk.health_data_last_collected_at.is_empty());
        for (status, severity) in [("WARNING", Severity::Warning), ("FAILED", Severity::Error)] {
            take(&mut disk, &[device("sda", "PASSED", ""), device("sdb", status, "now")]);
            let cause = failing("node-1", &disk).unwrap();
            assert_eq!((cause.code, cause.severity), (CauseCode::DiskFailing, severity));
            assert!(cause.message.contains("sdb") && cause.details[0].text.contains("is 3 and has to be above 10"));
        }
        take(&mut disk, &[]);
        assert!(disk.health_data.is_empty() && disk.health_data_last_collected_at.is_empty());
    }

    #[test]
    fn what_is_told_keeps_its_numbers() {
        let told = DeviceHealth {
            name: "nvme0n1".into(),
            temperature_celsius: 41,
            attributes: vec![HealthAttribute { name: "media_errors".into(), raw_value: 7, ..Default::default() }],
            ..DeviceHealth::default()
        };
        let health = super::device(told);
        assert_eq!((health.temperature, health.attributes[0].raw_value, health.source.as_str()), (41, 7, "SMART"));
    }
}
