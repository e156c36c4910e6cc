//! kubelet's directory (`--root-dir`), found in the arguments of the processes of a node.
//!
//! It is a flag alone: kubelet's configuration file can't say it. k3s, which holds a kubelet, passes it on with a flag of its own;
//! what its configuration file says of that is not seen here, and has to be given. Where no kubelet is found, nothing is
//! guessed: with a wrong directory every pod with a volume would wait for ever.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where kubelet is when it is not told.
pub const USUAL: &str = "/var/lib/kubelet";
/// The value of the chart that says it.
pub const CHART_KEY: &str = "csi.kubeletRootDir";
/// The most that is read of a process's arguments.
const ARGUMENTS_BYTES: u64 = 128 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error(
        "find kubelet's directory: none of {processes} processes in {} is a kubelet; set {CHART_KEY} in the chart's values \
         (kubelet's --root-dir; usually {USUAL})",
        .at.display()
    )]
    NoKubelet { at: PathBuf, processes: usize },
    #[error(
        "find kubelet's directory: several kubelets run here, with {}; set {CHART_KEY} in the chart's values to the one of \
         this cluster",
        .found.join(" and ")
    )]
    Several { found: Vec<String> },
    #[error(
        "find kubelet's directory: kubelet's --root-dir is {root}, which is no absolute path; set {CHART_KEY} in the chart's values"
    )]
    NotAbsolute { root: String },
    #[error("find kubelet's directory: read {}; set {CHART_KEY} in the chart's values", .at.display())]
    Unreadable { at: PathBuf, source: io::Error },
}

/// The directory that was given, else the one that the processes in `proc` (`/host/proc`) tell of; without a slash at its end.
///
/// # Errors
/// Nothing was given, and no process tells of one directory.
pub fn given_or_found(given: Option<&str>, proc: &Path) -> Result<String, RootError> {
    let root = match given.filter(|root| !root.is_empty()) {
        Some(root) => root.to_owned(),
        None => found(proc)?,
    };
    if !root.starts_with('/') {
        return Err(RootError::NotAbsolute { root });
    }
    let root = root.trim_end_matches('/');
    Ok(if root.is_empty() { "/" } else { root }.to_owned())
}

fn found(proc: &Path) -> Result<String, RootError> {
    let unreadable = |source| RootError::Unreadable { at: proc.to_owned(), source };
    let mut roots = BTreeSet::new();
    let mut processes = 0;
    for entry in fs::read_dir(proc).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process may end, or be hidden, while it is looked at.
        let Ok(arguments) = arguments(&entry.path().join("cmdline")) else { continue };
        processes += 1;
        roots.extend(root_of(&arguments));
    }
    let mut roots: Vec<String> = roots.into_iter().collect();
    match roots.len() {
        0 => Err(RootError::NoKubelet { at: proc.to_owned(), processes }),
        1 => Ok(roots.remove(0)),
        _ => Err(RootError::Several { found: roots }),
    }
}

fn arguments(path: &Path) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ARGUMENTS_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end_matches('\0').split('\0').map(str::to_owned).collect())
}

/// The directory of a process that is, or holds, a kubelet.
fn root_of(arguments: &[String]) -> Option<String> {
    // k3s writes its name and role as one word.
    let mut words = arguments.iter().enumerate().flat_map(|(index, argument)| {
        let split = if index == 0 { argument.split(' ').collect() } else { vec![argument.as_str()] };
        split.into_iter().filter(|word| !word.is_empty())
    });
    let program = words.next()?.rsplit('/').next()?;
    let words: Vec<&str> = words.collect();
    let first = words.first().copied();
    let root = match (program, first) {
        ("kubelet", _) | ("hyperkube", Some("kubelet")) => flag(&words, "--root-dir").last().copied(),
        ("k3s", Some("server" | "agent")) => flag(&words, "--kubelet-arg")
            .iter()
            .rev()
            .find_map(|argument| argument.trim_start_matches('-').strip_prefix("root-dir=")),
        _ => return None,
    };
    Some(root.unwrap_or(USUAL).to_owned())
}

/// The values of a flag, `--flag value` and `--flag=value`, in their order: the last one counts.
fn flag<'a>(words: &[&'a str], name: &str) -> Vec<&'a str> {
    let value = |(index, word): (usize, &&'a str)| match word.strip_prefix(name)? {
        "" => words.get(index + 1).copied(),
        rest => rest.strip_prefix('='),
    };
    words.iter().enumerate().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory like /proc with processes of these arguments.
    fn proc_of(processes: &[&[&str]]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for (index, arguments) in processes.iter().enumerate() {
            let process = proc.path().join((index + 1).to_string());
            fs::create_dir(&process).unwrap();
            fs::write(process.join("cmdline"), arguments.join("\0") + "\0").unwrap();
        }
        fs::create_dir(proc.path().join("sys")).unwrap();
        proc
    }

    fn root(processes: &[&[&str]]) -> Result<String, String> {
        given_or_found(None, proc_of(processes).path()).map_err(|error| error.to_string())
    }

    #[test]
    fn kubelets_arguments_say_it() {
        let of = |arguments: &[&str]| root(&[&["/sbin/init"], arguments, &[]]).unwrap();
        assert_eq!(of(&["/usr/bin/kubelet", "--config=/x", "--root-dir=/data/kubelet/"]), "/data/kubelet");
        assert_eq!(of(&["kubelet", "--root-dir", "/k"]), "/k");
        assert_eq!(of(&["kubelet", "--root-dir=/a", "--root-dir", "/b", "--root-dirs=/c"]), "/b");
        assert_eq!(of(&["/usr/bin/kubelet", "--config=/x"]), USUAL);
        assert_eq!(of(&["/hyperkube", "kubelet", "--root-dir=/h"]), "/h");
        assert_eq!(of(&["/usr/local/bin/k3s server"]), USUAL);
        assert_eq!(of(&["k3s", "agent", "--kubelet-arg", "v=2", "--kubelet-arg=root-dir=/k3s"]), "/k3s");
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let refused =
            root(&[&["vi", "kubelet", "--root-dir=/x"], &["/opt/kubelet-wrapper"], &["k3s", "kubectl"]]).unwrap_err();
        assert!(refused.contains("none of 3 processes") && refused.contains(CHART_KEY), "{refused}");
    }

    #[test]
    fn two_that_differ_are_not_chosen_from() {
        let refused = root(&[&["kubelet", "--root-dir=/a"], &["kubelet", "--root-dir=/b"]]).unwrap_err();
        assert!(refused.contains("/a and /b") && refused.contains(CHART_KEY), "{refused}");
        assert_eq!(root(&[&["kubelet", "--root-dir=/a"], &["kubelet", "--root-dir=/a"]]).unwrap(), "/a");
    }

    #[test]
    fn what_is_given_counts() {
        let proc = proc_of(&[&["kubelet", "--root-dir=/a"]]);
        assert_eq!(given_or_found(Some("/given/"), proc.path()).unwrap(), "/given");
        assert_eq!(given_or_found(Some(""), proc.path()).unwrap(), "/a");
        assert!(matches!(given_or_found(Some("given"), proc.path()), Err(RootError::NotAbsolute { .. })));
        assert!(matches!(given_or_found(None, Path::new("/nowhere")), Err(RootError::Unreadable { .. })));
    }
}
