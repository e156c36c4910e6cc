//! What a power cut leaves of writes that had not ended, on the file systems replicas live on.
//!
//! Such a write leaves an unwritten extent, which is made here with `fallocate`; a write that is killed with the host cannot
//! be had here. Needs root: the disks are image files mounted through loop devices.

use std::fs;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

use super::super::{OpenOptions, Replica};
use super::mounted::Disk;
use super::{BLOCK, Scratch, filled, head_bytes, put, take};
use crate::disk::BLOCK_SIZE;
use crate::disk::image::{Access, ImageFile};
use crate::offline::{self, FindingKind, LayerReader, Survey, Wanted};

/// The file systems of the tests: with the blocks that replicas mostly have, and with smaller ones.
const FILE_SYSTEMS: [(&str, &[&str]); 3] =
    [("mkfs.ext4", &["-q", "-b", "4096"]), ("mkfs.ext4", &["-q", "-b", "1024"]), ("mkfs.xfs", &["-q"])];

/// A replica of 16 blocks; the snapshot `s` holds blocks 0 to 7, all flushed.
struct Volume {
    dir: PathBuf,
}

impl Volume {
    fn on(root: &Path) -> Self {
        let volume = Self { dir: root.join("replica") };
        Replica::create(&volume.dir, 16 * BLOCK_SIZE, OpenOptions::default()).unwrap();
        let replica = volume.open();
        put(&replica, 0, 8, 1);
        take(&replica, "s");
        replica.close().unwrap();
        volume
    }

    fn open(&self) -> Replica {
        Replica::open(&self.dir, OpenOptions::default()).unwrap()
    }

    fn head(&self) -> PathBuf {
        head_of(&self.dir)
    }

    /// What the first two steps of a direct write leave.
    fn leave_unwritten(&self, bytes: std::ops::Range<usize>) {
        let head = fs::File::options().write(true).open(self.head()).unwrap();
        let length = (bytes.end - bytes.start) as i64;
        fallocate(&head, FallocateFlags::FALLOC_FL_KEEP_SIZE, bytes.start as i64, length).unwrap();
        head.sync_all().unwrap();
    }

    fn unwritten_blocks(&self) -> u64 {
        unwritten_extents(&self.dir).iter().sum::<u64>() / BLOCK_SIZE
    }

    fn state(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.dir.join("aurochs.state")).unwrap()).unwrap()
    }

    fn change_state(&self, change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
        let mut state = self.state();
        change(state.as_object_mut().unwrap());
        fs::write(self.dir.join("aurochs.state"), state.to_string()).unwrap();
    }

    fn another_boot(&self) {
        self.change_state(|state| drop(state.insert("boot_id".into(), "another".into())));
    }

    /// What an export of the head shows, a byte for each block, and whether unfinished writes are told.
    fn offline(&self) -> (Vec<u8>, bool) {
        use crate::image_format::ImageSource;
        let survey = Survey::of(&self.dir).unwrap();
        let structure = offline::Structure::of(&survey);
        let told = structure.findings.iter().any(|finding| finding.kind == FindingKind::UnfinishedWrites);
        let mut reader = LayerReader::open(&survey, &structure, &Wanted::Head).unwrap();
        let mut content = crate::disk::AlignedBuf::zeroed(16 * BLOCK);
        reader.read(0, content.padded_mut()).unwrap();
        (content.chunks(BLOCK).map(|block| block[0]).collect(), told)
    }
}

fn head_of(dir: &Path) -> PathBuf {
    let meta: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("volume.meta")).unwrap()).unwrap();
    dir.join(meta["Head"].as_str().unwrap())
}

/// Bytes of each unwritten extent of a replica's head.
pub(super) fn unwritten_extents(dir: &Path) -> Vec<u64> {
    let head = ImageFile::open(&head_of(dir), Access::ReadOnly).unwrap();
    let mut found = Vec::new();
    head.for_each_extent(0, head.size().unwrap(), |extent| {
        found.extend(extent.unwritten.then_some(extent.length));
        true
    })
    .unwrap();
    found
}

fn on_each_file_system(test: impl Fn(&Volume)) {
    for (mkfs, options) in FILE_SYSTEMS {
        let Some(disk) = Disk::mounted(mkfs, options, 320 << 20) else { return };
        eprintln!("{mkfs} {options:?}");
        test(&Volume::on(disk.path()));
    }
}

