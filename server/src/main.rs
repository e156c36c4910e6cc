//! `aurochs`: arguments → state → run.

mod network_arguments;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use aurochs_server::auth::proxies::Proxy;
use aurochs_server::client;
use aurochs_server::logging::Logging;
use aurochs_server::standalone::zone::NodeZone;
use aurochs_server::standalone::{Manager, Options, check, stop};
use clap::{CommandFactory, Parser, Subcommand};
use network_arguments::NetworkArguments;
use tokio::signal::unix::{SignalKind, signal};

/// Replicated block storage with a dashboard.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
        /// A reverse proxy whose X-Forwarded-For is believed, an address or a network; can be given several times.
        /// Without it those on this machine are.
        #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
        trusted_proxies: Vec<Proxy>,
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
    /// Print the version.
    Version,
    #[command(flatten)]
    Client(client::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Cli::parse().command {
        // What a client has to say is its output; it keeps no log.
        Command::Client(asked) => return asked.run(Cli::command()).await,
        command => command,
    };
    let logging = Logging::start();
    let result = match command {
        Command::Serve { data, nodes, address, network, engine_binary, zones, trusted_proxies, metrics_open } => {
            let options = Options { data, nodes, address, network: network.network(), engine_binary, zones };
            serve(options, trusted_proxies, metrics_open, logging).await
        }
        Command::Check { data, engine_binary, json } => return check::run(data.as_deref(), engine_binary, json),
        Command::Stop { data } => stop_all(&data).await,
        Command::Client(asked) => return asked.run(Cli::command()).await,
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

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn serve(options: Options, proxies: Vec<Proxy>, metrics_open: bool, logging: Logging) -> Result<()> {
    let asked = asked_to_end()?;
    let manager = Manager::start(&options).await?;
    logging.follow(&manager.app.settings);
    if !proxies.is_empty() {
        manager.app.auth.trust_proxies(proxies.into_iter().collect());
    }
    if metrics_open {
        manager.app.auth.open_metrics();
    }
    say(&format!("Aurochs is at http://{}", manager.address));
    if let Some(first) = &manager.first_password {
        say(&format!(
            "Log in as {} with the password {} (kept in {}).",
            first.user,
            first.password,
            first.path.display()
        ));
    }
    manager.serve(asked).await;
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

#[expect(clippy::print_stdout, reason = "what a person at the terminal is told")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last word of a program goes to its standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}
