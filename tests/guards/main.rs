//! Guards: what ARCHITECTURE.md promises about the sources and the published document.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod document;
mod graph;
mod sources;

use std::path::{Path, PathBuf};

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file below a folder of the workspace whose name ends so, with its path from the root.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = vec![];
    gather(&root().join(folder), ending, &mut found);
    found.sort();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        (name, std::fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(named).collect()
}

fn gather(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true if matches!(name.as_str(), "target" | "node_modules" | "generated" | ".venv" | ".git") => {}
            true => gather(&path, ending, found),
            false if name.ends_with(ending) => found.push(path),
            false => {}
        }
    }
}
