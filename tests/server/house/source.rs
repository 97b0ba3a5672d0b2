//! The source files of `src`, and the meaning of the names in each.

use std::collections::BTreeMap;
use std::path::Path;

use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// All files of the library and of the program.
pub struct Tree {
    pub files: Vec<File>,
}

/// One file, which is one module of the library or of the program.
pub struct File {
    /// As in the repository: `src/outbox/drain.rs`.
    pub name: String,
    /// `["outbox", "drain"]`; empty for `src/lib.rs`. A file of the program starts with `bin`.
    pub module: Vec<String>,
    pub syntax: syn::File,
    pub names: Names,
}

/// The names that the items of one module bring into its scope.
#[derive(Default)]
pub struct Names {
    /// Names that the file defines itself.
    pub defined: Vec<String>,
    /// Each name that a `use` brings in, and its path. `true` for `pub use`.
    pub used: BTreeMap<String, (Vec<String>, bool)>,
    /// Paths of `use path::*`.
    pub globs: Vec<Vec<String>>,
    /// Child modules that exist only in tests.
    test_modules: Vec<String>,
}

impl File {
    /// The folder or the file directly below `src`.
    pub fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    fn parse(name: &str, text: &str) -> File {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let names = Names::of(&syntax.items);
        File { name: name.to_owned(), module: module_of(name), syntax, names }
    }
}

/// `src/outbox/drain.rs` is `outbox::drain`, and `src/bin/chalkwire/flags.rs` is `bin::flags`.
fn module_of(name: &str) -> Vec<String> {
    let path = name.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs"));
    let mut module: Vec<&str> = path.expect("a file of src").split('/').collect();
    if module[0] == "main" {
        module[0] = "bin";
    } else if module[0] == "bin" && module.len() > 2 {
        module.remove(1);
    }
    if matches!(module.last(), Some(&("mod" | "lib" | "main"))) {
        module.pop();
    }
    module.into_iter().map(str::to_owned).collect()
}

impl Tree {
    /// All `.rs` files below `src` of a repository, except those that exist only in tests.
    pub fn read(root: &Path) -> Tree {
        let mut sources = Vec::new();
        let mut folders = vec![root.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).expect("a source file");
                    let name = path.strip_prefix(root).expect("below the root");
                    let name = name.to_str().expect("a plain name").replace('\\', "/");
                    sources.push((name, text));
                }
            }
        }
        let sources: Vec<(&str, &str)> = sources.iter().map(|(n, t)| (&**n, &**t)).collect();
        Tree::made_up(&sources)
    }

    /// A tree of these names and texts.
    pub fn made_up(sources: &[(&str, &str)]) -> Tree {
        let mut files: Vec<File> =
            sources.iter().map(|(name, text)| File::parse(name, text)).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let only_in_tests: Vec<Vec<String>> = files
            .iter()
            .flat_map(|file| {
                let child = |name| [&file.module[..], std::slice::from_ref(name)].concat();
                file.names.test_modules.iter().map(child)
            })
            .collect();
        files.retain(|file| !only_in_tests.iter().any(|module| file.module.starts_with(module)));
        Tree { files }
    }

    /// The file that is this module.
    pub fn find(&self, module: &[String]) -> Option<usize> {
        self.files.iter().position(|file| file.module == module)
    }
}

impl Names {
    pub fn of(items: &[Item]) -> Names {
        let mut names = Names::default();
        for item in items {
            if let Item::Mod(module) = item
                && is_for_tests(&module.attrs)
            {
                names.test_modules.push(module.ident.to_string());
            }
            names.add(item);
        }
        names
    }

    /// What a single `use` line brings in.
    pub fn of_use(tree: &UseTree) -> Names {
        let mut names = Names::default();
        names.add_use(tree, &mut Vec::new(), false);
        names
    }

    fn add(&mut self, item: &Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        let name = match item {
            Item::Use(item) => {
                let is_public = !matches!(item.vis, Visibility::Inherited);
                self.add_use(&item.tree, &mut Vec::new(), is_public);
                return;
            }
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => return,
            },
            // An inline module.
            Item::Mod(item) if item.content.is_some() => &item.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            _ => return,
        };
        self.defined.push(name.to_string());
    }

    /// Takes `{a, b::{self, c as d}}` apart.
    fn add_use(&mut self, tree: &UseTree, path: &mut Vec<String>, is_public: bool) {
        let whole = |path: &[String], last: String| [path, &[last]].concat();
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.add_use(&step.tree, path, is_public);
                path.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                let last = path.last().expect("`self` stands in braces").clone();
                self.used.insert(last, (path.clone(), is_public));
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.used.insert(name.clone(), (whole(path, name), is_public));
            }
            UseTree::Rename(rename) => {
                let target = match rename.ident.to_string() {
                    name if name == "self" => path.clone(),
                    name => whole(path, name),
                };
                self.used.insert(rename.rename.to_string(), (target, is_public));
            }
            UseTree::Glob(_) => self.globs.push(path.clone()),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(tree, path, is_public));
            }
        }
    }
}

/// Whether `#[cfg(test)]` stands above an item.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test ,")
        }
        _ => false,
    })
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[test]
fn the_path_of_a_file_gives_its_module() {
    for (name, module) in [
        ("src/lib.rs", ""),
        ("src/config.rs", "config"),
        ("src/outbox/mod.rs", "outbox"),
        ("src/outbox/drain.rs", "outbox::drain"),
        ("src/check/steps/mod.rs", "check::steps"),
        ("src/main.rs", "bin"),
        ("src/bin/chalkwire/main.rs", "bin"),
        ("src/bin/chalkwire/flags.rs", "bin::flags"),
    ] {
        assert_eq!(module_of(name).join("::"), module, "{name}");
    }
}

#[test]
fn a_use_line_is_taken_apart() {
    let syntax = syn::parse_file(
        "use crate::{a, b::{self, C as D, e::*}};
         pub use super::f::G;
         pub(crate) use self::h::{self as i};
         #[cfg(test)] use crate::nothing;",
    )
    .expect("Rust");
    let names = Names::of(&syntax.items);
    let used: Vec<String> = names
        .used
        .iter()
        .map(|(name, (path, public))| {
            format!("{name} = {}{}", path.join("::"), if *public { ", public" } else { "" })
        })
        .collect();
    let expected = [
        "D = crate::b::C",
        "G = super::f::G, public",
        "a = crate::a",
        "b = crate::b",
        "i = self::h, public",
    ];
    assert_eq!(used, expected);
    assert_eq!(names.globs, [["crate", "b", "e"].map(str::to_owned)]);
}
