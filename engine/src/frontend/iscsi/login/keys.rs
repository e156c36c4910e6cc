//! Negotiation of the operational keys (RFC 7143, section 13).
//!
//! | key | outcome |
//! |---|---|
//! | HeaderDigest, DataDigest | the initiator's first choice that is CRC32C or None |
//! | MaxConnections, MaxBurstLength, FirstBurstLength, MaxOutstandingR2T | the lesser |
//! | InitialR2T, DataPDUInOrder, DataSequenceInOrder | Yes if one side says so |
//! | ImmediateData | Yes if both sides say so |
//! | ErrorRecoveryLevel, DefaultTime2Retain | 0: a lost connection's tasks are gone |
//! | DefaultTime2Wait | the greater |
//! | MaxRecvDataSegmentLength | each side says its own |

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::frontend::iscsi::parameters::{
    ConnectionParameters, FIRST_BURST_BYTES, MAX_BURST_BYTES, MAX_CONNECTIONS, MAX_OUTSTANDING_R2T,
    MAX_RECEIVED_SEGMENT_BYTES, SessionParameters, TIME_TO_WAIT_SECONDS,
};
use crate::frontend::iscsi::text::Text;

const SEGMENT_LENGTHS: RangeInclusive<u32> = 512..=0xff_ffff;

/// What one connection has agreed on so far.
#[derive(Debug, Default)]
pub(in crate::frontend::iscsi) struct Agreement {
    pub(in crate::frontend::iscsi) session: SessionParameters,
    pub(in crate::frontend::iscsi) connection: ConnectionParameters,
    /// A discovery session transfers text alone.
    pub(in crate::frontend::iscsi) is_discovery: bool,
    seen: BTreeSet<String>,
    declared: bool,
}

/// An initiator negotiated a key twice, which RFC 7143 (section 6.2) calls an error of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the initiator negotiated the key {key} twice")]
pub(in crate::frontend::iscsi) struct Repeated {
    key: String,
}

impl Agreement {
    /// Answers one key of the operational stage.
    pub(super) fn negotiate(&mut self, key: &str, value: &str, answers: &mut Text) -> Result<(), Repeated> {
        // These say that a key of ours was not taken, and want no answer.
        if matches!(value, "NotUnderstood" | "Irrelevant" | "Reject") {
            return Ok(());
        }
        if !self.seen.insert(key.to_owned()) {
            return Err(Repeated { key: key.to_owned() });
        }
        if let Some(answer) = self.answer(key, value) {
            answers.put(key, &answer);
        }
        Ok(())
    }

    /// This target's own declarations, once.
    pub(super) fn declare(&mut self, answers: &mut Text) {
        if !std::mem::replace(&mut self.declared, true) {
            answers.put("MaxRecvDataSegmentLength", &MAX_RECEIVED_SEGMENT_BYTES.to_string());
        }
    }

    /// The first burst cannot be longer than any burst, whatever was said.
    pub(super) fn settle(&mut self) {
        self.session.first_burst_bytes = self.session.first_burst_bytes.min(self.session.max_burst_bytes);
    }

    fn answer(&mut self, key: &str, value: &str) -> Option<String> {
        let (session, connection) = (&mut self.session, &mut self.connection);
        let answer = match key {
            // Declarations, which are read elsewhere or not at all.
            "InitiatorName" | "InitiatorAlias" | "TargetName" | "SessionType" | "TargetAlias" => return None,
            "MaxRecvDataSegmentLength" => match number(value, SEGMENT_LENGTHS) {
                Some(bytes) => {
                    connection.max_sent_segment_bytes = bytes;
                    return None;
                }
                None => reject(),
            },
            "HeaderDigest" => digest(value, &mut connection.digests.header),
            "DataDigest" => digest(value, &mut connection.digests.data),
            "ErrorRecoveryLevel" => at_most(value, 0..=2, 0, &mut 0),
            "DefaultTime2Wait" => time_to_wait(value, &mut session.time_to_wait),
            "DefaultTime2Retain" => at_most(value, 0..=3600, 0, &mut 0),
            "IFMarker" | "OFMarker" => both(value, false, &mut false),
            "IFMarkInt" | "OFMarkInt" => "Irrelevant".into(),
            "TaskReporting" => first_of(value, &["RFC3720"]).unwrap_or_else(reject),
            "iSCSIProtocolLevel" => at_most(value, 0..=31, 1, &mut 0),
            _ => match self.of_data_transfer(key, value) {
                Some(_) if self.is_discovery => "Irrelevant".into(),
                Some(answer) => answer,
                None => "NotUnderstood".into(),
            },
        };
        Some(answer)
    }

    /// Keys that have a meaning only where data is transferred. `None`: no such key.
    fn of_data_transfer(&mut self, key: &str, value: &str) -> Option<String> {
        let session = &mut self.session;
        Some(match key {
            "MaxConnections" => at_most(value, 1..=65535, MAX_CONNECTIONS, &mut session.max_connections),
            "InitialR2T" => either(value, false, &mut session.initial_r2t),
            "ImmediateData" => both(value, true, &mut session.immediate_data),
            "MaxBurstLength" => at_most(value, SEGMENT_LENGTHS, MAX_BURST_BYTES, &mut session.max_burst_bytes),
            "FirstBurstLength" => at_most(value, SEGMENT_LENGTHS, FIRST_BURST_BYTES, &mut session.first_burst_bytes),
            "MaxOutstandingR2T" => at_most(value, 1..=65535, MAX_OUTSTANDING_R2T, &mut session.max_outstanding_r2t),
            "DataPDUInOrder" | "DataSequenceInOrder" => either(value, true, &mut true),
            _ => return None,
        })
    }
}

