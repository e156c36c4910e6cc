use std::sync::mpsc;

use super::*;

const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(100);

fn blocking(timeout: Duration, bearable: Duration) -> Blocking {
    Blocking::new(timeout, Silence::new("the NFS server 10.0.0.1", bearable))
}

/// Work that hangs until the sender is dropped.
fn hanging() -> (mpsc::Sender<()>, impl FnOnce() -> Result<(), StoreError> + Send + 'static) {
    let (release, held) = mpsc::channel::<()>();
    let work = move || {
        let _ = held.recv();
        Ok(())
    };
    (release, work)
}

/// More than there are places, and one more later: none waits for a time of its own.
#[tokio::test]
async fn operations_on_a_silent_server_end_together_and_the_next_one_at_once() {
    let blocking = blocking(LONG, LONG / 60);
    let begun = Instant::now();
    let (releases, hanging): (Vec<_>, Vec<_>) = (0..PLACES + 4).map(|_| hanging()).unzip();
    let all = hanging.into_iter().map(|work| blocking.run("get", "x", work));
    for outcome in futures::future::join_all(all).await {
        let error = outcome.unwrap_err();
        assert!(error.is_given_up() && error.reason().contains("10.0.0.1 has not answered for 2 s"), "{error}");
    }
    let next = blocking.run::<()>("remove", "a lock", || panic!("it is asked")).await.unwrap_err();
    assert!(next.is_given_up(), "{next}");
    assert!(begun.elapsed() < LONG / 2);
    drop(releases);
}

/// The operation that was given up hears the answer all the same.
#[tokio::test]
async fn a_server_that_is_back_is_asked_again_at_once() {
    // The rest is half as long.
    let blocking = blocking(LONG, LONG / 30);
    let (release, work) = hanging();
    blocking.run("get", "x", work).await.unwrap_err();
    assert!(blocking.silence.rests());
    let heard = async {
        drop(release);
        while blocking.silence.rests() {
            tokio::task::yield_now().await;
        }
        Instant::now()
    };
    let begun = Instant::now();
    assert!(heard.await.duration_since(begun) < LONG / 60, "nothing was heard until the rest was over");
    blocking.run("get", "x", || Ok(())).await.unwrap();
}

#[tokio::test]
async fn one_that_hangs_alone_has_a_limit_too() {
    let blocking = blocking(SHORT, LONG);
    let (release, work) = hanging();
    let error = blocking.run("get", "x", work).await.unwrap_err();
    assert!(error.is_given_up() && error.reason().contains("has not answered this"), "{error}");
    assert!(!blocking.silence.rests());
    drop(release);
}
