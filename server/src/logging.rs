//! The manager's log: to standard error, as much of it as the setting `log-level` says, changed while it runs. The last of it
//! is kept in memory for support bundles ([`recent`]).
//!
//! At the start the environment variable [`VARIABLE`] comes first (directives of `tracing`: `info,sqlx=debug`), since
//! whoever sets it wants to see the start. A change of the setting after that wins over it.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::settings::{Name, Settings};

/// Where the directives are taken from at the start.
pub const VARIABLE: &str = "AUROCHS_LOG";
/// `json` for a line of JSON an event on standard error, for collectors of logs; text else.
pub const FORMAT_VARIABLE: &str = "AUROCHS_LOG_FORMAT";

/// The client of the Kubernetes API server is not heard, whatever is asked for: an answer that it can't read it logs as it came,
/// and that may be a Secret. Whoever uses it says what went wrong.
const UNHEARD: &str = "kube_client";

/// The log, with its filter at hand.
#[derive(Debug)]
pub struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    /// The environment said how much is logged.
    from_environment: bool,
}

impl Logging {
    /// Begins to log; once in a process.
    #[must_use]
    pub fn start() -> Self {
        let given = EnvFilter::try_from_env(VARIABLE).ok();
        let from_environment = given.is_some();
        let (filter, handle) = reload::Layer::new(given.unwrap_or_else(|| EnvFilter::new("info")));
        let ansi = std::io::stderr().is_terminal();
        let json = std::env::var(FORMAT_VARIABLE).is_ok_and(|format| format == "json");
        tracing_subscriber::registry()
            .with(filter)
            .with(filter_fn(|event| !event.target().starts_with(UNHEARD)))
            .with((!json).then(|| fmt::layer().with_writer(std::io::stderr).with_ansi(ansi)))
            .with(json.then(|| fmt::layer().json().with_writer(std::io::stderr)))
            .with(fmt::layer().with_writer(|| Recent).with_ansi(false))
            .init();
        Self { filter: handle, from_environment }
    }

    /// Obeys the setting from now on, until the task is aborted.
    pub fn follow(self, settings: &Settings) -> JoinHandle<()> {
        let (settings, mut changed) = (settings.clone(), settings.changed());
        tokio::spawn(async move {
            let mut level = settings.text(Name::LogLevel);
            if !self.from_environment {
                self.set(&level);
            }
            while changed.changed().await.is_ok() {
                let now = settings.text(Name::LogLevel);
                if now != level {
                    level = now;
                    self.set(&level);
                    tracing::info!(level, "the log level is another now");
                }
            }
        })
    }

    fn set(&self, level: &str) {
        if let Err(error) = self.filter.reload(EnvFilter::new(directives(level))) {
            tracing::warn!(%error, level, "the log level could not be set");
        }
    }
}

/// Longhorn's levels in the words of `tracing`. Below info only our own parts tell more: what the libraries have to say
/// would bury it.
fn directives(level: &str) -> &'static str {
    match level.to_ascii_lowercase().as_str() {
        "panic" | "fatal" | "error" => "error",
        "warn" => "warn",
        "debug" => "info,aurochs=debug,aurochs_api=debug,aurochs_engine=debug,aurochs_server=debug",
        "trace" => "info,aurochs=trace,aurochs_api=trace,aurochs_engine=trace,aurochs_server=trace",
        _ => "info",
    }
}

// === the last of it ===

/// What is kept in memory of the log.
const RECENT_LIMIT_BYTES: usize = 2 << 20;

static RECENT: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

/// The last lines of this process's log; the first one may be cut.
#[must_use]
pub fn recent() -> String {
    let kept = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let (first, second) = kept.as_slices();
    String::from_utf8_lossy(&[first, second].concat()).into_owned()
}

/// Writes into [`RECENT`], over what is oldest.
struct Recent;

impl io::Write for Recent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = &bytes[bytes.len().saturating_sub(RECENT_LIMIT_BYTES)..];
        let too_many = (kept.len() + newest.len()).saturating_sub(RECENT_LIMIT_BYTES);
        kept.drain(..too_many);
        kept.extend(newest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;
    use crate::settings::form::LOG_LEVELS;

    /// What of our own, and what of a library, is logged.
    fn logged(level: &str) -> (Level, Level) {
        let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            Logging { filter: handle, from_environment: false }.set(level);
            let most = |found: &[(Level, bool)]| found.iter().filter(|(_, on)| *on).map(|(level, _)| *level).max();
            let own = [
                (Level::ERROR, tracing::enabled!(target: "aurochs_server::x", Level::ERROR)),
                (Level::WARN, tracing::enabled!(target: "aurochs_server::x", Level::WARN)),
                (Level::INFO, tracing::enabled!(target: "aurochs_server::x", Level::INFO)),
                (Level::DEBUG, tracing::enabled!(target: "aurochs_server::x", Level::DEBUG)),
                (Level::TRACE, tracing::enabled!(target: "aurochs_server::x", Level::TRACE)),
            ];
            let library = [
                (Level::ERROR, tracing::enabled!(target: "sqlx", Level::ERROR)),
                (Level::WARN, tracing::enabled!(target: "sqlx", Level::WARN)),
                (Level::INFO, tracing::enabled!(target: "sqlx", Level::INFO)),
                (Level::DEBUG, tracing::enabled!(target: "sqlx", Level::DEBUG)),
            ];
            (most(&own).unwrap(), most(&library).unwrap())
        })
    }

    #[test]
    fn the_last_of_the_log_is_kept_and_bounded() {
        use io::Write;
        let line = [b'x'; 1000];
        for _ in 0..3000 {
            Recent.write_all(&line).unwrap();
        }
        Recent.write_all(b"the end").unwrap();
        let kept = recent();
        assert!(kept.len() == RECENT_LIMIT_BYTES && kept.contains("xthe end"), "{}", kept.len());
        Recent.write_all(&vec![b'y'; 2 * RECENT_LIMIT_BYTES]).unwrap();
        assert!(recent().bytes().all(|byte| byte == b'y'));
    }

    #[test]
    fn every_level_of_the_setting_changes_what_is_logged() {
        let found: Vec<_> = LOG_LEVELS.iter().map(|level| logged(level)).collect();
        let expected = [
            (Level::ERROR, Level::ERROR),
            (Level::ERROR, Level::ERROR),
            (Level::ERROR, Level::ERROR),
            (Level::WARN, Level::WARN),
            (Level::INFO, Level::INFO),
            (Level::DEBUG, Level::INFO),
            (Level::TRACE, Level::INFO),
        ];
        assert_eq!(found, expected);
        assert_eq!(logged("wArN"), (Level::WARN, Level::WARN));
    }
}
