//! wasm-bindgen as a library: splits the raw wasm into the final wasm and the JavaScript module that loads it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasm_bindgen_cli_support::{Bindgen, Output};

const LIBRARY: &str = "wasm-bindgen";
const SUPPORT: &str = "wasm-bindgen-cli-support";

/// The two halves of the program. The script still names its wasm file by [`Bound::WASM_PLACEHOLDER`].
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) wasm: Vec<u8>,
    pub(crate) script: String,
}

impl Bound {
    /// As wasm-bindgen writes it: `new URL('aurochs_bg.wasm', import.meta.url)`, relative to the script itself.
    pub(crate) const WASM_PLACEHOLDER: &'static str = "aurochs_bg.wasm";
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BindingsError {
    #[error("cannot read {path}: {source}")]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "Cargo.lock has {LIBRARY} {library} but {SUPPORT} {support}; they only understand each other at the same version. \
         Run `cargo update -p {SUPPORT} --precise {library}`"
    )]
    VersionsDiffer { library: String, support: String },
    #[error("Cargo.lock does not name {0}")]
    NotLocked(&'static str),
    #[error("wasm-bindgen cannot bind {path}: {reason}")]
    Bind { path: PathBuf, reason: String },
    #[error(
        "wasm-bindgen wrote extra JavaScript files ({0}), which the packer would have to hash as well; keep JavaScript out of the dashboard"
    )]
    Snippets(String),
}

/// Binds the raw wasm at `raw` for `<script type="module">`.
pub(crate) fn generate(raw: &Path, root: &Path) -> Result<Bound, BindingsError> {
    check_versions(&root.join("Cargo.lock"))?;
    let failed =
        |error: &dyn std::fmt::Display| BindingsError::Bind { path: raw.to_path_buf(), reason: format!("{error:#}") };
    let mut bindgen = Bindgen::new();
    let mut output = bindgen
        .input_path(raw)
        .out_name("aurochs")
        .typescript(false)
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .web(true)
        .and_then(Bindgen::generate_output)
        .map_err(|error| failed(&error))?;
    let snippets = written_snippets(&output);
    if !snippets.is_empty() {
        return Err(BindingsError::Snippets(snippets.join(", ")));
    }
    let script = output.js().to_owned();
    Ok(Bound { wasm: output.wasm_mut().emit_wasm(), script })
}

/// Every crate has an entry in the list of inline snippets; most are empty.
fn written_snippets(output: &Output) -> Vec<&str> {
    let inline = output.snippets().iter().filter(|(_, scripts)| !scripts.is_empty()).map(|(name, _)| name.as_str());
    inline.chain(output.local_modules().keys().map(String::as_str)).collect()
}

/// wasm-bindgen's macro and its library exchange a private format that changes with every version.
fn check_versions(lock: &Path) -> Result<(), BindingsError> {
    let text = fs::read_to_string(lock).map_err(|source| BindingsError::Lock { path: lock.to_path_buf(), source })?;
    let library = locked_version(&text, LIBRARY).ok_or(BindingsError::NotLocked(LIBRARY))?;
    let support = locked_version(&text, SUPPORT).ok_or(BindingsError::NotLocked(SUPPORT))?;
    if library == support {
        Ok(())
    } else {
        Err(BindingsError::VersionsDiffer { library: library.to_owned(), support: support.to_owned() })
    }
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n\n[[package]]\nname = \"wasm-bindgen-cli-support\"\nversion = \"0.2.129\"\n";

    #[test]
    fn different_versions_are_refused_with_the_command_that_helps() {
        let directory = std::env::temp_dir().join(format!("aurochs-ui-pack-lock-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let lock = directory.join("Cargo.lock");
        fs::write(&lock, LOCK).unwrap();
        let refused = check_versions(&lock).unwrap_err().to_string();
        fs::write(&lock, LOCK.replace("0.2.129", "0.2.130")).unwrap();
        let accepted = check_versions(&lock);
        fs::remove_dir_all(&directory).unwrap();
        assert!(refused.contains("cargo update -p wasm-bindgen-cli-support --precise 0.2.130"), "{refused}");
        assert!(accepted.is_ok());
    }
}