fn reject() -> String {
    "Reject".into()
}

/// A decimal or hexadecimal number.
fn number(value: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
    let number = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => value.parse().ok()?,
    };
    allowed.contains(&number).then_some(number)
}

fn at_most(value: &str, allowed: RangeInclusive<u32>, ours: u32, outcome: &mut u32) -> String {
    let Some(theirs) = number(value, allowed) else { return reject() };
    *outcome = theirs.min(ours);
    outcome.to_string()
}

fn time_to_wait(value: &str, outcome: &mut Duration) -> String {
    let Some(theirs) = number(value, 0..=3600) else { return reject() };
    let seconds = theirs.max(TIME_TO_WAIT_SECONDS);
    *outcome = Duration::from_secs(seconds.into());
    seconds.to_string()
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => None,
    }
}

fn word(value: bool) -> String {
    if value { "Yes" } else { "No" }.into()
}

fn either(value: &str, ours: bool, outcome: &mut bool) -> String {
    let Some(theirs) = yes_or_no(value) else { return reject() };
    *outcome = theirs || ours;
    word(*outcome)
}

fn both(value: &str, ours: bool, outcome: &mut bool) -> String {
    let Some(theirs) = yes_or_no(value) else { return reject() };
    *outcome = theirs && ours;
    word(*outcome)
}

/// The first value of a list that is one of `known`.
pub(super) fn first_of(list: &str, known: &[&str]) -> Option<String> {
    list.split(',').find(|value| known.contains(value)).map(str::to_owned)
}

fn digest(list: &str, outcome: &mut bool) -> String {
    let Some(chosen) = first_of(list, &["CRC32C", "None"]) else { return reject() };
    *outcome = chosen == "CRC32C";
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::iscsi::text::parse;

    fn outcome(agreement: &mut Agreement, key: &str, value: &str) -> Option<String> {
        let mut answers = Text::default();
        agreement.negotiate(key, value, &mut answers).unwrap();
        parse(answers.bytes()).unwrap().first().map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn every_key_has_its_outcome() {
        let table = [
            ("HeaderDigest", "CRC32C,None", Some("CRC32C")),
            ("DataDigest", "X-new,None,CRC32C", Some("None")),
            ("MaxConnections", "0x10", Some("4")),
            ("InitialR2T", "No", Some("No")),
            ("ImmediateData", "Yes", Some("Yes")),
            ("MaxRecvDataSegmentLength", "262144", None),
            ("MaxBurstLength", "16776192", Some("1048576")),
            ("FirstBurstLength", "65536", Some("65536")),
            ("MaxOutstandingR2T", "1", Some("1")),
            ("ErrorRecoveryLevel", "2", Some("0")),
            ("DefaultTime2Wait", "0", Some("2")),
            ("DefaultTime2Retain", "20", Some("0")),
            ("DataPDUInOrder", "No", Some("Yes")),
            ("DataSequenceInOrder", "Yes", Some("Yes")),
            ("IFMarker", "No", Some("No")),
            ("OFMarkInt", "1~2", Some("Irrelevant")),
            ("TaskReporting", "FastAbort,RFC3720", Some("RFC3720")),
            ("X-com.example.thing", "1", Some("NotUnderstood")),
            ("InitiatorAlias", "me", None),
        ];
        let mut agreement = Agreement::default();
        for (key, value, expected) in table {
            assert_eq!(outcome(&mut agreement, key, value).as_deref(), expected, "{key}={value}");
        }
        assert!(agreement.connection.digests.header && !agreement.connection.digests.data);
        assert_eq!(agreement.connection.max_sent_segment_bytes, 262_144);
        assert_eq!((agreement.session.max_connections, agreement.session.initial_r2t), (4, false));
    }

    #[test]
    fn values_out_of_range_are_rejected_and_change_nothing() {
        let mut agreement = Agreement::default();
        for (key, value) in [
            ("MaxRecvDataSegmentLength", "511"),
            ("MaxBurstLength", "16777216"),
            ("InitialR2T", "Maybe"),
            ("MaxConnections", "0"),
            ("HeaderDigest", "MD5"),
            ("ErrorRecoveryLevel", "-1"),
        ] {
            assert_eq!(outcome(&mut agreement, key, value).as_deref(), Some("Reject"), "{key}={value}");
        }
        assert_eq!((agreement.session, agreement.connection), Default::default());
    }

    #[test]
    fn the_first_burst_is_no_longer_than_any() {
        let mut agreement = Agreement::default();
        outcome(&mut agreement, "MaxBurstLength", "4096");
        agreement.settle();
        assert_eq!(agreement.session.first_burst_bytes, 4096);
    }

    #[test]
    fn a_key_is_negotiated_once() {
        let mut agreement = Agreement::default();
        outcome(&mut agreement, "InitialR2T", "No");
        assert!(agreement.negotiate("InitialR2T", "Yes", &mut Text::default()).is_err());
    }

    #[test]
    fn discovery_transfers_no_data() {
        let mut agreement = Agreement { is_discovery: true, ..Agreement::default() };
        assert_eq!(outcome(&mut agreement, "MaxConnections", "1").as_deref(), Some("Irrelevant"));
        assert_eq!(outcome(&mut agreement, "HeaderDigest", "None").as_deref(), Some("None"));
    }
}
