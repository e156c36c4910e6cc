//! Turns `ui/dist` into a table of embedded files, so that the manager is one binary with its dashboard inside.
//! Without `ui/dist` the table is empty: the manager then builds and runs, and tells the browser what is missing.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let ui = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../ui").canonicalize()?;
    let manifest = ui.join("dist/manifest.json");
    // Names carry hashes, so the manifest changes whenever any file does. Where there is none, its directory is
    // watched instead: cargo would take a missing file as changed and rebuild the manager every time.
    let watched = if manifest.exists() { &manifest } else { &ui };
    println!("cargo::rerun-if-changed={}", watched.display());
    println!("cargo::rerun-if-changed=build.rs");
    // The migrations are compiled in by a macro that cargo does not see through.
    println!("cargo::rerun-if-changed=../migrations");

    let names: BTreeMap<String, String> = match fs::read(&manifest) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(_) => BTreeMap::new(),
    };
    let table = table(&ui.join("dist"), &names)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded_assets.rs"), table)?;
    Ok(())
}

/// The source of a slice of `EmbeddedFile`.
fn table(dist: &Path, names: &BTreeMap<String, String>) -> Result<String, std::fmt::Error> {
    let mut source = String::from("&[\n");
    for (logical, file) in names {
        let brotli = optional(&dist.join(format!("{file}.br")));
        let gzip = optional(&dist.join(format!("{file}.gz")));
        let plain = dist.join(file);
        writeln!(
            source,
            "    EmbeddedFile {{ logical: {logical:?}, name: {file:?}, plain: include_bytes!({plain:?}), brotli: {brotli}, gzip: {gzip} }},"
        )?;
    }
    source.push_str("]\n");
    Ok(source)
}

fn optional(path: &Path) -> String {
    if path.exists() { format!("Some(include_bytes!({path:?}))") } else { "None".to_owned() }
}
