//! What the chart's pods start beside the manager.

use aurochs_server::cluster::{self, Cluster, Member, deployer, uninstall, upgrade};
use clap::{Args, Subcommand};

use crate::driver_arguments::DriverArguments;
use crate::{Result, asked_to_end, say};

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Keep the CSI driver's objects in a Kubernetes cluster as the settings want them.
    DriverDeployer(Box<DriverArguments>),
    /// Say whether this version may be installed over what is installed in a Kubernetes cluster; changes nothing.
    PreUpgrade {
        /// Also whether this version comes after that one.
        #[arg(long)]
        upgrade_version_check: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Remove all volumes, with their data, and all resources from a Kubernetes cluster, if the setting
    /// deleting-confirmation-flag is true. Backups stay.
    Uninstall {
        /// Also while volumes are attached.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The resources' namespace in the cluster.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", default_value = cluster::NAMESPACE)]
    namespace: String,
}

impl ClusterCommand {
    pub(crate) async fn run(self) -> Result<()> {
        match self {
            Self::DriverDeployer(arguments) => {
                let stop = asked_to_end()?;
                let cluster = connect(arguments.namespace()).await?;
                deployer::run(&cluster, arguments.options(), stop).await;
            }
            Self::PreUpgrade { upgrade_version_check, place } => {
                let cluster = connect(&place.namespace).await?;
                say(&upgrade::check(&cluster, upgrade_version_check).await?);
            }
            Self::Uninstall { force, place } => {
                let cluster = connect(&place.namespace).await?;
                uninstall::run(&cluster, force).await?;
            }
        }
        Ok(())
    }
}

async fn connect(namespace: &str) -> Result<Cluster> {
    let member = Member { namespace: namespace.to_owned(), ..Member::default() };
    Ok(Cluster::connect(&member).await?)
}
