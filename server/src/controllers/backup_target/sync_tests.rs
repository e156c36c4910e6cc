//! A target is read, and what its resources show then.

use super::*;
use crate::controllers::bench;
use crate::controllers::bench_target::{Shelf, TARGET, VOLUME, backup, moment};
use crate::resources::backup::DELETE_CUSTOM_RESOURCE_ONLY;

async fn read(context: &Context) -> Result<(), Error> {
    let of = context.store.get::<BackupTarget>(TARGET).await.unwrap();
    target(context, &of, |_| async { Ok(()) }).await
}

async fn shown(context: &Context, volume: &str) -> Object<BackupVolume> {
    context.store.get(&names::backup_volume(volume, TARGET)).await.unwrap()
}

async fn state(context: &Context, name: &str) -> BackupState {
    context.store.get::<Backup>(name).await.unwrap().status.state
}

#[tokio::test]
async fn what_cannot_be_read_of_one_volume_keeps_nothing_else_from_being_shown() {
    let (context, _directory) = bench::context(&[]).await;
    let shelf = Shelf::new(&context).await;
    for volume in ["good", "slow"] {
        shelf.add_volume(volume);
        shelf.add_backup(volume, &format!("{volume}-one"), Some(&moment(1)));
        shelf.add_backup(volume, &format!("{volume}-two"), Some(&moment(2)));
    }
    shelf.add_unreadable("slow", "slow-first");
    read(&context).await.unwrap();
    for name in ["good-one", "good-two", "slow-one", "slow-two"] {
        assert_eq!(state(&context, name).await, BackupState::Completed, "{name}");
    }
    assert!(shown(&context, "good").await.status.messages.is_empty());
    let told = shown(&context, "slow").await.status.messages;
    assert!(told[ERROR].contains("slow-first"), "{told:?}");
    assert!(context.store.find::<Backup>("slow-first").await.unwrap().is_none());
    // What was read is not read again, and the rest as soon as it can be.
    std::fs::remove_file(shelf.path(&aurochs_engine::backup::layout::backup_record("slow", "slow-first"))).unwrap();
    shelf.add_backup("slow", "slow-first", Some(&moment(0)));
    read(&context).await.unwrap();
    assert_eq!(state(&context, "slow-first").await, BackupState::Completed);
    assert!(shown(&context, "slow").await.status.messages.is_empty(), "it is well again");
}

#[tokio::test]
async fn a_target_that_is_gone_is_the_targets_fault() {
    let (context, _directory) = bench::context(&[]).await;
    let shelf = Shelf::new(&context).await;
    shelf.add_volume("v1");
    read(&context).await.unwrap();
    std::fs::remove_dir_all(shelf.path("")).unwrap();
    assert!(matches!(read(&context).await, Err(Error::Target(_))));
    assert!(shown(&context, "v1").await.status.messages.is_empty());
}

/// Its record says that it is not complete, which is true of one that another installation is making, too.
#[tokio::test]
async fn a_backup_of_our_own_that_failed_stays_failed_when_the_target_is_read() {
    let (context, _directory) = bench::context(&[]).await;
    let shelf = Shelf::new(&context).await;
    shelf.add_volume(VOLUME);
    for name in ["failed", "foreign"] {
        shelf.add_backup(VOLUME, name, None);
    }
    let mut failed = backup("failed", "s");
    failed.status.state = BackupState::Error;
    "the disk is full".clone_into(&mut failed.status.error);
    context.store.create(&failed).await.unwrap();
    let status = failed.status.clone();
    context.store.modify_status::<Backup>("failed", |told| told.clone_from(&status)).await.unwrap();
    for _ in 0..2 {
        read(&context).await.unwrap();
        let told = context.store.get::<Backup>("failed").await.unwrap().status;
        assert_eq!((told.state, told.error.as_str()), (BackupState::Error, "the disk is full"));
        assert!(!told.record_version.is_empty(), "its record is known, and is not read again");
        assert_eq!(state(&context, "foreign").await, BackupState::Unknown);
    }
}

/// A manager ended after it had marked them, and before it took them away.
#[tokio::test]
async fn what_was_to_be_forgotten_and_is_there_is_deleted_in_the_store_again() {
    let (context, _directory) = bench::context(&[]).await;
    let shelf = Shelf::new(&context).await;
    shelf.add_volume(VOLUME);
    for name in ["marked", "wished"] {
        shelf.add_backup(VOLUME, name, Some(&moment(1)));
    }
    read(&context).await.unwrap();
    forget::mark::<Backup>(&context, "marked").await.unwrap();
    forget::mark::<BackupVolume>(&context, &names::backup_volume(VOLUME, TARGET)).await.unwrap();
    let wish = |backup: &mut Object<Backup>| {
        backup.metadata.labels.insert(DELETE_CUSTOM_RESOURCE_ONLY.to_owned(), "true".to_owned());
    };
    context.store.modify::<Backup>("wished", wish).await.unwrap();
    assert!(context.store.get::<Backup>("marked").await.unwrap().is_only_forgotten());
    read(&context).await.unwrap();
    assert!(!context.store.get::<Backup>("marked").await.unwrap().is_only_forgotten());
    assert!(!shown(&context, VOLUME).await.metadata.labels.contains_key(DELETE_CUSTOM_RESOURCE_ONLY));
    let wished = context.store.get::<Backup>("wished").await.unwrap();
    assert!(wished.is_only_forgotten(), "a person's wish is left alone");
}

/// Whoever waits for the answer looks at the backups next: an activation would take the one before for the newest.
#[tokio::test]
async fn a_request_is_answered_when_the_backups_are_told_and_not_before() {
    let (context, _directory) = bench::context(&[]).await;
    let shelf = Shelf::new(&context).await;
    shelf.add_volume(VOLUME);
    shelf.add_backup(VOLUME, "one", Some(&moment(1)));
    read(&context).await.unwrap();
    let name = names::backup_volume(VOLUME, TARGET);
    let ask = |volume: &mut Object<BackupVolume>| volume.spec.sync_requested_at = moment(30);
    context.store.modify::<BackupVolume>(&name, ask).await.unwrap();
    // The same name, made again.
    shelf.add_backup(VOLUME, "one", Some(&moment(20)));
    shelf.add_unreadable(VOLUME, "two");
    read(&context).await.unwrap();
    assert_eq!(shown(&context, VOLUME).await.status.answered_request, "", "not all of it was read");
    std::fs::remove_file(shelf.path(&aurochs_engine::backup::layout::backup_record(VOLUME, "two"))).unwrap();
    read(&context).await.unwrap();
    assert_eq!(shown(&context, VOLUME).await.status.answered_request, moment(30));
    let told = context.store.get::<Backup>("one").await.unwrap().status;
    assert_eq!(told.backup_created_at, moment(20));
}
