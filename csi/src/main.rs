//! `aurochs-csi`: arguments → driver → serve.

use std::process::ExitCode;

use aurochs_csi::arguments::Arguments;
use aurochs_csi::driver::Driver;
use aurochs_csi::failure::Failure;
use aurochs_csi::{server, socket};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Where the directives of the log are taken from.
const LOG_VARIABLE: &str = "AUROCHS_LOG";

fn main() -> ExitCode {
    server::keep_others_out();
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = socket::path(&arguments.endpoint)?;
    if arguments.nodeid.is_empty() {
        return Err(Failure::invalid("--nodeid is empty", "Give the name of the Kubernetes node."));
    }
    let driver = Driver::new(&arguments.drivername, &arguments.nodeid, arguments.manager()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format_args!("no runtime: {error}"), ""))?;
    let ended = runtime.block_on(server::serve(driver, &path));
    // What hangs in the kernel is not waited for.
    runtime.shutdown_background();
    ended
}
