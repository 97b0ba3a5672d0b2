//! The house: `src` is divided into rooms, and each room imports only from rooms that come after it.
//!
//! A newcomer can then read the rooms in one order, and never meets a word that a later room explains. No
//! two files import each other, so that you can understand and change each without the other.

mod imports;
mod source;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use imports::{Import, imports_of};
use source::Tree;

/// The rooms of `src`. A file imports from its own room and from rooms that come later in this list.
///
/// A room is a folder of `src`, or a file directly below it. `lib` is `src/lib.rs`, which only declares
/// and re-exports; `bin` is the program, in `src/bin`.
const ROOMS: &[&str] = &[
    "bin",
    "lib",
    "server",
    "connection",
    "lab",
    "check",
    "wire",
    "http",
    "dispatcher",
    "outbox",
    "tap",
    "protocol",
    "raw_client",
    "sys",
    "text",
    "config",
];

/// The rooms that each room may import from, as in the picture of the README. `lib` only re-exports.
const ARROWS: &[(&str, &[&str])] = &[
    ("bin", &["lib", "server", "check", "wire", "protocol", "sys", "text", "config"]),
    ("lib", &["server", "config"]),
    ("server", &["connection", "dispatcher", "outbox", "tap", "http", "wire", "sys", "config"]),
    (
        "connection",
        &["dispatcher", "outbox", "tap", "http", "lab", "wire", "protocol", "sys", "config"],
    ),
    ("dispatcher", &["outbox", "protocol", "sys", "config"]),
    ("outbox", &["tap", "protocol", "sys", "config"]),
    ("tap", &["protocol", "sys", "config"]),
    ("http", &["protocol", "sys", "config"]),
    ("wire", &["tap", "protocol", "sys", "text", "config"]),
    ("lab", &["dispatcher", "http", "wire", "protocol", "raw_client", "sys", "text", "config"]),
    ("check", &["protocol", "sys", "text"]),
    ("protocol", &["text"]),
    ("raw_client", &["sys", "config"]),
    ("sys", &[]),
    ("text", &[]),
    ("config", &[]),
];

/// Imports between rooms that the picture does not show.
fn beyond_the_picture(tree: &Tree, arrows: &[(&str, &[&str])]) -> Vec<String> {
    let mut problems = Vec::new();
    for from in 0..tree.files.len() {
        let room = tree.files[from].room();
        let allowed = arrows.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, to)| to);
        for import in imports_of(tree, from) {
            let to = tree.files[import.file].room();
            if to != room && !allowed.contains(&to) {
                problems.push(format!("{}: `{}`", tree.files[from].name, import.path));
            }
        }
    }
    problems
}

/// Everything that is wrong with the imports of a tree: a sentence for each.
fn problems(tree: &Tree, rooms: &[&str]) -> Vec<String> {
    let imports: BTreeMap<usize, Vec<Import>> =
        (0..tree.files.len()).map(|file| (file, imports_of(tree, file))).collect();
    let mut problems = strangers(tree, rooms);
    problems.extend(upward(tree, rooms, &imports));
    problems.extend(circles(tree, &imports));
    problems
}

/// Files without a room, and rooms without a file.
fn strangers(tree: &Tree, rooms: &[&str]) -> Vec<String> {
    let homeless = tree.files.iter().filter(|file| !rooms.contains(&file.room()));
    let homeless =
        homeless.map(|file| format!("{}: the room `{}` is not in ROOMS", file.name, file.room()));
    let empty = rooms.iter().filter(|room| tree.files.iter().all(|file| file.room() != **room));
    homeless.chain(empty.map(|room| format!("ROOMS has `{room}`, but src does not"))).collect()
}

/// Imports from a room that comes earlier in the list.
fn upward(tree: &Tree, rooms: &[&str], imports: &BTreeMap<usize, Vec<Import>>) -> Vec<String> {
    let place = |file: usize| rooms.iter().position(|room| *room == tree.files[file].room());
    let mut problems = Vec::new();
    for (from, imports) in imports {
        for import in imports {
            if place(import.file) < place(*from) {
                problems.push(format!(
                    "{}: `{}` leads upwards, to {}",
                    tree.files[*from].name, import.path, tree.files[import.file].name
                ));
            }
        }
    }
    problems
}

