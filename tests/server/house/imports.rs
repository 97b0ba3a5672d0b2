//! Which files a file imports from: its `use` lines, and the paths in its code.
//!
//! A `pub use` is a signpost, not an import. It counts only if the file itself uses the name; for everyone
//! else the path is followed to the file that defines the name.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::source::{File, Names, Tree, attributes, is_for_tests};

/// One file that another one imports from, and the path by which it does so.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub file: usize,
    pub path: String,
}

/// The first words of a path that does not depend on the `use` lines of its file.
const KEYWORDS: [&str; 4] = ["crate", "chalkwire", "super", "self"];

/// The files that a file imports from, one path for each.
pub fn imports_of(tree: &Tree, file: usize) -> Vec<Import> {
    let mut paths = Paths::default();
    paths.visit_file(&tree.files[file].syntax);
    let File { module, names, .. } = &tree.files[file];
    // The whole path says more than a name that a `use` line has brought in.
    let (whole, short): (Vec<Found>, Vec<Found>) =
        paths.found.into_iter().partition(|found| KEYWORDS.contains(&found.path[0].as_str()));
    let mut imports: Vec<Import> = Vec::new();
    for Found { inside, path } in whole.into_iter().chain(short) {
        // A single name that no `use` line has brought in is a local variable or an item of this file.
        if path.len() == 1 && !names.used.contains_key(&path[0]) {
            continue;
        }
        let module = [&module[..], &inside[..]].concat();
        let Some(target) = resolve(tree, &module, &path, 0) else { continue };
        if target != file && imports.iter().all(|import| import.file != target) {
            imports.push(Import { file: target, path: path.join("::") });
        }
    }
    imports
}

/// A path in a file, and the inline modules of that file that contain the path.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    inside: Vec<String>,
    path: Vec<String>,
}

/// Collects paths, except those in code that exists only in tests.
#[derive(Default)]
struct Paths {
    inside: Vec<String>,
    found: BTreeSet<Found>,
}

impl Paths {
    fn add(&mut self, path: Vec<String>) {
        self.found.insert(Found { inside: self.inside.clone(), path });
    }
}

impl<'a> Visit<'a> for Paths {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if matches!(item.vis, syn::Visibility::Inherited) {
            let names = Names::of_use(&item.tree);
            names.used.into_values().for_each(|(path, _)| self.add(path));
            names.globs.into_iter().for_each(|path| self.add(path));
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// The arguments of a macro need not be Rust, so this looks only for whole paths in them.
    fn visit_macro(&mut self, called: &'a syn::Macro) {
        visit::visit_macro(self, called);
        let tokens = called.tokens.to_string();
        let words: Vec<&str> = tokens.split_whitespace().collect();
        let is_name = |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        for (n, word) in words.iter().enumerate() {
            let is_first = n == 0 || words[n - 1] != "::";
            if !is_first || !is_name(word) {
                continue;
            }
            let mut path = vec![(*word).to_owned()];
            let mut rest = &words[n + 1..];
            while let ["::", name, more @ ..] = rest
                && is_name(name)
            {
                path.push((*name).to_owned());
                rest = more;
            }
            self.add(path);
        }
    }
}

/// The file that a path leads to, seen from a module; none if it leads out of the crate.
fn resolve(tree: &Tree, module: &[String], path: &[String], depth: u32) -> Option<usize> {
    // Two `use` lines that name each other would be an error for the compiler.
    assert!(depth < 20, "{} in {} does not end", path.join("::"), module.join("::"));
    let is_program = module.first().is_some_and(|first| first == "bin");
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" if is_program => descend(tree, &module[..1], rest, depth),
        "crate" => descend(tree, &[], rest, depth),
        "chalkwire" => descend(tree, &[], rest, depth),
        "self" => descend(tree, module, rest, depth),
        "super" => resolve_above(tree, &module[..module.len().checked_sub(1)?], rest, depth),
        _ => lookup(tree, module, path, depth),
    }
}

/// `super::` may be followed by another one.
fn resolve_above(tree: &Tree, module: &[String], rest: &[String], depth: u32) -> Option<usize> {
    match rest.split_first() {
        Some((first, rest)) if first == "super" => {
            resolve_above(tree, &module[..module.len().checked_sub(1)?], rest, depth)
        }
        _ => descend(tree, module, rest, depth),
    }
}

/// The file that a path leads to. `module` is the start of the path.
fn descend(tree: &Tree, module: &[String], rest: &[String], depth: u32) -> Option<usize> {
    if rest.is_empty() {
        return file_of(tree, module);
    }
    lookup(tree, module, rest, depth).or_else(|| file_of(tree, module))
}

/// The file that contains a module: its own file, or the file that an inline module is in.
fn file_of(tree: &Tree, module: &[String]) -> Option<usize> {
    tree.find(module).or_else(|| file_of(tree, module.split_last()?.1))
}

fn child(module: &[String], name: &str) -> Vec<String> {
    [module, &[name.to_owned()]].concat()
}

/// Looks a name up in a module: its child, what it defines, what its `use` lines bring in.
fn lookup(tree: &Tree, module: &[String], path: &[String], depth: u32) -> Option<usize> {
    let (name, rest) = path.split_first()?;
    let below = child(module, name);
    if tree.find(&below).is_some() {
        return descend(tree, &below, rest, depth);
    }
    let file = tree.find(module)?;
    let names = &tree.files[file].names;
    if names.defined.contains(name) {
        return Some(file);
    }
    if let Some((target, _)) = names.used.get(name) {
        return resolve(tree, module, &[target, rest].concat(), depth + 1);
    }
    names.globs.iter().find_map(|glob| {
        let target = resolve(tree, module, glob, depth + 1)?;
        let module = tree.files[target].module.clone();
        lookup(tree, &module, path, depth + 1)
    })
}

