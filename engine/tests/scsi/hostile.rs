//! Whatever a host sends is answered, and nothing it sends breaks the unit for others.

use aurochs_engine::frontend::scsi::{MAX_TRANSFER_BYTES, Status};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::Bench;
use crate::initiator::{blocks_of, cdb, good, run, session, write_16};

#[test]
fn random_commands_are_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let opcodes = runtime.block_on(async {
        let list = good(&bench.host, &[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0], &[]).await;
        list[4..].chunks(8).map(|descriptor| descriptor[0]).collect::<Vec<_>>()
    });
    // Mostly small numbers, so that many commands are good ones.
    let byte = prop_oneof![6 => Just(0u8), 2 => 0u8..32, 1 => any::<u8>()];
    let bytes = (prop::sample::select(opcodes), prop::array::uniform15(byte.clone()));
    let data = prop::collection::vec(byte, 0..3000);
    let random = TestRunner::new(config).run(&(bytes, data), |((opcode, rest), data)| {
        let mut bytes = [0; 16];
        bytes[0] = opcode;
        bytes[1..].copy_from_slice(&rest);
        let completion = runtime.block_on(run(&bench.host, &bytes, &data));
        prop_assert_eq!(completion.sense.is_some(), completion.status == Status::CheckCondition);
        prop_assert!(bench.host.data_out_length(&cdb(&bytes)) <= MAX_TRANSFER_BYTES);
        prop_assert!(completion.data_in.as_ref().len() as u64 <= MAX_TRANSFER_BYTES);
        Ok(())
    });
    random.unwrap();
    // A session that comes after all that can take the unit over and write.
    runtime.block_on(async {
        bench.unit.reset(None);
        let host = session(&bench.unit, 2).await;
        let register = [&[0; 8][..], &7u64.to_be_bytes(), &[0; 8]].concat();
        good(&host, &[0x5f, 6, 0, 0, 0, 0, 0, 0, 24, 0], &register).await;
        let clear = [&7u64.to_be_bytes()[..], &[0; 16]].concat();
        good(&host, &[0x5f, 3, 0, 0, 0, 0, 0, 0, 24, 0], &clear).await;
        good(&host, &write_16(0, 1), &blocks_of(1, 1)).await;
    });
}
