//! `aurochs`: arguments → state → run.

mod cluster_commands;
mod driver_arguments;
mod network_arguments;
mod user_arguments;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use aurochs_server::auth::proxies::Proxy;
use aurochs_server::auth::rate::PER_SECOND;
use aurochs_server::logging::Logging;
use aurochs_server::standalone::zone::NodeZone;
use aurochs_server::standalone::{Manager, Options, check, stop};
use aurochs_server::web::connections::tls::Tls;
use aurochs_server::{client, cluster};
use clap::{CommandFactory, Parser, Subcommand};
use cluster_commands::ClusterCommand;
use network_arguments::NetworkArguments;
use tokio::signal::unix::{SignalKind, signal};
use user_arguments::UserArguments;

/// Replicated block storage with a dashboard.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Asked,
}

#[derive(Debug, Subcommand)]
enum Asked {
    #[command(flatten)]
    OfThisMachine(Command),
    #[command(flatten)]
    OfAManager(client::Command),
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for as long as the process lives")]
enum Command {
    /// Run the manager on this machine; engines and replicas run on when it ends.
    Serve {
        /// Where everything is kept.
        #[arg(long)]
        data: PathBuf,
        /// Number of logical nodes, each with a disk of its own in the data directory.
        #[arg(long, default_value_t = 1)]
        nodes: u32,
        /// Address of the dashboard and the API.
        #[arg(long, default_value = "127.0.0.1:9500")]
        address: SocketAddr,
        #[command(flatten)]
        network: NetworkArguments,
        /// The data plane's program; the aurochs-engine beside this one by default.
        #[arg(long)]
        engine_binary: Option<PathBuf>,
        /// Zone of a node, NODE=ZONE or NODE=REGION/ZONE, for replicas in different zones; can be given several times.
        #[arg(long = "zone", value_name = "NODE=ZONE")]
        zones: Vec<NodeZone>,
        /// Keep volumes, settings and all other resources in a Kubernetes cluster, as custom resources, instead of the data
        /// directory: the cluster of --kubeconfig or KUBECONFIG, or the one that this is a pod of.
        #[arg(long)]
        kubernetes: bool,
        /// The file that says how the cluster is reached, as kubectl has it.
        #[arg(long, value_name = "FILE", requires = "kubernetes")]
        kubeconfig: Option<PathBuf>,
        /// This machine's name in the cluster, which no other manager has; the host's name without it. Several nodes are called
        /// NAME-1, NAME-2, …
        #[arg(long, value_name = "NAME", env = "NODE_NAME")]
        node_name: Option<String>,
        /// The resources' namespace in the cluster.
        #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", default_value = cluster::NAMESPACE)]
        namespace: String,
        /// The Secret in that namespace with the users who can log in, for all managers the same; the first manager makes it. Without
        /// it, they are those of the data directory.
        #[arg(long, value_name = "NAME", requires = "kubernetes")]
        users_secret: Option<String>,
        /// Where the cluster's API server asks about what people write with kubectl (over TLS); without it nobody is asked.
        #[arg(long, value_name = "IP:PORT", requires = "kubernetes")]
        webhook_address: Option<SocketAddr>,
        /// Where managers, engines and replicas of other machines reach this machine's instance manager, over TLS with certificates of
        /// the cluster's own; its engines and replicas get ports from 10000 to 30000 of the same address. Without it the nodes of this
        /// machine are of use to this manager alone.
        #[arg(long, value_name = "IP[:PORT]", requires = "kubernetes", value_parser = instance_address)]
        instance_address: Option<SocketAddr>,
        /// Run this machine's instance manager, with all engines and replicas, as a pod of this image, which this manager, a pod itself,
        /// keeps beside it.
        #[arg(long, value_name = "IMAGE", requires = "kubernetes", conflicts_with_all = ["instance_address", "nodes"])]
        instance_manager_image: Option<String>,
        /// How the API server reaches that address, https://HOST:PORT; without it by the service longhorn-admission-webhook.
        #[arg(long, value_name = "URL", requires = "webhook_address")]
        webhook_url: Option<String>,
        /// A reverse proxy that is believed when it says whom it speaks for (X-Forwarded-For, -Proto, -Host), an address or a
        /// network; can be given several times. Without it none is.
        #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
        trusted_proxies: Vec<Proxy>,
        /// Serve https with this certificate, a PEM file with those between it and its authority. It can be renewed in
        /// place.
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// The certificate's private key, a PEM file that others can't read.
        #[arg(long, value_name = "FILE", requires = "tls_cert")]
        tls_key: Option<PathBuf>,
        /// Requests that one client may send, as a user from an address; twenty seconds' worth of them at once.
        #[arg(long, value_name = "NUMBER", default_value_t = PER_SECOND, value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_second: u32,
        /// Answer /metrics without login, for a Prometheus that has no user name and password.
        #[arg(long)]
        metrics_open: bool,
    },
    /// Look at this machine: what it has and lacks for serving volumes, and what to install.
    Check {
        /// The data directory that `serve` is given, or is to be given.
        #[arg(long)]
        data: Option<PathBuf>,
        /// The data plane's program; the aurochs-engine beside this one by default.
        #[arg(long)]
        engine_binary: Option<PathBuf>,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Stop the manager, all engines (cleanly), replicas and instance managers.
    Stop {
        /// The data directory that `serve` was given.
        #[arg(long)]
        data: PathBuf,
    },
    #[command(flatten)]
    InACluster(ClusterCommand),
    /// Print the custom resource definitions that a Kubernetes API server needs, to be applied with kubectl.
    Crds,
    /// Add, change and remove the users who can log in.
    User(UserArguments),
    /// Print the version.
    Version,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Cli::parse().command {
        // What a client has to say is its output; it keeps no log.
        Asked::OfAManager(asked) => return asked.run(Cli::command()).await,
        Asked::OfThisMachine(command) => command,
    };
    let logging = Logging::start();
    let result = match command {
        Command::Serve {
            data,
            nodes,
            address,
            network,
            engine_binary,
            zones,
            kubernetes,
            kubeconfig,
            node_name,
            namespace,
            users_secret,
            webhook_address,
            webhook_url: url,
            instance_address,
            instance_manager_image,
            trusted_proxies: proxies,
            tls_cert,
            tls_key,
            requests_per_second,
            metrics_open,
        } => {
            let webhook = webhook_address.map(|address| cluster::webhook::Place { address, url });
            let member = cluster::Member {
                namespace,
                kubeconfig,
                node_name,
                users_secret,
                webhook,
                instance_address,
                instance_manager_image,
            };
            let kubernetes = kubernetes.then_some(member);
            let network = network.network();
            let options = Options { data, nodes, address, network, engine_binary, zones, kubernetes };
            let gate = Gate { proxies, tls: tls_cert.zip(tls_key), requests_per_second, metrics_open };
            serve(options, gate, logging).await
        }
        Command::Check { data, engine_binary, json } => return check::run(data.as_deref(), engine_binary, json),
        Command::Stop { data } => stop_all(&data).await,
        Command::User(arguments) => arguments.run(),
        Command::InACluster(command) => command.run().await,
        Command::Crds => {
            say(aurochs_server::resources::definition::manifest().trim_end());
            Ok(())
        }
        Command::Version => {
            say(&format!("aurochs {}", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// As Longhorn's instance managers have it.
const INSTANCE_PORT: u16 = 8500;

fn instance_address(text: &str) -> std::result::Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, INSTANCE_PORT)));
    match address {
        Ok(address) if address.ip().is_unspecified() => {
            Err("others are told it: give one address of this machine".to_owned())
        }
        Ok(address) => Ok(address),
        Err(_) => Err("it has to be an IP address, with :PORT or without".to_owned()),
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Who comes in, and how.
struct Gate {
    proxies: Vec<Proxy>,
    /// Certificate and key.
    tls: Option<(PathBuf, PathBuf)>,
    requests_per_second: u32,
    metrics_open: bool,
}

async fn serve(options: Options, gate: Gate, logging: Logging) -> Result<()> {
    let mut asked = Box::pin(asked_to_end()?);
    let tls = gate.tls.map(|(certificate, key)| Tls::open(certificate, key)).transpose()?;
    // In a cluster it may have to wait for others.
    let manager = tokio::select! {
        started = Manager::start(&options) => started?,
        () = &mut asked, if options.kubernetes.is_some() => return Ok(()),
    };
    logging.follow(&manager.app.settings);
    let auth = &manager.app.auth;
    auth.trust_proxies(gate.proxies.into_iter().collect());
    auth.limit_requests(gate.requests_per_second);
    if gate.metrics_open {
        auth.open_metrics();
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    say(&format!("Aurochs is at {scheme}://{}", manager.address));
    if let Some(first) = &manager.first_password {
        say(&format!(
            "Log in as {} with the password {} (kept in {}).",
            first.user,
            first.password,
            first.path.display()
        ));
    }
    manager.serve_over(tls, asked).await;
    say("The manager has ended; attached volumes stay in use. `aurochs stop` ends them too.");
    Ok(())
}

async fn stop_all(data: &std::path::Path) -> Result<()> {
    let stopped = stop::stop(data).await?;
    if stopped == stop::Stopped::default() {
        say("Nothing was running.");
        return Ok(());
    }
    let manager = if stopped.manager { "the manager, " } else { "" };
    say(&format!("Stopped: {manager}{} engines, {} nodes.", stopped.engines.len(), stopped.nodes.len()));
    Ok(())
}

/// Ends at Ctrl-C and at a service manager's request; at the second one at once, without what is under way. Both are
/// listened to from now on.
fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // What was answered is on the disk; what was not is undone by the next start, as after a crash.
            complain("The manager ends at once.");
            std::process::exit(1);
        });
    })
}

/// To the person at the terminal, who may have gone: that nobody listens any more (a closed pipe) ends no manager.
fn say(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        tracing::debug!(%error, "nobody listens at the standard output");
    }
}

/// The last word of a program goes to its standard error; there is nobody to tell that it is closed.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
