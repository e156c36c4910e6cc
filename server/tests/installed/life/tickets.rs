//! Who gets a volume that several want, and what a cordoned node loses.

use aurochs_server::resources::setting::SettingSpec;
use aurochs_server::resources::volume::VolumeState;
use aurochs_server::resources::{Node, Object, Setting, VolumeAttachment};

use crate::installation::{Installation, TICKET, VOLUME};

#[tokio::test(flavor = "multi_thread")]
async fn the_second_waits_and_a_cordoned_node_gives_up_what_was_attached_by_hand() {
    let installation = Installation::start(2).await;
    let store = installation.store();
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;

    // Another one wants it elsewhere: the first keeps it, and the second is told where it is.
    let second = |tickets: &mut Object<VolumeAttachment>| {
        let mut ticket = tickets.spec.attachment_tickets[TICKET].clone();
        "second".clone_into(&mut ticket.id);
        "node-2".clone_into(&mut ticket.node_id);
        tickets.spec.attachment_tickets.insert("second".to_owned(), ticket);
    };
    store.modify::<VolumeAttachment>(VOLUME, second).await.unwrap();
    installation
        .until("the second is told why it waits", async |store| {
            let told = store.get::<VolumeAttachment>(VOLUME).await.unwrap().status.attachment_ticket_statuses;
            let message = told.get("second").and_then(|told| told.conditions.first()).map(|told| told.message.clone());
            message.is_some_and(|message| message.contains("in use on node-1"))
        })
        .await;

    // A cordoned node loses it as soon as the setting says so.
    store.modify::<Node>("node-1", |node: &mut Object<Node>| node.spec.cordoned = true).await.unwrap();
    let on = |setting: &mut Object<Setting>| setting.spec = SettingSpec { value: "true".into() };
    store.modify::<Setting>("detach-manually-attached-volumes-when-cordoned", on).await.unwrap();
    installation
        .until_volume("the second has it", |volume| {
            volume.status.state == VolumeState::Attached && volume.status.current_node_id == "node-2"
        })
        .await;
    let left = store.get::<VolumeAttachment>(VOLUME).await.unwrap().spec.attachment_tickets;
    assert_eq!(left.keys().collect::<Vec<_>>(), ["second"]);
    installation.stop().await;
}
