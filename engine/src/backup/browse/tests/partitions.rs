//! Partition tables, and what is no file system.

use fatfs::FatType;

use super::super::{BrowseError, Browser, Cancel};
use super::{Image, content, fat, open_bytes};

fn mbr_entry(disk: &mut [u8], table: usize, index: usize, kind: u8, first: u32, count: u32) {
    let entry = &mut disk[table + 446 + 16 * index..][..16];
    entry[4] = kind;
    entry[8..12].copy_from_slice(&first.to_le_bytes());
    entry[12..16].copy_from_slice(&count.to_le_bytes());
    disk[table + 510..table + 512].copy_from_slice(&[0x55, 0xaa]);
}

fn with_number(disk: &[u8], number: Option<u32>) -> Result<Browser, BrowseError> {
    Browser::open(Box::new(Image::Bytes(disk.to_vec())), number, &Cancel::default())
}

#[test]
fn partitions_of_an_mbr_are_numbered_as_linux_does() {
    let image = fat::make(FatType::Fat12, 1 << 20);
    let mut disk = vec![0; 8 << 20];
    let sectors = u32::try_from(image.len() / 512).unwrap();
    mbr_entry(&mut disk, 0, 1, 0x83, 2048, sectors);
    disk[2048 * 512..][..image.len()].copy_from_slice(&image);
    let only = with_number(&disk, None).unwrap();
    assert_eq!((only.partition(), content(&only, "/README.TXT")), (Some(2), b"hello\n".to_vec()));

    // An extended partition with two logical ones, of which the second has a file system.
    mbr_entry(&mut disk, 0, 2, 0x0f, 6000, 10_000);
    mbr_entry(&mut disk, 6000 * 512, 0, 0x83, 100, 1000);
    mbr_entry(&mut disk, 6000 * 512, 1, 0x05, 2000, 4000);
    mbr_entry(&mut disk, 8000 * 512, 0, 0x83, 100, sectors);
    disk[8100 * 512..][..image.len()].copy_from_slice(&image);
    assert_eq!(content(&with_number(&disk, Some(6)).unwrap(), "/README.TXT"), b"hello\n");
    let several = with_number(&disk, None).err().unwrap();
    assert!(several.to_string().contains("2 (FAT") && several.to_string().contains("6 (FAT"), "{several}");
    assert!(matches!(with_number(&disk, Some(5)).err(), Some(BrowseError::NoFileSystem(_))));
    assert!(matches!(with_number(&disk, Some(7)).err(), Some(BrowseError::NoPartition { .. })));

    // The chain leads back to itself.
    mbr_entry(&mut disk, 6000 * 512, 1, 0x05, 0xffff_ffff, 1);
    mbr_entry(&mut disk, 8000 * 512, 1, 0x05, 2000, 1);
    assert!(with_number(&disk, Some(2)).is_ok());
}

#[test]
fn a_gpt_is_read_in_both_sizes_of_sectors() {
    let image = fat::make(FatType::Fat12, 1 << 20);
    for sector in [512_usize, 4096] {
        let mut disk = vec![0; 4 << 20];
        mbr_entry(&mut disk, 0, 0, 0xee, 1, u32::MAX);
        let header = &mut disk[sector..][..92];
        header[..8].copy_from_slice(b"EFI PART");
        header[72..80].copy_from_slice(&2_u64.to_le_bytes());
        header[80..84].copy_from_slice(&128_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        let (first, count) = ((1 << 20) / sector, image.len() / sector);
        let entry = &mut disk[2 * sector + 128..][..128];
        entry[..16].fill(7);
        entry[32..40].copy_from_slice(&(first as u64).to_le_bytes());
        entry[40..48].copy_from_slice(&((first + count - 1) as u64).to_le_bytes());
        disk[1 << 20..][..image.len()].copy_from_slice(&image);
        let browser = open_bytes(disk).unwrap();
        assert_eq!((browser.partition(), content(&browser, "/README.TXT")), (Some(2), b"hello\n".to_vec()));
    }
}

#[test]
fn what_can_not_be_browsed_is_named() {
    let said = |place: usize, mark: &[u8]| {
        let mut disk = vec![0; 1 << 20];
        disk[place..place + mark.len()].copy_from_slice(mark);
        open_bytes(disk).err().unwrap()
    };
    assert!(matches!(said(0, b"LUKS\xba\xbe\0\x02"), BrowseError::Encrypted("LUKS")));
    let xfs = said(0, b"XFSB");
    assert!(
        matches!(xfs, BrowseError::Unsupported { .. }) && xfs.to_string().contains("xfs can't be browsed yet"),
        "{xfs}"
    );
    assert!(said(4086, b"SWAPSPACE2").to_string().contains("swap"));
    assert!(said(0x10040, b"_BHRfS_M").to_string().contains("btrfs"));
    assert!(said(900_000, b"x").to_string().contains("nothing was written"));
    assert!(said(5, b"x").to_string().contains("not known"));
    assert!(matches!(open_bytes(Vec::new()).err(), Some(BrowseError::NoFileSystem(_))));
}
