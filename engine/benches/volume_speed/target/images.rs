//! Images full of bytes that do not compress, all the same: first writes and holes would be another measurement.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use rand::{RngCore, SeedableRng};

use crate::server::run;
use crate::workplace::Workplace;

const PIECE: usize = 1 << 20;

pub(crate) struct Images {
    directory: PathBuf,
    size: u64,
}

impl Images {
    pub(crate) fn new(workplace: &Workplace, size: u64) -> Self {
        Self { directory: workplace.directory("images"), size }
    }

    /// A new image, all of it on the disk.
    pub(crate) async fn full(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        let master = self.master(self.size);
        run("cp", [master.as_os_str(), path.as_os_str()]).await;
        run("sync", [&path]).await;
        path
    }

    /// Writes all of a volume.
    pub(crate) async fn fill(&self, nbd_uri: &str) {
        self.fill_first(nbd_uri, self.size).await;
    }

    /// Writes all of a volume of `size` bytes, at most that of the other images.
    pub(crate) async fn fill_first(&self, nbd_uri: &str, size: u64) {
        let master = self.master(size);
        run("nbdcopy", ["--flush".as_ref(), master.as_os_str(), nbd_uri.as_ref()]).await;
    }

    /// What all images hold.
    fn master(&self, size: u64) -> PathBuf {
        let path = self.directory.join(format!("master-{size}"));
        if !path.exists() {
            let mut file = File::create(&path).unwrap();
            let mut random = rand::rngs::SmallRng::seed_from_u64(size);
            let mut piece = vec![0; PIECE];
            for _ in 0..size / PIECE as u64 {
                random.fill_bytes(&mut piece);
                file.write_all(&piece).unwrap();
            }
            file.sync_all().unwrap();
        }
        path
    }
}
