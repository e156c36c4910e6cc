use super::*;

const BEARABLE: Duration = Duration::from_secs(60);

fn after(seconds: u64, begin: Instant) -> Instant {
    begin + Duration::from_secs(seconds)
}

impl State {
    fn doubts(&mut self, begun: Instant, now: Instant) {
        self.doubt(begun, now, "nobody is there", BEARABLE);
    }

    /// Seconds after `begin` when it is silent for a call that began at `begun`, as it looks at `now`.
    fn ends(&self, begin: Instant, begun: Option<Instant>, now: Instant) -> Option<u64> {
        self.end(begun, now, BEARABLE).map(|end| end.duration_since(begin).as_secs())
    }
}

#[test]
fn a_server_that_answers_anybody_is_slow_and_not_silent() {
    let (mut state, begin) = (State::default(), Instant::now());
    assert_eq!(state.ends(begin, Some(begin), begin), Some(60));
    assert!(!state.answer(after(50, begin)), "nobody wants to hear of it");
    assert_eq!(state.ends(begin, Some(begin), after(50, begin)), Some(110));
    assert_eq!(state.ends(begin, Some(after(70, begin)), after(80, begin)), Some(130), "nothing was asked before");
    assert_eq!(state.ends(begin, None, after(80, begin)), None);
}

/// The kernel's client may give each call up before we do; whoever tries again has no more time for that.
#[test]
fn calls_that_fail_one_after_the_other_share_one_time() {
    let (mut state, begin) = (State::default(), Instant::now());
    state.doubts(begin, after(15, begin));
    state.doubts(after(16, begin), after(31, begin));
    let now = after(36, begin);
    assert_eq!(state.ends(begin, Some(now), now), Some(60));
    assert_eq!(state.ends(begin, None, now), Some(60), "also while nothing is asked");
    assert!(state.answer(after(40, begin)), "a call that waits has more time again");
    assert_eq!(state.ends(begin, Some(now), after(40, begin)), Some(100));
}

#[test]
fn a_failure_of_long_ago_is_forgotten() {
    let (mut state, begin) = (State::default(), Instant::now());
    state.doubts(begin, after(1, begin));
    let now = after(61, begin);
    assert_eq!(state.ends(begin, Some(now), now), Some(121));
    state.doubts(now, after(62, begin));
    assert_eq!(state.ends(begin, None, after(62, begin)), Some(121));
}

#[test]
fn after_a_rest_it_is_asked_as_if_nothing_had_been() {
    let (mut state, begin) = (State::default(), Instant::now());
    state.doubts(begin, after(50, begin));
    state.rests_until = Some(after(90, begin));
    assert!(state.rests(after(89, begin)));
    let now = after(90, begin);
    assert!(!state.rests(now));
    assert_eq!(state.ends(begin, Some(now), now), Some(150));
    // What fails then counts.
    state.doubts(now, after(95, begin));
    assert_eq!(state.ends(begin, None, after(95, begin)), Some(150));
    state.rests_until = Some(after(200, begin));
    assert!(state.answer(after(160, begin)));
    assert!(!state.rests(after(160, begin)), "it is there, so there is no need to wait");
}

/// Also a refusal, or that something is not there, is an answer.
#[test]
fn only_errors_of_a_dead_server_are_no_answer() {
    for (kind, is_answer) in [
        (ErrorKind::NotFound, true),
        (ErrorKind::Denied, true),
        (ErrorKind::NoSpace, true),
        (ErrorKind::Mount, true),
        (ErrorKind::Timeout, false),
        (ErrorKind::Unreachable, false),
    ] {
        let error = StoreError::new(kind, "get", "x", "why");
        assert_eq!(failure(&Err::<(), _>(error)).is_none(), is_answer, "{kind:?}");
    }
    assert_eq!(failure(&Ok(())), None);
}

#[tokio::test]
async fn what_is_told_names_the_server_or_what_failed_last() {
    let silence = Silence::new("the NFS server 10.0.0.1", Duration::from_millis(1));
    silence.falls(Instant::now()).await;
    let error = silence.error("get", "x");
    assert!(error.is_given_up() && error.kind() == ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.reason(), "the NFS server 10.0.0.1 has not answered for 0 s");
    let patient = Silence::new("the NFS server 10.0.0.1", BEARABLE);
    let refused = StoreError::new(ErrorKind::Unreachable, "get", "x", "nobody is there (input/output error)");
    patient.heard(Instant::now(), &Err::<(), _>(refused));
    assert_eq!(patient.error("get", "x").reason(), "nobody is there (input/output error), and that for 60 s");
}
