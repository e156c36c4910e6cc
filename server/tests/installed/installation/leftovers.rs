//! A test that fails leaves no processes either.

use std::path::Path;

use aurochs_server::standalone::{Layout, stop};

/// Ends whatever runs for the data directory. For `Drop`: also within a runtime that can't wait.
pub(crate) fn end(data: &Path) {
    let data = data.to_owned();
    let run = Layout::find(&data).map(|layout| layout.run);
    let stopping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { stop::stop(&data).await.map(drop) })
    });
    if let Ok(Err(error)) = stopping.join() {
        eprintln!("stopping the test's processes failed: {error}");
    }
    // Nothing is mounted there but by tests that unmount it themselves.
    let _ = run.map(std::fs::remove_dir_all);
}
