//! Managers that end in the middle.

use aurochs_server::resources::system_backup::SystemBackupState;
use aurochs_server::resources::{Setting, SystemBackup, Volume};

use crate::backups::Target;
use crate::installation::{Installation, MIB, VOLUME};

/// Nothing is made twice, and nothing is left out.
#[tokio::test(flavor = "multi_thread")]
async fn backups_and_restores_go_on_when_their_manager_has_ended() {
    let target = Target::new();
    let mut one = Installation::with_volume(1, "nbd").await;
    one.attach_by_api(false).await;
    one.set_target(&target.url()).await;
    one.write(0, 32 * MIB, 5).await;
    let content = one.own_content().await;
    one.detach_by_api().await;
    one.set("snapshot-max-count", "77").await;
    one.ask_for_system_backup("nightly", "always").await;
    for _ in 0..3 {
        one.stop_manager().await;
        one.start_manager(1).await;
    }
    let made = one.until_system_backup("nightly").await;
    assert_eq!(one.backups().await.len(), 1, "one backup of the volume");
    assert_eq!(target.files("system-backup.cfg").len(), 1);

    // A manager that ended right behind storing knows its own.
    one.stop_manager().await;
    let store = one.stored().await;
    let change = |status: &mut aurochs_server::resources::system_backup::SystemBackupStatus| {
        status.state = SystemBackupState::Uploading;
        status.created_at.clear();
    };
    store.modify_status::<SystemBackup>("nightly", change).await.unwrap();
    drop(store);
    one.start_manager(1).await;
    let again = one.until_system_backup("nightly").await;
    assert_eq!((again.status.checksum, again.status.created_at), (made.status.checksum, made.status.created_at));
    one.stop().await;

    let mut two = Installation::start(1).await;
    two.set_target(&target.url()).await;
    two.until_system_backup("nightly").await;
    two.ask_for_system_restore("back", "nightly").await;
    two.stop_manager().await;
    two.start_manager(1).await;
    two.until_system_restored("back").await;
    assert_eq!(two.store().get::<Setting>("snapshot-max-count").await.unwrap().spec.value, "77");
    two.stop_manager().await;
    two.start_manager(1).await;
    two.until("it is restored", async |store| store.get::<Volume>(VOLUME).await.unwrap().is_restored()).await;
    let back = two.content(VOLUME).await;
    let differing: Vec<usize> = (0..content.len() / MIB as usize)
        .filter(|at| {
            let range = at * MIB as usize..(at + 1) * MIB as usize;
            back.get(range.clone()) != content.get(range)
        })
        .collect();
    assert_eq!((differing, back.len()), (vec![], content.len()), "MiB that differ");
    two.stop().await;
}
