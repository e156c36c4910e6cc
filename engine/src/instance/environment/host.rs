//! The machine as the checks see it: files below a root, so that tests can make machines.

use std::fs;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

pub(super) struct Host {
    root: PathBuf,
}

/// Where programs are, whatever this process was given as `PATH`.
const PROGRAM_DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// How packages are installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    RedHat,
    Suse,
    Alpine,
    Arch,
    Unknown,
}

impl Host {
    pub(super) fn this() -> Self {
        Self { root: PathBuf::from("/") }
    }

    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Empty for a file that can't be read.
    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(super) fn has_program(&self, name: &str) -> bool {
        PROGRAM_DIRECTORIES.iter().any(|directory| self.path(directory).join(name).is_file())
    }

    /// `6.18.0-1-amd64`
    pub(super) fn kernel_release(&self) -> String {
        self.read("/proc/sys/kernel/osrelease").trim().to_owned()
    }

    /// Whether the module is loaded or part of the kernel.
    pub(super) fn has_module(&self, name: &str) -> bool {
        self.exists(&format!("/sys/module/{name}"))
            || self.modules("modules.builtin").any(|module| module_name(&module) == name)
    }

    /// Whether `modprobe` would find the module.
    pub(super) fn can_load_module(&self, name: &str) -> bool {
        self.modules("modules.dep").any(|module| module_name(&module) == name)
    }

    fn modules(&self, list: &str) -> impl Iterator<Item = String> {
        let text = self.read(&format!("/lib/modules/{}/{list}", self.kernel_release()));
        let names = text.lines().map(|line| line.split(':').next().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>().into_iter()
    }

    pub(super) fn knows_filesystem(&self, name: &str) -> bool {
        self.read("/proc/filesystems").lines().any(|line| line.split_whitespace().last() == Some(name))
    }

    pub(super) fn is_running(&self, program: &str) -> bool {
        let processes = fs::read_dir(self.path("/proc")).into_iter().flatten().flatten();
        processes
            .filter(|process| process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
            .any(|process| fs::read_to_string(process.path().join("comm")).is_ok_and(|name| name.trim_end() == program))
    }

    pub(super) fn family(&self) -> Family {
        let text = self.read("/etc/os-release");
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let words = format!("{} {}", value("ID"), value("ID_LIKE"));
        let families = [
            (Family::Debian, ["debian", "ubuntu"].as_slice()),
            (Family::RedHat, &["rhel", "fedora", "centos", "amzn"]),
            (Family::Suse, &["suse", "opensuse", "sles", "sle-micro"]),
            (Family::Alpine, &["alpine"]),
            (Family::Arch, &["arch"]),
        ];
        let is = |names: &[&str]| words.split_whitespace().any(|word| names.contains(&word));
        families.into_iter().find(|(_, names)| is(names)).map_or(Family::Unknown, |(family, _)| family)
    }
}

/// `kernel/drivers/block/nbd.ko.zst` is `nbd`; the kernel takes `-` for `_`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

impl Family {
    /// The command that installs a package; the name of the package differs from one to the other.
    pub(super) fn install(self, package: &Package) -> String {
        let (command, name) = match self {
            Self::Debian => ("apt install", package.debian),
            Self::RedHat => ("dnf install", package.red_hat),
            Self::Suse => ("zypper install", package.suse),
            Self::Alpine => ("apk add", package.alpine),
            Self::Arch => ("pacman -S", package.arch),
            Self::Unknown => return format!("Install {}.", package.debian),
        };
        format!("Install it: {command} {name}")
    }
}

/// Names of one package.
#[derive(Clone, Copy, Debug)]
pub(super) struct Package {
    pub(super) debian: &'static str,
    pub(super) red_hat: &'static str,
    pub(super) suse: &'static str,
    pub(super) alpine: &'static str,
    pub(super) arch: &'static str,
}

impl Package {
    /// The same everywhere.
    pub(super) const fn named(name: &'static str) -> Self {
        Self { debian: name, red_hat: name, suse: name, alpine: name, arch: name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_by_their_files() {
        for (path, name) in [
            ("kernel/drivers/block/nbd.ko", "nbd"),
            ("kernel/drivers/block/ublk_drv.ko.zst", "ublk_drv"),
            ("kernel/drivers/md/dm-crypt.ko.xz", "dm_crypt"),
        ] {
            assert_eq!(module_name(path), name);
        }
    }

    #[test]
    fn families_by_what_they_are_like() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        for (text, family) in [
            ("ID=debian\n", Family::Debian),
            ("NAME=\"Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Family::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Family::RedHat),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", Family::Suse),
            ("ID=plan9\n", Family::Unknown),
        ] {
            fs::write(root.path().join("etc/os-release"), text).unwrap();
            assert_eq!(Host::at(root.path()).family(), family, "{text}");
        }
    }
}
