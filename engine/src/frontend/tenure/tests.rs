use super::*;

const VOLUME: Option<&str> = Some("the one");

/// A run directory in which an engine of epoch 5 has attached a device.
fn attached() -> (tempfile::TempDir, Attachment) {
    let directory = tempfile::tempdir().unwrap();
    let token = begin(directory.path(), 5, VOLUME, false).unwrap().attach(Lasting::NbdKernel).unwrap();
    (directory, Attachment { kind: Lasting::NbdKernel, token })
}

/// What an engine that starts now may go on with.
fn verdict(directory: &tempfile::TempDir, epoch: u64, volume: Option<&str>) -> Option<Attachment> {
    begin(directory.path(), epoch, volume, false).unwrap().inherited()
}

#[test]
fn only_the_next_epoch_goes_on_with_exactly_what_was_attached() {
    for epoch in [1, 4, 5, 7, u64::MAX] {
        let (directory, _) = attached();
        assert_eq!(verdict(&directory, epoch, VOLUME), None, "epoch {epoch} is a stranger");
    }
    let (directory, attachment) = attached();
    let tenure = begin(directory.path(), 6, VOLUME, false).unwrap();
    assert_eq!(tenure.inherited(), Some(attachment));
    assert_eq!(tenure.inherited_as(Lasting::NbdKernel), Some(attachment.token));
    assert_eq!(tenure.inherited_as(Lasting::Ublk), None, "a device of another kind is another device");
}

#[test]
fn a_later_attachment_takes_the_place_of_an_earlier_one() {
    let (directory, first) = attached();
    let second = begin(directory.path(), 6, VOLUME, false).unwrap().attach(Lasting::NbdKernel).unwrap();
    assert_ne!(second, first.token, "the device that 6 could not take over is not taken for the one that it attached");
    assert_eq!(verdict(&directory, 7, VOLUME).unwrap().token, second);
}

#[test]
fn a_volume_that_has_the_name_of_another_does_not_go_on_with_its_device() {
    for other in [Some("another one"), Some(""), None] {
        let (directory, _) = attached();
        assert_eq!(verdict(&directory, 6, other), None, "{other:?}");
        assert_eq!(verdict(&directory, 7, VOLUME), None, "and nobody after it");
    }
    let directory = tempfile::tempdir().unwrap();
    begin(directory.path(), 0, None, false).unwrap().attach(Lasting::Ublk).unwrap();
    assert_eq!(verdict(&directory, 1, None), None, "two that nobody knows are not the same");
    begin(directory.path(), 0, VOLUME, false).unwrap().attach(Lasting::Ublk).unwrap();
    assert_eq!(verdict(&directory, 1, VOLUME), None, "the first engine has nobody before it");
}

#[test]
fn an_engine_that_ended_early_is_no_stranger() {
    let (directory, attachment) = attached();
    assert_eq!(verdict(&directory, 6, VOLUME), Some(attachment));
    assert_eq!(verdict(&directory, 7, VOLUME), Some(attachment), "6 ended before it served anything");
    assert_eq!(verdict(&directory, 9, VOLUME), None, "8 was elsewhere");
    assert_eq!(verdict(&directory, 10, VOLUME), None, "and what is older than 8 is older than 9");
}

#[test]
fn a_salvage_is_the_end_and_does_not_forget_the_device() {
    let (directory, _) = attached();
    let tenure = begin(directory.path(), 6, VOLUME, true).unwrap();
    assert_eq!(tenure.inherited(), None);
    let next = begin(directory.path(), 7, VOLUME, false).unwrap();
    assert_eq!(next.inherited(), None);
    assert!(next.is_noted(), "the device may wait still");
}

#[test]
fn who_starts_afresh_leaves_nothing_to_go_on_with() {
    let (directory, _) = attached();
    let mut tenure = begin(directory.path(), 6, VOLUME, false).unwrap();
    tenure.start_afresh().unwrap();
    assert_eq!(tenure.inherited(), None);
    let next = begin(directory.path(), 7, VOLUME, false).unwrap();
    assert!(next.inherited().is_none() && next.is_noted());
}

#[test]
fn who_never_had_a_device_has_no_note() {
    let directory = tempfile::tempdir().unwrap();
    let runtime_dir = directory.path().join("volumes/vol");
    let mut tenure = begin(&runtime_dir, 5, VOLUME, false).unwrap();
    tenure.start_afresh().unwrap();
    assert!(!tenure.is_noted() && !runtime_dir.exists());
    tenure.attach(Lasting::Ublk).unwrap();
    tenure.end();
    assert!(!begin(&runtime_dir, 6, VOLUME, false).unwrap().is_noted(), "the device was stopped");
}

#[test]
fn the_end_of_an_engine_is_not_that_of_the_next_ones_device() {
    let (directory, _) = attached();
    let old = begin(directory.path(), 6, VOLUME, false).unwrap();
    let token = begin(directory.path(), 7, VOLUME, false).unwrap().attach(Lasting::Ublk).unwrap();
    old.end();
    assert_eq!(verdict(&directory, 8, VOLUME), Some(Attachment { kind: Lasting::Ublk, token }));
}

#[test]
fn a_note_that_says_nothing_is_replaced() {
    // The second one is a note of versions that knew no tokens.
    for text in ["{", "5\n", r#"{"epoch":5,"volume":"the one"}"#] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), text).unwrap();
        let tenure = begin(directory.path(), 6, VOLUME, false).unwrap();
        assert!(tenure.inherited().is_none() && tenure.is_noted(), "{text:?}");
        let note = Note { epoch: 6, volume: VOLUME.map(str::to_owned), attachment: None };
        assert!(matches!(find(directory.path()), Found::Note(found) if found == note));
    }
}

#[test]
fn a_decision_that_cannot_be_noted_is_an_error() {
    let (directory, _) = attached();
    // No file can take its place.
    std::fs::create_dir(directory.path().join(STAGING)).unwrap();
    for epoch in [6, 7] {
        let refused = begin(directory.path(), epoch, VOLUME, false).unwrap_err().to_string();
        assert!(refused.contains(FILE), "{refused}");
    }
}
