//! W21: a volume as a block device.

use aurochs_e2e_k8s::Namespace;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w21_a_block_device_in_the_container() {
    let namespace = Namespace::new("w21");
    namespace.apply("w21-block.yaml");
    let pod = namespace.pod("block-volume-test");
    pod.wait_until_ready();
    let device = "/dev/longhorn/testblk";
    pod.run(&format!("test -b {device}"));
    assert_eq!(pod.run(&format!("blockdev --getsize64 {device}")), (2_u64 << 30).to_string());
    pod.run("dd if=/dev/urandom of=/tmp/data bs=1M count=4");
    pod.run(&format!("dd if=/tmp/data of={device} bs=1M seek=100 conv=fsync,notrunc"));
    pod.run(&format!("dd if={device} bs=1M skip=100 count=4 | cmp - /tmp/data"));
}