/// For each circle, the shortest way round it.
fn circles(tree: &Tree, imports: &BTreeMap<usize, Vec<Import>>) -> Vec<String> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    for start in 0..tree.files.len() {
        let Some(circle) = way_back(start, imports) else { continue };
        let mut members = circle.clone();
        members.sort_unstable();
        let is_known = found.iter().any(|known| {
            let mut known = known.clone();
            known.sort_unstable();
            known == members
        });
        if !is_known {
            found.push(circle);
        }
    }
    let name = |file: &usize| tree.files[*file].name.as_str();
    found
        .iter()
        .map(|circle| {
            let files: Vec<&str> = circle.iter().chain(circle.first()).map(name).collect();
            format!("a circle: {}", files.join(" -> "))
        })
        .collect()
}

/// The shortest way from a file over its imports back to it.
fn way_back(start: usize, imports: &BTreeMap<usize, Vec<Import>>) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for import in &imports[&file] {
            if import.file == start {
                let mut way = vec![file];
                while let Some(before) = came_from.get(&way[way.len() - 1]) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            came_from.entry(import.file).or_insert_with(|| {
                waiting.push_back(import.file);
                file
            });
        }
    }
    None
}

/// The repository that this test belongs to.
fn tree() -> Tree {
    Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn the_source_can_be_read() {
    let tree = tree();
    assert!(tree.files.iter().any(|file| file.name == "src/lib.rs"));
    // Each file of the library imports something, except a few that stand at the bottom.
    let count = (0..tree.files.len()).filter(|file| imports_of(&tree, *file).is_empty()).count();
    assert!(count < tree.files.len() / 3, "{count} of {} files import nothing", tree.files.len());
}

#[test]
fn no_room_imports_upwards_and_no_files_import_in_a_circle() {
    let problems = problems(&tree(), ROOMS);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn rooms_import_only_what_the_picture_shows() {
    let problems = beyond_the_picture(&tree(), ARROWS);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn an_import_that_the_picture_does_not_show_is_found() {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "pub mod server; mod outbox; mod text;"),
        ("src/server/mod.rs", "use crate::outbox::Outbox; use crate::text::hex;"),
        ("src/outbox/mod.rs", "pub struct Outbox;"),
        ("src/text.rs", "pub fn hex() {}"),
    ]);
    let problems = beyond_the_picture(&tree, &[("server", &["outbox"])]);
    assert_eq!(problems, ["src/server/mod.rs: `crate::text::hex`"]);
}

#[test]
fn an_import_upwards_is_found() {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "pub mod server; mod outbox;"),
        ("src/server/mod.rs", "use crate::outbox::Outbox; pub struct Server(Outbox);"),
        ("src/outbox/mod.rs", "mod drain; pub struct Outbox;"),
        ("src/outbox/drain.rs", "fn run() { crate::server::Server; }"),
    ]);
    let rooms = ["lib", "server", "outbox"];
    let found = problems(&tree, &rooms);
    let upward = "src/outbox/drain.rs: `crate::server::Server` leads upwards, to src/server/mod.rs";
    // It is not a circle: `outbox/mod.rs` declares `drain`, and does not use it.
    assert_eq!(found, [upward]);
}

#[test]
fn a_circle_of_two_files_in_one_room_is_found() {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "mod outbox;"),
        ("src/outbox/mod.rs", "mod drain; mod batch;"),
        ("src/outbox/drain.rs", "use super::batch::Batch; pub struct Drain(Batch);"),
        ("src/outbox/batch.rs", "pub struct Batch; fn f() { super::drain::Drain; }"),
    ]);
    let found = problems(&tree, &["lib", "outbox"]);
    assert_eq!(
        found,
        ["a circle: src/outbox/batch.rs -> src/outbox/drain.rs -> src/outbox/batch.rs"]
    );
}

#[test]
fn a_circle_of_three_files_is_found_once_by_its_shortest_way() {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("src/a.rs", "use crate::b::B; use crate::d::D; pub struct A;"),
        ("src/b.rs", "use crate::c::C; pub struct B;"),
        ("src/c.rs", "use crate::a::A; pub struct C;"),
        ("src/d.rs", "pub struct D;"),
    ]);
    let found = problems(&tree, &["lib", "a", "b", "c", "d"]);
    let upward = "src/c.rs: `crate::a::A` leads upwards, to src/a.rs";
    assert_eq!(found, [upward, "a circle: src/a.rs -> src/b.rs -> src/c.rs -> src/a.rs"]);
}

#[test]
fn a_file_without_a_room_and_a_room_without_a_file_are_found() {
    let tree = Tree::made_up(&[("src/lib.rs", "mod attic;"), ("src/attic.rs", "")]);
    let found = problems(&tree, &["lib", "cellar"]);
    let expected =
        ["src/attic.rs: the room `attic` is not in ROOMS", "ROOMS has `cellar`, but src does not"];
    assert_eq!(found, expected);
}
