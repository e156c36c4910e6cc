//! How long a replica takes to be built from another one, beside a plain copy of the same files.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::grpc::engine_v1::SnapshotCreateRequest;

use crate::fio;
use crate::record::Rebuild;
use crate::server::run;
use crate::settings::Settings;
use crate::target::volume::{Offer, Spec, Storage, Volume};
use crate::workplace::Workplace;

/// Of the volume; as much data, but for the one with holes, which has half.
const SIZE: u64 = 1 << 30;

/// What the volume holds.
#[derive(Clone, Copy)]
enum Content {
    /// All of it, in so many snapshots and the head, each with its share.
    Dense { snapshots: u64 },
    /// Every other block of 4 KiB.
    Holes,
}

pub(crate) async fn measure(settings: &Settings, workplace: &Workplace) -> Vec<Rebuild> {
    let size = SIZE.min(settings.size());
    let mut rebuilds = Vec::new();
    for (name, content) in [
        ("dense, no snapshot", Content::Dense { snapshots: 0 }),
        ("dense, 3 snapshots", Content::Dense { snapshots: 3 }),
        ("4 KiB data, 4 KiB hole", Content::Holes),
    ] {
        let volume_name = format!("rebuild-{}", rebuilds.len());
        let (storage, offer) = (Storage::Disk, Offer::default());
        let spec = Spec { name: &volume_name, size, copies: 1, storage, offer };
        let mut volume = Volume::start(settings, workplace, &spec).await;
        write(settings, &volume, size, content).await;
        let source = volume.replicas[0].directory.clone();
        let copies = workplace.directory("copies");
        let [copy_s, copy_and_sync_s] = copy(&source, &copies).await.map(|time| time.as_secs_f64());
        forget_pages(&source).await;
        let rebuild_s = volume.rebuild(settings, workplace, &spec).await.as_secs_f64();
        volume.stop().await;
        let bare_write_s = bare_write(&copies.join("bare"), size, content).as_secs_f64();
        remove(&[source.parent().unwrap(), &copies]).await;
        let data_bytes = if matches!(content, Content::Holes) { size / 2 } else { size };
        eprintln!(
            "rebuild of {name}: {rebuild_s:.2} s, copy {copy_s:.2} s, copied and synced {copy_and_sync_s:.2} s, \
             bare write {bare_write_s:.2} s"
        );
        let what = name.to_owned();
        rebuilds.push(Rebuild { what, data_bytes, rebuild_s, copy_s, copy_and_sync_s, bare_write_s });
    }
    rebuilds
}

/// Removes what was measured, and waits until the disk is done with that: where deleted blocks are discarded at once, those
/// of a file with holes keep it busy for minutes, and everything that is measured meanwhile.
async fn remove(directories: &[&Path]) {
    for directory in directories {
        std::fs::remove_dir_all(directory).unwrap();
    }
    let still_there = directories.iter().filter_map(|directory| directory.parent());
    run("sync", ["--file-system".as_ref()].into_iter().chain(still_there.map(Path::as_os_str))).await;
}

/// The least that a rebuild has to do: one thread writes such content into a new file with holes in the way that is the
/// quickest for it, reading nothing, and makes it durable.
fn bare_write(path: &Path, size: u64, content: Content) -> Duration {
    let (flags, data, stride) = match content {
        // Past the page cache.
        Content::Dense { .. } => (nix::libc::O_DIRECT, 1 << 20, 1 << 20),
        // Through it: the kernel writes out many blocks at once.
        Content::Holes => (0, 4 << 10, 8 << 10),
    };
    let mut bytes = AlignedBuf::zeroed(data);
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = (position * 31 + position / 251) as u8;
    }
    let file = OpenOptions::new().write(true).create_new(true).custom_flags(flags).open(path).unwrap();
    let begin = Instant::now();
    file.set_len(size).unwrap();
    for offset in (0..size).step_by(stride) {
        file.write_all_at(&bytes, offset).unwrap();
    }
    file.sync_data().unwrap();
    begin.elapsed()
}

async fn write(settings: &Settings, volume: &Volume, size: u64, content: Content) {
    let (parts, pattern) = match content {
        Content::Dense { snapshots } => (snapshots + 1, ["--rw=write", "--bs=1m"]),
        Content::Holes => (1, ["--rw=write:4k", "--bs=4k"]),
    };
    for part in 0..parts {
        let mut arguments = vec!["--ioengine=nbd".to_owned(), format!("--uri={}", volume.nbd_uri)];
        arguments.extend(
            ["--name=fill", "--iodepth=16", "--thread", "--output-format=json", "--end_fsync=1"].map(str::to_owned),
        );
        arguments.extend(pattern.map(str::to_owned));
        let share = size / parts;
        arguments.extend([
            format!("--offset={}", part * share),
            format!("--size={share}"),
            "--refill_buffers".to_owned(),
        ]);
        fio::run(&fio::program(settings), &arguments).await;
        if part + 1 < parts {
            let request = SnapshotCreateRequest { name: format!("s{part}"), ..SnapshotCreateRequest::default() };
            volume.client.clone().snapshot_create(request).await.unwrap();
        }
    }
}

/// Copies all images of a replica: until `cp` has ended, and until the copies are on the disk.
async fn copy(source: &Path, copies: &Path) -> [Duration; 2] {
    let entries = std::fs::read_dir(source).unwrap().flatten().map(|entry| entry.path());
    let images: Vec<_> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "img")).collect();
    forget_pages(source).await;
    let begin = Instant::now();
    let arguments = std::iter::once("--sparse=always".as_ref()).chain(images.iter().map(|path| path.as_os_str()));
    run("cp", arguments.chain([copies.as_os_str()])).await;
    let copied = begin.elapsed();
    run("sync", std::fs::read_dir(copies).unwrap().flatten().map(|entry| entry.path())).await;
    [copied, begin.elapsed()]
}

/// Nobody reads these files from memory: the one that comes first would pay for the other.
async fn forget_pages(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let of = format!("of={}", entry.path().display());
        run("dd", ["if=/dev/null", &of, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"]).await;
    }
}
