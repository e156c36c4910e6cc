//! An address of this machine for a server, which can lose its network: then packets to it vanish, as they do on the way to
//! a machine that is off.

use std::process::{Command, Stdio};

use crate::node::run;
use crate::share::Server;

pub(crate) const ADDRESS: &str = "10.9.0.1";
/// Swallows what is sent to it.
const NOWHERE: &str = "dummy0";

/// The address while a server has it. Dropped, it is gone, and its users are in the dark.
pub(crate) struct ServerAddress;

impl ServerAddress {
    pub(crate) async fn new() -> Self {
        let this = Self;
        run("ip", &["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"]).await;
        this
    }
}

impl Server for ServerAddress {
    async fn stop(&mut self) {
        run("modprobe", &["dummy", "numdummies=0"]).await;
        run("ip", &["link", "add", NOWHERE, "type", "dummy"]).await;
        run("ip", &["address", "add", "10.9.0.2/24", "dev", NOWHERE]).await;
        run("ip", &["link", "set", NOWHERE, "up"]).await;
        run("ip", &["address", "del", &format!("{ADDRESS}/32"), "dev", "lo"]).await;
    }

    async fn start(&mut self) {
        run("ip", &["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"]).await;
        run("ip", &["link", "del", NOWHERE]).await;
    }
}

impl Drop for ServerAddress {
    fn drop(&mut self) {
        let address = format!("{ADDRESS}/32");
        for undo in [&["address", "del", &address, "dev", "lo"][..], &["link", "del", NOWHERE]] {
            let _ = Command::new("ip").args(undo).stderr(Stdio::null()).status();
        }
    }
}
