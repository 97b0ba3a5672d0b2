//! Where the tutorial's files are, and which of them are looked at.

use std::path::{Path, PathBuf};

use crate::document::Document;

/// `03_handshake` of `tutorial/solutions/03_handshake.md`.
pub fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// All chapters that there will be.
const PLANNED: [&str; 15] = [
    "01_polling_and_push",
    "02_tcp_echo",
    "03_handshake",
    "04_frames",
    "05_echo",
    "06_browser_api",
    "07_broadcast",
    "08_rooms",
    "09_subprotocol",
    "10_binary_and_fragments",
    "11_heartbeat",
    "12_closing",
    "13_slow_clients",
    "14_hostile_clients",
    "15_fanout_cost",
];

/// Whether a file that is not there belongs to a chapter that will be.
pub fn is_planned(file: &Path) -> bool {
    PLANNED.contains(&&*stem(file))
}

fn is_numbered(file: &Path) -> bool {
    let name = stem(file);
    name.len() > 3 && name[..2].chars().all(|c| c.is_ascii_digit()) && name[2..].starts_with('_')
}

/// Whether a numbered file belongs to the chapter that `TUTORIAL` names; without it, all do.
pub fn is_chosen(file: &Path) -> bool {
    std::env::var("TUTORIAL").map_or(true, |wanted| stem(file).starts_with(&wanted))
}

/// The files of a directory with this extension, in order. None when it is not there.
pub fn files(root: &Path, directory: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join(directory)) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut files: Vec<PathBuf> = names.map(|name| Path::new(directory).join(name)).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// The chapters.
pub fn chapters(root: &Path) -> Vec<Document> {
    let files = files(root, "tutorial", "md").into_iter();
    let chosen = files.filter(|file| is_numbered(file) && is_chosen(file));
    chosen.map(|file| Document::read(root, &file)).collect()
}

/// The chapters, the solutions and whatever else stands beside them.
pub fn documents(root: &Path) -> Vec<Document> {
    let mut files =
        [files(root, "tutorial", "md"), files(root, "tutorial/solutions", "md")].concat();
    files.retain(|file| is_chosen(file));
    files.iter().map(|file| Document::read(root, file)).collect()
}

/// The chapters' examples.
pub fn examples(root: &Path) -> Vec<PathBuf> {
    let files = files(root, "examples", "rs").into_iter();
    files.filter(|file| is_numbered(file) && is_chosen(file)).collect()
}

/// All sources from which the text may show something.
pub fn programs(root: &Path) -> Vec<PathBuf> {
    [
        files(root, "examples", "rs"),
        files(root, "examples", "html"),
        files(root, "examples/wrong", "rs"),
        files(root, "tutorial/solutions", "rs"),
    ]
    .concat()
    .into_iter()
    .filter(|file| is_numbered(file))
    .collect()
}

/// What cargo calls the program of this source.
pub fn example_name(file: &Path) -> Option<String> {
    if file.extension()? != "rs" {
        return None;
    }
    let prefix = match file.parent()?.file_name()?.to_str()? {
        "wrong" => "wrong_",
        "solutions" => "solution_",
        _ => "",
    };
    Some(format!("{prefix}{}", stem(file)))
}
