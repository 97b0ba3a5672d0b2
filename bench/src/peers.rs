//! The servers that are measured: Chalkwire and the others.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use chalkwire_bench::Result;
use chalkwire_bench::places::Places;

use crate::server::Recipe;

/// The program that only imitates a server, so that the limit of the generator is known.
pub const CEILING: &str = "ceiling";

/// The other servers, in the order of the columns, with a description of each.
pub const PEERS: [(&str, &str); 7] = [
    ("bun", "Bun.serve, which uses uWebSockets"),
    ("tokio-tungstenite", "crates.io's tokio-tungstenite, on all cores"),
    ("gorilla", "gorilla/websocket with Go, both from Debian"),
    ("ws", "npm's ws"),
    ("websocket", "npm's websocket"),
    ("websockets", "PyPI's websockets"),
    (CEILING, "not a server: sends prepared answers, to show the limit of the generator"),
];

/// The recipe for Chalkwire: for the program at a path, or for one that is built now.
///
/// # Errors
/// When the program does not exist or cannot be built.
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
    // The ping interval is a day, because no server here sends Pings, and a row may last longer
    // than the default of 20 seconds.
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

/// Fetches and builds the other servers. The script reports those that cannot be installed, and
/// they are left out.
///
/// # Errors
/// When cargo or the script fails.
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
    let exists =
        |name: &&&str| is_built_here(name) || places.fetched.join("ready").join(name).exists();
    Ok(names.iter().filter(exists).map(|name| recipe(places, name)).collect())
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

/// The version of another server, in words. `ceiling` does not have one.
pub fn version(places: &Places, name: &str) -> Option<String> {
    if name == "tokio-tungstenite" {
        let lock = fs::read_to_string(places.project.join("Cargo.lock")).ok()?;
        let (_, after) = lock.split_once("name = \"tokio-tungstenite\"\nversion = \"")?;
        return after.split('"').next().map(str::to_owned);
    }
    let version = fs::read_to_string(places.fetched.join("ready").join(name)).ok()?;
    Some(version.trim().to_owned())
}
