//! `aurochs-ui-pack`: builds the dashboard and lays finished files in `ui/dist`.
//!
//! The way of a build:
//! 1. `fingerprint`: have the inputs changed since the last build? If not, stop here and touch nothing.
//! 2. `toolchain`: rustup's compiler with the wasm target, or Debian's, which builds the standard library itself.
//! 3. `compile`: the crate `aurochs-ui` becomes one wasm file, optimised for size.
//! 4. `bindings`: wasm-bindgen, as a library, writes the module that loads it.
//! 5. `styles`: the style sheets become one; names of fonts and icons become content-hashed names.
//! 6. `words`: the files of each language besides English become one.
//! 7. `dist`: files get content-hashed names and compressed copies; `manifest.json` says which is which.

mod bindings;
mod compile;
mod dist;
mod fingerprint;
mod styles;
mod toolchain;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use dist::{Dist, Page};
use toolchain::Toolchain;

/// Why the dashboard could not be packed. Each part's own message says what to do.
#[derive(Debug, thiserror::Error)]
enum PackError {
    #[error(transparent)]
    Toolchain(#[from] toolchain::ToolchainError),
    #[error("cannot read the inputs of the dashboard: {0}")]
    Inputs(#[from] fingerprint::FingerprintError),
    #[error(transparent)]
    Compile(#[from] compile::CompileError),
    #[error(transparent)]
    Bindings(#[from] bindings::BindingsError),
    #[error(transparent)]
    Styles(#[from] styles::StylesError),
    #[error(transparent)]
    Words(#[from] words::WordsError),
    #[error(transparent)]
    Dist(#[from] dist::DistError),
}

fn main() -> ExitCode {
    match pack(&workspace_root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(root: &Path) -> Result<(), PackError> {
    let toolchain = Toolchain::choose(root)?;
    let mut fingerprint = fingerprint::of_inputs(root, &toolchain)?;
    if compile::is_quick() {
        fingerprint.push_str(" quick");
    }
    let dist = Dist::at(root.join("ui/dist"));
    if dist.is_current(&fingerprint) {
        println!("dashboard: up to date in ui/dist");
        return Ok(());
    }

    println!("dashboard: compiling to wasm with {toolchain}");
    let wasm = timed("compiled", || compile::to_wasm(root, &toolchain))?;
    let bound = timed("bound to JavaScript", || bindings::generate(&wasm, root))?;
    let mut assets = dist::read_assets(&root.join("assets"))?;
    assets.insert("words-zh.json".to_owned(), words::merged(&root.join("assets/words/zh"))?);
    let styles = styles::concatenate(&root.join("assets/styles"))?;
    let page = Page { wasm: bound.wasm, script: bound.script, styles, assets };
    let laid = timed("hashed and compressed", || dist.lay(page, &fingerprint))?;
    print!("{laid}");
    Ok(())
}

fn timed<T, E>(what: &str, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let result = step()?;
    println!("dashboard: {what} in {:.1} s", start.elapsed().as_secs_f32());
    Ok(result)
}

/// The packer is part of the tree that it packs, and always built from it.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
