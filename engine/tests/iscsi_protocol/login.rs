//! Logging in: keys, names, CHAP.

use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::iscsi::{Chap, ChapAccount};
use md5::{Digest, Md5};

use crate::Served;
use crate::initiator::{Initiator, Pdu, TARGET, TEXT_RESPONSE, login_status, text};

const NAME: (&str, &str) = ("InitiatorName", "iqn.1993-08.org.example:host");
/// T, from the security stage to the full feature phase; the same from the operational stage.
const SECURITY_TO_FULL: u8 = 0x83;
const SECURITY: u8 = 0x00;

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_negotiated_and_unknown_ones_not_understood() {
    let served = Served::start().await;
    let mut initiator = Initiator::connect(served.portal()).await;
    let offers = [
        ("HeaderDigest", "None,CRC32C"),
        ("MaxConnections", "8"),
        ("InitialR2T", "No"),
        ("MaxBurstLength", "16776192"),
        ("ErrorRecoveryLevel", "2"),
        ("X-org.example.key", "1"),
    ];
    let answer = initiator.login(&offers).await;
    assert_ne!(initiator.session, 0, "a session has a handle");
    for (key, value) in [
        ("HeaderDigest", "None"),
        ("MaxConnections", "4"),
        ("InitialR2T", "No"),
        ("MaxBurstLength", "1048576"),
        ("ErrorRecoveryLevel", "0"),
        ("X-org.example.key", "NotUnderstood"),
        ("MaxRecvDataSegmentLength", "262144"),
        ("TargetPortalGroupTag", "1"),
    ] {
        assert_eq!(answer.value(key).as_deref(), Some(value), "{key}");
    }
    drop(initiator);
    served.still_serves().await;
}