#[test]
fn flushed_data_shows_again_under_a_write_that_had_not_ended() {
    on_each_file_system(|volume| {
        let replica = volume.open();
        put(&replica, 0, 1, 2);
        replica.write_zeroes(BLOCK as u64, BLOCK as u64, false).unwrap();
        replica.write_zeroes(2 * BLOCK as u64, BLOCK as u64, true).unwrap();
        replica.write_zeroes(9 * BLOCK as u64, BLOCK as u64, false).unwrap();
        replica.flush().unwrap();
        replica.abandon();
        volume.leave_unwritten(4 * BLOCK..6 * BLOCK);
        volume.leave_unwritten(10 * BLOCK..12 * BLOCK);
        volume.another_boot();
        let expected = [2, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(volume.offline(), (expected.to_vec(), true));
        assert_eq!(volume.unwritten_blocks(), 5, "looking at it changed nothing");

        let replica = volume.open();
        assert_eq!(head_bytes(&replica), expected);
        assert_eq!(volume.unwritten_blocks(), 3, "what hides nothing reads the same either way");
        put(&replica, 5, 1, 3);
        replica.close().unwrap();
        assert_eq!(head_bytes(&volume.open())[..8], [2, 0, 0, 1, 1, 3, 1, 1]);
    });
}

#[test]
fn a_block_of_which_a_part_was_written_shows_what_it_held() {
    let Some(disk) = Disk::mounted("mkfs.ext4", &["-q", "-b", "1024"], 64 << 20) else { return };
    let volume = Volume::on(disk.path());
    volume.open().abandon();
    volume.leave_unwritten(4 * BLOCK..6 * BLOCK);
    let head = fs::File::options().write(true).open(volume.head()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&head, &[9; 1024], 4 * BLOCK_SIZE + 1024).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&head, &[9; BLOCK], 5 * BLOCK_SIZE).unwrap();
    head.sync_all().unwrap();
    drop(head);
    assert_eq!(head_bytes(&volume.open())[..8], [1, 1, 1, 1, 1, 9, 1, 1]);
}

#[test]
fn a_directory_that_was_closed_and_heads_of_others_stay_as_they_are() {
    on_each_file_system(|volume| {
        let zeros = [1, 1, 1, 1, 0, 0, 1, 1];
        // Longhorn's head, as it sees it: no state of ours.
        volume.open().abandon();
        volume.leave_unwritten(4 * BLOCK..6 * BLOCK);
        fs::remove_file(volume.dir.join("aurochs.state")).unwrap();
        assert_eq!(volume.offline().0[..8], zeros);
        for _ in 0..2 {
            assert_eq!(head_bytes(&volume.open())[..8], zeros, "also at the open after that");
        }
        // The head of an older program of ours.
        volume.change_state(|state| drop(state.remove("zeros_written")));
        assert_eq!(head_bytes(&volume.open())[..8], zeros);
        // Closed by whoever made them.
        volume.open().close().unwrap();
        volume.change_state(|state| drop(state.insert("zeros_written".into(), true.into())));
        assert_eq!(volume.offline(), ([&zeros[..], &[0; 8]].concat(), false));
        assert_eq!(head_bytes(&volume.open())[..8], zeros);
        assert_eq!(volume.unwritten_blocks(), 2);
        assert_eq!(volume.state()["zeros_written"], false);

        // The next head is ours.
        let replica = volume.open();
        take(&replica, "t");
        assert_eq!(volume.state()["zeros_written"], true);
        replica.abandon();
        volume.leave_unwritten(0..BLOCK);
        assert_eq!(head_bytes(&volume.open())[..8], zeros, "what the snapshot holds");
    });
}

#[test]
fn a_head_of_longhorn_without_unwritten_extents_is_safe_from_the_first_open() {
    on_each_file_system(|volume| {
        fs::remove_file(volume.dir.join("aurochs.state")).unwrap();
        volume.open().abandon();
        volume.leave_unwritten(0..BLOCK);
        assert_eq!(head_bytes(&volume.open())[0], 1);
    });
}

#[test]
fn a_failed_write_hides_nothing() {
    let scratch = Scratch::new(16);
    let replica = scratch.open();
    put(&replica, 0, 8, 1);
    take(&replica, "s");
    put(&replica, 2, 1, 2);
    let failed = replica.shared(|structure| {
        structure.head.taking(0..4, |image| {
            // Blocks 0 and 1 were reserved when the disk failed.
            image.reserve_zeros(0, 2 * BLOCK_SIZE)?;
            Err(crate::disk::DiskError {
                what: "write",
                path: scratch.dir.clone(),
                source: std::io::Error::from_raw_os_error(nix::libc::EIO),
            })
        })
    });
    failed.unwrap_err();
    assert_eq!(head_bytes(&replica)[..4], [1, 1, 2, 1]);
    replica.write(0, &filled(3, BLOCK)).unwrap();
    replica.close().unwrap();
    assert_eq!(head_bytes(&scratch.open())[..4], [3, 1, 2, 1]);
}
