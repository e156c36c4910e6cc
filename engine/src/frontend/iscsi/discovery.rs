//! SendTargets: what a portal has to offer (RFC 7143, appendix C).

use std::net::SocketAddr;

use super::login::Identification;
use super::text::{self, Text};

/// Answers the keys of a text request. The target's address is the one that the initiator has reached it under.
pub(super) fn answer(request: &[u8], who: &Identification, portal: SocketAddr, is_discovery: bool) -> Text {
    let mut answers = Text::default();
    let Ok(pairs) = text::parse(request) else { return answers };
    for (key, value) in pairs {
        match (key, value) {
            ("SendTargets", "All") if is_discovery => put_target(&mut answers, who, portal),
            // In a session with a target, no name means that target.
            ("SendTargets", "") if !is_discovery => put_target(&mut answers, who, portal),
            ("SendTargets", "All" | "") => answers.put(key, "Reject"),
            ("SendTargets", name) if name.eq_ignore_ascii_case(&who.target_name) => {
                put_target(&mut answers, who, portal);
            }
            // Somebody else's target: nothing is known of it.
            ("SendTargets", _) => {}
            // A declaration that comes late; what was said at login goes on to hold.
            ("MaxRecvDataSegmentLength", _) => answers.put(key, "Reject"),
            (_, "NotUnderstood" | "Irrelevant" | "Reject") => {}
            _ => answers.put(key, "NotUnderstood"),
        }
    }
    answers
}

fn put_target(answers: &mut Text, who: &Identification, portal: SocketAddr) {
    answers.put("TargetName", &who.target_name);
    answers.put("TargetAddress", &format!("{portal},{}", who.portal_group_tag));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::iscsi::text::parse;

    const NAME: &str = "iqn.2019-10.io.longhorn:v";

    fn answers(request: &str, is_discovery: bool) -> Vec<(String, String)> {
        let who = Identification { target_name: NAME.into(), alias: "v".into(), portal_group_tag: 1, chap: None };
        let text = answer(request.as_bytes(), &who, "[::1]:3260".parse().unwrap(), is_discovery);
        parse(text.bytes()).unwrap().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_target_and_its_address_are_named() {
        let target: Vec<(String, String)> =
            vec![("TargetName".into(), NAME.into()), ("TargetAddress".into(), "[::1]:3260,1".into())];
        assert_eq!(answers("SendTargets=All\0", true), target);
        assert_eq!(answers(&format!("SendTargets={NAME}\0"), true), target);
        assert_eq!(answers("SendTargets=\0", false), target);
        assert_eq!(answers("SendTargets=iqn.2000-01.com.example:other\0", true), []);
        assert_eq!(answers("SendTargets=All\0", false), [("SendTargets".into(), "Reject".into())]);
        assert_eq!(answers("X-what=1\0", true), [("X-what".into(), "NotUnderstood".into())]);
    }
}
