//! NBD URIs (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md>).

use std::fmt::Write;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `nbd+unix:///<export>?socket=<path>`
pub(super) fn of_unix(export: &str, socket: &Path) -> String {
    format!("nbd+unix:///{}?socket={}", escaped(export.as_bytes()), escaped(socket.as_os_str().as_bytes()))
}

/// `nbd://<address>:<port>/<export>`, or `nbds://` for clients that have to start TLS.
pub(super) fn of_tcp(export: &str, address: SocketAddr, needs_tls: bool) -> String {
    let scheme = if needs_tls { "nbds" } else { "nbd" };
    format!("{scheme}://{address}/{}", escaped(export.as_bytes()))
}

/// Percent-encodes all but what RFC 3986 leaves alone, and the slash.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a `String` can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_bytes_are_escaped() {
        assert_eq!(of_unix("vol-1", Path::new("/run/a b&c.sock")), "nbd+unix:///vol-1?socket=/run/a%20b%26c.sock");
        let address = "[::1]:10809".parse().unwrap();
        assert_eq!(of_tcp("vol-1", address, false), "nbd://[::1]:10809/vol-1");
        assert_eq!(of_tcp("vol-1", address, true), "nbds://[::1]:10809/vol-1");
    }
}
