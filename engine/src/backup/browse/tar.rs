//! A folder as a tar, written as it is read: memory does not follow the size of anything.
//!
//! Permissions, owners, times, symbolic links, further names of one file, devices and holes are kept. Holes are in GNU's
//! form for pax ("PAX 1.0"), which GNU tar, bsdtar and Python's tarfile know. What can't be read is left out, and a
//! file [`LEFT_OUT`] at the end tells what and why; where half of a file was sent already, or the source itself fails, the
//! tar ends without its end, so that nobody takes it for a whole one.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::browser::Browser;
use super::entry::{Kind, Node};
use super::error::BrowseError;
use super::path::{DEPTH_MAXIMUM, ImagePath};
use super::sparse;

/// Name of the file that tells what is not in the tar.
pub const LEFT_OUT: &str = "FILES-THAT-COULD-NOT-BE-READ.txt";
/// More are not written into one tar.
const ENTRIES_MAXIMUM: u64 = 20_000_000;
/// Directories whose place is remembered, so that none is written twice.
const DIRECTORIES_MAXIMUM: usize = 1 << 22;
/// Files with several names that are remembered; those beyond are written once for each name.
const LINKED_MAXIMUM: usize = 1 << 20;
/// Bytes of the list of what is not there.
const LEFT_OUT_BYTES_MAXIMUM: usize = 1 << 20;
/// Longest target that a header holds.
const TARGET_IN_HEADER: usize = 100;
const BLOCK: usize = 512;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    pub entries: u64,
    /// Content of files, without holes.
    pub bytes: u64,
    /// Files that are not in it.
    pub left_out: u64,
}

impl Browser {
    /// Writes what a path leads to with everything below it. Names in the tar begin with the path's last one.
    ///
    /// # Errors
    /// The path leads nowhere, the source fails, or the tar can't be written.
    pub fn tar(&self, path: &ImagePath, out: impl Write) -> Result<Packed, BrowseError> {
        let root = self.find(path)?;
        let mut tar = Tar::new(self, out);
        let written = tar.everything(root, path.name().unwrap_or_default());
        tar.end(written)
    }
}

/// Lets nothing through after it was stopped: the builder would write the tar's end when it is dropped.
struct Gate<W> {
    out: W,
    is_shut: bool,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.is_shut {
            return Err(BrowseError::Cancelled.into());
        }
        self.out.write(buffer).map_err(|error| BrowseError::Sink(error).into())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_shut { Ok(()) } else { self.out.flush().map_err(|error| BrowseError::Sink(error).into()) }
    }
}

struct Tar<'a, W: Write> {
    browser: &'a Browser,
    builder: Builder<Gate<W>>,
    /// First names of files that have several.
    linked: HashMap<u64, Vec<u8>>,
    /// A directory has one place. One that comes again is a circle, or will soon be millions.
    directories: HashSet<u64>,
    left_out: String,
    packed: Packed,
}

/// A directory that is written when its turn comes.
struct Waiting {
    node: Node,
    name: Vec<u8>,
    depth: usize,
}

impl<'a, W: Write> Tar<'a, W> {
    fn new(browser: &'a Browser, out: W) -> Self {
        let builder = Builder::new(Gate { out, is_shut: false });
        let (linked, directories) = (HashMap::new(), HashSet::new());
        Self { browser, builder, linked, directories, left_out: String::new(), packed: Packed::default() }
    }

    fn end(mut self, written: Result<(), BrowseError>) -> Result<Packed, BrowseError> {
        let ended = written.and_then(|()| self.tell_left_out()).and_then(|()| Ok(self.builder.finish()?));
        let ended = ended.and_then(|()| Ok(self.builder.get_mut().flush()?));
        self.builder.get_mut().is_shut = true;
        ended.map(|()| self.packed)
    }

    fn everything(&mut self, root: Node, name: &[u8]) -> Result<(), BrowseError> {
        if root.kind != Kind::Directory {
            return self.one(&root, name);
        }
        let mut waiting = vec![Waiting { node: root, name: name.to_vec(), depth: 0 }];
        while let Some(directory) = waiting.pop() {
            self.directory(directory, &mut waiting)?;
        }
        Ok(())
    }