/// Stages, keys, and the status that they lead to.
type WrongLogin = (u8, &'static [(&'static str, &'static str)], u16);

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_login_says_what_is_wrong() {
    let served = Served::start().await;
    let table: [WrongLogin; 6] = [
        (0x87, &[NAME, ("TargetName", "iqn.2019-10.io.longhorn:other")], 0x0203),
        (0x87, &[NAME], 0x0207),
        (0x87, &[("TargetName", TARGET)], 0x0207),
        (0x87, &[NAME, ("TargetName", TARGET), ("SessionType", "Strange")], 0x0209),
        (0x87, &[NAME, ("TargetName", TARGET), ("InitialR2T", "No"), ("InitialR2T", "Yes")], 0x0200),
        (SECURITY_TO_FULL, &[NAME, ("TargetName", TARGET), ("AuthMethod", "KRB5")], 0x0201),
    ];
    for (stages, pairs, status) in table {
        let mut initiator = Initiator::connect(served.portal()).await;
        let answer = initiator.login_step(stages, pairs).await;
        assert_eq!(login_status(&answer), status, "{pairs:?}");
        initiator.expect_hang_up().await;
    }
    let mut initiator = Initiator::connect(served.portal()).await;
    initiator.session = 4711;
    let answer = initiator.login_step(0x87, &[NAME, ("TargetName", TARGET)]).await;
    assert_eq!(login_status(&answer), 0x020a, "no such session");
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_refused_once() {
    let served = Served::start().await;
    let names = [NAME, ("TargetName", TARGET)];
    let mut initiator = Initiator::connect(served.portal()).await;
    // In the middle of a login, something else.
    assert_eq!(login_status(&initiator.login_step(SECURITY, &names).await), 0);
    initiator.send(Pdu::new(0x40, 0x80, 5).with_u32(20, u32::MAX)).await;
    let refusal = initiator.receive().await;
    assert_eq!((refusal.tag(), login_status(&refusal)), (5, 0x020b));
    initiator.expect_hang_up().await;
    // More text than anybody needs, in many pieces.
    let mut initiator = Initiator::connect(served.portal()).await;
    let piece = |flags| Pdu::new(0x43, flags, 7).with_bytes(8, &[0x80]).with_u32(24, 1).with_data(&[b'x'; 8000]);
    for _ in 0..8 {
        initiator.send(piece(0x44)).await;
        assert_eq!(login_status(&initiator.receive().await), 0);
    }
    initiator.send(piece(0x44)).await;
    assert_eq!(login_status(&initiator.receive().await), 0x0200);
    initiator.expect_hang_up().await;
    // More keys than there is room for answers.
    let mut initiator = Initiator::connect(served.portal()).await;
    let keys: Vec<String> = (0..120).map(|number| format!("X-{}{number:03}", "k".repeat(58))).collect();
    let pairs: Vec<_> = names.into_iter().chain(keys.iter().map(|key| (key.as_str(), ""))).collect();
    assert_eq!(login_status(&initiator.login_step(0x87, &pairs).await), 0x0200);
    initiator.expect_hang_up().await;
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_keeps_to_the_segments_of_the_initiator() {
    let served = Served::start().await;
    let mut initiator = Initiator::connect(served.portal()).await;
    initiator.login(&[("MaxRecvDataSegmentLength", "512")]).await;
    let keys: Vec<String> = (0..30).map(|number| format!("X-key-that-nobody-knows-{number:02}")).collect();
    let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "1")).collect();
    let question = Pdu::new(0x44, 0x80, 9).with_u32(20, u32::MAX).with_u32(24, 1).with_data(&text(&pairs));
    initiator.send(question).await;
    let mut answer = initiator.expect(TEXT_RESPONSE).await;
    let mut whole = answer.data.clone();
    while answer.header[1] & 0x40 != 0 {
        assert_eq!((answer.header[1] & 0x80, answer.data.len()), (0, 512));
        assert_ne!(answer.u32_at(20), u32::MAX, "to be asked for the rest under this tag");
        initiator.send(Pdu::new(0x44, 0x80, 9).with_u32(20, answer.u32_at(20)).with_u32(24, 1)).await;
        answer = initiator.expect(TEXT_RESPONSE).await;
        whole.extend_from_slice(&answer.data);
    }
    assert_eq!((answer.header[1] & 0x80, answer.u32_at(20)), (0x80, u32::MAX));
    assert!(answer.data.len() <= 512);
    let answers: Vec<_> = keys.iter().map(|key| (key.as_str(), "NotUnderstood")).collect();
    assert_eq!(whole, text(&answers));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_may_come_in_pieces() {
    let served = Served::start().await;
    let mut initiator = Initiator::connect(served.portal()).await;
    let whole = text(&[NAME, ("TargetName", TARGET), ("InitialR2T", "No")]);
    let (first, second) = whole.split_at(30);
    let piece = |flags, data: &[u8]| Pdu::new(0x43, flags, 7).with_bytes(8, &[0x80]).with_u32(24, 1).with_data(data);
    initiator.send(piece(0x44, first)).await;
    let go_on = initiator.receive().await;
    assert!(go_on.data.is_empty() && go_on.header[1] & 0x80 == 0);
    initiator.send(piece(0x87, second)).await;
    let answer = initiator.receive().await;
    assert_eq!((login_status(&answer), answer.value("InitialR2T").as_deref()), (0, Some("No")));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_names_the_target_and_takes_no_commands() {
    let served = Served::start().await;
    let mut initiator = Initiator::connect(served.portal()).await;
    let answer = initiator.login_step(0x87, &[NAME, ("SessionType", "Discovery")]).await;
    assert_eq!(login_status(&answer), 0);
    let request =
        Pdu::new(0x04, 0x80, 9).with_u32(20, u32::MAX).with_u32(24, 1).with_data(&text(&[("SendTargets", "All")]));
    initiator.send(request).await;
    let targets = initiator.expect(TEXT_RESPONSE).await;
    assert_eq!(targets.value("TargetName").as_deref(), Some(TARGET));
    assert_eq!(targets.value("TargetAddress"), Some(format!("{},1", served.portal())));
    initiator.cmd_sn = 2;
    let command = initiator.command(&[0], 0x80, 0);
    initiator.send(command).await;
    initiator.expect(crate::initiator::REJECT).await;
    initiator.expect_hang_up().await;
    served.still_serves().await;
}

fn chap() -> Chap {
    let account = |name: &str, secret: &str| ChapAccount { name: name.into(), secret: secret.into() };
    Chap { initiator: account("host", "correct horse battery"), target: Some(account("vol-1", "staple staple")) }
}

fn digest(identifier: u8, secret: &str, challenge: &[u8]) -> String {
    let digest = Md5::digest([&[identifier], secret.as_bytes(), challenge].concat());
    digest.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn of_hexadecimal(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Goes through CHAP with this name and secret; returns the last answer.
async fn log_in(initiator: &mut Initiator, name: &str, secret: &str) -> Pdu {
    let names = [NAME, ("TargetName", TARGET), ("AuthMethod", "CHAP,None")];
    let method = initiator.login_step(SECURITY, &names).await;
    assert_eq!(method.value("AuthMethod").as_deref(), Some("CHAP"));
    let challenge = initiator.login_step(SECURITY, &[("CHAP_A", "5")]).await;
    let identifier = challenge.value("CHAP_I").unwrap().parse().unwrap();
    let answer = digest(identifier, secret, &of_hexadecimal(&challenge.value("CHAP_C").unwrap()));
    let ours = [
        ("CHAP_N", name),
        ("CHAP_R", answer.as_str()),
        ("CHAP_I", "33"),
        ("CHAP_C", "0x000102030405060708090a0b0c0d0e0f"),
    ];
    initiator.login_step(SECURITY_TO_FULL, &ours).await
}

#[tokio::test(flavor = "multi_thread")]
async fn chap_lets_in_who_knows_the_secret_and_the_target_proves_itself() {
    let served = Served::start_with(Some(chap())).await;
    let mut initiator = Initiator::connect(served.portal()).await;
    let last = log_in(&mut initiator, "host", "correct horse battery").await;
    assert_eq!((login_status(&last), last.header[1]), (0, SECURITY_TO_FULL));
    let challenge: Vec<u8> = (0..16).collect();
    assert_eq!(last.value("CHAP_R"), Some(digest(33, "staple staple", &challenge)));
    assert_eq!(initiator.no_data(&[0]).await.sense().0, 6, "commands are taken");
    drop(initiator);
    served.target.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn chap_keeps_everybody_else_out() {
    let served = Served::start_with(Some(chap())).await;
    for (name, secret) in [("host", "correct horse batterY"), ("guest", "correct horse battery"), ("host", "")] {
        let mut initiator = Initiator::connect(served.portal()).await;
        assert_eq!(login_status(&log_in(&mut initiator, name, secret).await), 0x0201, "{name}");
        initiator.expect_hang_up().await;
    }
    let names = [NAME, ("TargetName", TARGET)];
    for (stages, more) in [(0x87, None), (SECURITY_TO_FULL, Some(("AuthMethod", "None")))] {
        let mut initiator = Initiator::connect(served.portal()).await;
        let pairs: Vec<_> = names.into_iter().chain(more).collect();
        assert_eq!(login_status(&initiator.login_step(stages, &pairs).await), 0x0201, "{stages:#x}");
    }
    // Asking to go on without a word about authentication gets nowhere.
    let mut initiator = Initiator::connect(served.portal()).await;
    let answer = initiator.login_step(SECURITY_TO_FULL, &names).await;
    assert_eq!((login_status(&answer), answer.header[1]), (0, SECURITY));
    drop(initiator);
    served.target.stop(false).await.unwrap();
}
