//! The files of the repository, as git lists them. Owns reading them; must not know any rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::source::SourceFile;

/// All text files: Rust sources with their tokens, and the rest as text.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The `.rs` files.
    pub(crate) sources: Vec<SourceFile>,
    /// Every other file that is UTF-8.
    pub(crate) texts: Vec<TextFile>,
}

/// A file that is not Rust.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Tree {
    /// Reads what git tracks and what it would track: a new file is checked before it is added.
    pub(crate) fn load(root: &Path) -> Result<Self, String> {
        let mut files = Vec::new();
        for path in list_files(root)? {
            let Ok(bytes) = fs::read(root.join(&path)) else { continue }; // deleted, not yet committed
            let Ok(text) = String::from_utf8(bytes) else { continue };
            files.push((path, text));
        }
        Ok(Self::from_files(files))
    }

    /// A tree of these paths and texts.
    pub(crate) fn from_files(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut tree = Self { sources: Vec::new(), texts: Vec::new() };
        for (path, text) in files {
            if path.ends_with(".rs") {
                tree.sources.push(SourceFile::parse(path, text));
            } else {
                tree.texts.push(TextFile { path, text });
            }
        }
        tree.mark_test_modules();
        tree
    }

    /// The text file at this path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The folders below `crates/`, and `xtask`: each holds one crate.
    pub(crate) fn crate_folders(&self) -> BTreeSet<String> {
        let members = self.sources.iter().filter(|source| source.path.starts_with("crates/"));
        let mut folders: BTreeSet<String> = members.map(|source| source.crate_folder().to_owned()).collect();
        folders.extend(
            self.sources.iter().any(|source| source.path.starts_with("xtask/")).then(|| "xtask".to_owned()),
        );
        folders
    }

    /// The manifests of the workspace's members and of the fuzz crate.
    pub(crate) fn member_manifests(&self) -> impl Iterator<Item = &TextFile> {
        self.texts.iter().filter(|file| file.path.ends_with("/Cargo.toml"))
    }

    /// The files of modules that their parent declares with `#[cfg(test)]` are tests as a whole.
    fn mark_test_modules(&mut self) {
        let homes: Vec<String> = self.sources.iter().flat_map(SourceFile::test_module_homes).collect();
        for source in &mut self.sources {
            let is_inside = |home: &String| {
                source.path == format!("{home}.rs") || source.path.starts_with(&format!("{home}/"))
            };
            if homes.iter().any(is_inside) {
                source.is_all_tests = true;
            }
        }
    }
}

fn list_files(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run git to list the files: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let mut paths: Vec<String> =
        names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_declared_as_a_test_module_is_all_tests() {
        let tree = Tree::from_files([
            ("a/src/lib.rs".to_owned(), "#[cfg(test)]\nmod checks;\nmod other;".to_owned()),
            ("a/src/checks.rs".to_owned(), "mod inner;".to_owned()),
            ("a/src/checks/inner.rs".to_owned(), String::new()),
            ("a/src/other.rs".to_owned(), String::new()),
        ]);
        let tests: Vec<bool> = tree.sources.iter().map(|source| source.is_all_tests).collect();
        assert_eq!(tests, [false, true, true, false]);
    }
}
