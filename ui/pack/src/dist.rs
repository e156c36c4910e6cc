//! The output directory: content-hashed names, compressed copies beside each file, and `manifest.json`.
//!
//! Order of writing, so that a build cut short is noticed and repeated: files, then the manifest, then the stamp that
//! says which inputs they belong to, and last the removal of what no manifest names any more.
//! A file that already has its bytes is not touched, so the manager that embeds it is not rebuilt either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::bindings::Bound;
use crate::styles;

/// Directories under `assets` whose files are served as they are.
const SERVED_ASSETS: [&str; 2] = ["fonts", "icons"];

const MANIFEST: &str = "manifest.json";
const STAMP: &str = ".inputs";

/// Hexadecimal digits of SHA-256 in a file name: 64 bits, far more than a few dozen files need to differ.
const HASH_DIGITS: usize = 16;

/// Below this a compressed copy saves less than the header that announces it.
const SMALLEST_TO_COMPRESS: usize = 256;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DistError {
    #[error(transparent)]
    Styles(#[from] styles::StylesError),
    #[error("cannot {action} {path}: {source}")]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the script does not load {0:?} exactly once; wasm-bindgen changed its output, and `ui/pack/src/dist.rs` has to follow"
    )]
    Placeholder(&'static str),
}

/// Everything that the dashboard consists of, before hashing.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) wasm: Vec<u8>,
    pub(crate) script: String,
    pub(crate) styles: String,
    /// Logical name and bytes.
    pub(crate) assets: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct Dist {
    directory: PathBuf,
}

/// What was laid, for the report: sizes in bytes.
#[derive(Debug)]
pub(crate) struct Laid(Vec<Sizes>);

#[derive(Debug)]
struct Sizes {
    file: String,
    plain: usize,
    brotli: Option<usize>,
}

/// Reads the fonts and icons under `assets`; their logical names are their paths in there, as style sheets write them.
/// A directory that does not exist holds none.
pub(crate) fn read_assets(assets: &Path) -> Result<BTreeMap<String, Vec<u8>>, DistError> {
    let mut files = BTreeMap::new();
    for kind in SERVED_ASSETS {
        let directory = assets.join(kind);
        if !directory.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&directory).map_err(failed("list", &directory))? {
            let path = entry.map_err(failed("list", &directory))?.path();
            if let Some(name) = path.file_name().filter(|_| path.is_file()) {
                let bytes = fs::read(&path).map_err(failed("read", &path))?;
                files.insert(format!("{kind}/{}", name.to_string_lossy()), bytes);
            }
        }
    }
    Ok(files)
}

impl Dist {
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// True if the last complete build had these inputs and all of its files are still there.
    pub(crate) fn is_current(&self, fingerprint: &str) -> bool {
        let stamped = fs::read_to_string(self.directory.join(STAMP)).is_ok_and(|stamp| stamp == fingerprint);
        stamped && self.manifest().is_some_and(|files| files.values().all(|file| self.directory.join(file).is_file()))
    }

    /// Lays the page and removes what an earlier build left.
    pub(crate) fn lay(&self, page: Page, fingerprint: &str) -> Result<Laid, DistError> {
        fs::create_dir_all(&self.directory).map_err(failed("create", &self.directory))?;
        let files = hashed_files(page)?;
        let mut expected = BTreeSet::from([MANIFEST.to_owned(), STAMP.to_owned()]);
        let mut laid = Vec::new();
        for (file, bytes) in files.values() {
            laid.push(self.lay_file(file, bytes, &mut expected)?);
        }
        let names: BTreeMap<&String, &String> = files.iter().map(|(logical, (file, _))| (logical, file)).collect();
        self.write(MANIFEST, format!("{:#}\n", serde_json::json!(names)).as_bytes())?;
        self.write(STAMP, fingerprint.as_bytes())?;
        self.remove_all_but(&expected)?;
        Ok(Laid(laid))
    }

    fn manifest(&self) -> Option<BTreeMap<String, String>> {
        serde_json::from_slice(&fs::read(self.directory.join(MANIFEST)).ok()?).ok()
    }

