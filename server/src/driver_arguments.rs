//! `aurochs driver-deployer`: what the chart tells it. Names of arguments and variables are Longhorn's where it has them.

use std::path::PathBuf;

use aurochs_server::cluster;
use aurochs_server::cluster::deployer::Options;
use aurochs_server::cluster::driver::Images;
use aurochs_server::cluster::driver::sidecars::{AntiAffinity, REPLICAS, Replicas};
use aurochs_server::logging;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct DriverArguments {
    /// The namespace of the driver's objects, and of the settings.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", default_value = cluster::NAMESPACE)]
    namespace: String,
    /// The API that the driver works through, with /v1.
    #[arg(long, value_name = "URL", default_value = "http://longhorn-backend:9500/v1")]
    manager_url: String,
    #[command(flatten)]
    images: ImageArguments,
    /// kubelet's directory on the nodes (its --root-dir). Without it, it is looked for in the arguments of the kubelet that
    /// runs on this node.
    #[arg(long, value_name = "DIRECTORY", env = "KUBELET_ROOT_DIR")]
    kubelet_root_dir: Option<String>,
    /// Where the node's processes are seen.
    #[arg(long, value_name = "DIRECTORY", default_value = "/host/proc")]
    proc: PathBuf,
    /// How strictly pods of one sidecar stay on different nodes: soft or hard.
    #[arg(long, value_name = "WORD", env = "CSI_POD_ANTI_AFFINITY_PRESET", default_value = "soft", value_parser = anti_affinity)]
    csi_pod_anti_affinity_preset: AntiAffinity,
    #[command(flatten)]
    replicas: ReplicaArguments,
    /// The name of this pod.
    #[arg(long, env = "POD_NAME", default_value = "", hide = true)]
    pod: String,
}

#[derive(Debug, Args)]
struct ImageArguments {
    #[arg(long, value_name = "IMAGE")]
    manager_image: String,
    #[arg(long, value_name = "IMAGE")]
    csi_attacher_image: String,
    #[arg(long, value_name = "IMAGE")]
    csi_provisioner_image: String,
    #[arg(long, value_name = "IMAGE")]
    csi_resizer_image: String,
    #[arg(long, value_name = "IMAGE")]
    csi_snapshotter_image: String,
    #[arg(long, value_name = "IMAGE")]
    csi_node_driver_registrar_image: String,
    #[arg(long, value_name = "IMAGE")]
    csi_liveness_probe_image: String,
}

#[derive(Debug, Args)]
struct ReplicaArguments {
    /// Pods of the sidecar csi-attacher.
    #[arg(long, value_name = "NUMBER", env = "CSI_ATTACHER_REPLICA_COUNT", default_value_t = REPLICAS)]
    csi_attacher_replica_count: u32,
    /// Pods of the sidecar csi-provisioner.
    #[arg(long, value_name = "NUMBER", env = "CSI_PROVISIONER_REPLICA_COUNT", default_value_t = REPLICAS)]
    csi_provisioner_replica_count: u32,
    /// Pods of the sidecar csi-resizer.
    #[arg(long, value_name = "NUMBER", env = "CSI_RESIZER_REPLICA_COUNT", default_value_t = REPLICAS)]
    csi_resizer_replica_count: u32,
    /// Pods of the sidecar csi-snapshotter.
    #[arg(long, value_name = "NUMBER", env = "CSI_SNAPSHOTTER_REPLICA_COUNT", default_value_t = REPLICAS)]
    csi_snapshotter_replica_count: u32,
}

impl DriverArguments {
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn options(self) -> Options {
        let (images, replicas) = (self.images, self.replicas);
        Options {
            images: Images {
                manager: images.manager_image,
                attacher: images.csi_attacher_image,
                provisioner: images.csi_provisioner_image,
                resizer: images.csi_resizer_image,
                snapshotter: images.csi_snapshotter_image,
                node_driver_registrar: images.csi_node_driver_registrar_image,
                liveness_probe: images.csi_liveness_probe_image,
            },
            manager_url: self.manager_url,
            kubelet_root: self.kubelet_root_dir,
            proc: self.proc,
            replicas: Replicas {
                attacher: replicas.csi_attacher_replica_count,
                provisioner: replicas.csi_provisioner_replica_count,
                resizer: replicas.csi_resizer_replica_count,
                snapshotter: replicas.csi_snapshotter_replica_count,
            },
            anti_affinity: self.csi_pod_anti_affinity_preset,
            // Whoever wants to see more of this program wants to see more of what it makes.
            log: std::env::var(logging::VARIABLE).unwrap_or_default(),
            pod: self.pod,
        }
    }
}

fn anti_affinity(word: &str) -> Result<AntiAffinity, String> {
    AntiAffinity::of_word(word).ok_or_else(|| "it is soft or hard".to_owned())
}
