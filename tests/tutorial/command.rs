//! From a command in the text to the built program that it would run.

use std::path::{Path, PathBuf};

use crate::process::Program;

/// A command `cargo run …`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct CargoRun {
    pub release: bool,
    /// `None` for the program itself.
    pub example: Option<String>,
    pub arguments: Vec<String>,
}

/// Splits a line into words as a shell does, as far as the text needs it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

impl CargoRun {
    pub fn parse(line: &str) -> Result<CargoRun, String> {
        let words = words(line);
        let mut words = words.iter().map(String::as_str);
        let begin = [words.next(), words.next(), words.next()];
        if begin != [Some("cargo"), Some("run"), Some("--quiet")] {
            return Err(format!("`{line}` does not begin with `cargo run --quiet`"));
        }
        let mut run = CargoRun { release: false, example: None, arguments: Vec::new() };
        while let Some(word) = words.next() {
            match word {
                "--release" => run.release = true,
                "--example" => run.example = words.next().map(str::to_owned),
                "--" => {
                    run.arguments = words.map(str::to_owned).collect();
                    break;
                }
                _ => return Err(format!("`{word}` in `{line}` should stand behind `--`")),
            }
        }
        Ok(run)
    }

    /// Whether an example is asked to end after its demonstration.
    pub fn runs_once(&self) -> bool {
        self.example.is_some() && self.arguments.iter().any(|argument| argument == "--once")
    }

    /// The same command with another port in place of 8080, for its arguments and for its server.
    pub fn at_port(mut self, port: u16) -> CargoRun {
        for argument in &mut self.arguments {
            *argument = replace_port(argument, 8080, port);
        }
        let serves = self.example.is_some()
            || self.arguments.first().is_none_or(|first| first.starts_with('-'));
        if serves && !self.arguments.iter().any(|argument| argument.starts_with("--listen")) {
            self.arguments.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        }
        self
    }

    /// The built program. Tests run the debug build; `release` asks for the release build.
    pub fn program(self, root: &Path, release: bool) -> Result<Program, String> {
        let mut path = match &self.example {
            None => PathBuf::from(env!("CARGO_BIN_EXE_chalkwire")),
            Some(name) => {
                let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
                profile_directory().join("examples").join(name)
            }
        };
        if release {
            let directory = profile_directory();
            let inside = path.strip_prefix(&directory).map_err(|error| error.to_string())?;
            path = directory.with_file_name("release").join(inside);
        }
        if release || self.example.is_some() {
            let flag = if release { " --release" } else { "" };
            let what = if self.example.is_some() { " --examples" } else { "" };
            expect_fresh(&path, root)
                .map_err(|why| format!("{}: {why}: cargo build{flag}{what}", path.display()))?;
        }
        Ok(Program { path, arguments: self.arguments })
    }
}

/// The directory where cargo puts programs. This test is in `deps` below it.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("a directory above deps").to_owned()
}

/// Fails if a program is older than its sources, because `cargo test --test tutorial` does not
/// build examples. Cargo leaves a list of the sources beside each program.
fn expect_fresh(path: &Path, root: &Path) -> Result<(), String> {
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified());
    let built = modified(path).map_err(|_| "is not built".to_owned())?;
    let list = std::fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    for source in list.split_whitespace().skip(1).map(Path::new) {
        // The server embeds the text, so it is in the list. But no example shows the text.
        let is_text = source.extension().is_some_and(|extension| extension == "md");
        if !is_text && modified(&root.join(source)).is_ok_and(|time| time > built) {
            return Err(format!("is older than {}", source.display()));
        }
    }
    Ok(())
}

/// Replaces a port where it follows a colon or the word "port", and is not part of a longer number.
pub fn replace_port(text: &str, from: u16, to: u16) -> String {
    let mut text = text.to_owned();
    for before in [":", "port ", "port="] {
        let pieces: Vec<&str> = text.split(&format!("{before}{from}")).collect();
        let mut out = pieces[0].to_owned();
        for piece in &pieces[1..] {
            let goes_on = piece.starts_with(|c: char| c.is_ascii_digit());
            out += &format!("{before}{}{piece}", if goes_on { from } else { to });
        }
        text = out;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_apart() {
        let run =
            CargoRun::parse("cargo run --quiet --release --example a -- --say 'a b' \"\" 8080");
        let run = run.unwrap();
        assert_eq!((run.release, run.example.as_deref()), (true, Some("a")));
        assert_eq!(run.arguments, ["--say", "a b", "", "8080"]);
        let run = CargoRun::parse("cargo run --quiet").unwrap();
        assert_eq!((run.release, run.example, run.arguments.len()), (false, None, 0));
        for wrong in ["ls", "cargo run --example a", "cargo run --quiet explain", "cargo build"] {
            assert!(CargoRun::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ports_are_replaced_and_written_back() {
        let at = |line: &str| CargoRun::parse(line).unwrap().at_port(7123).arguments;
        let listen = ["--listen", "127.0.0.1:7123"];
        assert_eq!(at("cargo run --quiet --example a"), listen);
        assert_eq!(at("cargo run --quiet"), listen);
        assert_eq!(at("cargo run --quiet -- --listen 127.0.0.1:8080"), listen);
        assert_eq!(at("cargo run --quiet -- explain 81 80"), ["explain", "81", "80"]);
        assert_eq!(
            at("cargo run --quiet -- check ws://127.0.0.1:8080/"),
            ["check", "ws://127.0.0.1:7123/"]
        );
        let said = "at 127.0.0.1:7123, port 7123, not 7123 or :71234";
        assert_eq!(
            replace_port(said, 7123, 8080),
            "at 127.0.0.1:8080, port 8080, not 7123 or :71234"
        );
    }
}
