use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;

fn lanes() -> (Arc<Lanes>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    setsockopt(&ours, sockopt::SndBuf, &4096).unwrap();
    (Lanes::start("r", vec![Stream::Unix(ours)], Sharing::InTurn), theirs)
}

/// As large as a request may be that is sent on the spot.
async fn write(lanes: &Lanes, byte: u8) -> Result<AlignedBuf, LinkError> {
    let mut request = Request::new(Kind::Write, 0, SMALL as u32);
    request.payload = AlignedBuf::copy_of(&[byte; SMALL]).into();
    lanes.request(request).await
}

#[tokio::test]
async fn what_the_kernel_takes_in_parts_arrives_whole_and_in_order() {
    let (lanes, mut theirs) = lanes();
    let answering = async {
        for byte in [1, 2, 3] {
            let (header, payload) = frame::read(&mut theirs).await.unwrap().unwrap();
            assert!(payload.len() == SMALL && payload.iter().all(|&found| found == byte));
            theirs.write_all(&Header { kind: Kind::Done, ..header }.encode(&[])).await.unwrap();
        }
    };
    let asking = async {
        // The second waits behind the rest of the first; the third is alone again.
        let (first, second) = tokio::join!(write(&lanes, 1), write(&lanes, 2));
        (first, second, write(&lanes, 3).await)
    };
    let ((first, second, third), ()) = tokio::join!(asking, answering);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
}

#[tokio::test]
async fn a_lost_link_is_closed_though_somebody_has_it_still() {
    let (lanes, mut theirs) = lanes();
    lanes.fail("the test says so");
    assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    assert!(write(&lanes, 1).await.unwrap_err().to_string().contains("the test says so"));
}
