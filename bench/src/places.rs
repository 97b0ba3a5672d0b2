//! The directories that the bench and the soak use, and cargo's builds in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::Result;

/// The directories that the bench uses.
pub struct Places {
    /// The directory of the project.
    pub project: PathBuf,
    /// cargo's target directory, which has this program.
    target: PathBuf,
    /// The directory for the other servers.
    pub fetched: PathBuf,
}

impl Places {
    /// Finds the directories, and creates those that are missing.
    ///
    /// # Errors
    /// When a directory cannot be created.
    pub fn find() -> Result<Places> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let project = bench.parent().ok_or("bench is not in a project")?.to_owned();
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).ok_or("not in a target directory")?.to_owned();
        let fetched = target.join("bench-peers");
        fs::create_dir_all(fetched.join("log"))?;
        Ok(Places { project, target, fetched })
    }

    /// The directory of the other servers' programs and of the script that installs them.
    pub fn peers(&self) -> PathBuf {
        self.project.join("bench/peers")
    }

    /// The path of a program of a release build.
    pub fn release(&self, program: &str) -> PathBuf {
        self.target.join("release").join(program)
    }

    /// The path of the file for a server's output.
    pub fn log(&self, name: &str) -> PathBuf {
        self.fetched.join("log").join(format!("{name}.log"))
    }

    /// Runs `cargo build --release` for programs of a package, in the target directory that has
    /// this program.
    ///
    /// # Errors
    /// When the build fails.
    pub fn build(&self, package: &str, programs: &[&str]) -> Result<()> {
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
