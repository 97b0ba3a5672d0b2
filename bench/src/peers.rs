//! Who is measured: Chalkwire, and the others.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use chalkwire_bench::Result;

use crate::server::Recipe;

/// The server that is none.
pub const CEILING: &str = "ceiling";

/// The others, in the order of the columns, and what each is.
pub const PEERS: [(&str, &str); 7] = [
    ("bun", "Bun.serve, which is uWebSockets inside"),
    ("tokio-tungstenite", "crates.io's tokio-tungstenite, on all cores"),
    ("gorilla", "gorilla/websocket, Go, as Debian has them"),
    ("ws", "npm's ws"),
    ("websocket", "npm's websocket"),
    ("websockets", "PyPI's websockets"),
    (CEILING, "no WebSocket server: answers without looking; what the generator can do at most"),
];

/// Where things are.
pub struct Places {
    /// The directory of the project.
    pub project: PathBuf,
    /// cargo's target directory, in which this program is.
    target: PathBuf,
    /// Where the others are fetched to.
    fetched: PathBuf,
}

impl Places {
    /// Finds them, and makes them.
    pub fn find() -> Result<Places> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let project = bench.parent().ok_or("bench is not in a project")?.to_owned();
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).ok_or("not in a target directory")?.to_owned();
        let fetched = target.join("bench-peers");
        fs::create_dir_all(fetched.join("log"))?;
        Ok(Places { project, target, fetched })
    }

    fn peers(&self) -> PathBuf {
        self.project.join("bench/peers")
    }

    fn release(&self, program: &str) -> PathBuf {
        self.target.join("release").join(program)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.fetched.join("log").join(format!("{name}.log"))
    }

    /// Runs `cargo build --release`, into the target directory in which this program is.
    fn build(&self, package: &str, programs: &[&str]) -> Result<()> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&self.project).args(["build", "--release", "--package", package]);
        cargo.arg("--target-dir").arg(&self.target);
        for program in programs {
            cargo.args(["--bin", program]);
        }
        if !cargo.stdin(Stdio::null()).status()?.success() {
            return Err(format!("cargo could not build {package}").into());
        }
        Ok(())
    }
}

/// Chalkwire, from a path or built here.
pub fn chalkwire(places: &Places, name: &str, path: Option<PathBuf>) -> Result<Recipe> {
    let program = match path {
        Some(path) => {
            fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => {
            places.build("chalkwire", &["chalkwire"])?;
            places.release("chalkwire")
        }
    };
    // No server here sends Pings: a row may last longer than the default of 20 seconds.
    let args = "--listen 127.0.0.1:{port} --max-backlog 67108864 --max-message 67108864 \
                --ping-interval 86400";
    Ok(Recipe {
        name: name.to_owned(),
        program,
        args: args.split(' ').filter(|arg| !arg.is_empty()).map(Into::into).collect(),
        env: vec![("RUST_LOG", "off".into())],
        log: places.log(name),
    })
}

/// Fetches and builds the others. Those that cannot be had are left out; the script says why.
pub fn others(places: &Places, names: &[&str]) -> Result<Vec<Recipe>> {
    if names.iter().any(|name| is_built_here(name)) {
        places.build("chalkwire-bench", &["ceiling", "tokio_tungstenite_peer"])?;
    }
    let fetched: Vec<_> = names.iter().copied().filter(|name| !is_built_here(name)).collect();
    if !fetched.is_empty() {
        let install = Command::new(places.peers().join("install"))
            .arg(&places.fetched)
            .args(&fetched)
            .stdin(Stdio::null())
            .status()?;
        if !install.success() {
            return Err(format!("bench/peers/install ended with {install}").into());
        }
    }
    let there =
        |name: &&&str| is_built_here(name) || places.fetched.join("ready").join(name).exists();
    Ok(names.iter().filter(there).map(|name| recipe(places, name)).collect())
}

fn is_built_here(name: &str) -> bool {
    [CEILING, "tokio-tungstenite"].contains(&name)
}

fn recipe(places: &Places, name: &str) -> Recipe {
    let fetched = |file: &str| places.fetched.join(file);
    let (program, script) = match name {
        "bun" => (fetched("bun"), Some("bun.js")),
        "ws" => ("node".into(), Some("ws.cjs")),
        "websocket" => ("node".into(), Some("websocket.cjs")),
        "websockets" => (fetched("python/bin/python"), Some("websockets.py")),
        "gorilla" => (fetched("gorilla"), None),
        "tokio-tungstenite" => (places.release("tokio_tungstenite_peer"), None),
        _ => (places.release(name), None),
    };
    let script = script.map(|script| places.peers().join(script).into_os_string());
    Recipe {
        name: name.to_owned(),
        program,
        args: script.into_iter().chain(["{port}".into()]).collect(),
        env: vec![("NODE_PATH", fetched("node_modules").into())],
        log: places.log(name),
    }
}

/// The version of one of the others, in words; nothing for those that have none.
pub fn version(places: &Places, name: &str) -> Option<String> {
    if name == "tokio-tungstenite" {
        let lock = fs::read_to_string(places.project.join("Cargo.lock")).ok()?;
        let (_, after) = lock.split_once("name = \"tokio-tungstenite\"\nversion = \"")?;
        return after.split('"').next().map(str::to_owned);
    }
    let version = fs::read_to_string(places.fetched.join("ready").join(name)).ok()?;
    Some(version.trim().to_owned())
}