    fn lay_file(&self, file: &str, bytes: &[u8], expected: &mut BTreeSet<String>) -> Result<Sizes, DistError> {
        self.write(file, bytes)?;
        expected.insert(file.to_owned());
        if !is_compressible(file) || bytes.len() < SMALLEST_TO_COMPRESS {
            return Ok(Sizes { file: file.to_owned(), plain: bytes.len(), brotli: None });
        }
        let (brotli_file, gzip_file) = (format!("{file}.br"), format!("{file}.gz"));
        let brotli = brotli_of(bytes).map_err(failed("compress", Path::new(&brotli_file)))?;
        let gzip = gzip_of(bytes).map_err(failed("compress", Path::new(&gzip_file)))?;
        self.write(&brotli_file, &brotli)?;
        self.write(&gzip_file, &gzip)?;
        expected.extend([brotli_file, gzip_file]);
        Ok(Sizes { file: file.to_owned(), plain: bytes.len(), brotli: Some(brotli.len()) })
    }

    /// Whole or not at all: under a passing name first, then renamed.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), DistError> {
        let path = self.directory.join(name);
        if fs::read(&path).is_ok_and(|present| present == bytes) {
            return Ok(());
        }
        let passing = self.directory.join(format!(".{name}.new"));
        fs::write(&passing, bytes).map_err(failed("write", &passing))?;
        fs::rename(&passing, &path).map_err(failed("rename a new file to", &path))
    }

    fn remove_all_but(&self, expected: &BTreeSet<String>) -> Result<(), DistError> {
        for entry in fs::read_dir(&self.directory).map_err(failed("list", &self.directory))? {
            let entry = entry.map_err(failed("list", &self.directory))?;
            if !expected.contains(&*entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Logical name → (hashed name, bytes). Assets come first because the styles name them; the wasm before the script.
fn hashed_files(page: Page) -> Result<BTreeMap<String, (String, Vec<u8>)>, DistError> {
    let mut files = BTreeMap::new();
    let mut add = |logical: &str, bytes: Vec<u8>| {
        let file = hashed_name(logical, &bytes);
        files.insert(logical.to_owned(), (file.clone(), bytes));
        file
    };
    let mut assets = BTreeMap::new();
    for (logical, bytes) in page.assets {
        assets.insert(logical.clone(), add(&logical, bytes));
    }
    add("aurochs.css", styles::with_hashed_names(&page.styles, &assets)?.into_bytes());
    let wasm = add("aurochs.wasm", page.wasm);
    if page.script.matches(Bound::WASM_PLACEHOLDER).count() != 1 {
        return Err(DistError::Placeholder(Bound::WASM_PLACEHOLDER));
    }
    add("aurochs.js", page.script.replace(Bound::WASM_PLACEHOLDER, &wasm).into_bytes());
    Ok(files)
}

/// `fonts/inter.woff2` → `inter-0123456789abcdef.woff2`: all files lie in one directory.
fn hashed_name(logical: &str, bytes: &[u8]) -> String {
    let logical = logical.rsplit('/').next().unwrap_or(logical);
    let mut hash = format!("{:x}", Sha256::digest(bytes));
    hash.truncate(HASH_DIGITS);
    match logical.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}-{hash}.{extension}"),
        None => format!("{logical}-{hash}"),
    }
}

/// Fonts and pictures in their usual formats are compressed already.
fn is_compressible(file: &str) -> bool {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "js" | "wasm" | "css" | "svg" | "txt" | "json")
}

