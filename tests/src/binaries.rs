//! The functions' executable files, built from the current sources.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use local_aws::lambda::Program;
use local_world::deployment::Code;
use serde_json::Value;

/// The functions' executable files.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// `receive`.
    pub receive: PathBuf,
    /// `instantiate`.
    pub instantiate: PathBuf,
    /// `reconcile`.
    pub reconcile: PathBuf,
    /// `redrive`.
    pub redrive: PathBuf,
    /// A function that does nothing but links the same crates: the lower bound for a start.
    pub bare: PathBuf,
}

impl Binaries {
    /// The binaries in the directory named on the command line, such as `target/release`, relative to the
    /// workspace; without an argument, freshly built ones.
    #[must_use]
    pub fn of_arguments() -> Self {
        // Cargo itself passes `--bench`.
        match std::env::args()
            .skip(1)
            .find(|argument| !argument.starts_with('-'))
        {
            Some(directory) => {
                let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("..")
                    .join(directory);
                let file = |name| directory.join(name);
                Self {
                    receive: file("receive"),
                    instantiate: file("instantiate"),
                    reconcile: file("reconcile"),
                    redrive: file("redrive"),
                    bare: file("bare"),
                }
            }
            None => binaries().clone(),
        }
    }

    /// Runs each function in its own process, with one container.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::Programs {
            receive: Program::new(&self.receive).containers(1),
            instantiate: Program::new(&self.instantiate).containers(1),
            reconcile: Program::new(&self.reconcile).containers(1),
            redrive: Program::new(&self.redrive).containers(1),
        }
    }
}

/// Builds the functions once per process and returns their paths, so that a story never runs a stale binary.
///
/// # Panics
/// When they do not compile.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
        let build = Command::new(cargo)
            // The whole workspace: with `-p`, crates would get other features and be rebuilt.
            .args([
                "build",
                "--workspace",
                "--bins",
                "--message-format=json-render-diagnostics",
            ])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo can be run");
        assert!(build.status.success(), "the functions do not compile");
        let built = String::from_utf8_lossy(&build.stdout);
        let executable = |name: &str| {
            let artifacts = built
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut files = artifacts
                .filter(|it: &Value| {
                    it["target"]["kind"][0] == "bin" && it["target"]["name"] == name
                })
                .filter_map(|it| it["executable"].as_str().map(PathBuf::from));
            files
                .next()
                .unwrap_or_else(|| panic!("cargo build produced no {name}"))
        };
        Binaries {
            receive: executable("receive"),
            instantiate: executable("instantiate"),
            reconcile: executable("reconcile"),
            redrive: executable("redrive"),
            bare: executable("bare"),
        }
    })
}
