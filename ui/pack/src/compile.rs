//! One cargo call that turns `aurochs-ui` into a wasm file. Cargo itself says where that file lies, so every setting of
//! the target directory works.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::toolchain::{TARGET, Toolchain};

const PACKAGE: &str = "aurochs-ui";
const PROFILE: &str = "wasm";
const QUICK_PROFILE: &str = "wasm-quick";

/// Set to try a change in a minute: neither optimised nor well compressed, so several times the size.
const QUICK: &str = "AUROCHS_UI_QUICK";

pub(crate) fn is_quick() -> bool {
    std::env::var_os(QUICK).is_some_and(|value| !value.is_empty())
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("cannot start cargo for {PACKAGE}: {0}")]
    Start(#[source] io::Error),
    #[error("{PACKAGE} does not compile for {TARGET} ({status}); cargo's messages above say why")]
    Failed { status: std::process::ExitStatus },
    #[error("cargo built {PACKAGE} but named no .wasm file; is `cdylib` still among its crate types?")]
    NoArtifact,
}

/// Compiles the dashboard and returns the path of the raw wasm file, from before wasm-bindgen.
pub(crate) fn to_wasm(root: &Path, toolchain: &Toolchain) -> Result<PathBuf, CompileError> {
    let output = toolchain
        .cargo_build(root)
        .args([
            "--locked",
            "--package",
            PACKAGE,
            "--lib",
            "--profile",
            if is_quick() { QUICK_PROFILE } else { PROFILE },
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", path_flags(root))
        // Flags from outside would silently replace the ones above and change the published bytes.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit())
        .output()
        .map_err(CompileError::Start)?;
    if !output.status.success() {
        return Err(CompileError::Failed { status: output.status });
    }
    wasm_path(&output.stdout).ok_or(CompileError::NoArtifact)
}

/// Panic messages carry source paths; without this the served file would tell the builder's home directory, and the
/// same source would give other bytes on every machine.
fn path_flags(root: &Path) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cargo"))
    });
    // Views are values of a few types instead of one type each: a third less code to load.
    let mut flags = format!("--cfg erase_components --remap-path-prefix={}=aurochs", root.display());
    if let Some(cargo_home) = cargo_home {
        flags.push_str(&format!(" --remap-path-prefix={}=cargo", cargo_home.display()));
    }
    flags
}

fn wasm_path(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == "aurochs_ui")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|path| path.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_wasm_among_cargo_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"leptos\"},\"filenames\":[\"/t/libleptos.wasm\"]}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"aurochs_ui\"},\"filenames\":[\"/t/libaurochs_ui.rlib\",\"/t/aurochs_ui.wasm\"]}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(wasm_path(messages.as_bytes()), Some(PathBuf::from("/t/aurochs_ui.wasm")));
        assert_eq!(wasm_path(b"{\"reason\":\"build-finished\",\"success\":true}\n"), None);
    }
}
