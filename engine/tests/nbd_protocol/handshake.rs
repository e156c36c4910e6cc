//! Options, good and bad.

use aurochs_engine::frontend::Frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn bad_handshakes_are_hung_up_on() {
    let served = Served::start().await;
    let mut unknown_flags = served.connect().await;
    unknown_flags.greet(0xff00).await;
    assert!(unknown_flags.hung_up().await.is_empty());

    let mut wrong_magic = served.greeted().await;
    wrong_magic.0.write_all(&[0xee; 64]).await.unwrap();
    assert!(wrong_magic.hung_up().await.is_empty());

    let mut unknown_export = served.greeted().await;
    unknown_export.option(1, b"other").await;
    assert!(unknown_export.hung_up().await.is_empty(), "EXPORT_NAME has no error reply");

    let mut endless_name = served.greeted().await;
    endless_name.option_head(1, 100_000).await;
    // It may hang up before it has read the name.
    let _ = endless_name.0.write_all(&[b'x'; 100_000]).await;
    let mut answer = Vec::new();
    let _ = endless_name.0.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "not even for a name that is too long to be looked at");

    let mut leaves_early = served.greeted().await;
    leaves_early.0.write_all(&OPTION_MAGIC.to_be_bytes()[..5]).await.unwrap();
    drop(leaves_early);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_options_are_refused_and_haggling_goes_on() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    let too_big = vec![0; 100_000];
    for (code, data, expected) in [
        (4711, vec![1, 2, 3], ERR_UNSUP),
        (5, vec![], ERR_POLICY),
        (5, vec![1], ERR_INVALID),
        (11, vec![0], ERR_INVALID),
        (3, vec![0], ERR_INVALID),
        (7, vec![0, 0], ERR_INVALID),
        (7, vec![0xff; 10], ERR_INVALID),
        (6, go("other"), ERR_UNKNOWN),
        (7, go("other"), ERR_UNKNOWN),
        (7, too_big, ERR_TOO_BIG),
        (10, context_query("vol-1", &["base:other"]), ERR_INVALID),
        (8, vec![], 1),
        (10, context_query("vol-1", &["base:other"]), 1),
        (9, context_query("", &["base:other"]), 1),
        (10, context_query("other", &["base:other"]), ERR_UNKNOWN),
    ] {
        client.option(code, &data).await;
        assert_eq!(client.option_reply().await.0, expected, "option {code} with {} bytes", data.len());
    }
    client.option(3, &[]).await;
    assert_eq!(client.option_reply().await, (2, b"\0\0\0\x05vol-1".to_vec()));
    assert_eq!(client.option_reply().await.0, 1);
    client.option(2, b"bye").await;
    assert_eq!(client.option_reply().await.0, 1);
    assert!(client.hung_up().await.is_empty());
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn export_name_pads_unless_told_not_to() {
    let served = Served::start().await;
    for (flags, padding) in [(1, 124), (3, 0)] {
        let mut client = served.connect().await;
        client.greet(flags).await;
        client.option(1, b"").await;
        let answer = client.bytes(10 + padding).await;
        assert_eq!(answer[..8], SIZE.to_be_bytes());
        client.request(FLUSH, 0, 9, 0, 0).await;
        assert_eq!(client.simple_reply().await, (0, 9));
    }
    served.still_serves().await;
}

/// Waits for the handshake limit of ten seconds to pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_the_handshake_is_cut_off() {
    let served = Served::start().await;
    let mut client = served.connect().await;
    client.greet(1).await;
    client.0.write_all(&OPTION_MAGIC.to_be_bytes()[..3]).await.unwrap();
    assert!(client.hung_up().await.is_empty());
    served.server.stop(false).await.unwrap();
}
