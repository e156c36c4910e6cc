//! How to use a volume: the device, the mount, the address for clients.

use std::sync::Arc;

use aurochs_api::volume::{Volume, VolumeState};
use leptos::prelude::*;

use super::manifest::Manifest;
use crate::components::command::Command;
use crate::words::{self, label, tr};

/// One thing to take along, with its name.
type Line = (&'static str, String);

#[component]
pub(crate) fn UseItPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let facts = Memo::new(move |_| volume.get().map(|volume| Facts::of(&volume)));
    view! {
        <section class="card" aria-labelledby="use-title" data-testid="use-it">
            <h2 id="use-title">{tr("Use it")}</h2>
            {move || facts.get().map(|facts| {
                let note = facts.note.map(|note| view! { <p class="dim">{tr(note)}</p> });
                let frontend = facts.frontend.map(|(name, reason)| view! {
                    <div class="fact"><span class="label">{tr("Frontend")}</span><details class="why-frontend">
                        <summary>{name}<span class="xs">{tr("Why this one")}</span></summary>
                        <p class="xs">{reason}</p>
                    </details></div>
                });
                let lines = facts.lines.into_iter().map(|(label, text)| view! {
                    <div class="fact"><span class="label">{tr(label)}</span><Command label=tr(label) text /></div>
                });
                view! { {note}{frontend}{lines.collect_view()} }
            })}
            <Manifest volume />
        </section>
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    note: Option<&'static str>,
    frontend: Option<(String, String)>,
    lines: Vec<Line>,
}

impl Facts {
    fn of(volume: &Volume) -> Self {
        let device = volume.endpoint();
        let mut lines = Vec::<Line>::new();
        if device.starts_with("/dev/") {
            lines.push(("Device", device.to_owned()));
            lines.push(("Format once", format!("mkfs.ext4 {device}")));
            lines.push(("Mount", format!("mount {device} /mnt")));
        } else if !device.is_empty() {
            lines.push(("Endpoint", device.to_owned()));
        }
        let uri = &volume.nbd_uri;
        if !uri.is_empty() {
            lines.push(("NBD address", uri.clone()));
            lines.push(("Inspect", format!("nbdinfo '{uri}'")));
            lines.push(("Copy out", format!("qemu-img convert -p '{uri}' -O qcow2 {}.qcow2", volume.name)));
        }
        let in_use = (!volume.frontend_in_use.is_empty())
            .then(|| (words::frontend(&volume.frontend_in_use).to_owned(), volume.frontend_reason.clone()));
        Self { note: note(volume), frontend: in_use, lines }
    }
}

fn note(volume: &Volume) -> Option<&'static str> {
    if volume.standby {
        return Some(label("It follows a backup and offers no device. Activate it to use it."));
    }
    match volume.state {
        VolumeState::Attached if volume.disable_frontend => {
            Some("Attached in maintenance mode: no device is offered. Detach it and attach it normally to use it.")
        }
        VolumeState::Attached => None,
        VolumeState::Attaching => Some("The device appears as soon as the volume is attached."),
        VolumeState::Detached => Some("Attach the volume to a node to get its device."),
        VolumeState::Creating | VolumeState::Detaching | VolumeState::Deleting => Some("No device is offered now."),
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::volume::Controller;

    use super::*;

    #[test]
    fn ready_commands() {
        let volume = Volume {
            name: "v".into(),
            state: VolumeState::Attached,
            controllers: vec![Controller { endpoint: "/dev/longhorn/v".into(), ..Controller::default() }],
            nbd_uri: "nbd://127.0.0.1:10809/v".into(),
            ..Volume::default()
        };
        let facts = Facts::of(&volume);
        assert!(facts.lines.contains(&("Mount", "mount /dev/longhorn/v /mnt".to_owned())));
        assert!(facts.lines.contains(&("Inspect", "nbdinfo 'nbd://127.0.0.1:10809/v'".to_owned())));
        assert_eq!(facts.note, None);
    }

    #[test]
    fn nothing_to_use_while_detached() {
        let facts = Facts::of(&Volume { state: VolumeState::Detached, ..Volume::default() });
        assert!(facts.lines.is_empty() && facts.note.is_some());
    }
}
