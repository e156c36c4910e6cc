//! One number over everything that the built files depend on: equal number, equal files, nothing to do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::toolchain::Toolchain;

/// Relative to the workspace. The packer's own sources lie under `ui`.
const INPUTS: [&str; 6] = ["Cargo.lock", "Cargo.toml", ".cargo", "api", "assets", "ui"];

/// Outputs and editors' files, which are no inputs.
fn is_output(name: &str) -> bool {
    name == "dist" || name == "target" || name.ends_with('~') || name.ends_with(".swp")
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub(crate) struct FingerprintError {
    path: PathBuf,
    source: io::Error,
}

/// 64 hexadecimal digits.
pub(crate) fn of_inputs(root: &Path, toolchain: &Toolchain) -> Result<String, FingerprintError> {
    let mut files = Vec::new();
    for input in INPUTS {
        collect(&root.join(input), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    absorb(&mut hash, toolchain.identity().as_bytes());
    for path in files {
        let content = fs::read(&path).map_err(|source| FingerprintError { path: path.clone(), source })?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        absorb(&mut hash, name.as_os_str().as_encoded_bytes());
        absorb(&mut hash, &content);
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// Length first, so that bytes moved from one file to its neighbour give another number.
fn absorb(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), FingerprintError> {
    let failed = |source| FingerprintError { path: path.to_path_buf(), source };
    if !path.exists() {
        return Ok(());
    }
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_output(&entry.file_name().to_string_lossy()) {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}