    /// The directory and its files; its directories are left for later.
    fn directory(&mut self, directory: Waiting, waiting: &mut Vec<Waiting>) -> Result<(), BrowseError> {
        let Waiting { node: directory, name, depth } = directory;
        if depth > 0 || !name.is_empty() {
            let mut header = header(&directory, EntryType::Directory);
            self.append(&mut header, &[&name, &b"/"[..]].concat(), io::empty())?;
        }
        if !self.directories.insert(directory.handle) {
            return self.leave_out(&name, &BrowseError::damaged("the same directory is in several places"));
        }
        if depth >= DEPTH_MAXIMUM {
            return self.leave_out(&name, &BrowseError::damaged(format!("it is {depth} directories deep")));
        }
        let browser = self.browser;
        let mut failed = None;
        let visited = browser.filesystem().visit(&directory, &mut |child, key| {
            let child = if name.is_empty() { child.to_vec() } else { [&name, &b"/"[..], child].concat() };
            match self.child(&directory, child, key, depth + 1, waiting) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        match (failed, visited) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.is_local() => self.leave_out(&name, &error),
            (None, visited) => visited,
        }
    }

    fn child(
        &mut self,
        directory: &Node,
        name: Vec<u8>,
        key: u64,
        depth: usize,
        waiting: &mut Vec<Waiting>,
    ) -> Result<(), BrowseError> {
        self.browser.cancel().check()?;
        if self.packed.entries >= ENTRIES_MAXIMUM || self.directories.len() + waiting.len() >= DIRECTORIES_MAXIMUM {
            let message =
                format!("there are more than {} files in it; take a folder of it at a time", self.packed.entries);
            return Err(BrowseError::Limit(message));
        }
        match self.browser.filesystem().node(directory, key) {
            Ok(node) if node.kind == Kind::Directory => waiting.push(Waiting { node, name, depth }),
            Ok(node) => self.one(&node, &name)?,
            Err(error) if error.is_local() => self.leave_out(&name, &error)?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Anything but a directory.
    fn one(&mut self, node: &Node, name: &[u8]) -> Result<(), BrowseError> {
        if node.links > 1 && self.further_name(node, name)? {
            return Ok(());
        }
        match node.kind {
            Kind::File => self.file(node, name),
            Kind::Symlink => match self.browser.filesystem().target(node) {
                Ok(target) => self.link(node, EntryType::Symlink, name, &target),
                Err(error) if error.is_local() => self.leave_out(name, &error),
                Err(error) => Err(error),
            },
            Kind::Fifo => self.append(&mut header(node, EntryType::Fifo), name, io::empty()),
            Kind::CharacterDevice => self.device(node, EntryType::Char, name),
            Kind::BlockDevice => self.device(node, EntryType::Block, name),
            // Whoever listens there makes it again, and no tar can hold it.
            Kind::Socket | Kind::Directory => Ok(()),
        }
    }

    /// Whether the content is in the tar already, under another name.
    fn further_name(&mut self, node: &Node, name: &[u8]) -> Result<bool, BrowseError> {
        if let Some(first) = self.linked.get(&node.handle) {
            let first = first.clone();
            self.link(node, EntryType::Link, name, &first)?;
            return Ok(true);
        }
        if self.linked.len() < LINKED_MAXIMUM {
            self.linked.insert(node.handle, name.to_vec());
        }
        Ok(false)
    }

    fn file(&mut self, node: &Node, name: &[u8]) -> Result<(), BrowseError> {
        // The first piece shows whether it can be read at all, before its header is written.
        let checked = sparse::data(self.browser, node).and_then(|parts| {
            if node.size > 0 {
                self.browser.filesystem().read(node, 0, &mut [0])?;
            }
            Ok(parts)
        });
        let parts = match checked {
            Ok(parts) => parts,
            Err(error) if error.is_local() => return self.leave_out_linked(node, name, &error),
            Err(error) => return Err(error),
        };
        if let Some(parts) = parts {
            return self.sparse(node, name, &parts);
        }
        let mut header = header(node, EntryType::Regular);
        header.set_size(node.size);
        self.packed.bytes += node.size;
        let content = self.browser.reader(node.clone(), 0, node.size);
        self.append(&mut header, name, content)
    }

    /// A file with holes: its name and size in a pax header; then the map, padded, and the data without holes.
    fn sparse(&mut self, node: &Node, name: &[u8], parts: &[(u64, u64)]) -> Result<(), BrowseError> {
        let mut map = format!("{}\n", parts.len() + 1);
        for (offset, length) in parts {
            map.push_str(&format!("{offset}\n{length}\n"));
        }
        map.push_str(&format!("{}\n0\n", node.size));
        let mut map = map.into_bytes();
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        let size = node.size.to_string();
        self.builder.append_pax_extensions([
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", name),
            ("GNU.sparse.realsize", size.as_bytes()),
        ])?;
        let data: u64 = parts.iter().map(|(_, length)| length).sum();
        // GNU tar goes by the form of the header: in one of its own older form it looks for its older map.
        let mut header = fill(Header::new_ustar(), node, EntryType::Regular);
        header.set_size(map.len() as u64 + data);
        self.packed.bytes += data;
        let content = parts.iter().map(|&(offset, length)| self.browser.reader(node.clone(), offset, length));
        let content = io::Cursor::new(map).chain(Chain { left: content, now: None });
        // Short, so that nothing has to stand between the pax header and this one.
        let placeholder = format!("GNUSparseFile.0/{}", self.packed.entries);
        header.set_path(placeholder)?;
        header.set_cksum();
        self.packed.entries += 1;
        Ok(self.builder.append(&header, content)?)
    }

    fn device(&mut self, node: &Node, kind: EntryType, name: &[u8]) -> Result<(), BrowseError> {
        let mut header = header(node, kind);
        let (major, minor) = node.device.unwrap_or_default();
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
        self.append(&mut header, name, io::empty())
    }

    fn link(&mut self, node: &Node, kind: EntryType, name: &[u8], target: &[u8]) -> Result<(), BrowseError> {
        let mut header = header(node, kind);
        if target.len() <= TARGET_IN_HEADER {
            header.set_link_name_literal(target)?;
            return self.append(&mut header, name, io::empty());
        }
        self.packed.entries += 1;
        Ok(self.builder.append_link(&mut header, path(name), path(target))?)
    }

    fn append(&mut self, header: &mut Header, name: &[u8], content: impl Read) -> Result<(), BrowseError> {
        self.packed.entries += 1;
        Ok(self.builder.append_data(header, path(name), content)?)
    }

    /// Its other names must not lead to it.
    fn leave_out_linked(&mut self, node: &Node, name: &[u8], error: &BrowseError) -> Result<(), BrowseError> {
        self.linked.remove(&node.handle);
        self.leave_out(name, error)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands where a file would be written, which may fail")]
    fn leave_out(&mut self, name: &[u8], error: &BrowseError) -> Result<(), BrowseError> {
        self.packed.left_out += 1;
        if self.left_out.len() < LEFT_OUT_BYTES_MAXIMUM {
            self.left_out.push_str(&format!("{}: {error}\n", String::from_utf8_lossy(name)));
        }
        Ok(())
    }

    fn tell_left_out(&mut self) -> Result<(), BrowseError> {
        if self.packed.left_out == 0 {
            return Ok(());
        }
        let text =
            format!("{} could not be read and are not in this archive:\n{}", self.packed.left_out, self.left_out);
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        Ok(self.builder.append_data(&mut header, LEFT_OUT, text.as_bytes())?)
    }
}

/// One reader after the other.
struct Chain<I, R> {
    left: I,
    now: Option<R>,
}

impl<R: Read, I: Iterator<Item = R>> Read for Chain<I, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(now) = &mut self.now {
                let read = now.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
            }
            self.now = self.left.next();
            if self.now.is_none() {
                return Ok(0);
            }
        }
    }
}

fn header(node: &Node, kind: EntryType) -> Header {
    fill(Header::new_gnu(), node, kind)
}

fn fill(mut header: Header, node: &Node, kind: EntryType) -> Header {
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(node.mode.into());
    header.set_uid(node.uid.into());
    header.set_gid(node.gid.into());
    // A tar's header has no times before 1970.
    header.set_mtime(u64::try_from(node.modified).unwrap_or(0));
    header
}

fn path(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}
