//! The functions' executable files, as they are built from the sources that are there now.

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
    /// A function that does nothing, with the same crates: what a start costs at least.
    pub bare: PathBuf,
}

impl Binaries {
    /// Those in the directory that the command line names, such as `target/release` in the workspace;
    /// else those that are built now.
    #[must_use]
    pub fn of_arguments() -> Self {
        // Cargo itself gives `--bench`.
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

    /// The functions in processes of their own, one at a time each.
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

/// Builds the functions, once in a process, and tells where they are: a story never runs a stale one.
///
/// # Panics
/// When they do not compile.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
        let build = Command::new(cargo)
            // The whole workspace: for one package, crates would have other features and be built anew.
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
                .unwrap_or_else(|| panic!("cargo build makes no {name}"))
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
