//! What cargo, the compiler and git know of this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::step::TaskError;

/// The repository as it lies on disk.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// What `cargo metadata` says, dependencies of dependencies left out.
    pub(crate) metadata: Metadata,
}

/// What the compiler says of itself (`rustc --print`): `host-tuple`, `sysroot`.
pub(crate) fn compiler_says(what: &str) -> Result<String, TaskError> {
    let said = Command::new("rustc").args(["--print", what]).output();
    let said = said.map_err(|error| TaskError::Setup(format!("rustc: {error}")))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// One text file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self, TaskError> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .map_err(|error| TaskError::Setup(format!("cargo metadata: {error}")))?;
        Ok(Self { metadata })
    }

    /// The folder of the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The `weir` binary of the dev profile, wherever cargo was told to put it.
    pub(crate) fn binary(&self) -> PathBuf {
        self.binary_of("debug")
    }

    /// The same of the release profile.
    pub(crate) fn release_binary(&self) -> PathBuf {
        self.binary_of("release")
    }

    /// An example of the dev profile.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.metadata.target_directory.as_std_path().join("debug").join("examples").join(name)
    }

    /// The same of another profile.
    pub(crate) fn binary_of(&self, profile: &str) -> PathBuf {
        let name = format!("weir{}", std::env::consts::EXE_SUFFIX);
        self.metadata.target_directory.as_std_path().join(profile).join(name)
    }

    /// Every file that git tracks or would track, in order. What is not UTF-8 is left out.
    pub(crate) fn files(&self) -> Result<Vec<TextFile>, TaskError> {
        let listed = self.git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let read = |path: &str| {
            // A deleted file that is still tracked, or a binary one.
            let text = std::fs::read_to_string(self.root().join(path)).ok()?;
            Some(TextFile { path: path.to_owned(), text })
        };
        Ok(paths.into_iter().filter_map(read).collect())
    }

    /// A file as the last commit has it.
    pub(crate) fn committed(&self, path: &str) -> Option<String> {
        self.git(&["show", &format!("HEAD:{path}")]).ok()
    }

    fn git(&self, arguments: &[&str]) -> Result<String, TaskError> {
        let asked = Command::new("git").args(arguments).current_dir(self.root()).output();
        let failed = |why: String| TaskError::Setup(format!("git {}: {why}", arguments.join(" ")));
        let output = asked.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
    }
}
