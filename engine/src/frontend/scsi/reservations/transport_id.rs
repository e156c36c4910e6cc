//! The transport id of an iSCSI initiator port.

use super::super::identity::InitiatorPort;

/// Format 1 (name and ISID) and protocol 5 (iSCSI) in byte 0; length u16 at 2; then name, `,i,0x`, ISID in hexadecimal, a zero
/// byte, and more of them up to a multiple of four.
pub(super) fn transport_id(port: &InitiatorPort) -> Vec<u8> {
    let isid: String = port.isid.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut name = format!("{},i,0x{isid}\0", port.name).into_bytes();
    name.resize(name.len().next_multiple_of(4), 0);
    let mut id = vec![0x45, 0];
    id.extend((name.len() as u16).to_be_bytes());
    id.extend(name);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let port = InitiatorPort { name: "iqn.a:b".into(), isid: [0x80, 0, 0, 0, 0, 0x1f] };
        assert_eq!(transport_id(&port), b"\x45\0\0\x1ciqn.a:b,i,0x80000000001f\0\0\0\0");
    }
}
