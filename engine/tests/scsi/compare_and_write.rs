//! COMPARE AND WRITE and ORWRITE are one step for everybody else, as far as the unit has to see to it.

use std::sync::Arc;

use aurochs_engine::frontend::scsi::{AdditionalSense, SenseKey, Status};

use crate::Bench;
use crate::initiator::{
    BLOCK, blocks_of, compare_and_write, good, illegal, read_16, refused, run, session, sixteen, write_16,
};

const MISCOMPARE: (SenseKey, AdditionalSense) = (SenseKey::Miscompare, AdditionalSense::MISCOMPARE_DURING_VERIFY);

#[tokio::test]
async fn it_writes_only_where_everything_is_as_expected() {
    let bench = Bench::new().await;
    good(&bench.host, &write_16(0, 3), &blocks_of(1, 3)).await;
    let data = [blocks_of(1, 2), blocks_of(2, 2)].concat();
    good(&bench.host, &compare_and_write(0, 2), &data).await;
    let expected = [blocks_of(2, 2), blocks_of(1, 1)].concat();
    assert_eq!(good(&bench.host, &read_16(0, 3), &[]).await, expected);
    // The second block is another: neither is written.
    let mut data = [blocks_of(2, 2), blocks_of(3, 2)].concat();
    data[BLOCK + 9] = 0;
    let completion = run(&bench.host, &compare_and_write(0, 2), &data).await;
    let sense = completion.sense.unwrap();
    assert_eq!((sense.key, sense.code), MISCOMPARE);
    assert_eq!(sense.encode()[3..7], (BLOCK as u32 + 9).to_be_bytes());
    assert_eq!(good(&bench.host, &read_16(0, 3), &[]).await, expected);
    for wrong in [blocks_of(2, 3), blocks_of(2, 5), blocks_of(2, 0)] {
        let refused = refused(&bench.host, &compare_and_write(0, 2), &wrong).await;
        assert_eq!(refused, illegal(AdditionalSense::INVALID_FIELD_IN_CDB));
    }
    assert_eq!(good(&bench.host, &read_16(0, 3), &[]).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_count_together_lose_no_step() {
    const HOSTS: u8 = 6;
    const STEPS: u64 = 40;
    let bench = Bench::new().await;
    let count = |block: &[u8]| u64::from_be_bytes(block[..8].try_into().unwrap());
    let mut hosts = tokio::task::JoinSet::new();
    for host in 0..HOSTS {
        let unit = Arc::clone(&bench.unit);
        hosts.spawn(async move {
            let host = session(&unit, host + 10).await;
            for _ in 0..STEPS {
                loop {
                    let old = good(&host, &read_16(5, 1), &[]).await;
                    let mut new = old.clone();
                    new[..8].copy_from_slice(&(count(&old) + 1).to_be_bytes());
                    let done = run(&host, &compare_and_write(5, 1), &[old, new].concat()).await;
                    if done.status == Status::Good {
                        break;
                    }
                }
            }
        });
    }
    hosts.join_all().await;
    assert_eq!(count(&good(&bench.host, &read_16(5, 1), &[]).await), u64::from(HOSTS) * STEPS);
}

#[tokio::test]
async fn orwrite_sets_bits_and_clears_none() {
    let bench = Bench::new().await;
    good(&bench.host, &write_16(1, 2), &blocks_of(0xa0, 2)).await;
    good(&bench.host, &sixteen(0x8b, 0, 1, 2), &blocks_of(0x0f, 2)).await;
    good(&bench.host, &sixteen(0x8b, 0, 1, 1), &blocks_of(0, 1)).await;
    assert_eq!(good(&bench.host, &read_16(1, 2), &[]).await, blocks_of(0xaf, 2));
}
