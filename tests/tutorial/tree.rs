//! Where the tutorial's files are, and which of them the tests look at.

use std::path::{Path, PathBuf};

use crate::document::Document;

/// The list of the examples.
pub const EXAMPLES: &str = "examples/README.md";
/// The folder of the code that several chapters share.
pub const COMMON: &str = "examples/common";

/// The name of a file without its extension: `03_handshake` of
/// `tutorial/solutions/03_handshake.md`.
pub fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The chapter that a file belongs to: `03_handshake`, by its folder or by its own name.
fn chapter_of(file: &Path) -> Option<String> {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    let names = [folder.to_string_lossy().into_owned(), stem(file)];
    names.into_iter().find(|name| is_numbered(name))
}

fn is_numbered(name: &str) -> bool {
    let number = name.split('_').next().unwrap_or_default();
    number.len() == 2 && name.len() > 3 && number.chars().all(|c| c.is_ascii_digit())
}

/// Whether a file belongs to the chapter that `TUTORIAL` names. Without `TUTORIAL`, every file
/// does.
pub fn is_chosen(file: &Path) -> bool {
    let Ok(wanted) = std::env::var("TUTORIAL") else { return true };
    chapter_of(file).is_some_and(|chapter| chapter.starts_with(&wanted))
}

/// The files of a directory with this extension, in order. Empty when the directory does not exist.
pub fn files(root: &Path, directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut files = entries(root, directory);
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files
}

/// Everything in a directory, in order.
fn entries(root: &Path, directory: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join(directory)) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut files: Vec<PathBuf> = names.map(|name| Path::new(directory).join(name)).collect();
    files.sort();
    files
}

/// The folders of the chapters' examples.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    let mut folders = entries(root, "examples");
    folders.retain(|folder| is_numbered(&stem(folder)) && root.join(folder).is_dir());
    folders
}

/// The chapters.
pub fn chapters(root: &Path) -> Vec<Document> {
    let files = files(root, "tutorial", "md").into_iter();
    let chosen = files.filter(|file| chapter_of(file).is_some() && is_chosen(file));
    chosen.map(|file| Document::read(root, &file)).collect()
}

/// The chapters, the solutions, the other texts beside them, and the list of the examples.
pub fn documents(root: &Path) -> Vec<Document> {
    let mut files =
        [files(root, "tutorial", "md"), files(root, "tutorial/solutions", "md")].concat();
    files.push(EXAMPLES.into());
    files.retain(|file| is_chosen(file));
    files.iter().map(|file| Document::read(root, file)).collect()
}

/// All files below `examples` and `tutorial/solutions` from which a chapter may show something, and
/// which belong to one chapter.
pub fn programs(root: &Path) -> Vec<PathBuf> {
    let mut programs = files(root, "tutorial/solutions", "rs");
    for folder in folders(root) {
        let folder = folder.to_string_lossy().into_owned();
        programs.extend(files(root, &folder, "rs"));
        programs.extend(files(root, &folder, "html"));
    }
    programs
}

/// The files that several chapters share.
pub fn common(root: &Path) -> Vec<PathBuf> {
    match std::env::var_os("TUTORIAL") {
        Some(_) => Vec::new(),
        None => files(root, COMMON, "rs"),
    }
}

/// Cargo's name for the program of this source. `None` for a file that is only a part of a program.
pub fn example_name(file: &Path) -> Option<String> {
    let chapter = chapter_of(file)?;
    if file.extension()? != "rs" {
        return None;
    }
    match stem(file) {
        _ if file.starts_with("tutorial/solutions") => Some(format!("solution_{chapter}")),
        name if name == "main" => Some(chapter),
        name => {
            let mistake = name.strip_prefix("wrong_")?;
            Some(format!("wrong_{}_{mistake}", &chapter[..2]))
        }
    }
}

#[test]
fn the_path_of_a_file_gives_its_chapter_and_its_program() {
    for (file, chapter, name) in [
        ("examples/03_a/main.rs", Some("03_a"), Some("03_a")),
        ("examples/03_a/wrong_b_c.rs", Some("03_a"), Some("wrong_03_b_c")),
        ("examples/03_a/part.rs", Some("03_a"), None),
        ("examples/03_a/page.html", Some("03_a"), None),
        ("examples/common/part.rs", None, None),
        ("tutorial/solutions/03_a.rs", Some("03_a"), Some("solution_03_a")),
        ("tutorial/03_a.md", Some("03_a"), None),
        ("tutorial/README.md", None, None),
    ] {
        let file = Path::new(file);
        assert_eq!(chapter_of(file).as_deref(), chapter, "{}", file.display());
        assert_eq!(example_name(file).as_deref(), name, "{}", file.display());
    }
}