fn brotli_of(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut parameters = brotli::enc::BrotliEncoderParams {
        quality: if crate::compile::is_quick() { 3 } else { 11 },
        lgwin: 24,
        size_hint: bytes.len(),
        ..Default::default()
    };
    // Code repeats itself at short distances: half a percent of the program.
    parameters.dist.num_direct_distance_codes = 15;
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip_of(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> DistError {
    let path = path.to_path_buf();
    move |source| DistError::File { action, path: path.clone(), source }
}

impl fmt::Display for Laid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_kib = |bytes: usize| bytes as f64 / 1024.0;
        for Sizes { file, plain, brotli } in &self.0 {
            write!(out, "dashboard: {:8.1} KiB  {file}", in_kib(*plain))?;
            match brotli {
                Some(bytes) => writeln!(out, "  ({:.1} KiB as brotli)", in_kib(*bytes))?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TemporaryDist(Dist);

    impl TemporaryDist {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("aurochs-ui-pack-{name}-{}", std::process::id()));
            Self(Dist::at(directory))
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0.directory).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        fn text(&self, logical: &str) -> String {
            let file = &self.0.manifest().unwrap()[logical];
            fs::read_to_string(self.0.directory.join(file)).unwrap()
        }
    }

    impl Drop for TemporaryDist {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.directory);
        }
    }

    fn page(wasm: &[u8]) -> Page {
        Page {
            wasm: wasm.to_vec(),
            script: "new URL('aurochs_bg.wasm', import.meta.url)".to_owned(),
            styles: "a { src: url(\"fonts/inter.woff2\"); }".to_owned(),
            assets: BTreeMap::from([("fonts/inter.woff2".to_owned(), b"font".to_vec())]),
        }
    }

    #[test]
    fn files_refer_to_each_other_by_hashed_names() {
        let dist = TemporaryDist::new("names");
        dist.0.lay(page(b"program"), "inputs").unwrap();
        let manifest = dist.0.manifest().unwrap();
        assert_eq!(dist.text("aurochs.js"), format!("new URL('{}', import.meta.url)", manifest["aurochs.wasm"]));
        assert_eq!(dist.text("aurochs.css"), format!("a {{ src: url({}); }}", manifest["fonts/inter.woff2"]));
    }

    #[test]
    fn a_new_program_replaces_the_old_one_and_keeps_the_rest_untouched() {
        let dist = TemporaryDist::new("replace");
        dist.0.lay(page(b"old"), "1").unwrap();
        let old = dist.0.manifest().unwrap();
        let written =
            |logical: &str| fs::metadata(dist.0.directory.join(&old[logical])).and_then(|file| file.modified());
        let font_written = written("fonts/inter.woff2").unwrap();
        dist.0.lay(page(b"new"), "2").unwrap();
        assert!(written("aurochs.wasm").is_err(), "the old wasm is still there: {:?}", dist.names());
        assert_eq!(written("fonts/inter.woff2").unwrap(), font_written);
        assert_eq!(dist.names().len(), 2 + 4, "{:?}", dist.names());
    }

    #[test]
    fn current_means_same_inputs_and_nothing_missing() {
        let dist = TemporaryDist::new("current");
        assert!(!dist.0.is_current("inputs"));
        dist.0.lay(page(b"program"), "inputs").unwrap();
        assert!(dist.0.is_current("inputs"));
        assert!(!dist.0.is_current("other inputs"));
        fs::remove_file(dist.0.directory.join(&dist.0.manifest().unwrap()["aurochs.css"])).unwrap();
        assert!(!dist.0.is_current("inputs"));
    }

    #[test]
    fn compressed_copies_unpack_to_the_original() {
        let dist = TemporaryDist::new("compress");
        let program = b"aurochs ".repeat(1000);
        dist.0.lay(page(&program), "inputs").unwrap();
        let wasm = dist.0.directory.join(&dist.0.manifest().unwrap()["aurochs.wasm"]);
        let mut unpacked = Vec::new();
        let brotli = fs::read(wasm.with_extension("wasm.br")).unwrap();
        brotli::BrotliDecompress(&mut &*brotli, &mut unpacked).unwrap();
        assert_eq!(unpacked, program);
        let mut unpacked = Vec::new();
        let gzip = fs::File::open(wasm.with_extension("wasm.gz")).unwrap();
        io::copy(&mut flate2::read::GzDecoder::new(gzip), &mut unpacked).unwrap();
        assert_eq!(unpacked, program);
    }

    #[test]
    fn a_script_without_the_expected_reference_is_refused() {
        let dist = TemporaryDist::new("placeholder");
        let page = Page { script: "new URL('else.wasm')".to_owned(), ..page(b"program") };
        assert!(matches!(dist.0.lay(page, "inputs"), Err(DistError::Placeholder(_))));
    }
}
