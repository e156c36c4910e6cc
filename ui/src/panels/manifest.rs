//! The volume as a static persistent volume and its claim, to copy into a cluster.

use std::sync::Arc;

use aurochs_api::volume::{AccessMode, Volume};
use leptos::prelude::*;

use crate::components::command::copy_text;
use crate::components::icon::{Icon, Pictogram};
use crate::words::tr;

#[component]
pub(crate) fn Manifest(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let text = Memo::new(move |_| volume.get().map(|volume| manifest(&volume)).unwrap_or_default());
    let copied = RwSignal::new(false);
    let copy = move |_| copied.set(copy_text(&text.get_untracked()));
    view! {
        <details class="manifest" data-testid="manifest">
            <summary>{tr("YAML for Kubernetes")}</summary>
            <p class="xs">{tr("A persistent volume and its claim. Change the namespace, then: kubectl apply -f -")}</p>
            <div class="code">
                <pre tabindex="0" aria-label=tr("YAML for Kubernetes")>{move || text.get()}</pre>
                <button type="button" class="ghost square" aria-label=tr("Copy the YAML") on:click=copy>
                    {move || view! { <Pictogram icon=if copied.get() { Icon::Check } else { Icon::Copy } /> }}
                </button>
                <span class="sr-only" role="status">{move || copied.get().then(|| tr("Copied"))}</span>
            </div>
        </details>
    }
}

/// Names of volumes are names of Kubernetes objects as they are, so nothing here has to be quoted.
fn manifest(volume: &Volume) -> String {
    let Volume { name, number_of_replicas: replicas, stale_replica_timeout: stale, .. } = volume;
    let bytes = volume.size.bytes();
    let mode = match volume.access_mode {
        AccessMode::Rwo => "ReadWriteOnce",
        AccessMode::Rwop => "ReadWriteOncePod",
        AccessMode::Rwx => "ReadWriteMany",
    };
    format!(
        "apiVersion: v1
kind: PersistentVolume
metadata:
  name: {name}
spec:
  capacity:
    storage: \"{bytes}\"
  accessModes: [{mode}]
  volumeMode: Filesystem
  persistentVolumeReclaimPolicy: Retain
  storageClassName: longhorn-static
  csi:
    driver: driver.longhorn.io
    fsType: ext4
    volumeHandle: {name}
    volumeAttributes:
      numberOfReplicas: \"{replicas}\"
      staleReplicaTimeout: \"{stale}\"
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
  namespace: default
spec:
  accessModes: [{mode}]
  storageClassName: longhorn-static
  volumeName: {name}
  resources:
    requests:
      storage: \"{bytes}\"
"
    )
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::{ByteSize, GIB};

    use super::*;

    #[test]
    fn claim_and_volume_name_each_other() {
        let volume = Volume { name: "data".into(), size: ByteSize(GIB), number_of_replicas: 3, ..Volume::default() };
        let text = manifest(&volume);
        for line in ["    volumeHandle: data\n", "  volumeName: data\n", "    driver: driver.longhorn.io\n"] {
            assert!(text.contains(line), "{line}");
        }
        assert_eq!(text.matches("\"1073741824\"").count(), 2, "the claim asks for all of it");
        assert_eq!(text.matches("accessModes: [ReadWriteOnce]").count(), 2);
    }
}