/// The names of the files that one file of a tree imports from.
#[cfg(test)]
fn names_of_imports(tree: &Tree, name: &str) -> Vec<String> {
    let file = tree.files.iter().position(|file| file.name == name).expect("it is in the tree");
    let mut names: Vec<String> = imports_of(tree, file)
        .iter()
        .map(|import| tree.files[import.file].name.trim_start_matches("src/").to_owned())
        .collect();
    names.sort();
    names
}

/// A small house, and one file more in its room `talk`.
#[cfg(test)]
fn imports_in_talk(text: &str) -> Vec<String> {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "pub mod talk; mod sys; mod config; pub use config::Config;"),
        ("src/config.rs", "pub struct Config; pub const LIMIT: u8 = 1;"),
        ("src/sys/mod.rs", "mod lock; mod threads; pub use lock::*; pub use threads::Threads;"),
        ("src/sys/lock.rs", "pub struct Lock; pub mod kinds { pub struct Kind; }"),
        ("src/sys/threads.rs", "pub struct Threads; pub fn spawn() {}"),
        ("src/talk/mod.rs", "mod listen; mod one; pub use listen::Ear; pub struct Talk;"),
        ("src/talk/listen.rs", "pub struct Ear;"),
        ("src/talk/one.rs", text),
    ]);
    names_of_imports(&tree, "src/talk/one.rs")
}

#[test]
fn each_way_to_write_an_import_is_read() {
    for (text, expected) in [
        ("use crate::config::LIMIT;", &["config.rs"][..]),
        ("use crate::{config::{self, LIMIT}, sys::lock::Lock};", &["config.rs", "sys/lock.rs"]),
        ("use super::Talk;", &["talk/mod.rs"]),
        ("use super::listen::Ear;", &["talk/listen.rs"]),
        ("use super::super::config::Config;", &["config.rs"]),
        ("use crate::sys::threads as t; fn f() { t::spawn() }", &["sys/threads.rs"]),
        ("fn f() -> crate::config::Config { loop {} }", &["config.rs"]),
        ("fn f() { println!(\"{}\", crate::config::LIMIT); }", &["config.rs"]),
        ("struct A; impl From<A> for crate::sys::lock::Lock {}", &["sys/lock.rs"]),
        ("mod inner { use super::super::Talk; }", &["talk/mod.rs"]),
        ("use crate::sys::lock::kinds::Kind;", &["sys/lock.rs"]),
    ] {
        assert_eq!(imports_in_talk(text), expected, "{text}");
    }
}

#[test]
fn text_that_only_looks_like_an_import_is_ignored() {
    for text in [
        "use std::sync::Arc; use serde_json::config;",
        "/// See [`crate::config::Config`].\nstruct A; // use crate::config::Config;",
        "const TEXT: &str = \"use crate::config::Config\";",
        "#[cfg(test)] mod tests { use crate::config::Config; }",
        "#[cfg(test)] use crate::config::Config;",
        "struct A; impl A { #[cfg(test)] fn f() { crate::config::LIMIT; } }",
        "fn f(config: u8) -> u8 { config }",
        "pub(crate) struct A; pub(super) struct B;",
        "fn f(chalkwire: u8) { println!(\"{}\", chalkwire); }",
        "mod inner { pub struct B; } use self::inner::B; fn f() { inner::B; }",
    ] {
        assert!(imports_in_talk(text).is_empty(), "{text}: {:?}", imports_in_talk(text));
    }
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_name() {
    for (text, expected) in [
        ("use crate::Config;", "config.rs"),
        ("use super::Ear;", "talk/listen.rs"),
        ("use crate::sys::Threads;", "sys/threads.rs"),
        ("use crate::sys::Lock;", "sys/lock.rs"),
    ] {
        assert_eq!(imports_in_talk(text), [expected], "{text}");
    }
}

#[test]
fn a_re_export_is_an_import_only_where_the_name_is_used() {
    let face = |code: &str| {
        let tree = Tree::made_up(&[
            ("src/lib.rs", "mod talk;"),
            ("src/talk/mod.rs", &format!("mod listen; pub use listen::Ear; {code}")),
            ("src/talk/listen.rs", "pub struct Ear;"),
        ]);
        names_of_imports(&tree, "src/talk/mod.rs")
    };
    assert!(face("pub struct Talk;").is_empty());
    assert_eq!(face("pub struct Talk(Ear);"), ["talk/listen.rs"]);
    assert_eq!(face("fn f() { listen::Ear; }"), ["talk/listen.rs"]);
}

#[test]
fn the_program_imports_the_library_by_its_name() {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "mod config; pub use config::Config;"),
        ("src/config.rs", "pub struct Config;"),
        ("src/bin/chalkwire/main.rs", "mod flags; use flags::Flags; use chalkwire::Config;"),
        ("src/bin/chalkwire/flags.rs", "pub struct Flags; fn f() { crate::flags::Flags; }"),
    ]);
    let expected = ["bin/chalkwire/flags.rs", "config.rs"];
    assert_eq!(names_of_imports(&tree, "src/bin/chalkwire/main.rs"), expected);
    assert!(names_of_imports(&tree, "src/bin/chalkwire/flags.rs").is_empty());
}

#[test]
fn a_file_that_exists_only_in_tests_does_not_count() {
    let tree = Tree::made_up(&[
        ("src/lib.rs", "mod config; #[cfg(test)] mod memory;"),
        ("src/config.rs", ""),
        ("src/memory.rs", "use crate::config;"),
    ]);
    assert_eq!(tree.files.len(), 2);
}
