//! FUSE and a loop device, which most kernels have, on the kernel of the other parts.

use crate::file_system::FileSystem;
use crate::setting::Setting;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel without nbd and ublk loaded: make test-kernel"]
async fn a_file_system_lives_on_it() {
    let setting = Setting::new("loop", "lives").await;
    let (engine, device) = setting.attach("fuse-loop").await;
    FileSystem::live(&device, &setting.mount_point()).await;
    setting.node.stop(&engine.name).await;
    setting.end().await;
}
