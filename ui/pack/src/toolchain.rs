//! Which compiler makes the wasm. rustup's, where it has the wasm target; else Debian's, which ships the standard
//! library as source only and builds it along (`-Zbuild-std`). Installing either is the work of `scripts/install.sh`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// `rustup` or `debian`: forces a toolchain, to prove that each of the two ways works.
const FORCE: &str = "AUROCHS_WASM_TOOLCHAIN";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// A compiler that was found complete, with the version that it gives of itself.
#[derive(Debug)]
pub(crate) struct Toolchain {
    origin: Origin,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Rustup,
    Debian,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolchainError {
    #[error("{FORCE}={0} is unknown; give `rustup`, `debian`, or leave it unset")]
    UnknownChoice(String),
    #[error(
        "no compiler for {TARGET}: rustup has no such target here, and Debian's rustc-web, cargo-web, rust-web-src and lld \
         are not all installed. Run `scripts/install.sh`, which adds the one or the other"
    )]
    NoneFound,
    #[error("{FORCE} asks for {0}, which is not complete on this machine; run `scripts/install.sh`")]
    ForcedIsMissing(String),
    #[error("cannot ask {compiler} for its version: {reason}")]
    Silent { compiler: String, reason: String },
}

impl Toolchain {
    /// Takes the first complete toolchain, or the one that the environment forces.
    pub(crate) fn choose(root: &Path) -> Result<Self, ToolchainError> {
        let origin = match std::env::var(FORCE).ok().as_deref() {
            None | Some("") => [Origin::Rustup, Origin::Debian]
                .into_iter()
                .find(|origin| origin.is_complete(root))
                .ok_or(ToolchainError::NoneFound)?,
            Some("rustup") => Origin::Rustup.forced(root)?,
            Some("debian") => Origin::Debian.forced(root)?,
            Some(other) => return Err(ToolchainError::UnknownChoice(other.to_owned())),
        };
        let version = ask(origin.rustc(), root, &["-vV"])?;
        Ok(Self { origin, version })
    }

    /// What the built bytes depend on, for the fingerprint.
    pub(crate) fn identity(&self) -> &str {
        &self.version
    }

    /// A `cargo build` for the wasm target, still without package and profile.
    pub(crate) fn cargo_build(&self, root: &Path) -> Command {
        let mut command = match self.origin {
            Origin::Rustup => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Origin::Debian => debian_cargo(),
        };
        command.current_dir(root).args(["build", "--target", TARGET]);
        if self.origin == Origin::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Rustup => "rustup's",
            Origin::Debian => "Debian's",
        };
        write!(out, "{origin} {}", self.version.lines().next().unwrap_or("rustc"))
    }
}

// === impl Origin ===

impl Origin {
    fn rustc(self) -> &'static str {
        match self {
            Self::Rustup => "rustc",
            Self::Debian => DEBIAN_RUSTC,
        }
    }

    fn is_complete(self, root: &Path) -> bool {
        match self {
            Self::Rustup => ask("rustc", root, &["--print", "sysroot"]).is_ok_and(|sysroot| {
                PathBuf::from(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir()
            }),
            Self::Debian => [DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_STD_SOURCE, "/usr/bin/wasm-ld"]
                .iter()
                .all(|path| Path::new(path).exists()),
        }
    }

    fn forced(self, root: &Path) -> Result<Self, ToolchainError> {
        if self.is_complete(root) { Ok(self) } else { Err(ToolchainError::ForcedIsMissing(format!("{self:?}"))) }
    }
}

/// Debian's cargo, freed from what a surrounding `cargo run` of rustup's put into the environment: its compiler, and a
/// library path that would hand Debian's compiler the wrong libraries.
fn debian_cargo() -> Command {
    let mut command = Command::new(DEBIAN_CARGO);
    for inherited in ["CARGO", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(inherited);
    }
    command
        .env("RUSTC", DEBIAN_RUSTC)
        // A released compiler takes -Z options only with this.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld");
    command
}

fn ask(program: &str, root: &Path, arguments: &[&str]) -> Result<String, ToolchainError> {
    let failed = |reason: String| ToolchainError::Silent { compiler: program.to_owned(), reason };
    let mut command = Command::new(program);
    if program == DEBIAN_RUSTC {
        command.env_remove("LD_LIBRARY_PATH");
    }
    let output = command.current_dir(root).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
