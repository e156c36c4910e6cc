//! Backups that end, and those that go.

use super::*;
use crate::controllers::bench;
use crate::controllers::bench_target::{Shelf, TARGET, VOLUME, backup, moment};
use crate::resources::backup::BackupStatus;

fn made(context: &Context) -> Made {
    Made { context: context.clone(), memory: Memory::default() }
}

async fn create(context: &Context, backup: &Object<Backup>, change: fn(&mut BackupStatus)) -> Object<Backup> {
    context.store.create(backup).await.unwrap();
    context.store.modify_status::<Backup>(backup.name(), change).await.unwrap()
}

async fn is_there(context: &Context, name: &str) -> bool {
    context.store.find::<Backup>(name).await.unwrap().is_some_and(|backup| !backup.is_deleting())
}

/// Its data may be all there is, and a person may mend the record.
#[tokio::test]
async fn a_failed_backup_expires_but_not_one_that_was_complete() {
    let (context, _directory) = bench::context(&[]).await;
    context.settings.set(Name::FailedBackupTtl.word(), "1");
    let made = made(&context);
    let long_ago = |status: &mut BackupStatus| {
        (status.state, status.ended_at) = (BackupState::Error, moment(0));
    };
    create(&context, &backup("failed", "s"), long_ago).await;
    let damaged = |status: &mut BackupStatus| {
        (status.state, status.ended_at) = (BackupState::Error, moment(0));
        status.backup_created_at = moment(0);
    };
    create(&context, &backup("damaged", "s"), damaged).await;
    let lately = |status: &mut BackupStatus| {
        (status.state, status.ended_at) = (BackupState::Error, timestamp::now());
    };
    create(&context, &backup("lately", "s"), lately).await;
    for name in ["failed", "damaged"] {
        assert_eq!(made.reconcile(name).await.unwrap(), Next::Wait, "{name}");
    }
    assert!(matches!(made.reconcile("lately").await.unwrap(), Next::After(_)));
    assert!(!is_there(&context, "failed").await);
    assert!(is_there(&context, "damaged").await && is_there(&context, "lately").await);
}

/// The target has another address than the one that was read, and what is there under the same names is not what was shown.
#[tokio::test]
async fn nothing_is_deleted_at_an_address_that_was_not_read_yet() {
    let (context, _directory) = bench::context(&[]).await;
    let shelf = Shelf::new(&context).await;
    shelf.add_volume(VOLUME);
    shelf.add_backup(VOLUME, "one", Some(&moment(1)));
    let known = |status: &mut BackupStatus| {
        status.state = BackupState::Completed;
        status.record_version = "1".to_owned();
    };
    create(&context, &backup("one", ""), known).await;
    context.store.delete::<Backup>("one").await.unwrap();
    shelf.tell_synced(&context, "vfs:///elsewhere").await;
    let going = context.store.get::<Backup>("one").await.unwrap();
    let next = made(&context).delete(&going).await.unwrap();
    assert!(matches!(next, Next::After(_)), "{next:?}");
    let told = context.store.get::<Backup>("one").await.unwrap().status;
    assert!(told.error.contains("has not been read since it got its address"), "{told:?}");
    assert!(shelf.has_backup(VOLUME, "one"));
    shelf.tell_synced(&context, &shelf.url()).await;
    // While there are deletions enough, this one comes again, and holds nobody up.
    let turn = context.backups.deletion(TARGET, VOLUME).unwrap();
    let next = made(&context).delete(&going).await.unwrap();
    assert!(matches!(next, Next::After(_)) && shelf.has_backup(VOLUME, "one"), "{next:?}");
    drop(turn);
    assert_eq!(made(&context).delete(&going).await.unwrap(), Next::Wait);
    assert!(!shelf.has_backup(VOLUME, "one"));
    assert!(context.store.find::<Backup>("one").await.unwrap().is_none());
}
