//! The data plane's programs in one binary.

use std::io::IsTerminal;
use std::process::ExitCode;

use aurochs_engine::process::log_lines::LogLines;
use aurochs_engine::process::{self, ProgramError};
use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::prelude::*;

/// How long the end of a program waits for its log, which may be stuck.
const LOG_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Replicas, engines and instance managers of Aurochs.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one copy of a volume from its directory.
    Replica(process::replica::Arguments),
    /// Run the engine of one volume.
    Engine(process::engine::Arguments),
    /// Start and watch the engines and replicas of a node.
    InstanceManager(process::instance_manager::Arguments),
    LaunchSimpleLonghorn(process::launch_simple::Arguments),
    Check(process::check::Arguments),
    Inspect(process::inspect::Arguments),
    Verify(process::verify::Arguments),
    Export(process::export::Arguments),
    Backup(process::backup::Arguments),
    Files(process::files::Arguments),
}

impl Command {
    /// Programs that run for months tell what they do; commands for people print it themselves.
    fn log_level(&self) -> &'static str {
        match self {
            Self::Replica(_) | Self::Engine(_) | Self::InstanceManager(_) => "info",
            Self::LaunchSimpleLonghorn(_) => "warn",
            Self::Check(_)
            | Self::Inspect(_)
            | Self::Verify(_)
            | Self::Export(_)
            | Self::Backup(_)
            | Self::Files(_) => "error",
        }
    }

    fn serves_a_volume(&self) -> bool {
        matches!(self, Self::Replica(_) | Self::Engine(_) | Self::LaunchSimpleLonghorn(_))
    }

    /// Engines and replicas serve their sockets and disk queues with one thread: requests that come together share
    /// system calls, and none has to wake another thread. Those that wait for disks without a queue, or for requests that
    /// come one at a time, come on top.
    fn runtime(&self) -> tokio::runtime::Builder {
        if self.serves_a_volume() {
            return tokio::runtime::Builder::new_current_thread();
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(cores.min(2));
        builder
    }
}

fn main() -> ExitCode {
    process::memory::begin_small();
    let cli = Cli::parse();
    let lines = start_log(cli.command.log_level());
    if cli.command.serves_a_volume() {
        // A thread that serves a block device must not wait for memory that only a write to that device would free. All
        // threads that are started later inherit it. Refused without CAP_SYS_RESOURCE; the volume works, with less
        // certainty when memory is short.
        let _ = aurochs_engine::frontend::fuse_loop::prepare_thread();
    }
    let runtime = match cli.command.runtime().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&ProgramError::Io { what: "start the runtime".to_owned(), source: error }),
    };
    let result = runtime.block_on(async {
        tokio::spawn(process::memory::give_memory_back());
        match cli.command {
            Command::Replica(arguments) => process::replica::run(arguments).await,
            Command::Engine(arguments) => process::engine::run(arguments).await,
            Command::InstanceManager(arguments) => process::instance_manager::run(arguments).await,
            Command::LaunchSimpleLonghorn(arguments) => process::launch_simple::run(arguments).await,
            Command::Check(arguments) => process::check::run(&arguments),
            Command::Inspect(arguments) => process::inspect::run(&arguments),
            Command::Verify(arguments) => process::verify::run(&arguments),
            Command::Export(arguments) => process::export::run(arguments).await,
            Command::Backup(arguments) => process::backup::run(arguments).await,
            Command::Files(arguments) => process::files::run(arguments).await,
        }
    });
    if let Err(ProgramError::FrontendBroke(_)) = result {
        // Its tasks must not answer anybody: the next engine may.
        std::mem::forget(runtime);
    } else {
        // Requests that hang in a disk must not keep the process alive.
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    }
    if let Some(lines) = lines {
        lines.written(LOG_PATIENCE);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Logs to standard error; nobody waits for that, but where there can be no thread for it.
fn start_log(level: &'static str) -> Option<LogLines> {
    let lines = LogLines::start(std::io::stderr()).ok();
    let writer = lines.clone().map_or_else(|| BoxMakeWriter::new(std::io::stderr), BoxMakeWriter::new);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(log_filter(level));
    tracing_subscriber::registry().with(layer).init();
    lines
}

/// What `AUROCHS_LOG` asks for (`level` or `target=level`, separated by commas), else `default`. A larger language of
/// filters would bring an engine for regular expressions into every replica.
fn log_filter(default: &str) -> Targets {
    let asked = std::env::var("AUROCHS_LOG").ok().and_then(|text| text.parse().ok());
    asked.or_else(|| default.parse().ok()).unwrap_or_default()
}

/// The instance manager shows a process's last line as the reason of its end.
fn failed(error: &ProgramError) -> ExitCode {
    #[expect(clippy::print_stderr, reason = "the last word of a program goes to its standard error")]
    {
        eprintln!("error: {error}");
    }
    ExitCode::from(error.exit_code())
}
